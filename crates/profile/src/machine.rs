//! The state machine of one type of events in one version of an image.
//!
//! One transition table, which is also that of `docs/profiles.md`. Invariants: no row leads out of [`Kept::Stable`]; warm-up and
//! size are facts of an event and are never kept; time that goes backwards is no time that passed.

use crate::state::{Kept, State};

/// How long what takes, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without anything new until a type is stable.
    pub stable_ns: u64,
    /// Since the first event of the version until a type that is not stable is unstable.
    pub unstable_ns: u64,
    /// Until a type that is unstable learns again.
    pub cool_down_ns: u64,
}

/// What is true of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// When it was.
    pub now_ns: u64,
    /// Whether its instance is young.
    pub is_warming_up: bool,
    /// Whether the profile has no room for anything new.
    pub is_full: bool,
    /// Whether the profile knows it already.
    pub is_known: bool,
}

/// A condition of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    WarmingUp,
    Settled,
    Overdue,
    CooledDown,
    Full,
    Unknown,
}

/// What happens when all conditions of a row hold.
struct Row {
    kept: Kept,
    when: &'static [When],
    then: Kept,
    /// Nothing: the table is asked again.
    judged: Option<State>,
    /// Whether the window of the stable period begins again.
    rearms: bool,
}

const fn row(kept: Kept, when: &'static [When], then: Kept, judged: State) -> Row {
    Row { kept, when, then, judged: Some(judged), rearms: false }
}

/// The first row that fits counts.
const TABLE: [Row; 12] = {
    use Kept::{AutoLearning, Stable, Unstable};
    use When::{CooledDown, Full, Overdue, Settled, Unknown, WarmingUp};
    [
        Row {
            rearms: true,
            ..row(AutoLearning, &[WarmingUp, Full, Unknown], AutoLearning, State::ProfileAtMaxSize)
        },
        row(AutoLearning, &[WarmingUp], AutoLearning, State::WorkloadWarmup),
        row(AutoLearning, &[Settled], Stable, State::Stable),
        row(AutoLearning, &[Overdue], Unstable, State::Unstable),
        Row { rearms: true, ..row(AutoLearning, &[Full, Unknown], AutoLearning, State::ProfileAtMaxSize) },
        row(AutoLearning, &[Full], AutoLearning, State::ProfileAtMaxSize),
        row(AutoLearning, &[], AutoLearning, State::AutoLearning),
        row(Stable, &[WarmingUp, Full, Unknown], Stable, State::ProfileAtMaxSize),
        row(Stable, &[WarmingUp], Stable, State::WorkloadWarmup),
        row(Stable, &[], Stable, State::Stable),
        Row { kept: Unstable, when: &[CooledDown], then: AutoLearning, judged: None, rearms: false },
        row(Unstable, &[], Unstable, State::Unstable),
    ]
};

/// How far one type of events has been learned in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    kept: Kept,
    /// From when the unstable threshold counts: the first event of the version, later by the time that does not count.
    since_ns: u64,
    /// When the last new thing was learned, or the window began again.
    last_new_ns: u64,
    /// When it became unstable.
    unstable_ns: u64,
}

impl Clock {
    /// One that begins to learn.
    #[must_use]
    pub const fn new(now_ns: u64) -> Self {
        Self { kept: Kept::AutoLearning, since_ns: now_ns, last_new_ns: now_ns, unstable_ns: 0 }
    }

    /// One that was kept somewhere; what only memory holds begins now, and what lies in the future is now.
    #[must_use]
    pub fn restored(kept: Kept, last_new_ns: u64, now_ns: u64) -> Self {
        Self { kept, since_ns: now_ns, last_new_ns: last_new_ns.min(now_ns), unstable_ns: now_ns }
    }

    /// What is kept.
    #[must_use]
    pub const fn kept(&self) -> Kept {
        self.kept
    }

    /// When the last new thing was learned, or the window of the stable period began again.
    #[must_use]
    pub const fn last_new_ns(&self) -> u64 {
        self.last_new_ns
    }

    /// Since when the window of the stable period has been quiet.
    #[must_use]
    pub const fn quiet_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.last_new_ns)
    }

    /// How long it has been learning, without time that does not count.
    #[must_use]
    pub const fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.since_ns)
    }

    /// What is left of the cool-down.
    #[must_use]
    pub const fn cools_for_ns(&self, now_ns: u64, limits: Limits) -> u64 {
        limits.cool_down_ns.saturating_sub(now_ns.saturating_sub(self.unstable_ns))
    }

    /// What one event is judged as; what is kept may change by it.
    pub fn judge(&mut self, facts: Facts, limits: Limits) -> State {
        // The only row that is asked again leads to the rows of learning, each of which judges.
        for _ in 0..2 {
            let fits = |row: &&Row| {
                row.kept == self.kept && row.when.iter().all(|when| self.holds(*when, facts, limits))
            };
            let Some(row) = TABLE.iter().find(fits) else { break };
            if row.then != self.kept {
                self.enter(row.then, facts.now_ns);
            }
            if row.rearms {
                self.learned(facts.now_ns);
            }
            if let Some(judged) = row.judged {
                return judged;
            }
        }
        self.kept.state()
    }

    fn holds(&self, when: When, facts: Facts, limits: Limits) -> bool {
        match when {
            When::WarmingUp => facts.is_warming_up,
            When::Full => facts.is_full,
            When::Unknown => !facts.is_known,
            When::Settled => self.quiet_ns(facts.now_ns) >= limits.stable_ns,
            When::Overdue => self.age_ns(facts.now_ns) >= limits.unstable_ns,
            When::CooledDown => self.cools_for_ns(facts.now_ns, limits) == 0,
        }
    }

    fn enter(&mut self, kept: Kept, now_ns: u64) {
        match kept {
            Kept::AutoLearning => *self = Self::new(now_ns),
            Kept::Stable => self.kept = kept,
            Kept::Unstable => (self.kept, self.unstable_ns) = (kept, now_ns),
        }
    }

    /// Something new was learned: the window of the stable period begins again. In a stable type there is no window.
    pub fn learned(&mut self, now_ns: u64) {
        if self.kept == Kept::AutoLearning {
            self.last_new_ns = self.last_new_ns.max(now_ns);
        }
    }

    /// A time with loss, or that nobody observed, ended. The window that it broke begins again and does not count, neither
    /// towards stable nor towards unstable.
    pub fn broken(&mut self, to_ns: u64) {
        if self.kept == Kept::AutoLearning {
            self.since_ns = self.since_ns.saturating_add(self.quiet_ns(to_ns));
            self.last_new_ns = self.last_new_ns.max(to_ns);
        }
    }

    /// Puts it into a state, by somebody who may.
    pub fn force(&mut self, kept: Kept, now_ns: u64) {
        self.enter(kept, now_ns);
    }
}

#[cfg(test)]
mod tests;
