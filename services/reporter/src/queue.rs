//! Where accepted payloads wait for their destinations, bounded in bytes.
//!
//! This is the boundary at which a payload becomes the reporter's responsibility: [`Queue::submit`] returning is
//! what the analyzer is told as "accepted", and a [`Payload`] that all destinations have dropped is finished. A
//! store that survives a restart belongs exactly here, behind the same two moments.
//!
//! Invariant: a request is accepted whole, for every destination, or not at all.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use wire::v1;

use crate::log_limit::LogLimit;
use crate::metrics::{DestinationMetrics, SubmitMetrics};
use crate::payload::{Group, Payload, Unfit, check, join_tags, now_ms};

/// Charged for every payload beside its text: the structures around it. It also bounds the number of payloads.
const OVERHEAD_BYTES: usize = 512;

/// Why a request is refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "the reporter's queue is full ({free} of {max} bytes free, {needed} needed): send this again later"
    )]
    Full { needed: usize, free: usize, max: usize },
    #[error("the reporter is stopping: send this again when it is back")]
    Stopping,
}

/// The queue; a clone of its receivers' channel goes to each destination.
#[derive(Debug)]
pub(crate) struct Queue {
    room: Arc<Semaphore>,
    max_bytes: usize,
    /// `None` once the reporter is stopping.
    destinations: Mutex<Option<Vec<Destination>>>,
    metrics: SubmitMetrics,
    discards: LogLimit,
}

