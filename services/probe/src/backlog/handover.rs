//! The backlog and the process table, shared between the drain loop that fills them and the server that empties them.
//!
//! The shell around the backlog and the table: a lock for each, and the signals that wake both sides. The drain loop
//! never waits for the server, except once at the end, and then for a bounded time: it takes the lock of the table only
//! when it is free, and the one of the backlog is held for moves and look-ups only. Whoever takes both takes the table first.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use event::{KnownProcess, Ledger, PerKind, ProcessKey, Unwanted, WorkloadLoss};
use tokio::sync::Notify;
use wire::v1::from_probe::Message;

use crate::backlog::{AckError, Backlog, Losers, Waiting};
use crate::context::table::Table;
use crate::flow::batcher::Complete;
use crate::metrics::Metrics;

/// Pause between two log lines about dropped events.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Says which connection is the current one; a newer one makes the older powerless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session(u64);

/// What a session may do next.
#[derive(Debug)]
pub enum Next {
    /// Send this batch.
    Send(Box<Message>),
    /// Wait for [`Handover::changed`].
    Wait,
    /// End: a newer connection took over.
    Replaced,
}

/// What became of the events that were pushed, and what waits.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// What acknowledgements said.
    pub ledger: Ledger,
    /// Dropped because the backlog was full.
    pub dropped: PerKind<u64>,
    /// Events that wait.
    pub waiting: PerKind<u64>,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes that may wait.
    pub max_bytes: u64,
    /// The time of the oldest event that waits.
    pub oldest_ns: Option<u64>,
    /// From here on not everything is settled.
    pub unsettled_since_ns: u64,
    /// Analyzers that were another process than the one before.
    pub analyzer_restarts: u64,
}

#[derive(Debug)]
struct State {
    backlog: Backlog,
    /// Came into scope, and are not in the table yet.
    entered: Vec<KnownProcess>,
    newest: u64,
    connected: bool,
    /// The analyzer that connected last; 0 = none that said which one it is.
    instance: u64,
    analyzer_restarts: u64,
    next_log: Option<Instant>,
}

/// The shared state.
#[derive(Debug)]
pub struct Handover {
    table: Mutex<Table>,
    state: Mutex<State>,
    changed: Notify,
    settled: Condvar,
    metrics: Metrics,
}

impl Handover {
    /// Shares this backlog, over the processes known at the start.
    #[must_use]
    pub fn new(backlog: Backlog, table: Table, metrics: Metrics) -> Self {
        let state = State {
            backlog,
            entered: Vec::new(),
            newest: 0,
            connected: false,
            instance: 0,
            analyzer_restarts: 0,
            next_log: None,
        };
        Self {
            table: Mutex::new(table),
            state: Mutex::new(state),
            changed: Notify::new(),
            settled: Condvar::new(),
            metrics,
        }
    }

    /// Adds the processes that were found running. Called before the first event.
    pub fn know(&self, processes: Vec<KnownProcess>) {
        let mut table = self.lock_table();
        processes.into_iter().for_each(|process| table.insert(process));
    }

    /// Encodes a complete batch and keeps it for the analyzer.
    pub fn push(&self, complete: Complete) {
        let lane = complete.lane;
        let entered = complete.known.clone();
        let batch = Waiting::encode(complete);
        self.metrics.batches.inc();
        self.metrics.batch_bytes.add(batch.encoded_bytes() as u64);
        let table = self.try_lock_table();
        let mut state = self.lock();
        state.backlog.push(lane, batch);
        state.entered.extend(entered);
        let Some(mut table) = table else {
            drop(state);
            self.changed.notify_one();
            return;
        };
        let (entered, ahead) = (std::mem::take(&mut state.entered), state.backlog.take_ahead());
        drop(state);
        entered.into_iter().for_each(|process| table.enter(process));
        ahead.iter().for_each(|event| table.apply(event));
        drop(table);
        self.changed.notify_one();
    }

    /// Every event before this time has been pushed, or will never be.
    pub fn pushed_until(&self, boot_ns: u64) {
        self.lock().backlog.pushed_until(boot_ns);
    }

    /// Counts what was lost before it could be pushed, and tells the analyzer.
    pub fn lose(&self, losses: impl IntoIterator<Item = WorkloadLoss>) {
        let mut state = self.lock();
        losses.into_iter().for_each(|loss| state.backlog.lose(loss));
    }

    /// Tells the analyzer which kinds are not observed any more, or again.
    pub fn unwanted(&self, unwanted: &Unwanted) {
        self.lock().backlog.unwanted(unwanted);
    }

