//! Groups on their way to the reporter.
//!
//! Pure, with the clock as a parameter; nothing is ever dropped here. A group of a container whose tags are not
//! known waits for them, at most until the container's deadline and within `max_waiting_bytes`; then everything of
//! the container goes with what is known. Groups of one container and class leave in the order they came. Urgent
//! groups leave before others. What has left stays until the reporter has settled it; when the stream breaks it
//! leaves again, first and in the same order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;
use wire::v1;

use super::group::{Fixed, Group};
use crate::context::tags::Tags;
use crate::metrics::OutboxMetrics;

/// What is to happen with a group now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It goes with these tags, or needs none.
    Ready(Option<Arc<Tags>>),
    /// It goes without tags, although it should have some.
    Untagged,
    /// Its container was asked for, and is waited for until then.
    Waits(Instant),
}

/// A mark of the reporter that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reporter settled group {number}, and only {submitted} were submitted")]
pub struct WrongMark {
    number: u64,
    submitted: u64,
}

#[derive(Debug)]
struct Ready {
    group: Group,
    tags: Option<Arc<Tags>>,
}

/// The groups of one container that wait for its tags.
#[derive(Debug)]
struct Waiting {
    deadline: Instant,
    /// Which container waits longest: the one with the lowest number.
    number: u64,
    groups: Vec<Group>,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    max_waiting_bytes: usize,
    fixed: Fixed,
    urgent: VecDeque<Ready>,
    others: VecDeque<Ready>,
    waiting: HashMap<Arc<str>, Waiting>,
    /// The containers that wait, by the number of their [`Waiting`].
    order: BTreeMap<u64, Arc<str>>,
    next_number: u64,
    waiting_bytes: usize,
    on_their_way: VecDeque<Ready>,
    /// Groups of this stream that are settled.
    settled: u64,
    payloads: u64,
    bytes: u64,
    metrics: OutboxMetrics,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(max_waiting_bytes: usize, fixed: Fixed, metrics: OutboxMetrics) -> Self {
        Self {
            max_waiting_bytes,
            fixed,
            urgent: VecDeque::new(),
            others: VecDeque::new(),
            waiting: HashMap::new(),
            order: BTreeMap::new(),
            next_number: 0,
            waiting_bytes: 0,
            on_their_way: VecDeque::new(),
            settled: 0,
            payloads: 0,
            bytes: 0,
            metrics,
        }
    }

    /// Takes a group in.
    pub fn push(&mut self, group: Group, readiness: Readiness) {
        self.metrics.accepted.add(wide(group.payloads()));
        self.payloads += wide(group.payloads());
        self.bytes += wide(group.bytes());
        let waits_behind = group
            .head()
            .container
            .as_ref()
            .filter(|container| self.waiting.contains_key(*container))
            .cloned();
        match (readiness, group.head().container.clone()) {
            (Readiness::Waits(deadline), Some(container)) => self.wait(group, container, deadline),
            (Readiness::Ready(tags), _) => {
                if let Some(container) = waits_behind {
                    self.settle_container(&container, tags.as_ref());
                }
                self.ready(group, tags);
            }
            (Readiness::Untagged | Readiness::Waits(_), _) => {
                if let Some(container) = waits_behind {
                    self.settle_container(&container, None);
                }
                self.metrics.untagged.add(wide(group.payloads()));
                self.ready(group, None);
            }
        }
        while self.waiting_bytes > self.max_waiting_bytes && self.release_longest() {
            self.metrics.released.inc();
        }
    }

    /// The question about a container is answered: what waits for it goes, with its tags or without.
    pub fn settle_container(&mut self, container: &str, tags: Option<&Arc<Tags>>) {
        let Some(waiting) = self.waiting.remove(container) else { return };
        self.order.remove(&waiting.number);
        for group in waiting.groups {
            self.waiting_bytes -= group.bytes();
            if tags.is_none() {
                self.metrics.untagged.add(wide(group.payloads()));
            }
            self.ready(group, tags.cloned());
        }
    }

