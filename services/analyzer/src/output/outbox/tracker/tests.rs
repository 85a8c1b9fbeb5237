use event::Kind;
use proptest::prelude::*;

use super::*;

const PROBE: u64 = 9;

fn id(seq: u64) -> BatchId {
    BatchId { probe: PROBE, seq }
}

fn opens(n: u64) -> PerKind<u64> {
    let mut counts = PerKind::default();
    *counts.get_mut(Kind::Open) = n;
    counts
}

fn tracker() -> Tracker {
    let mut tracker = Tracker::default();
    tracker.begin(PROBE);
    tracker
}

/// Receives a batch with one group and no other events.
fn one_group(tracker: &mut Tracker, seq: u64) {
    tracker.receive(seq);
    tracker.open(seq);
    tracker.add_group(id(seq));
    tracker.close(id(seq), &PerKind::default());
}

#[test]
fn a_batch_is_acknowledged_when_everything_before_it_is_settled_and_not_earlier() {
    let mut tracker = tracker();
    one_group(&mut tracker, 1);
    one_group(&mut tracker, 2);
    tracker.settle(id(2), &opens(2), &[]);
    assert_eq!(tracker.due(), None);
    tracker.settle(id(1), &opens(1), &[(LossCause::OutputDown, opens(3))]);
    let due = tracker.due().unwrap();
    assert_eq!(
        (due.seq, due.ledger.delivered, *due.ledger.lost.of(LossCause::OutputDown)),
        (2, opens(3), opens(3))
    );
    assert_eq!(tracker.due(), None);
}

#[test]
fn an_open_batch_is_not_acknowledged_although_its_groups_are_settled() {
    let mut tracker = tracker();
    tracker.receive(1);
    tracker.open(1);
    tracker.add_group(id(1));
    tracker.settle(id(1), &opens(1), &[]);
    assert_eq!(tracker.due(), None);
    tracker.close(id(1), &opens(4));
    assert_eq!(
        tracker.due().unwrap().ledger,
        Ledger { delivered: opens(1), no_taker: opens(4), ..Ledger::default() }
    );
}

#[test]
fn an_acknowledgement_that_was_lost_is_given_again_on_the_next_connection_with_its_ledger() {
    let mut tracker = tracker();
    one_group(&mut tracker, 1);
    tracker.settle(id(1), &opens(1), &[]);
    assert_eq!(tracker.due().unwrap().seq, 1);
    one_group(&mut tracker, 2);
    tracker.settle(id(2), &opens(2), &[]);
    assert_eq!(tracker.due().unwrap().seq, 2);
    tracker.begin(PROBE);
    assert_eq!(tracker.due(), None);
    tracker.receive(2);
    let due = tracker.due().unwrap();
    assert_eq!((due.seq, due.ledger.delivered), (2, opens(2)));
}

#[test]
fn a_batch_that_was_pending_when_the_connection_broke_is_acknowledged_on_the_next_one() {
    let mut tracker = tracker();
    one_group(&mut tracker, 1);
    tracker.begin(PROBE);
    tracker.settle(id(1), &opens(1), &[]);
    assert_eq!(tracker.due(), None, "the probe has not sent it on this connection yet");
    tracker.receive(1);
    assert_eq!(tracker.due().unwrap().seq, 1);
}

#[test]
fn what_is_settled_of_another_probe_is_nobodys() {
    let mut tracker = tracker();
    one_group(&mut tracker, 1);
    tracker.begin(PROBE + 1);
    tracker.receive(1);
    tracker.open(1);
    tracker.settle(id(1), &opens(1), &[]);
    assert_eq!(tracker.due(), None);
    assert_eq!(tracker.unsettled(), 1);
}

#[test]
fn a_group_that_hangs_does_not_make_what_is_behind_it_cost_memory() {
    let mut tracker = tracker();
    for seq in 1..10_000 {
        one_group(&mut tracker, seq);
        if seq > 1 {
            tracker.settle(id(seq), &opens(1), &[]);
        }
    }
    assert_eq!(tracker.entries.len(), 2);
    tracker.settle(id(1), &opens(1), &[]);
    let due = tracker.due().unwrap();
    assert_eq!((due.seq, due.ledger.delivered), (9_999, opens(9_999)));
}

/// The probe as the contract has it: sends again what is not acknowledged, sums ledgers.
#[derive(Default)]
struct Probe {
    /// Events of each batch, from number 1.
    events: Vec<u64>,
    acked: u64,
    /// How many it sent on this connection, counted from the first.
    sent: u64,
    sum: Ledger,
}

/// What a step of the world does, chosen by the first number; the others say to what.
type Step = (u8, u16, u8);

fn at(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

proptest! {
    #[test]
    fn each_event_is_in_the_ledger_exactly_once_whatever_breaks(
        steps in proptest::collection::vec(any::<Step>(), 1..300),
    ) {
        let (mut probe, mut tracker) = (Probe::default(), tracker());
        let mut newest = 0;
        // Groups that are not settled, with their events; acknowledgements on their way.
        let mut groups: Vec<(u64, u64)> = Vec::new();
        let mut on_their_way: VecDeque<Settled> = VecDeque::new();
        let finish = std::iter::repeat_n((1, 0, 0), 700).chain(std::iter::repeat_n((0, 0, 0), 400));
        for (step, (what, which, n)) in steps.iter().copied().chain([(3, 0, 0)]).chain(finish).enumerate() {
            let is_over = step > steps.len();
            match what % 4 {
                // The probe sends its next batch, old or new.
                0 => {
                    if at(probe.sent) == probe.events.len() {
                        if is_over { continue }
                        probe.events.push(u64::from(n));
                    }
                    probe.sent += 1;
                    let seq = probe.sent;
                    tracker.receive(seq);
                    if seq > newest {
                        newest = seq;
                        tracker.open(seq);
                        let (events, parts) = (probe.events[at(seq) - 1], u64::from(which % 4));
                        let mut rest = events;
                        for _ in 0..parts {
                            let part = rest / 2;
                            rest -= part;
                            tracker.add_group(id(seq));
                            groups.push((seq, part));
                        }
                        tracker.close(id(seq), &opens(rest));
                    }
                }
                // The reporter settles a group.
                1 if !groups.is_empty() => {
                    let (seq, events) = groups.swap_remove(usize::from(which) % groups.len());
                    let lost = events.min(u64::from(n % 3));
                    tracker.settle(id(seq), &opens(events - lost), &[(LossCause::Refused, opens(lost))]);
                }
                // The probe reads an acknowledgement.
                2 => if let Some(settled) = on_their_way.pop_front() {
                    prop_assert!(settled.seq > probe.acked && settled.seq <= probe.sent);
                    prop_assert!(groups.iter().all(|(seq, _)| *seq > settled.seq));
                    let covered: u64 = probe.events[at(probe.acked)..at(settled.seq)].iter().sum();
                    prop_assert_eq!(settled.ledger.by_kind().total(), covered);
                    probe.acked = settled.seq;
                    probe.sum.add(&settled.ledger);
                },
                // The connection breaks, and a new one begins.
                3 => {
                    on_their_way.clear();
                    probe.sent = probe.acked;
                    tracker.begin(PROBE);
                }
                _ => {}
            }
            on_their_way.extend(tracker.due());
        }
        for settled in on_their_way {
            probe.acked = settled.seq;
            probe.sum.add(&settled.ledger);
        }
        prop_assert_eq!(at(probe.acked), probe.events.len());
        prop_assert_eq!(probe.sum.by_kind().total(), probe.events.iter().sum::<u64>());
    }
}
