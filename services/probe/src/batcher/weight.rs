//! What events weigh, and which of them are lifecycle.

use std::sync::Arc;

use event::{Event, Exec, ExitStatus, Field, File, Flags, Kind, ProcessKey, Ring, Strings, Visitor};

/// What an event weighs in memory, roughly.
#[must_use]
pub fn event_bytes(event: &Event) -> usize {
    let task = size_of::<event::Task>() + event.task.comm.len();
    let mut bytes = Bytes(size_of::<Event>() + task);
    event.what.visit(&mut bytes);
    bytes.0
}

/// Adds up what an event shares with others.
struct Bytes(usize);

impl<'a> Visitor<'a> for Bytes {
    fn file(&mut self, _: &'static Field, file: &'a Arc<File>) {
        self.0 += file_bytes(file);
    }

    fn program(&mut self, _: &'static Field, exec: &'a Arc<Exec>) {
        self.0 += exec_bytes(exec);
    }

    fn process(&mut self, _: &'static Field, _: ProcessKey) {}

    fn status(&mut self, _: &'static Field, _: ExitStatus) {}

    fn flags(&mut self, _: &'static Field, _: &'static Flags, _: u32) {}

    fn mode(&mut self, _: &'static Field, _: u32) {}

    fn descriptor(&mut self, _: &'static Field, _: i32) {}

    fn errno(&mut self, _: &'static Field, _: i32) {}
}

/// What a program image weighs in memory, roughly.
#[must_use]
pub fn exec_bytes(exec: &Exec) -> usize {
    size_of::<Exec>()
        + file_bytes(&exec.executable)
        + exec.script.as_deref().map_or(0, file_bytes)
        + strings_bytes(&exec.args)
        + strings_bytes(&exec.envs)
}

fn file_bytes(file: &File) -> usize {
    size_of::<File>() + file.path.len()
}

fn strings_bytes(strings: &Strings) -> usize {
    // A reference, the two counts beside the bytes, the bytes.
    strings.items.iter().map(|item| 2 * size_of::<usize>() + 16 + item.len()).sum()
}

/// True for the kinds that are dropped last.
#[must_use]
pub fn is_lifecycle(kind: Kind) -> bool {
    kind.ring() == Ring::NeverDrop
}