    /// When there is news and nothing waits that could carry it, an empty batch does.
    pub fn tell_news(&self, now_ns: u64) {
        let mut state = self.lock();
        if state.backlog.wants_an_empty_batch() {
            state.backlog.push(wire::batch::Lane::Main, Waiting::empty(now_ns));
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Counts what became of the events. Also brings the gauges up to date, and says so when events were dropped.
    #[must_use]
    pub fn account(&self) -> Account {
        let mut state = self.lock();
        let report = state.take_report();
        let backlog = &state.backlog;
        let account = Account {
            ledger: backlog.settled().ledger,
            dropped: backlog.dropped().counts,
            waiting: backlog.events(),
            bytes: backlog.bytes() as u64,
            max_bytes: backlog.max_bytes() as u64,
            oldest_ns: backlog.oldest_event_ns(),
            unsettled_since_ns: backlog.unsettled_since_ns(),
            analyzer_restarts: state.analyzer_restarts,
        };
        self.metrics.backlog_batches.set(backlog.len() as u64);
        self.metrics.backlog_bytes.set(account.bytes);
        self.metrics.batches_rewritten.set(backlog.dropped().rewritten);
        self.metrics.overclaimed.set(backlog.settled().overclaimed);
        drop(state);
        if let Some(table) = self.try_lock_table() {
            self.metrics.table_processes.set(table.len() as u64);
            self.metrics.table_refused.set(table.refused);
            self.metrics.table_stripped.set(table.stripped);
        }
        report_dropped(&report);
        account
    }

    /// Looks at the workloads that lost something.
    pub fn losers<T>(&self, look: impl FnOnce(&Losers) -> T) -> T {
        look(self.lock().backlog.losers())
    }

    /// Removes the processes from the table that are not `living`, unless they are younger than that list or their end is
    /// among what waits. Gives how many; `None` when the table is busy, then ask again.
    #[must_use]
    pub fn reconcile(&self, living: &HashSet<ProcessKey>, listed_ns: u64) -> Option<usize> {
        let mut table = self.try_lock_table()?;
        let state = self.lock();
        let changing: HashSet<ProcessKey> =
            state.backlog.changing().map(|event| event.task.process).collect();
        drop(state);
        Some(table.retain(|process| {
            process.start_ns >= listed_ns || living.contains(process) || changing.contains(process)
        }))
    }

    /// A connection of this analyzer (0 = it did not say which) begins and takes over from an older one. Gives the
    /// processes that the analyzer must know first.
    pub fn connect(&self, instance: u64) -> (Session, Vec<KnownProcess>) {
        let mut table = self.lock_table();
        let mut state = self.lock();
        state.newest += 1;
        if std::mem::replace(&mut state.connected, true) {
            self.metrics.replaced.inc();
        }
        if instance != 0 {
            let before = std::mem::replace(&mut state.instance, instance);
            state.analyzer_restarts += u64::from(before != 0 && before != instance);
        }
        let session = Session(state.newest);
        state.backlog.restart();
        let (entered, ahead) = (std::mem::take(&mut state.entered), state.backlog.take_ahead());
        drop(state);
        entered.into_iter().for_each(|process| table.enter(process));
        ahead.iter().for_each(|event| table.apply(event));
        let processes = table.snapshot();
        drop(table);
        // Wakes a session that this one replaces, so that it notices.
        self.changed.notify_waiters();
        (session, processes)
    }

    /// A connection ended.
    pub fn disconnect(&self, session: Session) {
        let mut state = self.lock();
        if state.newest == session.0 {
            state.connected = false;
        }
        drop(state);
        self.settled.notify_all();
    }

    /// What this session should do next.
    #[must_use]
    pub fn next(&self, session: Session) -> Next {
        let mut state = self.lock();
        if state.newest != session.0 {
            return Next::Replaced;
        }
        state.backlog.next_to_send().map_or(Next::Wait, |batch| Next::Send(Box::new(batch)))
    }

    /// Everything up to `seq` is settled as this ledger says. From a replaced session it changes nothing.
    ///
    /// # Errors
    /// When that was never sent.
    pub fn ack(&self, session: Session, seq: u64, ledger: &Ledger) -> Result<(), AckError> {
        let mut table = self.lock_table();
        let mut state = self.lock();
        if state.newest == session.0 {
            let changes = state.backlog.ack(seq, ledger)?;
            // These are older than anything that is on its way.
            let ahead = state.backlog.take_ahead();
            drop(state);
            ahead.iter().chain(&changes).for_each(|event| table.apply(event));
        } else {
            drop(state);
        }
        drop(table);
        self.settled.notify_all();
        self.changed.notify_one();
        Ok(())
    }

    /// Resolves when there may be something new to send, or the session may have been replaced. Create it before
    /// asking [`Self::next`].
    pub fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    /// Blocks until everything is settled, nobody is connected, or the time is up.
    pub fn wait_until_settled(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        while state.connected && !state.backlog.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock_table(&self) -> Option<MutexGuard<'_, Table>> {
        match self.table.try_lock() {
            Ok(table) => Some(table),
            Err(TryLockError::Poisoned(table)) => Some(table.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl State {
    /// What was dropped since the last log line, when it is time for another one.
    fn take_report(&mut self) -> Vec<(Arc<str>, PerKind<u64>)> {
        let now = Instant::now();
        if self.next_log.is_some_and(|next| now < next) {
            return Vec::new();
        }
        let report = self.backlog.dropped_mut().take_recent();
        if !report.is_empty() {
            self.next_log = Some(now + LOG_PAUSE);
        }
        report
    }
}

fn report_dropped(report: &[(Arc<str>, PerKind<u64>)]) {
    let Some((workload, most)) = report.first() else { return };
    let mut all = PerKind::default();
    report.iter().for_each(|(_, counts)| all += counts);
    let kinds =
        all.iter().filter(|(_, count)| **count > 0).map(|(kind, count)| format!("{count} {}", kind.name()));
    tracing::warn!(
        kinds = kinds.collect::<Vec<_>>().join(", "),
        workloads = report.len(),
        most_of = &**workload,
        most = most.total(),
        "events dropped: the backlog is full, the analyzer is absent or slower than the events"
    );
}
