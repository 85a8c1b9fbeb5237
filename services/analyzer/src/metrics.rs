//! Every counter of the analyzer, declared once, by the part that counts.

use bootstrap::counters::{Counter, Registry};
use event::{Kind, PerKind};

macro_rules! counters {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $metric:literal $(, $key:literal => $value:literal)*;)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        pub struct $name { $($(#[$doc])* pub $field: Counter,)* }

        impl $name {
            fn new(registry: &Registry) -> Self {
                Self { $($field: registry.counter($metric, &[$(($key, $value)),*]),)* }
            }
        }
    };
}

counters! {
    /// The link to the probe.
    LinkMetrics {
        /// Streams opened.
        connected: "analyzer_link_connected_total";
        /// Batches received.
        batches: "analyzer_link_batches_total";
        /// Batches that were sent again and known already.
        repeated: "analyzer_link_repeated_batches_total";
        /// Batches missing between two that arrived. Numbers are given when a batch is sent, so there should be none.
        missing: "analyzer_link_missing_batches_total";
        /// Batches that could not be decoded, dropped as a whole.
        undecodable: "analyzer_link_undecodable_batches_total";
        /// Events of kinds that this version does not know.
        unknown_kinds: "analyzer_link_unknown_kinds_total";
        /// Events that the probe had to drop, as its batches say.
        lost: "analyzer_link_lost_events_total";
        /// Times that nobody observed.
        not_observed: "analyzer_link_not_observed_total";
        /// Other probes than the one before.
        probes: "analyzer_link_probes_total";
    }
}

/// Dispatched events, by kind.
#[derive(Debug, Clone)]
pub struct EventMetrics(PerKind<Counter>);

impl EventMetrics {
    fn new(registry: &Registry) -> Self {
        let counter =
            |kind: Kind| registry.counter("analyzer_dispatch_events_total", &[("kind", kind.name())]);
        Self(PerKind::from_fn(counter))
    }

    /// The counter of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &Counter {
        self.0.of(kind)
    }
}

counters! {
    /// The process tree: its size and what became of lineages.
    TreeMetrics {
        /// Gauge: processes.
        processes: "analyzer_tree_processes";
        /// Gauge: bytes.
        bytes: "analyzer_tree_bytes";
        /// Processes whose fork was not seen.
        orphans: "analyzer_tree_orphans_total";
        /// Lineages that lack an ancestor.
        missing_parents: "analyzer_tree_missing_parents_total";
        /// Events known already.
        duplicates: "analyzer_tree_duplicates_total";
        /// Late facts that changed lineages.
        repaired: "analyzer_tree_repaired_total";
        /// Facts that contradict others.
        contradictions: "analyzer_tree_contradictions_total";
        /// Living processes forgotten at a limit.
        evicted: "analyzer_tree_evicted_total";
        /// Lineages cut at the depth limit.
        truncated: "analyzer_tree_truncated_total";
        /// Ended processes forgotten at a limit although events of them may still come.
        ended_early: "analyzer_tree_ended_early_total";
        /// Images visited because a fact came late.
        visited: "analyzer_tree_visited_total";
    }
}

counters! {
    /// Payloads on their way to the reporter.
    OutboxMetrics {
        /// Payloads put in.
        accepted: "analyzer_outbox_accepted_total";
        /// Payloads the reporter settled.
        settled: "analyzer_outbox_settled_total";
        /// Events that no output has, although the reporter had them.
        lost: "analyzer_outbox_lost_events_total";
        /// Payloads that left without the tags of their container.
        untagged: "analyzer_outbox_untagged_total";
        /// Containers that went without tags because too much waited for some.
        released: "analyzer_outbox_released_containers_total";
        /// Payloads submitted again because a stream ended before they were settled.
        resubmitted: "analyzer_outbox_resubmitted_total";
        /// Streams to the reporter that were begun.
        streams: "analyzer_outbox_streams_total";
        /// Gauge: batches of the probe that are not settled.
        unsettled_batches: "analyzer_outbox_unsettled_batches";
        /// Gauge: payloads held.
        payloads: "analyzer_outbox_payloads";
        /// Gauge: bytes held.
        bytes: "analyzer_outbox_bytes";
    }
}

counters! {
    /// Container tags.
    TagMetrics {
        /// Containers whose tags were found.
        resolved: "analyzer_tags_resolved_total";
        /// Containers that nobody knew within the wait.
        unknown: "analyzer_tags_unknown_total";
        /// Answers that were errors, too late or nonsense.
        failed: "analyzer_tags_failed_total";
        /// Questions dropped because too many waited.
        dropped: "analyzer_tags_dropped_total";
    }
}

