//! One batch that is not complete yet.

use std::collections::HashMap;
use std::sync::Arc;

use event::{Event, PerKind};
use foldhash::fast::RandomState;
use wire::batch::Lane;

use super::{Complete, Share, event_bytes, is_lifecycle};

/// Estimated bytes of content at which a batch is complete. One exec has at most 128 KiB of arguments and
/// environment, so no batch can exceed this by more.
const FULL_BYTES: usize = 2 << 20;

/// Events that will be one batch.
#[derive(Debug, Default)]
pub(super) struct Open {
    events: Vec<Event>,
    counts: PerKind<u64>,
    bytes: usize,
    oldest_ns: u64,
    shares: Vec<Share>,
    /// Positions in `shares`.
    share_of: HashMap<u64, usize, RandomState>,
    /// Control group and position of the share that was used last: neighbours are often of one control group.
    last: Option<(u64, usize)>,
}

impl Open {
    pub(super) fn push(&mut self, event: Event) {
        let (kind, bytes) = (event.kind(), event_bytes(&event));
        if self.events.is_empty() {
            self.oldest_ns = event.boot_ns;
        }
        self.oldest_ns = self.oldest_ns.min(event.boot_ns);
        *self.counts.get_mut(kind) += 1;
        self.bytes += bytes;
        let position = self.share_of(&event);
        if let Some(share) = self.shares.get_mut(position) {
            *share.counts.get_mut(kind) += 1;
            *(if is_lifecycle(kind) { &mut share.lifecycle_bytes } else { &mut share.bulk_bytes }) += bytes;
        }
        self.events.push(event);
    }

    pub(super) fn is_full(&self, max_events: usize) -> bool {
        self.events.len() >= max_events || self.bytes >= FULL_BYTES
    }

    /// The time of its oldest event.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        (!self.events.is_empty()).then_some(self.oldest_ns)
    }

    pub(super) fn take(&mut self, lane: Lane) -> Option<Complete> {
        if self.events.is_empty() {
            return None;
        }
        self.bytes = 0;
        self.last = None;
        self.share_of.clear();
        let events = std::mem::take(&mut self.events);
        // The next one will have about as many.
        self.events.reserve(events.len().min(256));
        let counts = std::mem::take(&mut self.counts);
        Some(Complete { lane, known: Vec::new(), events, counts, shares: std::mem::take(&mut self.shares) })
    }

    fn share_of(&mut self, event: &Event) -> usize {
        let id = event.task.cgroup.id;
        if let Some((last, position)) = self.last
            && last == id
        {
            return position;
        }
        let position = *self.share_of.entry(id).or_insert_with(|| {
            self.shares.push(Share {
                cgroup: Arc::clone(&event.task.cgroup),
                counts: PerKind::default(),
                bulk_bytes: 0,
                lifecycle_bytes: 0,
            });
            self.shares.len() - 1
        });
        self.last = Some((id, position));
        position
    }
}
