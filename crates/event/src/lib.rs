//! The domain: what a workload did, as every part of Shrike understands it.
//!
//! Plain data, shared by reference count. No I/O, no clock, no serde, no wire or JSON shape: `wire` and
//! `event-json` own their contracts and convert. Invariant: an [`Event`] stays small (see its test), because
//! batches of them are what the actors pass around.

mod accounting;
mod address;
mod credentials;
mod file;
mod flags;
mod kinds;
mod leaf;
pub mod model;
mod names;
mod parts;
mod per_kind;
mod process;
mod scope;
mod text;
mod workload;

pub use accounting::{Ledger, LossCause, Losses, NotObserved, ProbeCounters, Unwanted, WorkloadLoss};
pub use address::{Address, AddressState, Endpoint, FAMILIES};
pub use credentials::Credentials;
pub use file::{File, Layer, PathState};
pub use flags::{Flags, RENAME_FLAGS, UNLINK_FLAGS};
pub use kinds::*;
pub use leaf::{Builder, Field, Leaf, Visitor};
pub use names::{Names, PROTOCOLS};
pub use parts::Shared;
pub use per_kind::PerKind;
pub use process::{
    Exec, ExecKind, KnownProcess, Lineage, Namespaces, ProcessKey, Run, Source, Strings, Task,
};
pub use scope::{ScopeError, ScopeRule};
pub use text::Text;
pub use workload::{Cgroup, Runtime, Workload};

use std::sync::Arc;

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

impl Event {
    /// The kind of this event.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.what.kind()
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

    /// Too many crates depend on a format for `deny.toml` to list those that may.
    #[test]
    fn the_domain_depends_on_no_format() {
        let manifest = include_str!("../Cargo.toml").lines();
        let own = manifest.skip_while(|line| *line != "[dependencies]").skip(1);
        let own: Vec<&str> = own.take_while(|line| !line.is_empty()).collect();
        assert_eq!(own, ["thiserror.workspace = true"]);
    }
}
