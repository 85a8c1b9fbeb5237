//! How a profile behaves. The defaults are those of the field where `docs/profiles.md` does not say otherwise.

use activity_tree::{EventType, Options};

use crate::machine::Limits;

const SECOND: u64 = 1_000_000_000;

/// Settings of one profile. Times are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What is learned and judged. Default exec, open, dns, bind.
    pub event_types: Vec<EventType>,
    /// What is reported, among what is learned. Default exec, dns, bind: opens are many and their names often random.
    pub anomaly_types: Vec<EventType>,
    /// Time without anything new until a type is stable. Longer: fewer false anomalies, later detection. Default 15 min.
    pub stable_ns: u64,
    /// The same for single types.
    pub stable_ns_of: Vec<(EventType, u64)>,
    /// How long an instance is young. Longer: more of what an attacker does early is learned. Default 3 min; 0 = never.
    pub warmup_ns: u64,
    /// Time since the first event of a version until what is not stable is unstable. Default 1 h.
    pub unstable_ns: u64,
    /// Time until what is unstable learns again. Default 1 h.
    pub cool_down_ns: u64,
    /// Bytes of the tree from which on nothing new is learned. Default 5 000 000; 0 = no end.
    pub max_bytes: usize,
    /// Versions that are kept. Default 20; 0 counts as 1.
    pub max_image_tags: usize,
    /// Labels of a name that a look-up compares. Default 3; 0 = the whole name.
    pub dns_match_max_depth: usize,
    /// Whether other arguments make another process. Default no.
    pub differentiate_args: bool,
    /// Instances that must do something new before it is learned. Default 1, which is off.
    pub quorum: usize,
    /// Behaviours that are remembered as reported. Default 4 096.
    pub max_reported: usize,
    /// Workloads whose repetitions are counted. Default 1 024.
    pub max_workloads: usize,
    /// Behaviours that wait for a quorum. Default 1 024.
    pub max_pending: usize,
    /// Observed time from which on that part of completeness is whole. Default 1 h.
    pub complete_after_ns: u64,
    /// Instances from which on that part of completeness is whole. Default 3, 64 at most.
    pub complete_instances: usize,
}

impl Default for Settings {
    fn default() -> Self {
        use EventType::{Bind, Dns, Exec, Open};
        Self {
            event_types: vec![Exec, Open, Dns, Bind],
            anomaly_types: vec![Exec, Dns, Bind],
            stable_ns: 900 * SECOND,
            stable_ns_of: Vec::new(),
            warmup_ns: 180 * SECOND,
            unstable_ns: 3600 * SECOND,
            cool_down_ns: 3600 * SECOND,
            max_bytes: 5_000_000,
            max_image_tags: 20,
            dns_match_max_depth: 3,
            differentiate_args: false,
            quorum: 1,
            max_reported: 4096,
            max_workloads: 1024,
            max_pending: 1024,
            complete_after_ns: 3600 * SECOND,
            complete_instances: 3,
        }
    }
}

impl Settings {
    /// Whether events of a type are learned and judged.
    #[must_use]
    pub fn learns(&self, event_type: EventType) -> bool {
        self.event_types.contains(&event_type)
    }

    /// Whether events of a type are reported.
    #[must_use]
    pub fn reports(&self, event_type: EventType) -> bool {
        self.anomaly_types.contains(&event_type)
    }

    /// How long what takes for a type.
    #[must_use]
    pub fn limits(&self, event_type: EventType) -> Limits {
        let own = self.stable_ns_of.iter().find(|(known, _)| *known == event_type);
        Limits {
            stable_ns: own.map_or(self.stable_ns, |(_, ns)| *ns),
            unstable_ns: self.unstable_ns,
            cool_down_ns: self.cool_down_ns,
        }
    }

    /// How its tree behaves. Exec is always in it: without it there are no processes.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            max_bytes: self.max_bytes,
            differentiate_args: self.differentiate_args,
            dns_match_max_depth: self.dns_match_max_depth,
            ..Options::default()
        }
    }
}
