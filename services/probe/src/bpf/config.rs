//! What is to be loaded, and for which processes.

use event::Kind;

/// Which processes are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those in cgroups that [`Sensor::decide`](super::Sensor::decide) did not exclude: a new cgroup is watched until
    /// then.
    Containers,
    /// Those in one cgroup and its descendants.
    Cgroup {
        /// Ids of the cgroup (first) and of the descendants it has already. Later ones are added in the kernel.
        ids: Vec<u64>,
    },
    /// All.
    Host,
}

/// What to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensorConfig {
    /// Which processes are watched.
    pub scope: Scope,
    /// Size of the ring for the process lifecycle; rounded up to a power of two of pages.
    pub never_drop_bytes: usize,
    /// Size of the ring for arguments and environment; rounded up to a power of two of pages.
    pub strings_bytes: usize,
    /// Size of the ring for files; rounded up to a power of two of pages.
    pub bulk_bytes: usize,
    /// The kinds to watch; hooks of others are not loaded.
    pub kinds: Vec<Kind>,
}

impl SensorConfig {
    /// Every hook with a scope in which nothing is, and rings as small as can be: to try what this kernel allows.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self {
            scope: Scope::Cgroup { ids: Vec::new() },
            never_drop_bytes: 0,
            strings_bytes: 0,
            bulk_bytes: 0,
            kinds: Kind::ALL.to_vec(),
        }
    }
}
