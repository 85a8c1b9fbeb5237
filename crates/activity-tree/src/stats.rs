//! What a tree holds and what became of the activities that were given to it (spec 1.9).

use crate::activity::{Verdict, What};
use crate::model::Generation;
use crate::refusal::{EventType, Refusal};

/// Counts of nodes, the size, and the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Process nodes.
    pub processes: usize,
    /// File nodes, directories included.
    pub files: usize,
    /// Names, counted once per process.
    pub dns_names: usize,
    /// Socket families, counted once per process.
    pub sockets: usize,
    /// Addresses of sockets.
    pub binds: usize,
    /// Requests to metadata services and answers.
    pub imds_events: usize,
    /// System calls, counted once per process.
    pub syscalls: usize,
    /// Flows.
    pub flows: usize,
    /// Capabilities.
    pub capabilities: usize,
    /// Bytes of all of it, to the byte.
    pub bytes: usize,
    /// What became of activities.
    pub counters: Counters,
}

/// What became of activities that were inserted. Look-ups count nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    processed: [u64; EventType::ALL.len()],
    added: [[u64; Generation::ALL.len()]; EventType::ALL.len()],
    dropped: [[u64; Refusal::ALL.len()]; EventType::ALL.len()],
}

impl Counters {
    /// Activities that were taken.
    #[must_use]
    pub fn processed(&self, kind: EventType) -> u64 {
        self.processed.get(usize::from(kind as u8)).copied().unwrap_or(0)
    }

    /// Activities that were new; for exec, process nodes.
    #[must_use]
    pub fn added(&self, kind: EventType, generation: Generation) -> u64 {
        let added = self.added.get(usize::from(kind as u8));
        added.and_then(|added| added.get(usize::from(generation as u8))).copied().unwrap_or(0)
    }

    /// Activities that were refused.
    #[must_use]
    pub fn dropped(&self, kind: EventType, refusal: Refusal) -> u64 {
        let dropped = self.dropped.get(usize::from(kind as u8));
        dropped.zip(place(refusal)).and_then(|(dropped, at)| dropped.get(at)).copied().unwrap_or(0)
    }

    pub(crate) fn count(
        &mut self,
        what: &What<'_>,
        generation: Generation,
        result: Result<Verdict, Refusal>,
    ) {
        let kind = EventType::of(what);
        match result {
            Ok(verdict) => {
                if let Some(processed) = self.processed.get_mut(usize::from(kind as u8)) {
                    *processed += 1;
                }
                // Processes count themselves when they are made.
                if verdict.is_new() && kind != EventType::Exec {
                    self.add(kind, generation);
                }
            }
            Err(refusal) => {
                let dropped = self.dropped.get_mut(usize::from(kind as u8));
                if let Some(dropped) = dropped.zip(place(refusal)).and_then(|(all, at)| all.get_mut(at)) {
                    *dropped += 1;
                }
            }
        }
    }

    pub(crate) fn add(&mut self, kind: EventType, generation: Generation) {
        let added = self.added.get_mut(usize::from(kind as u8));
        if let Some(added) = added.and_then(|added| added.get_mut(usize::from(generation as u8))) {
            *added += 1;
        }
    }
}

fn place(refusal: Refusal) -> Option<usize> {
    Refusal::ALL.iter().position(|one| *one == refusal)
}
