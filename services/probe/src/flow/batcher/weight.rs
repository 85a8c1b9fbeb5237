//! What events weigh, and which of them are lifecycle.

use event::{Event, Exec, File, Kind, Ring, Shared, Strings};

/// What an event weighs in memory, roughly.
#[must_use]
pub fn event_bytes(event: &Event) -> usize {
    let task = size_of::<event::Task>() + event.task.comm.len();
    let mut bytes = size_of::<Event>() + task;
    event.what.each_shared(|part| {
        bytes += match part {
            Shared::File(file) => file_bytes(file),
            Shared::Program(exec) => exec_bytes(exec),
            Shared::Text(text) => text.len(),
        };
    });
    bytes
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
