use event::Kind;

use super::*;
use crate::batcher::Batcher;
use crate::made::{exec, exit, fork, key, known, open};

fn table() -> Table {
    let mut table = Table::new(1000, 1 << 20);
    table.insert(known(1, None, "/bin/init"));
    table
}

fn complete(events: Vec<Event>) -> Complete {
    let mut batcher = Batcher::new(usize::MAX, 0);
    events.into_iter().for_each(|event| assert!(batcher.push(event).is_none()));
    batcher.take().unwrap()
}

/// Puts a batch of these events in; they weigh `bytes` on the wire.
fn push(buffer: &mut Buffer, bytes: usize, events: Vec<Event>) {
    let message = v1::Batch { seq: buffer.next_seq(), ..v1::Batch::default() };
    buffer.push(message, bytes, complete(events));
}

fn sent(buffer: &mut Buffer) -> Option<u64> {
    buffer.next_to_send().map(|batch| batch.seq)
}

fn tgids(processes: &[KnownProcess]) -> Vec<u32> {
    processes.iter().map(|process| process.task.process.tgid).collect()
}

#[test]
fn a_batch_stays_until_it_is_acknowledged_and_is_sent_again_after_a_reconnect() {
    let mut buffer = Buffer::new(10_000, table());
    push(&mut buffer, 10, vec![open(1, 1)]);
    push(&mut buffer, 10, vec![open(1, 2), open(1, 3)]);
    assert_eq!((sent(&mut buffer), sent(&mut buffer), sent(&mut buffer)), (Some(1), Some(2), None));
    buffer.ack(1).unwrap();
    assert_eq!(buffer.delivered.get(Kind::Open), 1);
    buffer.restart();
    assert_eq!((sent(&mut buffer), sent(&mut buffer)), (Some(2), None));
    buffer.ack(2).unwrap();
    assert_eq!((buffer.delivered.get(Kind::Open), buffer.is_empty(), buffer.bytes()), (3, true, 0));
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_refused() {
    let mut buffer = Buffer::new(10_000, table());
    push(&mut buffer, 10, vec![open(1, 1)]);
    assert_eq!(buffer.ack(1), Err(AckError { seq: 1, sent: 0 }));
    assert_eq!(buffer.ack(0), Ok(()), "the batches of known processes carry 0");
    assert_eq!(sent(&mut buffer), Some(1));
    assert_eq!(buffer.ack(2), Err(AckError { seq: 2, sent: 1 }));
    buffer.ack(1).unwrap();
    assert_eq!(buffer.ack(1), Ok(()), "twice is harmless");
}

#[test]
fn over_the_limit_the_oldest_that_is_not_on_its_way_is_dropped_and_counted() {
    let mut buffer = Buffer::new(30, table());
    push(&mut buffer, 10, vec![open(1, 1)]);
    assert_eq!(sent(&mut buffer), Some(1));
    for time in 2..6 {
        push(&mut buffer, 10, vec![open(1, time)]);
    }
    assert_eq!((buffer.lost.get(Kind::Open), buffer.dropped_batches, buffer.bytes()), (2, 2, 30));
    assert_eq!((sent(&mut buffer), sent(&mut buffer)), (Some(4), None), "half of the buffer is on its way");
    buffer.ack(4).unwrap();
    assert_eq!(sent(&mut buffer), Some(5));
}

#[test]
fn a_batch_larger_than_the_buffer_is_dropped_and_counted() {
    let mut buffer = Buffer::new(30, table());
    push(&mut buffer, 31, vec![open(1, 1)]);
    assert_eq!((buffer.lost.get(Kind::Open), buffer.bytes(), buffer.is_empty()), (1, 0, true));
}

#[test]
fn the_table_is_that_before_the_first_waiting_batch() {
    let mut buffer = Buffer::new(100_000, table());
    push(&mut buffer, 10, vec![fork(2, 1, 1)]);
    push(&mut buffer, 10, vec![fork(3, 1, 2), exit(2, 3)]);
    assert_eq!(tgids(&buffer.restart()), [1], "nothing is acknowledged");
    sent(&mut buffer);
    buffer.ack(1).unwrap();
    assert_eq!(tgids(&buffer.restart()), [1, 2]);
    sent(&mut buffer);
    buffer.ack(2).unwrap();
    assert_eq!(tgids(&buffer.restart()), [1, 3]);
}

#[test]
fn what_dropped_batches_did_is_in_the_table_after_what_was_on_its_way() {
    let mut buffer = Buffer::new(100_000, table());
    push(&mut buffer, 10, vec![fork(2, 1, 1)]);
    sent(&mut buffer);
    push(&mut buffer, 100_000, vec![exit(2, 2), fork(3, 1, 2)]);
    assert_eq!(buffer.dropped_batches, 1);
    assert_eq!(tgids(&buffer.restart()), [1], "the exit must not come before the fork");
    sent(&mut buffer);
    buffer.ack(1).unwrap();
    assert_eq!(tgids(&buffer.restart()), [1, 3]);
    assert_eq!(buffer.bytes(), 0);
}

#[test]
fn an_analyzer_that_never_answers_does_not_make_the_buffer_grow() {
    let limit = 20_000;
    let mut buffer = Buffer::new(limit, table());
    push(&mut buffer, 10, vec![fork(2, 1, 1)]);
    sent(&mut buffer);
    for time in 2..2_000 {
        push(&mut buffer, 1000, vec![exec(2, time, "/bin/a"), fork(3, 2, time), exit(3, time)]);
        assert!(buffer.bytes() <= limit + limit / 4 + 4_000, "{}", buffer.bytes());
    }
    assert!(buffer.dropped_batches > 1_900);
    while sent(&mut buffer).is_some_and(|seq| buffer.ack(seq).is_ok()) {}
    buffer.ack(buffer.sent_seq).unwrap();
    while sent(&mut buffer).is_some_and(|seq| buffer.ack(seq).is_ok()) {}
    assert_eq!(tgids(&buffer.restart()), [1, 2]);
    assert!(buffer.restart().iter().all(|process| [key(1), key(2)].contains(&process.task.process)));
    assert_eq!((buffer.bytes(), buffer.carried), (0, 0));
}

#[test]
fn events_pushed_are_acknowledged_dropped_or_waiting_whatever_happens() {
    for seed in 1..40_u64 {
        let mut state = seed;
        let mut next = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut buffer = Buffer::new(5_000, table());
        let mut pushed = PerKind::<u64>::default();
        for time in 0..500 {
            match next(6) {
                0 | 1 => {
                    let events: Vec<Event> = (0..=next(5))
                        .map(|_| {
                            let tgid = u32::try_from(2 + next(20)).unwrap();
                            match next(4) {
                                0 => fork(tgid, 1, time),
                                1 => exit(tgid, time),
                                2 => exec(tgid, time, "/bin/a"),
                                _ => open(tgid, time),
                            }
                        })
                        .collect();
                    events.iter().for_each(|event| *pushed.get_mut(event.kind()) += 1);
                    let bytes = usize::try_from(next(3_000)).unwrap();
                    push(&mut buffer, bytes, events);
                }
                2 | 3 => drop(sent(&mut buffer)),
                4 => buffer.ack(next(buffer.sent_seq + 1)).unwrap(),
                _ if next(4) == 0 => drop(buffer.restart()),
                _ if next(4) == 0 => buffer.disconnected(),
                _ => {}
            }
            for kind in Kind::ALL {
                let waiting: u64 = buffer.waiting.iter().map(|waiting| waiting.counts.get(kind)).sum();
                assert_eq!(pushed.get(kind), buffer.delivered.get(kind) + buffer.lost.get(kind) + waiting);
            }
            let weight: usize = buffer.waiting.iter().map(|waiting| waiting.bytes).sum();
            assert_eq!(weight, buffer.bytes());
            let carried: usize = buffer.waiting.iter().map(|waiting| waiting.carried).sum();
            assert_eq!(carried, buffer.carried);
        }
        buffer.restart();
        while let Some(seq) = sent(&mut buffer) {
            buffer.ack(seq).unwrap();
        }
        for kind in Kind::ALL {
            assert_eq!(pushed.get(kind), buffer.delivered.get(kind) + buffer.lost.get(kind));
        }
        assert_eq!(buffer.bytes(), 0);
    }
}