#[derive(Debug)]
struct Destination {
    groups: mpsc::Sender<Group>,
    metrics: DestinationMetrics,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize, metrics: SubmitMetrics) -> Self {
        Self {
            room: Arc::new(Semaphore::new(max_bytes)),
            max_bytes,
            destinations: Mutex::new(Some(Vec::new())),
            metrics,
            discards: LogLimit::default(),
        }
    }

    /// Adds a destination; it gets every payload that is submitted from now on. Its stream ends after
    /// [`Queue::close`], when it has received all of them.
    pub(crate) fn add_destination(&self, metrics: DestinationMetrics) -> mpsc::Receiver<Group> {
        // Every group in a channel holds room for at least one payload, so this capacity is never the limit.
        let (groups, receiver) = mpsc::channel(self.max_bytes / OVERHEAD_BYTES + 1);
        if let Some(destinations) = &mut *self.destinations.lock().unwrap_or_else(PoisonError::into_inner) {
            destinations.push(Destination { groups, metrics });
        }
        receiver
    }

    /// Takes all payloads into care. Those that no destination could use are dropped here and counted, so that
    /// their sender does not try again for ever.
    pub(crate) fn submit(&self, payloads: Vec<v1::Payload>) -> Result<(), Refused> {
        let total = payloads.len();
        let result = self.try_submit(payloads);
        match result {
            Ok(()) => self.metrics.payloads.add(total as u64),
            Err(_) => self.metrics.refused.add(total as u64),
        }
        result
    }

    fn try_submit(&self, payloads: Vec<v1::Payload>) -> Result<(), Refused> {
        // The room is taken first, so that a full queue costs its senders as little as possible.
        let needed: usize = payloads.iter().map(cost).sum();
        let room = u32::try_from(needed).ok().map(|needed| self.room.clone().try_acquire_many_owned(needed));
        let Some(Ok(mut room)) = room else {
            let free = self.room.available_permits();
            return Err(Refused::Full { needed, free, max: self.max_bytes });
        };
        let accepted_ms = now_ms();
        let mut unfit = Vec::new();
        let group: Group = payloads
            .into_iter()
            .filter_map(|payload| match check(&payload.content) {
                Ok(content) => Some(Arc::new(accept(&payload, content, accepted_ms, &mut room))),
                Err(reason) => {
                    unfit.push(reason);
                    None
                }
            })
            .collect();

        self.hand_out(&group)?;
        self.count_unfit(&unfit);
        Ok(())
    }

    /// Gives the group to every destination, or to none.
    fn hand_out(&self, group: &Group) -> Result<(), Refused> {
        let destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(destinations) = &*destinations else { return Err(Refused::Stopping) };
        let slots: Result<Vec<_>, _> = destinations.iter().map(|one| one.groups.try_reserve()).collect();
        // Closed receivers: the destinations are being ended.
        let Ok(slots) = slots else { return Err(Refused::Stopping) };
        if group.is_empty() {
            return Ok(());
        }
        for (slot, destination) in slots.into_iter().zip(destinations) {
            destination.metrics.payloads.add(group.len() as u64);
            slot.send(group.clone());
        }
        Ok(())
    }

    fn count_unfit(&self, unfit: &[Unfit]) {
        for reason in unfit {
            match reason {
                Unfit::TooLarge(_) => self.metrics.too_large.inc(),
                Unfit::NotUtf8 => self.metrics.not_utf8.inc(),
                Unfit::NotJson => self.metrics.not_json.inc(),
            }
        }
        if let Some(reason) = unfit.first()
            && let Some(suppressed) = self.discards.permit()
        {
            tracing::warn!(%reason, dropped = unfit.len(), suppressed, "dropped a payload that no output can use");
        }
    }

    /// Bytes of payloads that are not finished.
    pub(crate) fn bytes(&self) -> usize {
        self.max_bytes - self.room.available_permits().min(self.max_bytes)
    }

    /// Accepts nothing more; the destinations' streams end when they are empty.
    pub(crate) fn close(&self) {
        *self.destinations.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn cost(payload: &v1::Payload) -> usize {
    let tags: usize = payload.tags.iter().map(|tag| tag.len() + 1).sum();
    payload.content.len() + payload.service.len() + tags + OVERHEAD_BYTES
}

fn accept(
    payload: &v1::Payload,
    content: Box<str>,
    accepted_ms: i64,
    room: &mut OwnedSemaphorePermit,
) -> Payload {
    Payload {
        content,
        tags: join_tags(&payload.tags),
        service: payload.service.as_str().into(),
        time_ms: payload.time_ms,
        accepted_ms,
        room: room.split(cost(payload)),
    }
}

#[cfg(test)]
mod tests {
    use bootstrap::counters::Registry;

    use super::*;

    const MAX: usize = 10 * OVERHEAD_BYTES;

    fn queue() -> (Queue, Registry) {
        let registry = Registry::default();
        (Queue::new(MAX, SubmitMetrics::new(&registry)), registry)
    }

    fn payload(content: &str) -> v1::Payload {
        v1::Payload { content: content.to_owned().into(), ..v1::Payload::default() }
    }

    fn value(registry: &Registry, name: &str, what: &str) -> u64 {
        let samples = registry.samples();
        let found = samples.iter().find(|sample| {
            sample.name == name && (what.is_empty() || sample.labels.iter().any(|l| l.1 == what))
        });
        found.unwrap().value
    }

    #[tokio::test]
    async fn every_destination_gets_every_payload_and_the_room_is_free_after_the_last() {
        let (queue, registry) = queue();
        let mut a = queue.add_destination(DestinationMetrics::new(&registry, "a"));
        let mut b = queue.add_destination(DestinationMetrics::new(&registry, "b"));
        queue.submit(vec![payload("1"), payload("2")]).unwrap();
        let (from_a, from_b) = (a.recv().await.unwrap(), b.recv().await.unwrap());
        assert_eq!([&*from_a[0].content, &*from_b[1].content], ["1", "2"]);
        assert_eq!(queue.bytes(), 2 * (OVERHEAD_BYTES + 1));
        drop(from_a);
        assert_eq!(queue.bytes(), 2 * (OVERHEAD_BYTES + 1));
        drop(from_b);
        assert_eq!(queue.bytes(), 0);
    }

    #[tokio::test]
    async fn a_request_that_does_not_fit_is_refused_whole() {
        let (queue, registry) = queue();
        let mut destination = queue.add_destination(DestinationMetrics::new(&registry, "a"));
        queue.submit(vec![payload("1"); 6]).unwrap();
        assert!(matches!(queue.submit(vec![payload("2"); 6]), Err(Refused::Full { .. })));
        assert_eq!(value(&registry, "reporter_submit_refused_total", ""), 6);
        queue.submit(vec![payload("3")]).unwrap();
        let contents: Vec<_> = [destination.recv().await.unwrap(), destination.recv().await.unwrap()]
            .iter()
            .flat_map(|group| group.iter().map(|payload| payload.content.to_string()).collect::<Vec<_>>())
            .collect();
        assert_eq!(contents, ["1", "1", "1", "1", "1", "1", "3"]);
    }

    #[tokio::test]
    async fn what_no_output_can_use_is_accepted_dropped_and_counted_by_cause() {
        let (queue, registry) = queue();
        let mut destination = queue.add_destination(DestinationMetrics::new(&registry, "a"));
        let not_utf8 = v1::Payload { content: vec![0xff].into(), ..v1::Payload::default() };
        queue.submit(vec![payload("{"), payload("1"), not_utf8]).unwrap();
        assert_eq!(destination.recv().await.unwrap().len(), 1);
        assert_eq!(queue.bytes(), 0);
        assert_eq!(value(&registry, "reporter_submit_dropped_total", "not_json"), 1);
        assert_eq!(value(&registry, "reporter_submit_dropped_total", "not_utf8"), 1);
        assert_eq!(value(&registry, "reporter_submit_payloads_total", ""), 3);
    }

    #[tokio::test]
    async fn a_closed_queue_refuses_and_its_destinations_still_get_what_was_accepted() {
        let (queue, registry) = queue();
        let mut destination = queue.add_destination(DestinationMetrics::new(&registry, "a"));
        queue.submit(vec![payload("1")]).unwrap();
        queue.close();
        assert_eq!(queue.submit(vec![payload("2")]), Err(Refused::Stopping));
        assert!(destination.recv().await.is_some());
        assert!(destination.recv().await.is_none());
    }

    #[tokio::test]
    async fn many_small_groups_are_bounded_by_bytes_and_never_by_the_channel() {
        let (queue, registry) = queue();
        let destination = queue.add_destination(DestinationMetrics::new(&registry, "a"));
        let mut accepted = 0;
        while queue.submit(vec![payload("1")]).is_ok() {
            accepted += 1;
        }
        assert_eq!(accepted, MAX / (OVERHEAD_BYTES + 1));
        drop(destination);
    }
}
