//! Which batches of the probe are settled, and what became of their events.
//!
//! Pure. A batch is settled when it is closed (everything it caused has been named) and every group it caused is
//! settled. The acknowledgement is the low-water mark with the ledger of exactly the batches it newly covers.
//! Entries outlive a connection to the same probe: an acknowledgement that may have been lost with it is given again
//! as soon as the probe shows, by sending a batch again, that it was. Invariants: acknowledgements only grow within
//! a connection, never cover what is not settled or was not received on it, and over all acknowledgements that reach
//! the probe each event is counted once.

use std::collections::VecDeque;

use event::{Ledger, LossCause, PerKind};

/// Acknowledgements that are remembered in case they got lost. A probe that reads at all is never that far behind.
const MAX_REMEMBERED: usize = 1024;

/// A batch of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchId {
    /// Which of the probes that this analyzer has seen.
    pub probe: u64,
    /// In that session; 0 = not numbered, so nobody waits for it.
    pub seq: u64,
}

/// An acknowledgement for the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Everything up to here is settled.
    pub seq: u64,
    /// What became of the events of the batches that this newly covers.
    pub ledger: Ledger,
}

/// One batch, or several in a row that are all settled.
#[derive(Debug)]
struct Entry {
    /// The last of them.
    seq: u64,
    is_open: bool,
    groups: u64,
    ledger: Ledger,
}

impl Entry {
    fn is_settled(&self) -> bool {
        !self.is_open && self.groups == 0
    }
}

/// The batches of one probe that are not acknowledged for certain.
#[derive(Debug, Default)]
pub struct Tracker {
    probe: u64,
    entries: VecDeque<Entry>,
    acknowledged: VecDeque<Settled>,
    /// The newest batch received on this connection; `None` = none yet.
    received: Option<u64>,
}

impl Tracker {
    /// A connection to this probe begins. Of another one, everything before is forgotten: nobody waits for it.
    pub fn begin(&mut self, probe: u64) {
        if probe != self.probe {
            *self = Self { probe, ..Self::default() };
        }
        self.received = None;
    }

    /// A batch arrived on this connection, for the first time or again. The first one tells which acknowledgements
    /// the probe has.
    pub fn receive(&mut self, seq: u64) {
        if self.received.is_none() {
            while let Some(lost) = self.acknowledged.pop_back_if(|settled| settled.seq >= seq) {
                self.entries.push_front(Entry {
                    seq: lost.seq,
                    is_open: false,
                    groups: 0,
                    ledger: lost.ledger,
                });
            }
            self.acknowledged.clear();
        }
        self.received = self.received.max(Some(seq));
    }

    /// A new batch: what it causes follows, until [`Tracker::close`].
    pub fn open(&mut self, seq: u64) {
        self.entries.push_back(Entry { seq, is_open: true, groups: 0, ledger: Ledger::default() });
    }

    /// The batch caused a group of payloads.
    pub fn add_group(&mut self, batch: BatchId) {
        if let Some(at) = self.find(batch)
            && let Some(entry) = self.entries.get_mut(at)
        {
            entry.groups += 1;
        }
    }

    /// Everything that the batch caused has been named; of its other events, these have no taker.
    pub fn close(&mut self, batch: BatchId, no_taker: &PerKind<u64>) {
        let Some(at) = self.find(batch) else { return };
        if let Some(entry) = self.entries.get_mut(at) {
            entry.is_open = false;
            entry.ledger.no_taker += no_taker;
        }
        self.merge(at);
    }

    /// A group is settled: so many of its events are at an output, and so many are lost.
    pub fn settle(&mut self, batch: BatchId, delivered: &PerKind<u64>, lost: &[(LossCause, PerKind<u64>)]) {
        let Some(at) = self.find(batch) else { return };
        if let Some(entry) = self.entries.get_mut(at) {
            entry.groups = entry.groups.saturating_sub(1);
            entry.ledger.delivered += delivered;
            for (cause, counts) in lost {
                entry.ledger.lost.add(*cause, counts);
            }
        }
        self.merge(at);
    }

    /// The acknowledgement that is due, once.
    pub fn due(&mut self) -> Option<Settled> {
        let received = self.received?;
        let mut due: Option<Settled> = None;
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.is_settled() && entry.seq <= received)
        {
            let settled = due.get_or_insert_with(|| Settled { seq: 0, ledger: Ledger::default() });
            settled.seq = entry.seq;
            settled.ledger.add(&entry.ledger);
        }
        if let Some(settled) = &due {
            self.acknowledged.push_back(settled.clone());
            if self.acknowledged.len() > MAX_REMEMBERED {
                self.acknowledged.pop_front();
            }
        }
        due
    }

    /// Batches that are not settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_settled()).count()
    }

    fn find(&self, batch: BatchId) -> Option<usize> {
        if batch.probe != self.probe || batch.seq == 0 {
            return None;
        }
        self.entries.binary_search_by_key(&batch.seq, |entry| entry.seq).ok()
    }

    /// Makes one entry of a settled one and its settled neighbours, so that one group that hangs does not make
    /// everything behind it cost memory. What was received on this connection stays apart from what was not.
    fn merge(&mut self, at: usize) {
        let both = |tracker: &Self, first: usize| {
            let pair = (tracker.entries.get(first), tracker.entries.get(first + 1));
            matches!(pair, (Some(a), Some(b)) if a.is_settled() && b.is_settled()
                && tracker.received.is_some_and(|received| b.seq <= received))
        };
        for first in [Some(at), at.checked_sub(1)].into_iter().flatten() {
            if both(self, first)
                && let Some(earlier) = self.entries.remove(first)
                && let Some(later) = self.entries.get_mut(first)
            {
                later.ledger.add(&earlier.ledger);
            }
        }
    }
}

#[cfg(test)]
mod tests;
