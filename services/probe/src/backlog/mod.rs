//! Keeps batches until the analyzer has acknowledged them, in a bounded number of bytes. See docs/delivery.md.
//!
//! Pure: no lock, no socket; `handover.rs` shares it between the drain loop and the server. Delivery is at least once:
//! a batch that was sent and not acknowledged is sent again on the next connection, as the same bytes.
//!
//! Invariants, each held by a test: events pushed = settled + dropped + waiting, per kind; a number is given when a
//! batch is first sent, so numbers have no holes; what was sent is never dropped; nothing of the main lane is dropped
//! while a flood waits, and no lifecycle event while a bulk event waits.

mod gaps;
pub mod handover;
mod losses;
mod settled;
mod shed;
pub mod state;
mod waiting;

use std::collections::{BTreeMap, HashMap, VecDeque};

use event::{Event, Ledger, NotObserved, PerKind, Unwanted, WorkloadLoss};
use foldhash::fast::RandomState;
use wire::batch::{Lane, News};
use wire::v1::from_probe::Message;

use gaps::Gaps;
pub use losses::{Losers, name_of};
use settled::Settled;
pub use shed::Dropped;
pub use waiting::Waiting;
use waiting::{Flood, Sent, Weight};

/// Workloads whose losses one batch tells; more have to wait for the next one.
const MAX_TOLD: usize = 256;

/// Why an acknowledgement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("acknowledged batch {seq}, but the newest one sent is {sent}")]
pub struct AckError {
    /// What was acknowledged.
    pub seq: u64,
    /// The newest that was sent.
    pub sent: u64,
}

/// The batches that wait, and what became of the others.
#[derive(Debug)]
pub struct Backlog {
    main: VecDeque<Waiting>,
    floods: BTreeMap<u64, Flood>,
    /// The floods, the one whose turn it is first.
    turns: VecDeque<u64>,
    /// What the unsent part of the main lane weighs, by control group.
    weights: HashMap<u64, Weight, RandomState>,
    /// Sent and not acknowledged, in the order of their numbers.
    sent: VecDeque<Sent>,
    /// How many of them this connection has.
    on_connection: usize,
    bytes: usize,
    sent_bytes: usize,
    max_bytes: usize,
    next_seq: u64,
    /// Every event before this has been pushed.
    pushed_until_ns: u64,
    told_until_ns: u64,
    /// Changes of dropped batches that may be applied to the process table now.
    ahead: Vec<Event>,
    /// The part of `bytes` that is changes of dropped batches.
    carried: usize,
    settled: Settled,
    losers: Losers,
    dropped: Dropped,
    gaps: Gaps,
}

impl Backlog {
    /// An empty backlog. `gap` is what was not observed before this start.
    #[must_use]
    pub fn new(max_bytes: usize, gap: Option<NotObserved>) -> Self {
        Self {
            main: VecDeque::new(),
            floods: BTreeMap::new(),
            turns: VecDeque::new(),
            weights: HashMap::default(),
            sent: VecDeque::new(),
            on_connection: 0,
            bytes: 0,
            sent_bytes: 0,
            max_bytes,
            next_seq: 1,
            pushed_until_ns: 0,
            told_until_ns: 0,
            ahead: Vec::new(),
            carried: 0,
            settled: Settled::default(),
            losers: Losers::default(),
            dropped: Dropped::default(),
            gaps: Gaps::new(gap),
        }
    }

    /// Adds a batch; over the limit something that was not sent yet is dropped.
    pub fn push(&mut self, lane: Lane, batch: Waiting) {
        self.bytes += batch.bytes();
        match (lane, batch.cgroup()) {
            (Lane::Flood, Some(cgroup)) => {
                let id = cgroup.id;
                let flood = self.floods.entry(id).or_insert_with(|| {
                    self.turns.push_back(id);
                    Flood::default()
                });
                flood.bytes += batch.bytes();
                flood.batches.push_back(batch);
            }
            _ => {
                self.weigh(&batch, true);
                self.main.push_back(batch);
            }
        }
        self.shed();
    }

    /// Every event before this time has been pushed, or will never be.
    pub fn pushed_until(&mut self, boot_ns: u64) {
        self.pushed_until_ns = self.pushed_until_ns.max(boot_ns);
    }

    /// Counts what was lost before it could be pushed, and tells it with the next batch.
    pub fn lose(&mut self, loss: WorkloadLoss) {
        self.losers.add(loss);
    }

    /// Kinds are not observed any more, or again: the next batch tells it.
    pub fn unwanted(&mut self, unwanted: &Unwanted) {
        self.gaps.add(unwanted);
    }

    /// True when there is something to say and no batch to say it with.
    #[must_use]
    pub fn wants_an_empty_batch(&self) -> bool {
        let has_news = self.losers.has_news() || self.gaps.has_news();
        has_news && self.main.is_empty() && self.floods.is_empty()
    }

    /// The next batch for this connection, as it was encoded once: first those that were sent before and not acknowledged,
    /// then the main lane, then the floods in turn. Nothing while too much is on its way.
    pub fn next_to_send(&mut self) -> Option<Message> {
        if let Some(again) = self.sent.get(self.on_connection) {
            self.on_connection += 1;
            return Some(again.message.clone());
        }
        let (lane, batch) = self.next_unsent()?;
        let seq = self.next_seq;
        self.next_seq += 1;
        let mut news = News {
            complete_until_ns: self.complete_until_ns(),
            lost: self.losers.take_news(MAX_TOLD),
            backlog_percent: self.percent(),
            lane,
            ..News::default()
        };
        self.gaps.tell(seq, &mut news);
        self.bytes -= batch.bytes();
        let sent = batch.sent(seq, &news);
        self.bytes += sent.bytes();
        self.sent_bytes += sent.bytes();
        let message = sent.message.clone();
        self.sent.push_back(sent);
        self.on_connection = self.sent.len();
        Some(message)
    }

