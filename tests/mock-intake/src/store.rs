//! What the intake has seen, in memory: the newest entries and requests, and counts of all.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use serde::Serialize;
use tokio::sync::watch;

use crate::check::{Accepted, Received};
use crate::fault::{Fault, Plan};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path of the URL.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Size of the body as sent.
    pub wire_bytes: usize,
    /// Entries that were taken: 0 for a refused request.
    pub entries: usize,
    /// The status that was answered; 0 when there was no honest answer.
    pub status: u16,
}

/// Counts since the start.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Requests by status; `0`: no honest answer.
    pub requests: BTreeMap<u16, u64>,
    /// Entries taken.
    pub entries: u64,
    /// Entries that were longer than the intake keeps.
    pub truncated: u64,
    /// Entries whose message is not a JSON document.
    pub not_json: u64,
    /// Bytes of taken bodies as sent.
    pub wire_bytes: u64,
    /// Bytes of taken bodies uncompressed.
    pub raw_bytes: u64,
}

/// The condition was not met in time; says what was seen instead.
#[derive(Debug, thiserror::Error)]
#[error("the intake did not see what was expected within {deadline:?}; it saw {stats:?}")]
pub struct NotSeen {
    /// How long was waited.
    pub deadline: Duration,
    /// What was seen.
    pub stats: Stats,
}

#[derive(Debug)]
pub(crate) struct Store {
    seen: Mutex<Seen>,
    changed: watch::Sender<()>,
    keep: usize,
}

#[derive(Debug, Default)]
struct Seen {
    received: VecDeque<Arc<Received>>,
    requests: VecDeque<Request>,
    stats: Stats,
    plan: Plan,
    out: Option<File>,
}

impl Store {
    pub(crate) fn new(keep: usize, out: Option<File>) -> Self {
        Self { seen: Mutex::new(Seen { out, ..Seen::default() }), changed: watch::Sender::new(()), keep }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_plan(&self, plan: Plan) {
        self.lock().plan = plan;
    }

    pub(crate) fn next_fault(&self) -> Fault {
        self.lock().plan.take()
    }

    /// Records one request and, when it was taken, its entries.
    pub(crate) fn record(&self, mut request: Request, accepted: Option<Accepted>) -> std::io::Result<()> {
        let mut guard = self.lock();
        let seen = &mut *guard;
        *seen.stats.requests.entry(request.status).or_default() += 1;
        let mut written = Ok(());
        if let Some(accepted) = accepted {
            request.entries = accepted.entries.len();
            seen.stats.entries += accepted.entries.len() as u64;
            seen.stats.wire_bytes += request.wire_bytes as u64;
            seen.stats.raw_bytes += accepted.raw_bytes as u64;
            if let Some(out) = &mut seen.out {
                let lines: String = accepted
                    .entries
                    .iter()
                    .flat_map(|entry| [entry.wrapped_line(), "\n".to_owned()])
                    .collect();
                written = out.write_all(lines.as_bytes());
            }
            for entry in accepted.entries {
                seen.stats.truncated += u64::from(entry.truncated);
                seen.stats.not_json += u64::from(!entry.is_json);
                seen.received.push_back(Arc::new(entry));
            }
            let excess = seen.received.len().saturating_sub(self.keep);
            seen.received.drain(..excess);
        }
        seen.requests.push_back(request);
        let excess = seen.requests.len().saturating_sub(self.keep);
        seen.requests.drain(..excess);
        drop(guard);
        self.changed.send_replace(());
        written
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().stats.clone()
    }

    pub(crate) fn received(&self) -> Vec<Arc<Received>> {
        self.lock().received.iter().cloned().collect()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.lock().requests.iter().cloned().collect()
    }

    /// At most `max` entries from number `from` on (counted since the start), and the number after them. Entries
    /// that are no longer kept are skipped.
    pub(crate) fn page(&self, from: u64, max: usize) -> (Vec<Arc<Received>>, u64) {
        let seen = self.lock();
        let oldest = seen.stats.entries - seen.received.len() as u64;
        let start = from.max(oldest);
        let skip = usize::try_from(start - oldest).unwrap_or(usize::MAX);
        let page: Vec<_> = seen.received.iter().skip(skip).take(max).cloned().collect();
        let next = start + page.len() as u64;
        (page, next)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until `condition` holds for what was seen.
    pub(crate) async fn wait_for<T>(
        &self,
        deadline: Duration,
        condition: impl Fn(&[Arc<Received>], &[Request]) -> Option<T>,
    ) -> Result<T, NotSeen> {
        let mut changes = self.changes();
        let met = async {
            loop {
                {
                    let mut guard = self.lock();
                    let seen = &mut *guard;
                    let entries = seen.received.make_contiguous();
                    if let Some(value) = condition(entries, seen.requests.make_contiguous()) {
                        return value;
                    }
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(deadline, met).await {
            Ok(value) => Ok(value),
            Err(_elapsed) => Err(NotSeen { deadline, stats: self.stats() }),
        }
    }
}
