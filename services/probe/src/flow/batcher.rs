//! Collects events until a batch is complete, by count, weight or age, and parts the floods from the rest.
//!
//! Pure. The main lane has one open batch, and each workload that floods has one of its own. Invariants: a batch holds
//! at least one event; within a lane what goes in comes out in the same order; lifecycle events are always in the main
//! lane; at most [`MAX_FLOODS`] workloads have a lane of their own. The weight keeps every encoded batch far below
//! the 4 MiB that a message may have.

mod open;
mod weight;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use event::{Cgroup, Event, Kind, KnownProcess, PerKind};
use foldhash::fast::RandomState;
use open::Open;
use wire::batch::Lane;

pub use weight::{event_bytes, exec_bytes, is_lifecycle};

/// Bulk events of one control group in one drain step, up to which it leaves room for others. At 50 steps a second that is
/// some 12 000 a second.
const FLOOD_EVENTS: u32 = 256;

/// A workload keeps its lane this long after its last flood.
const FLOOD_NS: u64 = 1_000_000_000;

/// Lanes for floods at one time. The smallest flood beyond stays in the main lane.
pub const MAX_FLOODS: usize = 16;

/// Events of a batch of a flood. What is more urgent waits for the batch that is being worked on, so it is short.
const MAX_FLOOD_BATCH: usize = 512;

/// Processes that came into scope and wait for a batch, some 4 KiB each at most, and how many a batch takes. Those that do nothing
/// make no batch; of more than this the oldest are as unknown as they were.
const MAX_KNOWN: usize = 1024;
const MAX_KNOWN_OF_BATCH: usize = 256;

/// Control groups whose events are counted; over it the quiet ones are forgotten.
const MAX_LOADS: usize = 1024;

/// Events of one batch, complete.
#[derive(Debug)]
pub struct Complete {
    /// Which events these are. All of a flood are of one control group.
    pub lane: Lane,
    /// Processes that came into scope, to be known before the events.
    pub known: Vec<KnownProcess>,
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// How many of each kind.
    pub counts: PerKind<u64>,
    /// Whose they are.
    pub shares: Vec<Share>,
}

/// The part of a batch that belongs to one control group.
#[derive(Debug, Clone)]
pub struct Share {
    /// The control group.
    pub cgroup: Arc<Cgroup>,
    /// How many of each kind.
    pub counts: PerKind<u64>,
    /// What its bulk events weigh, estimated.
    pub bulk_bytes: usize,
    /// What its lifecycle events weigh, estimated.
    pub lifecycle_bytes: usize,
}

impl Share {
    /// Takes the counts of its lifecycle events out of it, or those of its bulk events.
    pub(crate) fn take(&mut self, lifecycle: bool) -> PerKind<u64> {
        let mut taken = PerKind::default();
        for kind in Kind::ALL.into_iter().filter(|kind| is_lifecycle(*kind) == lifecycle) {
            *taken.get_mut(kind) = std::mem::take(self.counts.get_mut(kind));
        }
        *(if lifecycle { &mut self.lifecycle_bytes } else { &mut self.bulk_bytes }) = 0;
        taken
    }
}

/// What one control group sends.
#[derive(Debug, Default)]
struct Load {
    /// The step that `events` counts.
    step: u64,
    events: u32,
    flood: Option<Flood>,
}

#[derive(Debug)]
struct Flood {
    open: Open,
    until_ns: u64,
    /// Bulk events in its last step that was a flood.
    size: u32,
}

/// Events that wait for their batch to be complete.
#[derive(Debug)]
pub struct Batcher {
    main: Open,
    loads: HashMap<u64, Load, RandomState>,
    /// The control groups that have a lane of their own.
    floods: Vec<u64>,
    complete: VecDeque<Complete>,
    /// Those that came into scope; they leave with whatever batch is the next, which is never later than their first event.
    known: VecDeque<KnownProcess>,
    step: u64,
    now_ns: u64,
    max_events: usize,
    max_age_ns: u64,
}

impl Batcher {
    /// A batcher with its limits.
    #[must_use]
    pub fn new(max_events: usize, max_age_ns: u64) -> Self {
        Self {
            main: Open::default(),
            loads: HashMap::default(),
            floods: Vec::new(),
            complete: VecDeque::new(),
            known: VecDeque::new(),
            step: 0,
            now_ns: 0,
            max_events: max_events.max(1),
            max_age_ns,
        }
    }

    /// A drain step begins: counts anew, and ends floods that are over.
    pub fn step(&mut self, now_ns: u64) {
        self.step += 1;
        self.now_ns = now_ns;
        let is_over = |load: &Load| load.flood.as_ref().is_none_or(|flood| flood.until_ns <= now_ns);
        let over = self.floods.extract_if(.., |cgroup| self.loads.get(cgroup).is_none_or(is_over));
        for cgroup in over.collect::<Vec<_>>() {
            self.end_flood(cgroup);
        }
        if self.loads.len() > MAX_LOADS {
            self.loads.retain(|_, load| load.flood.is_some());
        }
    }

