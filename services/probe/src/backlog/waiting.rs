//! One batch that waits, before and after it is sent.

use std::collections::VecDeque;
use std::sync::Arc;

use event::{Cgroup, Event, PerKind};
use prost::Message as _;
use wire::batch::News;
use wire::v1::from_probe::Message;

use crate::flow::batcher::{Complete, Share, event_bytes, is_lifecycle};

/// A batch that was not sent yet, encoded without a number.
#[derive(Debug)]
pub struct Waiting {
    pub(super) encoded: Vec<u8>,
    pub(super) counts: PerKind<u64>,
    pub(super) shares: Vec<Share>,
    /// What its events do to the process table.
    pub(super) changes: Vec<Event>,
    pub(super) oldest_ns: u64,
    changes_bytes: usize,
}

impl Waiting {
    /// Encodes a complete batch. This is the only time, unless something is dropped from it.
    #[must_use]
    pub fn encode(complete: Complete) -> Self {
        let encoded = wire::batch::encode(0, &complete.known, &complete.events).encode_to_vec();
        let oldest_ns = complete.events.iter().map(|event| event.boot_ns).min().unwrap_or(u64::MAX);
        let is_change = |event: &Event| is_lifecycle(event.kind());
        let changes: Vec<Event> = complete.events.into_iter().filter(is_change).collect();
        let changes_bytes = weight(&changes);
        Self { encoded, counts: complete.counts, shares: complete.shares, changes, oldest_ns, changes_bytes }
    }

    /// A batch without events, to carry news.
    #[must_use]
    pub fn empty(boot_ns: u64) -> Self {
        Self {
            encoded: Vec::new(),
            counts: PerKind::default(),
            shares: Vec::new(),
            changes: Vec::new(),
            oldest_ns: boot_ns,
            changes_bytes: 0,
        }
    }

    /// What it weighs in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.encoded.len() + self.shares.len() * size_of::<Share>() + self.changes_bytes
    }

    /// What it weighs when it is sent.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.encoded.len()
    }

    /// Whose it is; of a batch in the main lane that is whoever comes first.
    pub(super) fn cgroup(&self) -> Option<&Arc<Cgroup>> {
        self.shares.first().map(|share| &share.cgroup)
    }

    pub(super) fn set_changes(&mut self, changes: Vec<Event>) {
        self.changes_bytes = weight(&changes);
        self.changes = changes;
    }

    pub(super) fn sent(self, seq: u64, news: &News) -> Sent {
        let message = wire::batch::numbered(seq, news, &self.encoded);
        Sent {
            message_bytes: self.encoded.len(),
            message,
            seq,
            counts: self.counts,
            changes: self.changes,
            changes_bytes: self.changes_bytes,
            carried: 0,
            oldest_ns: self.oldest_ns,
        }
    }
}

/// A batch that was sent and is not acknowledged.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) seq: u64,
    pub(super) message: Message,
    pub(super) counts: PerKind<u64>,
    /// What its events, and those of batches dropped after it, do to the process table.
    pub(super) changes: Vec<Event>,
    /// The part of `changes_bytes` that came with the changes of dropped batches.
    pub(super) carried: usize,
    pub(super) oldest_ns: u64,
    message_bytes: usize,
    changes_bytes: usize,
}

impl Sent {
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.message_bytes + self.changes_bytes
    }

    /// Takes on the changes of a dropped batch; gives what they weigh.
    pub(super) fn carry(&mut self, changes: Vec<Event>) -> usize {
        let more = weight(&changes);
        self.changes.extend(changes);
        self.changes_bytes += more;
        self.carried += more;
        more
    }

    /// Gives up all changes, and says what they weighed.
    pub(super) fn take_changes(&mut self) -> (Vec<Event>, usize) {
        self.carried = 0;
        (std::mem::take(&mut self.changes), std::mem::take(&mut self.changes_bytes))
    }
}

/// The lane of one flood.
#[derive(Debug, Default)]
pub(super) struct Flood {
    pub(super) batches: VecDeque<Waiting>,
    pub(super) bytes: usize,
}

/// What one control group has in the unsent part of the main lane, estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) bulk: usize,
    pub(super) lifecycle: usize,
}

fn weight(events: &[Event]) -> usize {
    events.iter().map(event_bytes).sum()
}
