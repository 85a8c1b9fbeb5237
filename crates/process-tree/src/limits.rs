//! What a tree may hold.

use std::num::NonZeroUsize;
use std::time::Duration;

/// What a tree may hold. At a limit the processes that were quiet for longest are forgotten; their descendants keep
/// their lineage.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Processes, living and just ended.
    pub max_processes: NonZeroUsize,
    /// Memory of all runs with their strings.
    pub max_bytes: NonZeroUsize,
    /// Ancestors kept per run; a longer lineage is cut to its nearest half and says so.
    pub max_depth: NonZeroUsize,
    /// How long an ended process is kept for events that arrive late.
    pub keep_ended: Duration,
    /// How many ended processes are kept at most.
    pub max_ended: NonZeroUsize,
}

impl Default for Limits {
    /// 65 536 processes in 128 MiB, 128 ancestors; of ended processes 8192 for two seconds.
    fn default() -> Self {
        let count = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            max_processes: count(65_536),
            max_bytes: count(128 << 20),
            max_depth: count(128),
            keep_ended: Duration::from_secs(2),
            max_ended: count(8192),
        }
    }
}
