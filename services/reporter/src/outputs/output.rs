//! One output as the rest of the reporter sees it: its queue, its health, its counters.
//!
//! Invariant, for every output: `payloads = delivered + dropped + pending`. A payload that was written off while the
//! output was away and arrives all the same is counted as late, because it was counted as dropped before. What is in its
//! spool is pending, also when the reporter ends.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::intake::group::{Class, Group};
use crate::intake::labels::LabelId;
use crate::metrics::{DestinationMetrics, DropCause};
use crate::outputs::health::{Health, Recovery};
use crate::outputs::queue::Queue;
use crate::spool::Spool;

/// What all outputs share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// How long an output is down before it leaves the mark.
    pub(crate) leave_after: Duration,
    /// Whether a sender's own source is nearly full.
    pub(crate) is_backlogged: AtomicBool,
    /// Room has become free somewhere, or an output has left.
    pub(crate) changed: Notify,
    /// Something may have to leave: wakes the watch over the outputs.
    pub(crate) watch: Notify,
}

impl Shared {
    pub(crate) fn new(leave_after: Duration) -> Self {
        Self {
            leave_after,
            is_backlogged: AtomicBool::new(false),
            changed: Notify::new(),
            watch: Notify::new(),
        }
    }

    pub(crate) fn is_backlogged(&self) -> bool {
        self.is_backlogged.load(Ordering::SeqCst)
    }
}

/// What an output is made of.
#[derive(Debug)]
pub(crate) struct OutputParts {
    /// Its place among the outputs.
    pub(crate) index: usize,
    pub(crate) name: &'static str,
    pub(crate) is_reliable: bool,
    pub(crate) queue_bytes: usize,
    pub(crate) spool: Option<Arc<Spool>>,
    pub(crate) metrics: DestinationMetrics,
    pub(crate) shared: Arc<Shared>,
}

/// An output.
#[derive(Debug)]
pub(crate) struct Output {
    index: usize,
    name: &'static str,
    is_reliable: bool,
    queue: Queue,
    spool: Option<Arc<Spool>>,
    /// Payloads that the spool has and the output has not resolved.
    spooled: AtomicI64,
    health: Mutex<Health>,
    has_left: AtomicBool,
    /// Something in the queue may be void.
    has_void: AtomicBool,
    metrics: DestinationMetrics,
    shared: Arc<Shared>,
}

impl Output {
    pub(crate) fn new(parts: OutputParts) -> Self {
        let OutputParts { index, name, is_reliable, queue_bytes, spool, metrics, shared } = parts;
        Self {
            index,
            name,
            is_reliable,
            queue: Queue::new(queue_bytes, spool.is_some()),
            spool,
            spooled: AtomicI64::new(0),
            health: Mutex::default(),
            has_left: AtomicBool::new(false),
            has_void: AtomicBool::new(false),
            metrics,
            shared,
        }
    }

    /// `intake`, `file` or `stdout`.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the mark waits for it.
    pub(crate) fn is_reliable(&self) -> bool {
        self.is_reliable
    }

