//! What a profile is asked about, and what it says.

use activity_tree::{Activity, EventType, Generation, MatchedRule, Process, Refusal, What};

use crate::state::State;

/// The tag of a version that has none.
pub const NO_TAG: &str = "latest";

/// One event of a workload.
#[derive(Debug, Clone)]
pub struct Observation<'a> {
    /// Who did it, with the ancestors inside the workload, the first of them first.
    pub lineage: &'a [&'a Process],
    /// What was done.
    pub what: What<'a>,
    /// Rules that it matched.
    pub rules: &'a [MatchedRule],
    /// Tag of the image; empty counts as [`NO_TAG`].
    pub image_tag: &'a str,
    /// Id of the container.
    pub instance: &'a str,
    /// When the container was made.
    pub created_ns: u64,
    /// Tags of the container, which a version keeps when it is seen first.
    pub tags: &'a [String],
}

impl<'a> Observation<'a> {
    pub(crate) fn tag(&self) -> &'a str {
        if self.image_tag.is_empty() { NO_TAG } else { self.image_tag }
    }

    pub(crate) fn event_type(&self) -> EventType {
        EventType::of(&self.what)
    }

    pub(crate) fn activity(
        &self,
        what: What<'a>,
        now_ns: u64,
        how: Generation,
        adds_processes: bool,
    ) -> Activity<'a> {
        Activity {
            lineage: self.lineage,
            what,
            image_tag: self.tag(),
            at_ns: now_ns,
            generation: how,
            rules: self.rules,
            adds_processes,
        }
    }
}

/// Events of a workload's own control group that were lost. Whoever passes it on does so once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss<'a> {
    /// Until when.
    pub to_ns: u64,
    /// How many of which type.
    pub counts: &'a [(EventType, u64)],
}

impl Loss<'_> {
    /// Nothing was lost.
    pub const NONE: Self = Self { to_ns: 0, counts: &[] };
}

/// Whether the profile knew something before the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All of it.
    Yes,
    /// The process, and not what it did.
    Process,
    /// Not even the process.
    Nothing,
}

/// Why an event is an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its type is stable in its version, which never did this.
    StableMiss,
    /// Its version is learning, but another one is stable and never did this.
    NewInVersion,
}

impl Reason {
    /// The name that events use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StableMiss => "stable_miss",
            Self::NewInVersion => "new_in_version",
        }
    }
}

/// An event that is not normal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Why.
    pub reason: Reason,
    /// Whether the same behaviour of the version was reported already, so that nobody needs to hear of it again.
    pub is_repeated: bool,
    /// Repetitions of this workload that were not reported since its last report; of a repetition none.
    pub suppressed: u64,
}

/// Why something new was not learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLearned {
    /// There is no room.
    Full,
    /// The process is not known, and exec no longer learns.
    UnknownProcess,
    /// So many of so many instances did it.
    Quorum {
        /// Instances that did it.
        seen: usize,
        /// Instances that are needed.
        needed: usize,
    },
    /// Its type does not learn.
    NotLearning,
    /// No tree can hold it.
    Refused(Refusal),
}

/// Why nothing can be said of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoProfile {
    /// Its type is not learned.
    EventType,
    /// The profile was given up.
    Disabled,
    /// No tree can hold it.
    Refused(Refusal),
}

/// What a profile says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the event is judged as.
    pub state: State,
    /// Why nothing can be said, if so.
    pub no_profile: Option<NoProfile>,
    /// Whether it was known before; nothing if nobody asked.
    pub known: Option<Known>,
    /// Whether it was learned now.
    pub is_learned: bool,
    /// Why something new was not learned.
    pub not_learned: Option<NotLearned>,
    /// Whether and why it is an anomaly.
    pub anomaly: Option<Anomaly>,
}

impl Verdict {
    pub(crate) const fn no_profile(why: NoProfile) -> Self {
        Self {
            state: State::NoProfile,
            no_profile: Some(why),
            known: None,
            is_learned: false,
            not_learned: None,
            anomaly: None,
        }
    }

    pub(crate) const fn judged(state: State) -> Self {
        Self { state, no_profile: None, known: None, is_learned: false, not_learned: None, anomaly: None }
    }

    /// Whether somebody should hear of it.
    #[must_use]
    pub fn is_report(&self) -> bool {
        self.anomaly.as_ref().is_some_and(|anomaly| !anomaly.is_repeated)
    }
}
