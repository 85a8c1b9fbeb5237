//! Payloads on their way to the reporter.
//!
//! Pure, with the clock as a parameter. A payload of a container whose labels are not known waits for them, at most
//! `wait` and within `max_waiting_bytes`; then it goes with what is known. Payloads of one container leave in the
//! order they came. Invariant: `accepted = held + acknowledged + dropped`, and at most `max_bytes` are held, of
//! which the oldest that is not on its way is dropped first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::config::OutboxConfig;
use crate::labels::Labels;
use crate::metrics::OutboxMetrics;

/// What a payload takes besides its content.
const PAYLOAD_BYTES: usize = size_of::<Payload>() + size_of::<Waiting>();

/// One event on its way to the reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The event JSON.
    pub content: Bytes,
    /// The container it is from.
    pub container: Option<Arc<str>>,
    /// Time of the event, milliseconds since the epoch.
    pub time_ms: i64,
    /// The labels it leaves with.
    pub labels: Option<Arc<Labels>>,
}

/// What is to happen with a payload now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It goes with these labels, or needs none.
    Ready(Option<Arc<Labels>>),
    /// It goes without labels, although it should have some.
    Unlabelled,
    /// Its container was asked for.
    Waits,
}

#[derive(Debug)]
struct Waiting {
    payload: Payload,
    deadline: Instant,
    number: u64,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    wait: Duration,
    limits: Limits,
    ready: VecDeque<Payload>,
    waiting: HashMap<Arc<str>, VecDeque<Waiting>>,
    /// Who waits, in the order of arrival. Entries whose payload has left are void.
    order: VecDeque<(u64, Arc<str>)>,
    next_number: u64,
    on_their_way: usize,
    n_waiting: usize,
    bytes: usize,
    waiting_bytes: usize,
    metrics: OutboxMetrics,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    max_bytes: usize,
    max_waiting_bytes: usize,
    batch_payloads: usize,
    batch_bytes: usize,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(config: &OutboxConfig, wait: Duration, metrics: OutboxMetrics) -> Self {
        let limits = Limits {
            max_bytes: config.max_bytes.get(),
            max_waiting_bytes: config.max_waiting_bytes.get(),
            batch_payloads: config.batch_payloads.get(),
            batch_bytes: config.batch_bytes.get(),
        };
        Self {
            wait,
            limits,
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            order: VecDeque::new(),
            next_number: 0,
            on_their_way: 0,
            n_waiting: 0,
            bytes: 0,
            waiting_bytes: 0,
            metrics,
        }
    }

    /// Takes a payload in.
    pub fn push(&mut self, mut payload: Payload, readiness: Readiness, now: Instant) {
        self.metrics.accepted.inc();
        self.bytes += weight(&payload);
        let waits_behind =
            payload.container.as_ref().is_some_and(|container| self.waiting.contains_key(container));
        match (readiness, payload.container.clone()) {
            (Readiness::Ready(labels), Some(container)) if waits_behind => {
                self.wait(payload, Arc::clone(&container), now);
                self.settle(&container, labels);
            }
            (Readiness::Waits, Some(container)) => self.wait(payload, container, now),
            (Readiness::Unlabelled, Some(container)) if waits_behind => {
                self.wait(payload, Arc::clone(&container), now);
                self.settle(&container, None);
            }
            (Readiness::Ready(labels), _) => {
                payload.labels = labels;
                self.ready.push_back(payload);
            }
            (Readiness::Unlabelled | Readiness::Waits, _) => {
                self.metrics.unlabelled.inc();
                self.ready.push_back(payload);
            }
        }
        self.stay_within_limits();
    }

    /// The question about a container is settled: what waits for it goes, with its labels or without.
    pub fn settle(&mut self, container: &str, labels: Option<Arc<Labels>>) {
        for waiting in self.waiting.remove(container).into_iter().flatten() {
            self.leave_waiting(waiting, labels.clone());
        }
    }

    /// Lets go what has waited long enough; `known` is asked for labels that came meanwhile.
    pub fn expire(&mut self, now: Instant, known: impl Fn(&str) -> Option<Arc<Labels>>) {
        while let Some((number, container)) = self.order.front().cloned() {
            let front = self.waiting.get(&container).and_then(VecDeque::front);
            match front {
                Some(front) if front.number == number && front.deadline > now => return,
                Some(front) if front.number == number => match known(&container) {
                    Some(labels) => self.settle(&container, Some(labels)),
                    None => self.release_front(&container),
                },
                _ => {
                    self.order.pop_front();
                }
            }
        }
    }

