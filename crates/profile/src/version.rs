//! What is known of one version of an image beside its part of the tree: states, times, instances, what was missed.

use std::collections::{BTreeMap, BTreeSet};

use activity_tree::{EventType, EventTypeState};

use crate::machine::{Clock, Facts};
use crate::observation::Loss;
use crate::settings::Settings;
use crate::state::{Kept, State};

/// Instances that are known at once; what is beyond counts as not running, which is the careful side.
const MAX_RUNNING: usize = 4096;
/// Instances that are counted for completeness.
pub(crate) const MAX_COUNTED: usize = 64;

/// What was seen and what was missed of a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    /// Events that arrived.
    pub(crate) seen: u64,
    /// Events that were lost.
    pub(crate) lost: BTreeMap<EventType, u64>,
    /// Time that nobody observed, or in which no instance ran.
    pub(crate) unobserved_ns: u64,
    /// Instances that did something, each once, as far as they are counted.
    pub(crate) instances: BTreeSet<u64>,
    /// How many there were before the profile was read from a file.
    pub(crate) instances_before: usize,
}

impl Ledger {
    pub(crate) fn instances(&self) -> usize {
        self.instances.len().max(self.instances_before)
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.values().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) first_seen_ns: u64,
    pub(crate) last_seen_ns: u64,
    pub(crate) clocks: BTreeMap<EventType, Clock>,
    pub(crate) syscalls: BTreeSet<u32>,
    pub(crate) tags: Vec<String>,
    pub(crate) ledger: Ledger,
    /// States of types that this profile does not learn, as a file has them.
    pub(crate) others: BTreeMap<u32, EventTypeState>,
    running: BTreeSet<u64>,
    /// Since when no instance runs.
    idle_since_ns: Option<u64>,
    /// What of the time that nobody observed is counted.
    unobserved_until_ns: u64,
}

impl Version {
    /// One that is seen for the first time. It has all its types at once, so that what never happens becomes stable too.
    pub(crate) fn new(settings: &Settings, tags: &[String], now_ns: u64) -> Self {
        Self {
            first_seen_ns: now_ns,
            last_seen_ns: now_ns,
            clocks: settings.event_types.iter().map(|known| (*known, Clock::new(now_ns))).collect(),
            syscalls: BTreeSet::new(),
            tags: tags.to_vec(),
            ledger: Ledger::default(),
            others: BTreeMap::new(),
            running: BTreeSet::new(),
            idle_since_ns: None,
            unobserved_until_ns: now_ns,
        }
    }

    /// Nobody observed it since it was seen last, until its next event.
    pub(crate) fn set_idle(&mut self) {
        self.running.clear();
        self.idle_since_ns = Some(self.last_seen_ns);
        self.unobserved_until_ns = self.last_seen_ns;
    }

    /// An instance runs.
    pub(crate) fn link(&mut self, instance: u64, now_ns: u64) {
        if let Some(since) = self.idle_since_ns.take() {
            self.not_observed(&EventType::ALL, since, now_ns);
        }
        if self.running.len() < MAX_RUNNING {
            self.running.insert(instance);
        }
    }

    /// An instance is gone.
    pub(crate) fn unlink(&mut self, instance: u64, now_ns: u64) {
        if self.running.remove(&instance) && self.running.is_empty() {
            self.idle_since_ns = Some(now_ns);
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// An event of an instance came.
    pub(crate) fn seen(&mut self, instance: u64, now_ns: u64) {
        self.link(instance, now_ns);
        self.last_seen_ns = self.last_seen_ns.max(now_ns);
        self.ledger.seen = self.ledger.seen.saturating_add(1);
        if self.ledger.instances.len() < MAX_COUNTED {
            self.ledger.instances.insert(instance);
        }
    }

    /// Events of it were lost.
    pub(crate) fn lose(&mut self, loss: Loss<'_>) {
        for (event_type, n) in loss.counts.iter().filter(|(_, n)| *n > 0) {
            let lost = self.ledger.lost.entry(*event_type).or_default();
            *lost = lost.saturating_add(*n);
            self.break_windows(&[*event_type], loss.to_ns);
        }
    }

    /// These types were not observed for a time.
    pub(crate) fn not_observed(&mut self, types: &[EventType], from_ns: u64, to_ns: u64) {
        let from_ns = from_ns.max(self.unobserved_until_ns);
        if to_ns <= from_ns || !self.clocks.keys().any(|known| types.contains(known)) {
            return;
        }
        self.ledger.unobserved_ns = self.ledger.unobserved_ns.saturating_add(to_ns - from_ns);
        self.unobserved_until_ns = to_ns;
        self.break_windows(types, to_ns);
    }

    /// What one exec does not tell leaves all that its process does without a program.
    fn break_windows(&mut self, types: &[EventType], to_ns: u64) {
        let all = types.contains(&EventType::Exec);
        let broken = self.clocks.iter_mut().filter(|(known, _)| all || types.contains(known));
        broken.for_each(|(_, clock)| clock.broken(to_ns));
    }

    /// Moves on what time alone moves.
    pub(crate) fn tick(&mut self, settings: &Settings, now_ns: u64) {
        if self.is_running() {
            let facts = Facts { now_ns, is_warming_up: false, is_full: false, is_known: true };
            for (known, clock) in &mut self.clocks {
                clock.judge(facts, settings.limits(*known));
            }
        }
    }

    pub(crate) fn kept(&self, event_type: EventType) -> Option<Kept> {
        self.clocks.get(&event_type).map(Clock::kept)
    }

    pub(crate) fn state(&self) -> State {
        let mut kept = self.clocks.values().map(Clock::kept);
        if kept.clone().any(|kept| kept == Kept::Unstable) {
            State::Unstable
        } else if !self.clocks.is_empty() && kept.all(|kept| kept == Kept::Stable) {
            State::Stable
        } else {
            State::AutoLearning
        }
    }

    /// Time in which it was observed, now if it runs.
    pub(crate) fn observed_ns(&self, now_ns: u64) -> u64 {
        let until = if self.is_running() { self.last_seen_ns.max(now_ns) } else { self.last_seen_ns };
        until.saturating_sub(self.first_seen_ns).saturating_sub(self.ledger.unobserved_ns)
    }
}
