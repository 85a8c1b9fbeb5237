//! The buffer, shared between the drain loop that fills it and the server that empties it.
//!
//! The shell around `buffer.rs`: one lock, held only for moves and look-ups, and the signals that wake both sides.
//! The drain loop never waits for the server, except once at the end, and then for a bounded time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event::{KnownProcess, PerKind};
use prost::Message;
use tokio::sync::Notify;
use wire::v1;

use crate::batcher::Complete;
use crate::buffer::{AckError, Buffer};
use crate::metrics::Metrics;

/// Says which connection is the current one; a newer one makes the older powerless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session(u64);

/// What a session may do next.
#[derive(Debug)]
pub enum Next {
    /// Send this batch.
    Send(Box<v1::Batch>),
    /// Wait for [`Outbox::changed`].
    Wait,
    /// End: a newer connection took over.
    Replaced,
}

#[derive(Debug)]
struct State {
    buffer: Buffer,
    newest: u64,
    connected: bool,
}

/// The shared buffer.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    settled: Condvar,
    metrics: Metrics,
}

impl Outbox {
    /// Shares this buffer.
    #[must_use]
    pub fn new(buffer: Buffer, metrics: Metrics) -> Self {
        Self {
            state: Mutex::new(State { buffer, newest: 0, connected: false }),
            changed: Notify::new(),
            settled: Condvar::new(),
            metrics,
        }
    }

    /// Adds the processes that were found running. Called before the first event.
    pub fn know(&self, processes: Vec<KnownProcess>) {
        let mut state = self.lock();
        processes.into_iter().for_each(|process| state.buffer.know(process));
    }

    /// Encodes a complete batch and keeps it for the analyzer.
    pub fn push(&self, complete: Complete) {
        // Only the drain loop pushes, so the number cannot change between here and the push below, and the server
        // does not have to wait while the batch is encoded.
        let seq = self.lock().buffer.next_seq();
        let message = wire::batch::encode(seq, &[], &complete.events);
        let bytes = message.encoded_len();
        self.metrics.batches.inc();
        self.metrics.batch_bytes.add(bytes as u64);
        self.lock().buffer.push(message, bytes, complete);
        self.changed.notify_one();
    }

    /// Counts what became of the events: acknowledged, and lost because the buffer was full. Also brings the gauges
    /// up to date.
    #[must_use]
    pub fn account(&self) -> (PerKind<u64>, PerKind<u64>) {
        let state = self.lock();
        let buffer = &state.buffer;
        self.metrics.buffer_batches.set(buffer.len() as u64);
        self.metrics.buffer_bytes.set(buffer.bytes() as u64);
        self.metrics.batches_dropped.set(buffer.dropped_batches);
        self.metrics.table_processes.set(buffer.table().len() as u64);
        self.metrics.table_refused.set(buffer.table().refused);
        self.metrics.table_stripped.set(buffer.table().stripped);
        (buffer.delivered, buffer.lost)
    }

    /// A connection begins and takes over from an older one. Gives the processes that the analyzer must know first.
    pub fn connect(&self) -> (Session, Vec<KnownProcess>) {
        let mut state = self.lock();
        state.newest += 1;
        if std::mem::replace(&mut state.connected, true) {
            self.metrics.replaced.inc();
        }
        let session = Session(state.newest);
        let processes = state.buffer.restart();
        drop(state);
        // Wakes a session that this one replaces, so that it notices.
        self.changed.notify_waiters();
        (session, processes)
    }

    /// A connection ended.
    pub fn disconnect(&self, session: Session) {
        let mut state = self.lock();
        if state.newest == session.0 {
            state.connected = false;
            state.buffer.disconnected();
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
        state.buffer.next_to_send().map_or(Next::Wait, |batch| Next::Send(Box::new(batch)))
    }

    /// The analyzer acknowledged everything up to `seq`. From a replaced session it changes nothing.
    ///
    /// # Errors
    /// When that was never sent.
    pub fn ack(&self, session: Session, seq: u64) -> Result<(), AckError> {
        let mut state = self.lock();
        if state.newest == session.0 {
            state.buffer.ack(seq)?;
        }
        drop(state);
        self.settled.notify_all();
        self.changed.notify_one();
        Ok(())
    }

    /// Resolves when there may be something new to send, or the session may have been replaced. Create it before
    /// asking [`Self::next`].
    pub fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    /// Blocks until everything is acknowledged, nobody is connected, or the time is up.
    pub fn wait_until_settled(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        while state.connected && !state.buffer.is_empty() {
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
}
