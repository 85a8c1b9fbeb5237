//! Collects entries into request bodies. Pure: the clock is an argument.
//!
//! Invariants: a body is never longer than its limit, brackets and commas included; entries keep their order, and
//! each is in exactly one batch.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::entry::{EntryForm, MAX_ENTRY_BYTES};
use super::trim;
use crate::intake::group::Group;
use crate::metrics::DropCause;

/// When a batch is complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Entries.
    pub(crate) max_entries: usize,
    /// Bytes of the body.
    pub(crate) max_bytes: usize,
    /// Age of the first entry.
    pub(crate) max_wait: Duration,
}

/// A JSON array of entries and the payloads they came from.
#[derive(Debug)]
pub(crate) struct Batch {
    /// For each entry, its group and its place there.
    payloads: Vec<(Arc<Group>, u32)>,
    /// `[e1,e2,…]`, complete.
    body: Vec<u8>,
    /// For each entry, where it ends in the body.
    ends: Vec<usize>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.payloads.len()
    }

    /// The body, to be sent; [`Batch::put_body`] gives it back to a batch that must be cut.
    pub(crate) fn take_body(&mut self) -> Bytes {
        std::mem::take(&mut self.body).into()
    }

    pub(crate) fn put_body(&mut self, body: Bytes) {
        self.body = body.into();
    }

    /// When the last payload was accepted, milliseconds since the epoch.
    pub(crate) fn last_accepted_ms(&self) -> i64 {
        self.payloads.last().map_or(0, |(group, _)| group.accepted_ms())
    }

    /// What the entries came from, as runs of documents of one group.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&Group, Range<u32>)> {
        let follows = |one: &(Arc<Group>, u32), next: &(Arc<Group>, u32)| {
            Arc::ptr_eq(&one.0, &next.0) && one.1 + 1 == next.1
        };
        self.payloads.chunk_by(follows).filter_map(|run| {
            let ((group, first), (_, last)) = (run.first()?, run.last()?);
            Some((&**group, *first..last + 1))
        })
    }

    /// Two batches of about half the entries each, in order; itself when there is only one entry.
    pub(crate) fn halves(mut self) -> Result<(Self, Self), Self> {
        let middle = self.payloads.len() / 2;
        let cut = match middle.checked_sub(1).and_then(|last| self.ends.get(last)) {
            Some(end) => *end,
            None => return Err(self),
        };
        let second_payloads = self.payloads.split_off(middle);
        // Behind the cut is a comma; the second body starts with a bracket in its place.
        let mut second_body = self.body.split_off(cut);
        if let Some(comma) = second_body.first_mut() {
            *comma = b'[';
        }
        self.body.push(b']');
        let second_ends = self.ends.split_off(middle).into_iter().map(|end| end - cut).collect();
        Ok((self, Self { payloads: second_payloads, body: second_body, ends: second_ends }))
    }
}

/// The batch that is being filled.
#[derive(Debug)]
pub(crate) struct Batcher {
    limits: Limits,
    /// Without the closing bracket; empty when there is no entry.
    open: Batch,
    deadline: Option<Instant>,
    n_trimmed: u64,
}

impl Batcher {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, open: empty(), deadline: None, n_trimmed: 0 }
    }

    /// How many payloads were shortened since the last call.
    pub(crate) fn take_trimmed(&mut self) -> u64 {
        std::mem::take(&mut self.n_trimmed)
    }

    /// When the open batch must be taken at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Adds a payload. Returns what is now complete: the batch before it, if it did not fit there, and the batch
    /// with it, if nothing more can be added.
    pub(crate) fn push(
        &mut self,
        (group, place): (&Arc<Group>, u32),
        form: &mut EntryForm,
        now_ms: i64,
        now: Instant,
    ) -> Result<[Option<Batch>; 2], DropCause> {
        let start = self.open.body.len();
        self.open.body.push(if start == 0 { b'[' } else { b',' });
        form.append(&mut self.open.body, group, place, now_ms);
        // Alone it needs two brackets.
        let max_bytes = MAX_ENTRY_BYTES.min(self.limits.max_bytes.saturating_sub(2));
        if self.open.body.len() - start - 1 > max_bytes {
            self.open.body.truncate(start + 1);
            let entry = |short: &str| form.trimmed(group, place, short, now_ms);
            let document = group.documents().parts(place).concat();
            let Some(short) = trim::shorten(&document, |short| entry(short).len() <= max_bytes) else {
                self.open.body.truncate(start);
                return Err(DropCause::EntryTooLarge);
            };
            self.open.body.extend_from_slice(&entry(&short));
            self.n_trimmed += 1;
        }
        let mut before = None;
        if self.open.body.len() + 1 > self.limits.max_bytes {
            let mut entry = self.open.body.split_off(start);
            if let Some(separator) = entry.first_mut() {
                *separator = b'[';
            }
            before = self.take();
            self.open.body = entry;
        }
        self.open.ends.push(self.open.body.len());
        self.open.payloads.push((group.clone(), place));
        self.deadline.get_or_insert(now + self.limits.max_wait);
        let is_full =
            self.open.len() >= self.limits.max_entries || self.open.body.len() + 1 == self.limits.max_bytes;
        let with_it = if is_full { self.take() } else { None };
        Ok([before, with_it])
    }

    /// The open batch, if it has any entry.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        self.deadline = None;
        if self.open.payloads.is_empty() {
            return None;
        }
        let mut batch = std::mem::replace(&mut self.open, empty());
        batch.body.push(b']');
        Some(batch)
    }
}

fn empty() -> Batch {
    Batch { payloads: Vec::new(), body: Vec::new(), ends: Vec::new() }
}

#[cfg(test)]
#[path = "batch/tests.rs"]
mod tests;