    /// Whether the mark does not wait for it until it is back.
    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::SeqCst)
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn metrics(&self) -> &DestinationMetrics {
        &self.metrics
    }

    /// Its place among the outputs.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Nothing comes any more: it ends when it has written what is in memory.
    pub(crate) fn close(&self) {
        if let Some(spool) = &self.spool {
            spool.hurry();
        }
        self.queue.close();
    }

    /// Whether its spool takes groups of this class now.
    pub(crate) fn spools(&self, class: Class) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.takes(class))
    }

    /// The next group to write; `None` at the end. May be cancelled; for one reader.
    pub(crate) async fn next(&self) -> Option<Arc<Group>> {
        loop {
            let load = |class| {
                if let Some(spool) = &self.spool {
                    spool.load(class);
                }
            };
            let group = self.queue.pop(load).await?;
            if !group.is_void_for(self.index) {
                return Some(group);
            }
            self.gave_up(&group, 0..group.len(), DropCause::OutputDown);
        }
    }

    /// It has these documents.
    pub(crate) fn delivered(&self, group: &Group, range: Range<u32>) {
        let (resolved, counts) = group.resolve(self.index, range, Ok(()));
        self.unspool(resolved.unspooled.into());
        self.metrics.late.add(u64::from(resolved.written_off));
        for (label, n) in counts {
            self.metrics.deliver(label, n);
        }
        if resolved.is_finished {
            self.release(group);
        }
    }

    /// It will never have these documents.
    pub(crate) fn gave_up(&self, group: &Group, range: Range<u32>, cause: DropCause) {
        if self.drop_from(group, range, cause) {
            self.release(group);
        }
    }

    /// Takes a group that was counted for it, or gives it up when there is no room.
    pub(crate) fn offer(&self, group: &Arc<Group>, has_room: bool) {
        if has_room {
            if self.spools(group.class()) {
                group.ask_spool(self.index);
            }
            self.queue.push(group.clone());
            if let Some(spool) = &self.spool {
                spool.add(group);
            }
            return;
        }
        let cause = if self.is_reliable { self.away_cause() } else { DropCause::QueueFull };
        self.drop_from(group, 0..group.len(), cause);
    }

    /// Why something is lost while it is away.
    fn away_cause(&self) -> DropCause {
        match &self.spool {
            Some(spool) if spool.is_full() => DropCause::SpoolFull,
            _ => DropCause::OutputDown,
        }
    }

    /// The spool has the group; what is not delivered yet counts as spooled.
    pub(crate) fn keep(&self, group: &Group) {
        self.spooled.fetch_add(group.keep(self.index).into(), Ordering::SeqCst);
        group.settle();
    }

    /// Payloads that were in the spool at the beginning.
    pub(crate) fn resume(&self, n: u64) {
        self.metrics.payloads.add(n);
        self.spooled.fetch_add(i64::try_from(n).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Counts payloads that were in the spool and are given up there.
    pub(crate) fn lose_spooled(&self, cause: DropCause, counts: &[(LabelId, u64)]) {
        self.unspool(counts.iter().map(|(_, n)| n).sum());
        self.metrics.drop_payloads(cause, counts);
    }

    /// Payloads that the spool has and the output has not resolved.
    pub(crate) fn spooled(&self) -> u64 {
        u64::try_from(self.spooled.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn unspool(&self, n: u64) {
        self.spooled.fetch_sub(i64::try_from(n).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Room has become free.
    pub(crate) fn changed(&self) {
        self.shared.changed.notify_waiters();
    }

    /// Frees the room of groups that were written off.
    pub(crate) fn discard_void(&self) {
        if !self.has_void.swap(false, Ordering::SeqCst) {
            return;
        }
        for group in self.queue.remove(|group| group.is_void_for(self.index)) {
            self.gave_up(&group, 0..group.len(), DropCause::OutputDown);
        }
    }

    /// Counts what the mark does not wait for and nobody else has.
    pub(crate) fn write_off(&self, counts: &[(LabelId, u64)]) {
        self.metrics.drop_payloads(self.away_cause(), counts);
        self.has_void.store(true, Ordering::SeqCst);
    }

    fn drop_from(&self, group: &Group, range: Range<u32>, cause: DropCause) -> bool {
        let (resolved, counts) = group.resolve(self.index, range, Err(cause));
        self.unspool(resolved.unspooled.into());
        self.metrics.drop_payloads(cause, &counts);
        resolved.is_finished
    }

    fn release(&self, group: &Group) {
        self.queue.release(group.bytes());
        if let (Some(spool), Some(record)) = (&self.spool, group.record(self.index)) {
            self.queue.resolved(group.class(), record);
            spool.note_resolved();
        }
        self.changed();
    }

    /// A write begins, which may block.
    pub(crate) fn began(&self) {
        self.health().began(Instant::now());
    }

    /// A write or a request failed and will be repeated.
    pub(crate) fn failed(&self) {
        if self.health().failed(Instant::now()) {
            tracing::warn!(destination = self.name, "an output is down");
            self.shared.watch.notify_one();
        }
    }

    /// A write or a request succeeded.
    pub(crate) fn succeeded(&self) {
        let mut health = self.health();
        let recovery = health.succeeded();
        // Under the lock, so that it cannot be overtaken by a decision to leave.
        self.has_left.store(false, Ordering::SeqCst);
        drop(health);
        match recovery {
            Recovery::Nothing => {}
            Recovery::Up => tracing::info!(destination = self.name, "an output is back"),
            Recovery::Returned => {
                tracing::info!(
                    destination = self.name,
                    "an output is back: what is settled waits for it again"
                );
            }
        }
    }

    /// Whether it works and the mark waits for it.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        !self.has_left() && self.health().is_up(now)
    }

    /// Leaves the mark if it is time to; when it is hurried, as soon as it is down. True when that is new.
    pub(crate) fn leave_if_due(&self, now: Instant, is_hurried: bool) -> bool {
        let mut health = self.health();
        if !health.leave(now, self.shared.leave_after, is_hurried) {
            return false;
        }
        self.has_left.store(true, Ordering::SeqCst);
        let down_for = health.down_for(now);
        drop(health);
        tracing::error!(
            destination = self.name,
            down_seconds = down_for.as_secs(),
            queue_bytes = self.queue.bytes(),
            "an output is down for too long: nothing waits for it until it is back, and what does not fit in its \
             queue or what no other output has is lost"
        );
        true
    }

    /// When it is to leave the mark.
    pub(crate) fn leaves_at(&self, is_hurried: bool) -> Option<Instant> {
        self.health().leaves_at(self.shared.leave_after, is_hurried)
    }

    /// Brings the gauges up to date.
    pub(crate) fn show(&self) {
        let down_for = self.health().down_for(Instant::now());
        self.metrics.show(down_for, self.has_left(), self.queue.bytes());
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
