//! Why a version is in its state, and what is missing to the next.

use std::fmt;
use std::time::Duration;

use activity_tree::EventType;

use crate::completeness::Completeness;
use crate::profile::Profile;
use crate::state::{Kept, State};

/// Something that is true of a type of events, and why it is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Nothing new was learned, and nothing missed, for so long.
    Quiet {
        /// How long.
        for_ns: u64,
    },
    /// It has been learning for so long, without time that does not count.
    Learning {
        /// How long.
        for_ns: u64,
    },
    /// It was quiet for the stable period once, and stays stable.
    WasQuiet,
    /// New things never ended within the threshold.
    NeverQuiet,
    /// Events of the type were lost, which began its window again.
    Lost {
        /// How many, ever.
        events: u64,
    },
    /// No instance runs, so no time counts.
    NotRunning,
    /// There is no room for anything new.
    Full {
        /// What the tree takes.
        bytes: usize,
        /// What it may.
        max_bytes: usize,
    },
    /// The profile was given up.
    Disabled,
}

/// What is missing to the next state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Time without anything new and without loss, to be stable.
    Quiet {
        /// How long.
        for_ns: u64,
    },
    /// Time until it learns again.
    CoolDown {
        /// How long.
        for_ns: u64,
    },
    /// An instance that runs.
    Instance,
    /// Other instances that do the same, for what waits.
    Quorum {
        /// Behaviours that wait.
        waiting: usize,
        /// Instances that are needed.
        needed: usize,
    },
    /// Room in the tree.
    Room,
}

struct For(u64);

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_secs(self.0.div_ceil(1_000_000_000)))
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Quiet { for_ns } => write!(f, "nothing new for {}", For(for_ns)),
            Self::Learning { for_ns } => write!(f, "learning for {}", For(for_ns)),
            Self::WasQuiet => f.write_str("nothing new for a whole stable period, once"),
            Self::NeverQuiet => f.write_str("something new came up to the unstable threshold"),
            Self::Lost { events } => write!(f, "{events} events lost"),
            Self::NotRunning => f.write_str("no instance runs"),
            Self::Full { bytes, max_bytes } => write!(f, "full: {bytes} of {max_bytes} bytes"),
            Self::Disabled => f.write_str("the profile is disabled"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Quiet { for_ns } => write!(f, "{} without anything new or lost", For(for_ns)),
            Self::CoolDown { for_ns } => write!(f, "{} until it learns again", For(for_ns)),
            Self::Instance => f.write_str("an instance that runs"),
            Self::Quorum { waiting, needed } => {
                write!(f, "{waiting} behaviours wait for {needed} instances that do them")
            }
            Self::Room => f.write_str("room for anything new"),
        }
    }
}

/// One type of events of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeExplanation {
    /// The type.
    pub event_type: EventType,
    /// Its state.
    pub state: State,
    /// Why.
    pub because: Vec<Because>,
    /// What is missing to the next state; of a stable type nothing.
    pub missing: Vec<Missing>,
}

/// A version, with all its types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The image.
    pub image: String,
    /// The version.
    pub image_tag: String,
    /// The state of the version.
    pub state: State,
    /// Its types, in the order of their numbers.
    pub types: Vec<TypeExplanation>,
    /// How much it can be trusted.
    pub completeness: Completeness,
    /// Behaviours that were forgotten as reported, for want of room.
    pub forgotten: u64,
}

impl Profile {
    /// Why a version is in its state, and what is missing to the next. None if there is no such version.
    #[must_use]
    pub fn explain(&self, image_tag: &str, now_ns: u64) -> Option<Explanation> {
        let version = self.versions.get(image_tag)?;
        let types = version.clocks.iter().map(|(known, clock)| {
            let limits = self.settings.limits(*known);
            let lost = version.ledger.lost.get(known).copied().unwrap_or(0);
            let (mut because, mut missing) = match clock.kept() {
                Kept::Stable => (vec![Because::WasQuiet], vec![]),
                Kept::Unstable => {
                    let for_ns = clock.cools_for_ns(now_ns, limits);
                    (vec![Because::NeverQuiet], vec![Missing::CoolDown { for_ns }])
                }
                Kept::AutoLearning => {
                    let quiet = clock.quiet_ns(now_ns);
                    let because = vec![
                        Because::Learning { for_ns: clock.age_ns(now_ns) },
                        Because::Quiet { for_ns: quiet },
                    ];
                    (because, vec![Missing::Quiet { for_ns: limits.stable_ns.saturating_sub(quiet) }])
                }
            };
            if lost > 0 {
                because.push(Because::Lost { events: lost });
            }
            if self.is_disabled {
                because.push(Because::Disabled);
            }
            if clock.kept() == Kept::AutoLearning {
                if self.tree.is_full() {
                    let (bytes, max_bytes) = (self.tree.bytes(), self.settings.max_bytes);
                    because.push(Because::Full { bytes, max_bytes });
                    missing.push(Missing::Room);
                }
                if !version.is_running() {
                    because.push(Because::NotRunning);
                    missing.push(Missing::Instance);
                }
                if self.n_pending() > 0 {
                    missing.push(Missing::Quorum { waiting: self.n_pending(), needed: self.settings.quorum });
                }
            }
            TypeExplanation { event_type: *known, state: clock.kept().state(), because, missing }
        });
        Some(Explanation {
            image: self.image.clone(),
            image_tag: image_tag.to_owned(),
            state: version.state(),
            types: types.collect(),
            completeness: Completeness::of(version, &self.settings, now_ns),
            forgotten: self.n_forgotten(),
        })
    }
}
