//! The domain: what a workload did, as every part of Shrike understands it.
//!
//! Plain data, shared by reference count. No I/O, no clock, no serde, no wire or JSON shape: `wire` and
//! `event-json` own their contracts and convert. Invariant: an [`Event`] stays small (see its test), because
//! batches of them are what the actors pass around.

mod accounting;
mod credentials;
mod file;
mod process;
mod scope;
mod text;
mod workload;

pub use accounting::{Ledger, LossCause, Losses, NotObserved, PerKind, ProbeCounters, WorkloadLoss};
pub use credentials::Credentials;
pub use file::{File, Layer, PathState};
pub use process::{
    Exec, ExecKind, Image, KnownProcess, Lineage, Namespaces, ProcessKey, Source, Strings, Task,
};
pub use scope::{ScopeError, ScopeRule};
pub use text::Text;
pub use workload::{Cgroup, Runtime, Workload};

use std::sync::Arc;

/// The kinds of events a probe reports. The discriminants are those of `ebpf/include/probe/events.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A process replaced its program image.
    Exec = 1,
    /// A process was created (threads are not events).
    Fork = 2,
    /// The last thread of a process ended.
    Exit = 3,
    /// A file was opened, or an attempt failed.
    Open = 4,
}

impl Kind {
    /// Every kind, in discriminant order.
    pub const ALL: [Self; 4] = [Self::Exec, Self::Fork, Self::Exit, Self::Open];

    /// The name used in the event JSON (`evt.name`), in rules, metrics and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Exit => "exit",
            Self::Open => "open",
        }
    }

    /// The kind with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Position in [`Kind::ALL`], for tables indexed by kind.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize - 1
    }
}

/// One thing a workload did, with the state of the acting task at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened: nanoseconds of the boot-time clock of its host (`CLOCK_BOOTTIME`).
    pub boot_ns: u64,
    /// The acting task. For `Fork` it is the child, for `Exec` the task after the exec.
    pub task: Arc<Task>,
    /// What happened.
    pub what: What,
}

/// What happened. Variants stay small; long parts are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The task runs a new program image.
    Exec(Arc<Exec>),
    /// The task was created by `parent`.
    Fork {
        /// The process that is the parent of the new one (not always the caller: `CLONE_PARENT`).
        parent: ProcessKey,
    },
    /// The process of the task ended.
    Exit(ExitStatus),
    /// The task opened a file, or failed to.
    Open(Open),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Called exit with this code (0–255).
    Exited(u8),
    /// Ended by this signal.
    Signaled(u8),
    /// Ended by this signal, and a core was dumped.
    CoreDumped(u8),
}

/// The result of open, openat, openat2 or creat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The opened file; after a failure only the path as it was asked for (see [`PathState`]).
    pub file: Arc<File>,
    /// Open flags (`O_*` of the host architecture).
    pub flags: u32,
    /// Mode argument; meaningful with `O_CREAT` or `O_TMPFILE`.
    pub mode: u32,
    /// The descriptor, or the negative errno.
    pub retval: i32,
}

impl Event {
    /// The kind of this event.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.what {
            What::Exec(_) => Kind::Exec,
            What::Fork { .. } => Kind::Fork,
            What::Exit(_) => Kind::Exit,
            What::Open(_) => Kind::Open,
        }
    }
}

/// The host events come from. Sent once per stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// `/proc/sys/kernel/random/boot_id`; with a [`ProcessKey`] it identifies a process across reboots.
    pub boot_id: String,
    /// Host name as the probe sees it.
    pub hostname: String,
    /// Kernel release (`uname -r`).
    pub kernel: String,
    /// `CLOCK_REALTIME − CLOCK_BOOTTIME` in nanoseconds: add it to `boot_ns` to get the time since the epoch.
    pub wall_offset_ns: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stays_small_enough_to_pass_in_batches() {
        assert!(size_of::<Event>() <= 64, "{}", size_of::<Event>());
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_index() {
        for (position, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
            assert_eq!(kind.index(), position);
        }
    }
}
