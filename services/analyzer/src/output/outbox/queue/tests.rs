use std::time::Duration;

use event::Kind;

use super::*;
use crate::metrics::Metrics;
use crate::output::outbox::group::{Head, Label};

const WAIT: Duration = Duration::from_millis(500);

fn queue(max_waiting_bytes: usize) -> Queue {
    Queue::new(max_waiting_bytes, Fixed::default(), Metrics::new().outbox)
}

fn group(container: Option<&str>, is_urgent: bool, text: &str) -> Group {
    let mut group = Group::new(Head { is_urgent, container: container.map(Arc::from), ..Head::default() });
    group.add(Label::Event(Kind::Open), 0, |out| out.extend_from_slice(text.as_bytes()));
    group.finish()
}

/// The texts of everything that can leave now.
fn leaving(queue: &mut Queue) -> Vec<String> {
    std::iter::from_fn(|| queue.submit())
        .map(|message| String::from_utf8_lossy(&message.content).trim_end().to_owned())
        .collect()
}

fn tags() -> Arc<Tags> {
    Arc::new(Tags::new("web", None, []))
}

#[test]
fn urgent_groups_leave_first_and_each_class_in_its_order() {
    let mut queue = queue(1 << 20);
    for (text, is_urgent) in [("a", false), ("B", true), ("c", false), ("D", true)] {
        queue.push(group(None, is_urgent, text), Readiness::Ready(None));
    }
    assert_eq!(leaving(&mut queue), ["B", "D", "a", "c"]);
}

#[test]
fn a_container_waits_for_its_tags_once_and_then_everything_of_it_leaves_in_order() {
    let (mut queue, now) = (queue(1 << 20), Instant::now());
    queue.push(group(Some("c"), true, "1"), Readiness::Waits(now + WAIT));
    queue.push(group(Some("c"), true, "2"), Readiness::Waits(now + WAIT));
    queue.push(group(None, true, "host"), Readiness::Ready(None));
    assert_eq!(queue.deadline(), Some(now + WAIT));
    queue.expire(now, |_| None);
    assert_eq!(leaving(&mut queue), ["host"]);
    queue.expire(now + WAIT, |_| None);
    queue.push(group(Some("c"), true, "3"), Readiness::Untagged);
    assert_eq!((leaving(&mut queue), queue.deadline()), (vec!["1".into(), "2".into(), "3".into()], None));
    assert_eq!(queue.metrics.untagged.get(), 3);
}

#[test]
fn tags_that_come_are_on_what_waited() {
    let (mut queue, now) = (queue(1 << 20), Instant::now());
    queue.push(group(Some("c"), true, "1"), Readiness::Waits(now));
    queue.settle_container("c", Some(&tags()));
    assert_eq!(queue.submit().unwrap().tags, ["container_id:c", "container_name:web"]);
    assert_eq!(queue.metrics.untagged.get(), 0);
}

#[test]
fn what_needs_no_wait_any_more_does_not_overtake_what_waited_of_the_same_container() {
    for readiness in [Readiness::Ready(Some(tags())), Readiness::Untagged] {
        let (mut queue, now) = (queue(1 << 20), Instant::now());
        queue.push(group(Some("c"), true, "1"), Readiness::Waits(now + WAIT));
        queue.push(group(Some("c"), true, "2"), readiness.clone());
        assert_eq!(leaving(&mut queue), ["1", "2"], "{readiness:?}");
        assert_eq!(queue.deadline(), None);
    }
}

#[test]
fn when_too_much_waits_the_container_that_waits_longest_leaves_without_tags() {
    let now = Instant::now();
    let size = group(Some("a"), true, "a1").bytes();
    let mut queue = queue(2 * size);
    for (container, text) in [("a", "a1"), ("b", "b1"), ("b", "b2")] {
        queue.push(group(Some(container), true, text), Readiness::Waits(now + WAIT));
    }
    assert_eq!(leaving(&mut queue), ["a1"]);
    assert_eq!((queue.metrics.untagged.get(), queue.metrics.released.get()), (1, 1));
    assert_eq!(queue.payloads(), 3, "nothing is dropped");
}

#[test]
fn what_the_stream_did_not_settle_leaves_again_in_the_same_order_with_new_numbers() {
    let mut queue = queue(1 << 20);
    for (text, is_urgent) in [("A", true), ("B", true), ("c", false)] {
        queue.push(group(None, is_urgent, text), Readiness::Ready(None));
    }
    assert_eq!(leaving(&mut queue), ["A", "B", "c"]);
    let settled = queue.settle(1).unwrap();
    assert_eq!((settled.len(), settled[0].0), (1, 1));
    queue.begin_again();
    queue.push(group(None, true, "D"), Readiness::Ready(None));
    let again: Vec<(u64, v1::PayloadGroup)> =
        std::iter::from_fn(|| queue.submit()).map(|message| (message.number, message)).collect();
    let numbers: Vec<u64> = again.iter().map(|(number, _)| *number).collect();
    let texts: Vec<&[u8]> = again.iter().map(|(_, message)| &*message.content).collect();
    assert_eq!((numbers, texts), (vec![1, 2, 3], vec![&b"B\n"[..], b"D\n", b"c\n"]));
    assert_eq!(queue.settle(4).unwrap_err(), WrongMark { number: 4, submitted: 3 });
    queue.settle(3).unwrap();
    assert!(queue.is_empty());
    assert_eq!(queue.metrics.resubmitted.get(), 2);
}