    /// Lets everything go, labelled or not: the service ends.
    pub fn release_all(&mut self) {
        while let Some((_, container)) = self.order.pop_front() {
            self.settle(&container, None);
        }
    }

    /// The next payloads to submit, oldest first. They stay in the queue until [`Queue::acknowledge`] or
    /// [`Queue::refuse`]; after [`Queue::retry`] the same ones come again.
    pub fn next_batch(&mut self) -> Vec<Payload> {
        let mut bytes = 0;
        let mut batch = Vec::new();
        for payload in self.ready.iter().take(self.limits.batch_payloads) {
            bytes += payload.content.len();
            if bytes > self.limits.batch_bytes && !batch.is_empty() {
                break;
            }
            batch.push(payload.clone());
        }
        self.on_their_way = batch.len();
        batch
    }

    /// The reporter has the payloads of the last batch.
    pub fn acknowledge(&mut self) {
        let taken = self.drop_batch();
        self.metrics.submitted.add(taken);
    }

    /// The reporter will never take the payloads of the last batch.
    pub fn refuse(&mut self) {
        let refused = self.drop_batch();
        self.metrics.dropped_refused.add(refused);
    }

    /// The last batch did not arrive and will be tried again.
    pub fn retry(&mut self) {
        self.on_their_way = 0;
        self.metrics.retries.inc();
    }

    /// Counts what is left as dropped: the service ends now.
    pub fn give_up(&mut self) -> u64 {
        self.release_all();
        let left = u64::try_from(self.ready.len()).unwrap_or(u64::MAX);
        self.ready.clear();
        self.on_their_way = 0;
        self.bytes = 0;
        self.metrics.dropped_shutdown.add(left);
        self.show();
        left
    }

    /// True when nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.n_waiting == 0
    }

    /// Brings the gauges up to date.
    pub fn show(&self) {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.metrics.payloads.set(wide(self.ready.len() + self.n_waiting));
        self.metrics.bytes.set(wide(self.bytes));
    }

    fn wait(&mut self, payload: Payload, container: Arc<str>, now: Instant) {
        self.next_number += 1;
        self.n_waiting += 1;
        self.waiting_bytes += weight(&payload);
        self.order.push_back((self.next_number, Arc::clone(&container)));
        let waiting = Waiting { payload, deadline: now + self.wait, number: self.next_number };
        self.waiting.entry(container).or_default().push_back(waiting);
    }

    fn leave_waiting(&mut self, mut waiting: Waiting, labels: Option<Arc<Labels>>) {
        self.n_waiting -= 1;
        self.waiting_bytes -= weight(&waiting.payload);
        if labels.is_none() {
            self.metrics.unlabelled.inc();
        }
        waiting.payload.labels = labels;
        self.ready.push_back(waiting.payload);
    }

    /// Lets the oldest payload of a container go without labels.
    fn release_front(&mut self, container: &str) {
        let Some(queue) = self.waiting.get_mut(container) else { return };
        let front = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(container);
        }
        if let Some(front) = front {
            self.leave_waiting(front, None);
        }
    }

    fn drop_batch(&mut self) -> u64 {
        let n = std::mem::take(&mut self.on_their_way).min(self.ready.len());
        for payload in self.ready.drain(..n) {
            self.bytes -= weight(&payload);
        }
        u64::try_from(n).unwrap_or(u64::MAX)
    }

    fn stay_within_limits(&mut self) {
        while self.waiting_bytes > self.limits.max_waiting_bytes
            && let Some((number, container)) = self.order.pop_front()
        {
            let front = self.waiting.get(&container).and_then(VecDeque::front);
            if front.is_some_and(|front| front.number == number) {
                self.release_front(&container);
            }
        }
        while self.bytes > self.limits.max_bytes {
            let dropped = match self.ready.remove(self.on_their_way) {
                Some(oldest) => oldest,
                None => match self.order.pop_front() {
                    Some((_, container)) => {
                        self.release_front(&container);
                        continue;
                    }
                    None => return,
                },
            };
            self.bytes -= weight(&dropped);
            self.metrics.dropped_full.inc();
        }
    }
}

fn weight(payload: &Payload) -> usize {
    payload.content.len() + PAYLOAD_BYTES
}

#[cfg(test)]
mod tests;
