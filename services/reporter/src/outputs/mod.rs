//! All outputs: what is submitted goes to each, and one that is dead does not hold up the others.
//!
//! Invariants: a group waits, and is not dropped, while an output that the mark waits for has no room; one that has
//! left the mark holds up nothing. A backlog hurries an output out of the mark only while another one works: what the
//! last one does not get is lost, and the sender's source chooses better what to lose. The watch over the outputs has a
//! timer only while something is not settled.

pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod lines;
pub(crate) mod output;
pub(crate) mod queue;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use wire::v1;

use crate::intake::group::Group;
use crate::intake::invalid::InvalidGroup;
use crate::intake::labels::Labels;
use crate::intake::mark::Mark;
use crate::metrics::SubmitMetrics;
use crate::outputs::output::{Output, Shared};

/// A sender's source that is this full must not wait for a dead output.
const BACKLOG_PERCENT: u32 = 80;
/// How often outputs are looked at while there is a backlog: as long as a write may take.
const BACKLOG_WATCH: Duration = Duration::from_secs(1);

/// All outputs of the reporter.
#[derive(Debug)]
pub(crate) struct Outputs {
    list: Arc<[Arc<Output>]>,
    shared: Arc<Shared>,
    labels: Arc<Labels>,
    metrics: SubmitMetrics,
    marks: Mutex<Vec<Weak<Mark>>>,
    /// One group at a time is handed out, in the order of arrival.
    turn: tokio::sync::Mutex<()>,
    is_watching: AtomicBool,
}

impl Outputs {
    pub(crate) fn new(
        list: Vec<Arc<Output>>,
        shared: Arc<Shared>,
        labels: Arc<Labels>,
        metrics: SubmitMetrics,
    ) -> Self {
        Self {
            list: list.into(),
            shared,
            labels,
            metrics,
            marks: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            is_watching: AtomicBool::new(false),
        }
    }

    /// The mark of a new stream.
    pub(crate) fn new_mark(&self) -> Arc<Mark> {
        let mark = Arc::new(Mark::default());
        let mut marks = self.marks();
        marks.retain(|known| known.strong_count() > 0);
        marks.push(Arc::downgrade(&mark));
        mark
    }

    /// Takes a group into care, when every output that the mark waits for has room. May be cancelled: then nothing
    /// has happened.
    ///
    /// # Errors
    /// When the message makes no sense.
    pub(crate) async fn submit(
        &self,
        message: v1::PayloadGroup,
        mark: &Arc<Mark>,
    ) -> Result<(), InvalidGroup> {
        self.set_backlog(message.backlog_percent >= BACKLOG_PERCENT);
        let group = Arc::new(Group::new(message, mark.clone(), self.list.clone(), &self.labels)?);
        let turn = self.turn.lock().await;
        let rooms = self.rooms(&group).await;
        mark.open(&group);
        self.metrics.payloads.add(u64::from(group.len()));
        self.metrics.discard(group.unfit());
        if group.n_fit() > 0 {
            for output in &*self.list {
                output.metrics().payloads.add(u64::from(group.n_fit()));
            }
            for (output, has_room) in self.list.iter().zip(rooms) {
                output.offer(&group, has_room);
            }
        }
        group.settle();
        drop(turn);
        self.discard_void();
        if !self.is_watching.swap(true, Ordering::SeqCst) {
            self.shared.watch.notify_one();
        }
        Ok(())
    }

    /// The sender waits and reads nothing from its source, so no group comes that could say how full that is.
    pub(crate) fn sender_stands(&self) {
        self.set_backlog(true);
    }

    /// A stream has ended, and what it said of its backlog with it.
    pub(crate) fn stream_ended(&self) {
        self.set_backlog(false);
    }

    /// Nothing is submitted any more; the outputs end when they have written what they have in memory.
    pub(crate) fn close(&self) {
        for output in &*self.list {
            output.close();
        }
    }

    /// Brings the gauges up to date.
    pub(crate) fn show(&self) {
        for output in &*self.list {
            output.show();
        }
        let bytes: usize = self.list.iter().map(|output| output.queue().bytes()).sum();
        self.metrics.queue_bytes.set(bytes as u64);
    }

    /// Lets outputs that are down for too long leave the mark; runs until it is dropped.
    pub(crate) async fn watch(&self) {
        loop {
            self.shared.watch.notified().await;
            loop {
                let now = Instant::now();
                self.leave(now);
                let leaves_at = |output: &Arc<Output>| output.leaves_at(self.is_hurried(output, now));
                let due = self.list.iter().filter_map(leaves_at).min();
                if due.is_none() && self.is_at_rest() {
                    self.is_watching.store(false, Ordering::SeqCst);
                    // A group that came in between found the watch running.
                    if self.is_at_rest() {
                        break;
                    }
                    self.is_watching.store(true, Ordering::SeqCst);
                }
                let usual = if self.shared.is_backlogged() { BACKLOG_WATCH } else { self.shared.leave_after };
                let next = due.into_iter().chain([now + usual]).min().unwrap_or(now);
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = self.shared.watch.notified() => {}
                }
            }
        }
    }

    fn leave(&self, now: Instant) {
        let leaves = |output: &&Arc<Output>| output.leave_if_due(now, self.is_hurried(output, now));
        let n_left = self.list.iter().filter(leaves).count();
        if n_left == 0 {
            return;
        }
        let marks: Vec<_> = self.marks().iter().filter_map(Weak::upgrade).collect();
        for group in marks.iter().flat_map(|mark| mark.unsettled()) {
            group.settle();
        }
        self.discard_void();
        self.shared.changed.notify_waiters();
    }

    /// Whether an output must not be waited for at all when it is down.
    fn is_hurried(&self, output: &Arc<Output>, now: Instant) -> bool {
        let mut others = self.list.iter().filter(|other| !Arc::ptr_eq(other, output));
        self.shared.is_backlogged() && others.any(|other| other.is_reliable() && other.is_up(now))
    }

    /// Waits until each output that the mark waits for, or whose spool makes room, has some; says which outputs have.
    async fn rooms(&self, group: &Group) -> Vec<bool> {
        let (class, bytes) = (group.class(), group.bytes());
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // From here on nothing that frees room is missed.
            changed.as_mut().enable();
            let rooms: Vec<bool> =
                self.list.iter().map(|output| output.queue().has_room(class, bytes)).collect();
            let is_full = |(output, has_room): (&Arc<Output>, &bool)| {
                !has_room && output.is_reliable() && (!output.has_left() || output.spools(class))
            };
            if !self.list.iter().zip(&rooms).any(is_full) {
                return rooms;
            }
            changed.await;
        }
    }

    fn discard_void(&self) {
        for output in &*self.list {
            output.discard_void();
        }
    }

    fn is_at_rest(&self) -> bool {
        self.list.iter().all(|output| output.queue().bytes() == 0)
    }

    fn set_backlog(&self, is_backlogged: bool) {
        if self.shared.is_backlogged.swap(is_backlogged, Ordering::SeqCst) != is_backlogged {
            self.shared.watch.notify_one();
        }
    }

    fn marks(&self) -> MutexGuard<'_, Vec<Weak<Mark>>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
