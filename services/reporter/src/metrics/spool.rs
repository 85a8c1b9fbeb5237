//! The counters of a spool.

use bootstrap::counters::{Counter, Registry};

/// What a spool did and holds.
#[derive(Debug, Clone)]
pub(crate) struct SpoolMetrics {
    /// Payloads that are in it and not delivered.
    pub(crate) payloads: Counter,
    /// Bytes on disk.
    pub(crate) bytes: Counter,
    /// Bytes that it may take.
    pub(crate) limit_bytes: Counter,
    /// 1 while it cannot write and what comes is kept in memory.
    pub(crate) memory_up: Counter,
    /// Payloads that were written.
    pub(crate) written: Counter,
    /// Payloads that were read back because memory did not hold them.
    pub(crate) loaded: Counter,
    /// Payloads that a start found.
    pub(crate) resumed: Counter,
    /// Times that everything written before was made durable.
    pub(crate) commits: Counter,
    /// Writes that failed and were tried again.
    pub(crate) failures: Counter,
}

impl SpoolMetrics {
    /// The counters of the spool of this destination.
    pub(crate) fn new(registry: &Registry, destination: &str) -> Self {
        let label = [("destination", destination)];
        Self {
            payloads: registry.counter("reporter_spool_payloads", &label),
            bytes: registry.counter("reporter_spool_bytes", &label),
            limit_bytes: registry.counter("reporter_spool_limit_bytes", &label),
            memory_up: registry.counter("reporter_spool_memory_up", &label),
            written: registry.counter("reporter_spool_written_total", &label),
            loaded: registry.counter("reporter_spool_loaded_total", &label),
            resumed: registry.counter("reporter_spool_resumed_total", &label),
            commits: registry.counter("reporter_spool_commits_total", &label),
            failures: registry.counter("reporter_spool_failures_total", &label),
        }
    }
}
