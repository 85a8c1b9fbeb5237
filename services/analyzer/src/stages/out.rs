//! What the stages want to happen: events that go to the outputs because something matched, and custom events.
//!
//! Pure data, filled while a batch is looked at and acted upon after it. What is asked for here is subject to the limiter of
//! its rule, so a stage need not count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event::{Kind, NotObserved, Unwanted};

use super::limiter::Limiter;
use super::rules::Rule;

/// An event of the batch that goes to every output, whether they take all events or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Its position in the batch.
    pub position: usize,
    /// What matched.
    pub rule_id: Arc<str>,
}

/// What the system says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custom {
    /// Which of the things that it can say.
    pub rule: Rule,
    /// When, `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// How many were held back by the limiter since the last one of the same workload.
    pub suppressed: u64,
    /// What it says.
    pub about: About,
}

/// What a custom event tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A time that nobody observed.
    NotObserved(NotObserved),
    /// Kinds that were not observed.
    Unwanted(Unwanted),
    /// Events of one workload that were lost.
    Lost(event::WorkloadLoss),
    /// An event that is not as it should be.
    Event {
        /// Its position in the batch.
        position: usize,
        /// What is wrong with it.
        error: &'static str,
    },
}

/// What the stages asked for while one batch was looked at.
#[derive(Debug, Default)]
pub struct Out {
    /// Events that something matched, in order; one may be there more than once.
    pub emitted: Vec<Emitted>,
    /// Custom events, in order.
    pub custom: Vec<Custom>,
    limiter: Limiter,
    position: usize,
    /// Which stage is asked, by its place.
    stage: usize,
    /// The kinds that each stage wants.
    wanted: BTreeMap<usize, BTreeSet<Kind>>,
}

impl Out {
    /// A batch begins, or what was asked for was taken.
    pub fn take(&mut self) -> (Vec<Emitted>, Vec<Custom>) {
        (std::mem::take(&mut self.emitted), std::mem::take(&mut self.custom))
    }

    /// The event at this position is looked at.
    pub(super) fn at(&mut self, position: usize) {
        self.position = position;
    }

    /// The stage at this place is asked.
    pub(super) fn of(&mut self, stage: usize) {
        self.stage = stage;
    }

    /// From now on, and until it says something else, the stage needs these kinds and no others: they are observed whether or
    /// not anybody takes their events. The process lifecycle always is.
    pub fn want(&mut self, kinds: impl IntoIterator<Item = Kind>) {
        self.wanted.insert(self.stage, kinds.into_iter().collect());
    }

    /// What the stages want, all of them.
    #[must_use]
    pub fn wanted(&self) -> BTreeSet<Kind> {
        self.wanted.values().flatten().copied().collect()
    }

    /// Sends the event that is being looked at to every output.
    pub fn emit(&mut self, rule_id: Arc<str>) {
        self.emitted.push(Emitted { position: self.position, rule_id });
    }

    /// Says that the event that is being looked at is not as it should be.
    pub fn report(&mut self, rule: Rule, cgroup: u64, boot_ns: u64, error: &'static str) {
        self.say(rule, cgroup, boot_ns, About::Event { position: self.position, error });
    }

    /// Says something of a workload; 0 = of none.
    pub fn say(&mut self, rule: Rule, cgroup: u64, boot_ns: u64, about: About) {
        if let Some(suppressed) = self.limiter.permit(rule, cgroup, boot_ns) {
            self.custom.push(Custom { rule, boot_ns, suppressed, about });
        }
    }
}
