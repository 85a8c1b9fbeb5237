//! Every counter of the probe that is not part of the exact accounting of events.

use bootstrap::counters::{Counter, Registry};
use wire::v1;

/// Counts refused connections, by why.
pub const REFUSED: &str = "probe_server_refused_total";

/// The counters; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Times the drain loop ran.
    pub drains: Counter,
    /// Records that were taken out of the rings.
    pub records: Counter,
    /// Records that could not be decoded.
    pub undecodable: Counter,
    /// Events that came after newer ones had been passed on.
    pub late: Counter,
    /// Records that are not events, lost in the kernel.
    pub kernel_lost_other: Counter,
    /// Runs of a hook that the kernel skipped.
    pub kernel_missed_runs: Counter,
    /// Times that the kernel did not say of a program how many.
    pub kernel_missed_runs_unread: Counter,
    /// Decisions about a control group that the kernel's scope filter had no room for.
    pub scope_decisions_refused: Counter,
    /// Batches encoded.
    pub batches: Counter,
    /// Bytes of them.
    pub batch_bytes: Counter,
    /// Batches rewritten without some of their events because the backlog was full.
    pub batches_rewritten: Counter,
    /// Batches that wait, now.
    pub backlog_batches: Counter,
    /// Bytes of them, now.
    pub backlog_bytes: Counter,
    /// Events that an acknowledgement claimed and that its batches did not hold.
    pub overclaimed: Counter,
    /// Processes in the table, now.
    pub table_processes: Counter,
    /// Processes not kept because the table was full.
    pub table_refused: Counter,
    /// Images kept without arguments because the table was too heavy.
    pub table_stripped: Counter,
    /// Processes removed from the table because they had ended without being seen.
    pub table_reconciled: Counter,
    /// Records of the state that could not be read or made no sense.
    pub state_damaged: Counter,
    /// Records of the state that could not be written.
    pub state_unwritten: Counter,
    /// Control groups known, now.
    pub cgroups: Counter,
    /// Control groups not remembered because there were too many.
    pub cgroups_refused: Counter,
    /// Events whose control group could not be found.
    pub cgroups_unresolved: Counter,
    /// Walks through the cgroup file systems.
    pub cgroup_scans: Counter,
    /// Processes that came into scope from outside.
    pub entered: Counter,
    /// Analyzers that connected.
    pub sessions: Counter,
    /// Connections refused because they do not speak this protocol.
    pub refused_protocol: Counter,
    /// Connections refused because a living analyzer has the place.
    pub refused_taken: Counter,
    /// Times that an analyzer said what it wants, after its hello.
    pub wishes: Counter,
    /// Connections replaced by a newer one.
    pub replaced: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::default();
        let plain = |name| registry.counter(name, &[]);
        let refused = |why| registry.counter(REFUSED, &[("why", why)]);
        Self {
            drains: plain("probe_drain_runs_total"),
            records: plain("probe_drain_records_total"),
            undecodable: plain("probe_drain_undecodable_total"),
            late: plain("probe_order_late_total"),
            kernel_lost_other: plain("probe_kernel_lost_other_total"),
            kernel_missed_runs: plain("probe_kernel_missed_runs_total"),
            kernel_missed_runs_unread: plain("probe_kernel_missed_runs_unread_total"),
            scope_decisions_refused: plain("probe_scope_decisions_refused_total"),
            batches: plain("probe_batch_encoded_total"),
            batch_bytes: plain("probe_batch_encoded_bytes_total"),
            batches_rewritten: plain("probe_backlog_rewritten_batches_total"),
            backlog_batches: plain("probe_backlog_batches"),
            backlog_bytes: plain("probe_backlog_bytes"),
            overclaimed: plain("probe_ledger_overclaimed_events_total"),
            table_processes: plain("probe_table_processes"),
            table_refused: plain("probe_table_refused_total"),
            table_stripped: plain("probe_table_stripped_total"),
            table_reconciled: plain("probe_table_reconciled_total"),
            state_damaged: plain("probe_state_damaged_total"),
            state_unwritten: plain("probe_state_unwritten_total"),
            cgroups: plain("probe_cgroup_known"),
            cgroups_refused: plain("probe_cgroup_refused_total"),
            cgroups_unresolved: plain("probe_cgroup_unresolved_total"),
            cgroup_scans: plain("probe_cgroup_scans_total"),
            entered: plain("probe_process_entered_total"),
            sessions: plain("probe_server_sessions_total"),
            refused_protocol: refused("protocol"),
            refused_taken: refused("taken"),
            wishes: plain("probe_server_wishes_total"),
            replaced: plain("probe_server_replaced_total"),
            registry,
        }
    }
}

impl Metrics {
    /// Where others may count as well.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All of them, as the status message lists them.
    #[must_use]
    pub fn samples(&self) -> Vec<v1::Metric> {
        let metric = |sample: bootstrap::counters::Sample| v1::Metric {
            name: sample.name.to_owned(),
            labels: sample.labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            value: sample.value,
        };
        self.registry.samples().into_iter().map(metric).collect()
    }
}
