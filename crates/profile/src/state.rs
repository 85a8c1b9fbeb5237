//! The states of profiles, with the numbers and names of the field.

use std::fmt;

/// What an event is judged as, and what a version or a profile as a whole is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum State {
    /// Nothing is known, or nothing can be said.
    #[default]
    NoProfile = 0,
    /// Something new would have been learned, but there is no room.
    ProfileAtMaxSize = 1,
    /// There was always something new: nothing is learned and nothing reported.
    Unstable = 2,
    /// What is new is reported.
    Stable = 3,
    /// What is new is learned.
    AutoLearning = 4,
    /// The instance is young: what is new belongs to its beginning.
    WorkloadWarmup = 5,
}

impl State {
    /// Every one, in the order of the numbers.
    pub const ALL: [Self; 6] = [
        Self::NoProfile,
        Self::ProfileAtMaxSize,
        Self::Unstable,
        Self::Stable,
        Self::AutoLearning,
        Self::WorkloadWarmup,
    ];

    /// The name that metrics and events use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoProfile => "no_profile",
            Self::ProfileAtMaxSize => "profile_at_max_size",
            Self::Unstable => "unstable_event_type",
            Self::Stable => "stable_event_type",
            Self::AutoLearning => "auto_learning",
            Self::WorkloadWarmup => "workload_warmup",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is kept for one type of events of one version. The other states belong to single events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kept {
    /// What is new is learned.
    AutoLearning,
    /// For good.
    Stable,
    /// Until the cool-down is over.
    Unstable,
}

impl Kept {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::AutoLearning, Self::Stable, Self::Unstable];

    /// As one of all states.
    #[must_use]
    pub const fn state(self) -> State {
        match self {
            Self::AutoLearning => State::AutoLearning,
            Self::Stable => State::Stable,
            Self::Unstable => State::Unstable,
        }
    }

    /// What a number of a file says. Whatever is not stable or unstable goes on learning, also what nobody knows.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            2 => Self::Unstable,
            3 => Self::Stable,
            _ => Self::AutoLearning,
        }
    }
}