    /// Lets go the containers that have waited long enough; `known` is asked for tags that came meanwhile.
    pub fn expire(&mut self, now: Instant, known: impl Fn(&str) -> Option<Arc<Tags>>) {
        let due: Vec<Arc<str>> = self
            .order
            .values()
            .filter(|container| self.waiting.get(*container).is_some_and(|waiting| waiting.deadline <= now))
            .cloned()
            .collect();
        for container in due {
            let tags = known(&container);
            self.settle_container(&container, tags.as_ref());
        }
    }

    /// When [`Queue::expire`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.deadline).min()
    }

    /// Lets everything go, labelled or not: the service ends.
    pub fn release_all(&mut self) {
        while self.release_longest() {}
    }

    /// True when a group could leave.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.urgent.is_empty() || !self.others.is_empty()
    }

    /// True when groups have left that are not settled.
    #[must_use]
    pub fn has_unsettled(&self) -> bool {
        !self.on_their_way.is_empty()
    }

    /// True when nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payloads == 0
    }

    /// Payloads that are held.
    #[must_use]
    pub fn payloads(&self) -> u64 {
        self.payloads
    }

    /// The message of the next group, which is on its way from now on.
    pub fn submit(&mut self) -> Option<v1::PayloadGroup> {
        let next = self.urgent.pop_front().or_else(|| self.others.pop_front())?;
        let number = self.settled + wide(self.on_their_way.len()) + 1;
        let message = next.group.message(number, &self.fixed, next.tags.as_deref());
        self.on_their_way.push_back(next);
        Some(message)
    }

    /// The reporter has settled every group of this stream up to `number`: here they are, with their numbers.
    ///
    /// # Errors
    /// When they were not submitted.
    pub fn settle(&mut self, number: u64) -> Result<Vec<(u64, Group)>, WrongMark> {
        let submitted = self.settled + wide(self.on_their_way.len());
        if number > submitted {
            return Err(WrongMark { number, submitted });
        }
        let mut groups = Vec::new();
        while self.settled < number
            && let Some(ready) = self.on_their_way.pop_front()
        {
            self.settled += 1;
            self.payloads -= wide(ready.group.payloads());
            self.bytes -= wide(ready.group.bytes());
            self.metrics.settled.add(wide(ready.group.payloads()));
            groups.push((self.settled, ready.group));
        }
        Ok(groups)
    }

    /// The stream ended: what it did not settle leaves again on the next one.
    pub fn begin_again(&mut self) {
        self.settled = 0;
        for ready in std::mem::take(&mut self.on_their_way).into_iter().rev() {
            self.metrics.resubmitted.add(wide(ready.group.payloads()));
            if ready.group.head().is_urgent { &mut self.urgent } else { &mut self.others }.push_front(ready);
        }
    }

    /// Brings the gauges up to date.
    pub fn show(&self) {
        self.metrics.payloads.set(self.payloads);
        self.metrics.bytes.set(self.bytes);
    }

    fn ready(&mut self, group: Group, tags: Option<Arc<Tags>>) {
        if group.head().is_urgent { &mut self.urgent } else { &mut self.others }
            .push_back(Ready { group, tags });
    }

    fn wait(&mut self, group: Group, container: Arc<str>, deadline: Instant) {
        self.waiting_bytes += group.bytes();
        let (order, next_number) = (&mut self.order, &mut self.next_number);
        let waiting = self.waiting.entry(container).or_insert_with_key(|container| {
            *next_number += 1;
            order.insert(*next_number, Arc::clone(container));
            Waiting { deadline, number: *next_number, groups: Vec::new() }
        });
        waiting.groups.push(group);
    }

    fn release_longest(&mut self) -> bool {
        let Some(container) = self.order.values().next().cloned() else { return false };
        self.settle_container(&container, None);
        true
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
