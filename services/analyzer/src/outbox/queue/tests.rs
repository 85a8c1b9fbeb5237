use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;
use crate::metrics::Metrics;

fn queue(max_bytes: usize, max_waiting_bytes: usize) -> (Queue, OutboxMetrics) {
    let count = |n| NonZeroUsize::new(n).unwrap();
    let config = OutboxConfig {
        max_bytes: count(max_bytes),
        max_waiting_bytes: count(max_waiting_bytes),
        batch_payloads: count(4),
        batch_bytes: count(10_000),
        ..OutboxConfig::default()
    };
    let metrics = Metrics::new().outbox;
    (Queue::new(&config, Duration::from_secs(2), metrics.clone()), metrics)
}

fn large() -> (Queue, OutboxMetrics) {
    queue(1 << 20, 1 << 20)
}

fn payload(container: Option<&str>, name: &str) -> Payload {
    Payload {
        content: Bytes::copy_from_slice(name.as_bytes()),
        container: container.map(Arc::from),
        time_ms: 0,
        labels: None,
    }
}

fn labels() -> Arc<Labels> {
    Arc::new(Labels::new("web", None, []))
}

fn names(batch: &[Payload]) -> Vec<String> {
    let mark = |payload: &Payload| if payload.labels.is_some() { "+" } else { "" };
    batch
        .iter()
        .map(|payload| format!("{}{}", String::from_utf8_lossy(&payload.content), mark(payload)))
        .collect()
}

fn drain(queue: &mut Queue) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let batch = queue.next_batch();
        if batch.is_empty() {
            return all;
        }
        all.extend(names(&batch));
        queue.acknowledge();
    }
}

#[test]
fn payloads_wait_for_labels_while_those_of_others_go() {
    let (mut queue, metrics) = large();
    let now = Instant::now();
    queue.push(payload(Some("a"), "a1"), Readiness::Waits, now);
    queue.push(payload(None, "host"), Readiness::Ready(None), now);
    queue.push(payload(Some("a"), "a2"), Readiness::Waits, now);
    assert_eq!(drain(&mut queue), ["host"]);
    queue.settle("a", Some(labels()));
    assert_eq!(drain(&mut queue), ["a1+", "a2+"]);
    assert_eq!((metrics.unlabelled.get(), metrics.submitted.get()), (0, 3));
    assert!(queue.is_empty());
}

#[test]
fn after_the_wait_a_payload_goes_with_what_is_known() {
    let (mut queue, metrics) = large();
    let now = Instant::now();
    queue.push(payload(Some("a"), "a1"), Readiness::Waits, now);
    queue.push(payload(Some("a"), "a2"), Readiness::Waits, now + Duration::from_secs(1));
    queue.expire(now + Duration::from_millis(2500), |_| None);
    assert_eq!(drain(&mut queue), ["a1"]);
    queue.expire(now + Duration::from_millis(2900), |_| None);
    assert_eq!(drain(&mut queue), [""; 0]);
    queue.expire(now + Duration::from_secs(4), |_| Some(labels()));
    assert_eq!(drain(&mut queue), ["a2+"]);
    assert_eq!(metrics.unlabelled.get(), 1);
}

#[test]
fn the_order_of_a_container_is_kept_when_its_labels_arrive() {
    let (mut queue, _) = large();
    let now = Instant::now();
    queue.push(payload(Some("a"), "a1"), Readiness::Waits, now);
    queue.push(payload(Some("a"), "a2"), Readiness::Ready(Some(labels())), now);
    queue.push(payload(Some("a"), "a3"), Readiness::Unlabelled, now);
    assert_eq!(drain(&mut queue), ["a1+", "a2+", "a3"]);
}

#[test]
fn too_many_waiting_bytes_let_the_oldest_go_and_lose_nothing() {
    let (mut queue, metrics) = queue(1 << 20, 3 * (PAYLOAD_BYTES + 2));
    let now = Instant::now();
    for n in 0..5 {
        queue.push(payload(Some("a"), &format!("a{n}")), Readiness::Waits, now);
    }
    assert_eq!(drain(&mut queue), ["a0", "a1"]);
    assert_eq!((metrics.unlabelled.get(), metrics.dropped_full.get()), (2, 0));
}