counters! {
    /// Subscribers and recorders.
    ApiMetrics {
        /// Gauge: subscribers.
        subscribers: "analyzer_api_subscribers";
        /// Events a slow subscriber did not get.
        dropped_slow: "analyzer_api_dropped_total", "what" => "event";
        /// Batches no subscriber got because the subscriptions were behind.
        dropped_batches: "analyzer_api_dropped_total", "what" => "batch";
        /// Documents written for subscribers.
        rendered: "analyzer_api_rendered_total";
        /// Gauge: recorders.
        recorders: "analyzer_api_recorders";
        /// Recorders cut off because they were slow.
        recorders_cut: "analyzer_api_recorders_cut_total";
    }
}

counters! {
    /// Activity dumps.
    DumpMetrics {
        /// Gauge: dumps that run.
        active: "analyzer_dump_active";
        /// Gauge: bytes of their trees.
        bytes: "analyzer_dump_bytes";
        /// Dumps that began.
        started: "analyzer_dump_started_total";
        /// Dumps that ended.
        finished: "analyzer_dump_finished_total";
        /// Dumps that were full and went on with less.
        partial: "analyzer_dump_partial_total";
        /// Dumps in which there was nothing, which are not written.
        empty: "analyzer_dump_empty_total";
        /// Dumps that were written without the tags of their container.
        untagged: "analyzer_dump_untagged_total";
        /// Images on the deny list.
        refused_denied: "analyzer_dump_refused_total", "what" => "denied";
        /// Images of which there are enough dumps.
        refused_count: "analyzer_dump_refused_total", "what" => "max_dump_count";
        /// Requests for which there was no place.
        refused_no_place: "analyzer_dump_refused_total", "what" => "no_place";
        /// Rates that the load controller lowered.
        reduced_rate: "analyzer_dump_reduced_total", "what" => "rate";
        /// Times that it shortened.
        reduced_timeout: "analyzer_dump_reduced_total", "what" => "timeout";
        /// Event types that it took away.
        reduced_event_types: "analyzer_dump_reduced_total", "what" => "event_types";
        /// Events that dumps missed, as they say themselves.
        missed_events: "analyzer_dump_missed_events_total";
        /// Files written.
        stored: "analyzer_dump_stored_files_total";
        /// Bytes written.
        stored_bytes: "analyzer_dump_stored_bytes_total";
        /// Copies of running dumps written.
        checkpoints: "analyzer_dump_checkpoints_total";
        /// Dumps deleted to make room.
        deleted: "analyzer_dump_deleted_total";
        /// Files that could not be written.
        failed: "analyzer_dump_failed_files_total";
        /// Dumps found running at the start, after the analyzer was killed.
        recovered: "analyzer_dump_recovered_total";
        /// Finished dumps that a slow reader of the stream did not get.
        dropped: "analyzer_dump_stream_dropped_total";
    }
}

/// Counts refused connections to the API, by why.
pub const REFUSED: &str = "analyzer_api_refused_total";

/// All of them, and the registry that lists them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Lists every counter for the status.
    pub registry: Registry,
    /// The link to the probe.
    pub link: LinkMetrics,
    /// Dispatched events.
    pub events: EventMetrics,
    /// The process tree.
    pub tree: TreeMetrics,
    /// Payloads.
    pub outbox: OutboxMetrics,
    /// Container tags.
    pub tags: TagMetrics,
    /// Subscribers and recorders.
    pub api: ApiMetrics,
    /// Activity dumps.
    pub dumps: DumpMetrics,
}

impl Metrics {
    /// Declares every counter, so that the status lists those that are 0 too.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::default();
        Self {
            link: LinkMetrics::new(&registry),
            events: EventMetrics::new(&registry),
            tree: TreeMetrics::new(&registry),
            outbox: OutboxMetrics::new(&registry),
            tags: TagMetrics::new(&registry),
            api: ApiMetrics::new(&registry),
            dumps: DumpMetrics::new(&registry),
            registry,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl TreeMetrics {
    /// Shows what the tree says of itself.
    pub fn show(&self, stats: &process_tree::Stats) {
        self.processes.set(stats.processes);
        self.bytes.set(stats.bytes);
        self.orphans.set(stats.orphans);
        self.missing_parents.set(stats.missing_parents);
        self.duplicates.set(stats.duplicates);
        self.repaired.set(stats.repaired);
        self.contradictions.set(stats.contradictions);
        self.evicted.set(stats.evicted);
        self.truncated.set(stats.truncated);
        self.ended_early.set(stats.ended_early);
        self.visited.set(stats.visited);
    }
}