    /// Adds a process that came into scope, before any of its events.
    pub fn know(&mut self, process: KnownProcess) {
        if self.known.len() >= MAX_KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(process);
    }

    /// Adds an event. The age of a batch is that of its first event.
    pub fn push(&mut self, event: Event) {
        if !is_lifecycle(event.kind()) && self.is_flood(event.task.cgroup.id) {
            let load = self.loads.get_mut(&event.task.cgroup.id);
            if let Some(flood) = load.and_then(|load| load.flood.as_mut()) {
                flood.open.push(event);
                if flood.open.is_full(self.max_events.min(MAX_FLOOD_BATCH)) {
                    self.complete.extend(flood.open.take(Lane::Flood));
                }
                return;
            }
        }
        self.main.push(event);
        if self.main.is_full(self.max_events) {
            self.complete.extend(self.main.take(Lane::Main));
        }
    }

    /// Completes the batches whose first event has waited long enough.
    pub fn due(&mut self, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(self.max_age_ns);
        let is_due = |open: &Open| open.oldest_ns().is_some_and(|oldest| oldest <= since_ns);
        if is_due(&self.main) {
            self.complete.extend(self.main.take(Lane::Main));
        }
        for cgroup in &self.floods {
            let flood = self.loads.get_mut(cgroup).and_then(|load| load.flood.as_mut());
            if let Some(flood) = flood.filter(|flood| is_due(&flood.open)) {
                self.complete.extend(flood.open.take(Lane::Flood));
            }
        }
    }

    /// Completes whatever waits.
    pub fn flush(&mut self) {
        self.due(u64::MAX);
    }

    /// The next complete batch.
    pub fn complete(&mut self) -> Option<Complete> {
        let mut complete = self.complete.pop_front()?;
        complete.known = self.known.drain(..self.known.len().min(MAX_KNOWN_OF_BATCH)).collect();
        Some(complete)
    }

    /// When the waiting events must leave; `None` when nothing waits.
    #[must_use]
    pub fn deadline_ns(&self) -> Option<u64> {
        self.oldest_ns().map(|oldest| oldest.saturating_add(self.max_age_ns))
    }

    /// The time of the oldest event in an open batch.
    #[must_use]
    pub fn oldest_ns(&self) -> Option<u64> {
        let floods = self.floods.iter().filter_map(|cgroup| self.loads.get(cgroup)?.flood.as_ref());
        floods.map(|flood| &flood.open).chain([&self.main]).filter_map(Open::oldest_ns).min()
    }

    /// Counts a bulk event of this control group, and says whether it belongs in a lane of its own.
    fn is_flood(&mut self, cgroup: u64) -> bool {
        let load = self.loads.entry(cgroup).or_default();
        if load.step != self.step {
            (load.step, load.events) = (self.step, 0);
        }
        load.events += 1;
        let events = load.events;
        if let Some(flood) = &mut load.flood {
            if events > FLOOD_EVENTS {
                flood.until_ns = self.now_ns.saturating_add(FLOOD_NS);
                flood.size = events;
            }
            return true;
        }
        // Asked again as it grows: it may have become larger than another one.
        if events % FLOOD_EVENTS != 1 || events <= FLOOD_EVENTS || !self.has_room_for(events) {
            return false;
        }
        let until_ns = self.now_ns.saturating_add(FLOOD_NS);
        if let Some(load) = self.loads.get_mut(&cgroup) {
            load.flood = Some(Flood { open: Open::default(), until_ns, size: events });
        }
        self.floods.push(cgroup);
        true
    }

    /// Whether a flood of this size can have a lane; a smaller one then makes room for it.
    fn has_room_for(&mut self, size: u32) -> bool {
        if self.floods.len() < MAX_FLOODS {
            return true;
        }
        let size_of = |cgroup: &u64| self.loads.get(cgroup)?.flood.as_ref().map(|flood| flood.size);
        let smallest = self.floods.iter().enumerate().min_by_key(|(_, cgroup)| size_of(cgroup));
        match smallest {
            Some((position, cgroup)) if size_of(cgroup) < Some(size) => {
                let cgroup = self.floods.swap_remove(position);
                self.end_flood(cgroup);
                true
            }
            _ => false,
        }
    }

    fn end_flood(&mut self, cgroup: u64) {
        let flood = self.loads.get_mut(&cgroup).and_then(|load| load.flood.take());
        self.complete.extend(flood.and_then(|mut flood| flood.open.take(Lane::Flood)));
    }
}

#[cfg(test)]
mod tests;
