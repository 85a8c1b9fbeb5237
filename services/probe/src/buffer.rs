//! Keeps batches until the analyzer has acknowledged them, in a bounded number of bytes.
//!
//! Pure: no lock, no socket; `outbox.rs` shares it between the drain loop and the server. Delivery is at least once:
//! a batch that was sent but not acknowledged before the connection broke is sent again.
//!
//! Invariants, each held by a test: events pushed = acknowledged + dropped + waiting, per kind; over the limit the
//! oldest batch that is not on its way is dropped, so the newest events get through; the process table is that of the
//! moment before the first waiting batch, so replaying the table and then the batches gives the state of now.

use std::collections::VecDeque;

use event::{Event, Kind, KnownProcess, PerKind};
use wire::v1;

use crate::batcher::{Complete, event_bytes, is_lifecycle};
use crate::table::Table;

/// Why an acknowledgement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("acknowledged batch {seq}, but the newest one sent is {sent}")]
pub struct AckError {
    /// What was acknowledged.
    pub seq: u64,
    /// The newest that was sent.
    pub sent: u64,
}

/// One encoded batch that waits.
#[derive(Debug)]
struct Waiting {
    seq: u64,
    message: v1::Batch,
    bytes: usize,
    counts: PerKind<u64>,
    /// What the events of this batch, and of dropped ones right behind it, do to the table.
    changes: Vec<Event>,
    /// The part of `bytes` that came with the changes of dropped batches.
    carried: usize,
}

/// The batches that wait, and the process table before them.
#[derive(Debug)]
pub struct Buffer {
    waiting: VecDeque<Waiting>,
    /// How many at the front are on their way.
    on_their_way: usize,
    bytes: usize,
    max_bytes: usize,
    next_seq: u64,
    /// The newest sequence number that is acknowledged or given up.
    settled_seq: u64,
    sent_seq: u64,
    /// The part of `bytes` that is changes of dropped batches.
    carried: usize,
    table: Table,
    /// Events acknowledged by the analyzer.
    pub delivered: PerKind<u64>,
    /// Events in dropped batches.
    pub lost: PerKind<u64>,
    /// Dropped batches.
    pub dropped_batches: u64,
}

impl Buffer {
    /// An empty buffer over the processes known at the start.
    #[must_use]
    pub fn new(max_bytes: usize, table: Table) -> Self {
        Self {
            waiting: VecDeque::new(),
            on_their_way: 0,
            bytes: 0,
            max_bytes,
            next_seq: 1,
            settled_seq: 0,
            sent_seq: 0,
            carried: 0,
            table,
            delivered: PerKind::default(),
            lost: PerKind::default(),
            dropped_batches: 0,
        }
    }

    /// Adds a process that was found running to the table.
    pub fn know(&mut self, process: KnownProcess) {
        self.table.insert(process);
    }

    /// The number the next batch must be encoded with.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Adds a batch that was encoded with [`Self::next_seq`] as `message`, of `encoded_bytes`.
    pub fn push(&mut self, message: v1::Batch, encoded_bytes: usize, complete: Complete) {
        let changes: Vec<Event> =
            complete.events.into_iter().filter(|event| is_lifecycle(event.kind())).collect();
        let bytes = encoded_bytes + weight(&changes);
        self.bytes += bytes;
        let seq = self.next_seq;
        self.next_seq += 1;
        self.waiting.push_back(Waiting { seq, message, bytes, counts: complete.counts, changes, carried: 0 });
        while self.bytes > self.max_bytes && self.waiting.len() > self.on_their_way {
            self.drop_oldest_unsent();
        }
    }

    /// The next batch to send, or nothing while half of the buffer is on its way already: an analyzer that stopped
    /// reading must leave room for the newest.
    pub fn next_to_send(&mut self) -> Option<v1::Batch> {
        let on_their_way: usize =
            self.waiting.iter().take(self.on_their_way).map(|waiting| waiting.bytes).sum();
        if self.on_their_way > 0 && on_their_way > self.max_bytes / 2 {
            return None;
        }
        let next = self.waiting.get(self.on_their_way)?;
        self.on_their_way += 1;
        self.sent_seq = next.seq;
        Some(next.message.clone())
    }

    /// Everything up to and including `seq` is safe with the analyzer.
    ///
    /// # Errors
    /// When a batch is acknowledged that was never sent.
    pub fn ack(&mut self, seq: u64) -> Result<(), AckError> {
        if seq > self.sent_seq {
            return Err(AckError { seq, sent: self.sent_seq });
        }
        while self.on_their_way > 0 && self.waiting.front().is_some_and(|front| front.seq <= seq) {
            let Some(front) = self.waiting.pop_front() else { break };
            self.on_their_way -= 1;
            self.bytes -= front.bytes;
            self.carried -= front.carried;
            self.settled_seq = front.seq;
            add(&mut self.delivered, &front.counts);
            front.changes.iter().for_each(|event| self.table.apply(event));
        }
        Ok(())
    }

    /// A connection begins: nothing is on its way, and the analyzer needs the processes.
    pub fn restart(&mut self) -> Vec<KnownProcess> {
        self.on_their_way = 0;
        self.sent_seq = self.settled_seq;
        self.table.snapshot()
    }

    /// A connection ended: what was on its way may be dropped again.
    pub fn disconnected(&mut self) {
        self.on_their_way = 0;
    }

    /// True when no batch waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of batches that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of the batches that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The process table before the first waiting batch.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    fn drop_oldest_unsent(&mut self) {
        let Some(dropped) = self.waiting.remove(self.on_their_way) else { return };
        self.bytes -= dropped.bytes;
        self.carried -= dropped.carried;
        self.dropped_batches += 1;
        add(&mut self.lost, &dropped.counts);
        let before = self.on_their_way.checked_sub(1).and_then(|position| self.waiting.get_mut(position));
        match before {
            // The table must not run ahead of what is on its way.
            Some(before) => {
                let weight = weight(&dropped.changes);
                before.changes.extend(dropped.changes);
                before.bytes += weight;
                before.carried += weight;
                self.bytes += weight;
                self.carried += weight;
            }
            None => {
                dropped.changes.iter().for_each(|event| self.table.apply(event));
                self.settled_seq = dropped.seq;
            }
        }
        if self.carried > self.max_bytes / 4 {
            self.let_the_table_run_ahead();
        }
    }

    /// The analyzer has not acknowledged anything for so long that the changes of dropped batches have become too
    /// heavy. If it reconnects now, the images of a few processes are newer than the first events sent again.
    fn let_the_table_run_ahead(&mut self) {
        for waiting in self.waiting.iter_mut().take(self.on_their_way) {
            let weight = weight(&waiting.changes);
            waiting.bytes -= weight;
            self.bytes -= weight;
            self.carried -= std::mem::take(&mut waiting.carried);
            waiting.changes.drain(..).for_each(|event| self.table.apply(&event));
        }
    }
}

fn weight(events: &[Event]) -> usize {
    events.iter().map(event_bytes).sum()
}

fn add(sum: &mut PerKind<u64>, more: &PerKind<u64>) {
    for kind in Kind::ALL {
        *sum.get_mut(kind) += more.get(kind);
    }
}

#[cfg(test)]
mod tests;