    /// Everything up to and including `seq` is settled, as the ledger says. Gives the changes of these batches, for the
    /// process table. What was acknowledged before changes nothing.
    ///
    /// # Errors
    /// When a batch is acknowledged that was never sent.
    pub fn ack(&mut self, seq: u64, ledger: &Ledger) -> Result<Vec<Event>, AckError> {
        if seq >= self.next_seq {
            return Err(AckError { seq, sent: self.next_seq - 1 });
        }
        let (mut held, mut changes, mut is_news) = (PerKind::default(), Vec::new(), false);
        while let Some(front) = self.sent.pop_front_if(|front| front.seq <= seq) {
            is_news = true;
            self.on_connection = self.on_connection.saturating_sub(1);
            self.bytes -= front.bytes();
            self.sent_bytes -= front.bytes();
            self.carried -= front.carried;
            held += &front.counts;
            changes.extend(front.changes);
        }
        if is_news {
            self.settled.add(&held, ledger);
        }
        self.gaps.acknowledged(seq);
        Ok(changes)
    }

    /// A connection begins: what was not acknowledged is sent again.
    pub fn restart(&mut self) {
        self.on_connection = 0;
    }

    /// Changes that the process table can have at once, because their batches were dropped.
    pub fn take_ahead(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.ahead)
    }

    /// Processes of which something waits that will change the process table.
    pub fn changing(&self) -> impl Iterator<Item = &Event> {
        let sent = self.sent.iter().flat_map(|sent| &sent.changes);
        sent.chain(self.main.iter().flat_map(|batch| &batch.changes)).chain(&self.ahead)
    }

    /// What became of the events that the analyzer had.
    #[must_use]
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// What was dropped here.
    #[must_use]
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// What was dropped here, to report and begin anew with.
    pub fn dropped_mut(&mut self) -> &mut Dropped {
        &mut self.dropped
    }

    /// The workloads that lost something.
    #[must_use]
    pub fn losers(&self) -> &Losers {
        &self.losers
    }

    /// True when no batch waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of batches that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        let floods: usize = self.floods.values().map(|flood| flood.batches.len()).sum();
        self.sent.len() + self.main.len() + floods
    }

    /// Number of events that wait.
    #[must_use]
    pub fn events(&self) -> PerKind<u64> {
        let mut sum = PerKind::default();
        self.sent.iter().for_each(|sent| sum += &sent.counts);
        self.unsent().for_each(|batch| sum += &batch.counts);
        sum
    }

    /// Bytes of the batches that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that may wait.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The time of the oldest event that is not settled, or from which on events can still come; also the beginning
    /// of a time that was not observed, until the analyzer knows of it.
    #[must_use]
    pub fn unsettled_since_ns(&self) -> u64 {
        let oldest = self.oldest_event_ns().unwrap_or(u64::MAX).min(self.pushed_until_ns);
        self.gaps.before_ns().map_or(oldest, |gap| gap.min(oldest))
    }

    /// The time of the oldest event that waits.
    #[must_use]
    pub fn oldest_event_ns(&self) -> Option<u64> {
        let sent = self.sent.iter().map(|sent| sent.oldest_ns);
        sent.chain(self.unsent().map(|batch| batch.oldest_ns)).min()
    }

    fn unsent(&self) -> impl Iterator<Item = &Waiting> {
        self.main.iter().chain(self.floods.values().flat_map(|flood| &flood.batches))
    }

    /// The main lane first. What is on its way is bounded, for floods more than for the main lane, so that no analyzer
    /// that reads and never acknowledges can keep the newest out.
    fn next_unsent(&mut self) -> Option<(Lane, Waiting)> {
        let may_send = |part: usize| self.sent.is_empty() || self.sent_bytes < self.max_bytes / 10 * part;
        if !self.main.is_empty() {
            let batch = if may_send(8) { self.main.pop_front() } else { None }?;
            self.weigh(&batch, false);
            return Some((Lane::Main, batch));
        }
        if !may_send(5) {
            return None;
        }
        let cgroup = self.turns.pop_front()?;
        let flood = self.floods.get_mut(&cgroup)?;
        let batch = flood.batches.pop_front()?;
        flood.bytes -= batch.bytes();
        if flood.batches.is_empty() {
            self.floods.remove(&cgroup);
        } else {
            self.turns.push_back(cgroup);
        }
        Some((Lane::Flood, batch))
    }

    /// Everything before this has been sent, the batch that is being sent included, or is lost.
    fn complete_until_ns(&mut self) -> u64 {
        // Within a lane batches are in order.
        let floods = self.floods.values().filter_map(|flood| flood.batches.front());
        let oldest = floods.chain(self.main.front()).map(|batch| batch.oldest_ns).min();
        let until = oldest.map_or(self.pushed_until_ns, |oldest| oldest.min(self.pushed_until_ns));
        self.told_until_ns = self.told_until_ns.max(until);
        self.told_until_ns
    }

    fn percent(&self) -> u32 {
        let percent = self.bytes.saturating_mul(100).checked_div(self.max_bytes).unwrap_or(100);
        u32::try_from(percent.min(100)).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests;
