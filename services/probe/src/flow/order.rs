//! Puts the events of both rings into one order of time.
//!
//! The rings are drained one after the other, so what happened between the two drains is seen from one ring only.
//! Events newer than a cut, taken before the first ring was touched, therefore wait for the next drain: an exit never
//! overtakes an open of the same process. Invariant: every event that is put in comes out exactly once.

use event::Event;

/// A hook takes the time first and reaches the ring a little later, on another CPU perhaps. What happened less than
/// this before the drain may still be missing, so the cut lies this far in the past.
pub const SLACK_NS: u64 = 2_000_000;

/// Events that wait for the next drain.
#[derive(Debug, Default)]
pub struct Order {
    held: Vec<Event>,
    last_ns: u64,
    /// Events that came so late that newer ones had already been passed on.
    pub late: u64,
}

impl Order {
    /// Adds the events of one drain and passes on, oldest first, everything up to `cut_ns`.
    pub fn sort(&mut self, drained: &mut Vec<Event>, cut_ns: u64, pass: &mut dyn FnMut(Event)) {
        self.held.append(drained);
        // Stable: events with the same time stay in the order of their ring.
        self.held.sort_by_key(|event| event.boot_ns);
        let ready = self.held.partition_point(|event| event.boot_ns <= cut_ns);
        for event in self.held.drain(..ready) {
            if event.boot_ns < self.last_ns {
                self.late += 1;
            }
            self.last_ns = self.last_ns.max(event.boot_ns);
            pass(event);
        }
    }

    /// The time of the oldest event that waits.
    #[must_use]
    pub fn oldest_ns(&self) -> Option<u64> {
        self.held.first().map(|event| event.boot_ns)
    }
}

/// The cut for a drain that starts at `now_ns`.
#[must_use]
pub fn cut(now_ns: u64) -> u64 {
    now_ns.saturating_sub(SLACK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{exit, open};

    fn sorted(order: &mut Order, mut drained: Vec<Event>, cut_ns: u64) -> Vec<u64> {
        let mut out = Vec::new();
        order.sort(&mut drained, cut_ns, &mut |event| out.push(event.boot_ns));
        out
    }

    #[test]
    fn an_exit_never_overtakes_an_open_that_was_still_in_its_ring() {
        let mut order = Order::default();
        // The bulk ring was empty when it was drained; then the process opened at 101 and exited at 102.
        assert_eq!(sorted(&mut order, vec![exit(1, 102)], 100), [] as [u64; 0]);
        assert_eq!(order.oldest_ns(), Some(102));
        assert_eq!(sorted(&mut order, vec![open(1, 101)], 200), [101, 102]);
        assert_eq!(order.late, 0);
    }

    #[test]
    fn events_of_both_rings_come_out_by_time_and_ties_keep_their_order() {
        let mut order = Order::default();
        let drained = vec![open(1, 5), open(2, 3), exit(1, 4), exit(2, 3)];
        let mut out = Vec::new();
        order.sort(&mut { drained }, 10, &mut |event| out.push((event.boot_ns, event.kind().name())));
        assert_eq!(out, [(3, "open"), (3, "exit"), (4, "exit"), (5, "open")]);
    }

    #[test]
    fn a_straggler_is_passed_on_and_counted() {
        let mut order = Order::default();
        assert_eq!(sorted(&mut order, vec![open(1, 50)], 60), [50]);
        assert_eq!(sorted(&mut order, vec![open(1, 40)], 60), [40]);
        assert_eq!(order.late, 1);
    }

    #[test]
    fn nothing_is_lost_or_doubled_whatever_the_cuts_are() {
        let mut order = Order::default();
        let mut state = 7_u64;
        let mut next = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        let (mut put, mut got) = (Vec::new(), Vec::new());
        for round in 0..200 {
            let drained: Vec<Event> = (0..next(20)).map(|_| open(1, round * 10 + next(30))).collect();
            put.extend(drained.iter().map(|event| event.boot_ns));
            got.extend(sorted(&mut order, drained, round * 10 + next(15)));
        }
        got.extend(sorted(&mut order, Vec::new(), u64::MAX));
        put.sort_unstable();
        got.sort_unstable();
        assert_eq!(put, got);
    }
}
