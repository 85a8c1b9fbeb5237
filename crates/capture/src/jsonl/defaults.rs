//! What a line means when a person leaves something out.
//!
//! Two kinds of defaults: fixed ones (a file without a mode has 0644), which the writer leaves out again, and those
//! that follow from earlier lines (the comm of a process is what it was), which the writer always writes, so that
//! lines can be cut out of a converted capture without changing the others.

use std::collections::HashMap;
use std::sync::Arc;

use event::{File, Host, PathState, ProcessKey, Task, Text};

/// Time between two events when the lines have none.
const STEP_NS: u64 = 1_000_000;
/// Time of the first event when its line has none.
const FIRST_NS: u64 = 1_000_000_000;
/// When processes started that ran before the capture.
pub(crate) const KNOWN_START_NS: u64 = 1_000_000;

/// The host of a capture that names none: boot-time 0 is the start of the year 2026.
pub(crate) fn host() -> Host {
    Host {
        boot_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        hostname: "localhost".to_owned(),
        kernel: "6.1.0".to_owned(),
        wall_offset_ns: 1_767_225_600_000_000_000,
    }
}

/// What a file is to the line it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Something was done with it.
    Reached,
    /// The call failed: only the path that was asked for is known.
    NotReached,
    /// It is a program.
    Program,
}

impl Role {
    /// The role of a file of a call with this result.
    pub(crate) fn of_result(retval: i32) -> Self {
        if retval < 0 { Self::NotReached } else { Self::Reached }
    }
}

/// A file of which only the path is given.
pub(crate) fn file(path: Text, role: Role) -> File {
    let mode = match role {
        Role::NotReached => return File { path, path_state: PathState::Argument, ..File::default() },
        Role::Reached => 0o100_644,
        Role::Program => 0o100_755,
    };
    File {
        inode: number(path.as_bytes()).into(),
        mode,
        nlink: 1,
        filesystem: Text::from("ext4"),
        path,
        ..File::default()
    }
}

/// A number that is the same for the same name and different for most others, never 0: inodes and cgroup ids.
pub(crate) fn number(name: &[u8]) -> u32 {
    crc32fast::hash(name).max(1)
}

/// What the lines so far say about the processes and the time.
#[derive(Debug, Default)]
pub(crate) struct Context {
    tasks: HashMap<u32, Arc<Task>>,
    last_ns: Option<u64>,
}

impl Context {
    /// The time of the next event.
    pub(crate) fn next_ns(&self) -> u64 {
        self.last_ns.map_or(FIRST_NS, |last| last.saturating_add(STEP_NS))
    }

    /// The task of `pid` as the last line about it left it.
    pub(crate) fn task(&self, pid: u32) -> Option<&Arc<Task>> {
        self.tasks.get(&pid)
    }

    /// Identity of the process `pid`, when an earlier line named it.
    pub(crate) fn key(&self, pid: u32) -> Option<ProcessKey> {
        self.task(pid).map(|task| task.process)
    }

    /// Remembers an event: when it was.
    pub(crate) fn passed(&mut self, boot_ns: u64) {
        self.last_ns = Some(boot_ns);
    }

    /// Remembers the task, shared when nothing changed.
    pub(crate) fn remember(&mut self, task: Task) -> Arc<Task> {
        let slot = self.tasks.entry(task.process.tgid).or_default();
        if **slot != task {
            *slot = Arc::new(task);
        }
        Arc::clone(slot)
    }

    /// The process ended; its pid may come again for another.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.tasks.remove(&pid);
    }
}
