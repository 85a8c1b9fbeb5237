//! The rules that the system has for itself. A rule is a variant, so that one without a limit does not compile.

/// What a custom event can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A time in which nobody watched.
    NotObserved,
    /// Kinds that nobody wanted, and were not observed.
    Unwanted,
    /// Events were lost.
    LostEvents,
    /// The path of a file is not whole.
    AbnormalPath,
    /// The process that acted is not known.
    NoProcessContext,
    /// The lineage of a process has a hole.
    BrokenProcessLineage,
}

/// How often a rule may speak of one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Time per custom event, in nanoseconds.
    pub interval_ns: u64,
    /// How many may come at once.
    pub burst: u32,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 6] = [
        Self::NotObserved,
        Self::Unwanted,
        Self::LostEvents,
        Self::AbnormalPath,
        Self::NoProcessContext,
        Self::BrokenProcessLineage,
    ];

    /// Its id: `agent.rule_id`, and a tag.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::NotObserved => event_json::NOT_OBSERVED,
            Self::Unwanted => "kinds_not_observed",
            Self::LostEvents => "lost_events",
            Self::AbnormalPath => "abnormal_path",
            Self::NoProcessContext => "no_process_context",
            Self::BrokenProcessLineage => "broken_process_lineage",
        }
    }

    /// The title of its events.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::NotObserved => "Events not observed",
            Self::Unwanted => "Kinds of events not observed",
            Self::LostEvents => "Lost events",
            Self::AbnormalPath => "Abnormal path detected",
            Self::NoProcessContext => "No process context detected",
            Self::BrokenProcessLineage => "Broken process lineage detected",
        }
    }

    /// How often it may speak; `None` = always. Those of the CWS agent, whose default is one in 100 ms and 40 at once.
    #[must_use]
    pub const fn limit(self) -> Option<Limit> {
        match self {
            Self::NotObserved => None,
            // Whoever may subscribe can make it speak.
            Self::Unwanted | Self::LostEvents => Some(Limit { interval_ns: SECOND_NS / 10, burst: 40 }),
            Self::AbnormalPath | Self::NoProcessContext | Self::BrokenProcessLineage => {
                Some(Limit { interval_ns: 30 * SECOND_NS, burst: 1 })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_event_json_names_every_rule() {
        let page = include_str!("../../../../docs/event-json.md");
        for rule in Rule::ALL {
            assert!(page.contains(&format!("\n| `{}` |", rule.id())), "{rule:?}");
        }
    }
}