#[test]
fn a_full_queue_drops_the_oldest_that_is_not_on_its_way() {
    let (mut queue, metrics) = queue(6 * (PAYLOAD_BYTES + 1), 1 << 20);
    let now = Instant::now();
    for n in 0..5 {
        queue.push(payload(None, &n.to_string()), Readiness::Ready(None), now);
    }
    assert_eq!(names(&queue.next_batch()), ["0", "1", "2", "3"]);
    for n in 5..8 {
        queue.push(payload(None, &n.to_string()), Readiness::Ready(None), now);
    }
    queue.acknowledge();
    assert_eq!(drain(&mut queue), ["6", "7"]);
    assert_eq!((metrics.dropped_full.get(), metrics.submitted.get()), (2, 6));
}

#[test]
fn a_batch_that_did_not_arrive_comes_again_first() {
    let (mut queue, metrics) = large();
    for n in 0..3 {
        queue.push(payload(None, &n.to_string()), Readiness::Ready(None), Instant::now());
    }
    assert_eq!(names(&queue.next_batch()), ["0", "1", "2"]);
    queue.retry();
    assert_eq!(drain(&mut queue), ["0", "1", "2"]);
    assert_eq!(metrics.retries.get(), 1);
}

#[test]
fn a_batch_that_is_refused_for_good_is_counted_and_does_not_block_the_rest() {
    let (mut queue, metrics) = large();
    for n in 0..5 {
        queue.push(payload(None, &n.to_string()), Readiness::Ready(None), Instant::now());
    }
    queue.next_batch();
    queue.refuse();
    assert_eq!(drain(&mut queue), ["4"]);
    assert_eq!(metrics.dropped_refused.get(), 4);
}

#[test]
fn a_batch_is_bounded_in_bytes_but_never_empty() {
    let (mut queue, _) = large();
    let big = "x".repeat(8000);
    for _ in 0..2 {
        queue.push(payload(None, &big), Readiness::Ready(None), Instant::now());
    }
    assert_eq!(queue.next_batch().len(), 1);
    queue.acknowledge();
    queue.push(payload(None, &"y".repeat(20_000)), Readiness::Ready(None), Instant::now());
    queue.acknowledge();
    assert_eq!(drain(&mut queue).len(), 2);
}

proptest! {
    #[test]
    fn every_payload_is_held_submitted_or_counted_as_dropped(
        steps in proptest::collection::vec((0..9_u8, 0..4_u8, 0..300_usize), 0..200),
        max_bytes in 300..5000_usize,
        max_waiting_bytes in 1..3000_usize,
    ) {
        let (mut queue, metrics) = queue(max_bytes, max_waiting_bytes);
        let start = Instant::now();
        for (n, (step, who, size)) in steps.into_iter().enumerate() {
            let now = start + Duration::from_millis(n as u64 * 200);
            let container = format!("c{who}");
            let new = payload(Some(&container).filter(|_| who > 0).map(String::as_str), &"x".repeat(size));
            match step {
                0..=2 => queue.push(new, Readiness::Waits, now),
                3 => queue.push(new, Readiness::Ready(Some(labels())), now),
                4 => queue.settle(&container, Some(labels())),
                5 => queue.expire(now, |_| None),
                6 => drop(queue.next_batch()),
                7 => queue.acknowledge(),
                _ => queue.retry(),
            }
            queue.show();
            let dropped = metrics.dropped_full.get();
            prop_assert_eq!(metrics.accepted.get(), metrics.payloads.get() + metrics.submitted.get() + dropped);
            prop_assert!(metrics.bytes.get() <= max_bytes as u64);
        }
        let left = queue.give_up();
        prop_assert_eq!(metrics.dropped_shutdown.get(), left);
        prop_assert!(queue.is_empty());
    }
}
