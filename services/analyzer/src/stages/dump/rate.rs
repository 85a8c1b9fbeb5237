//! How many new behaviours a dump takes in a second.

const SECOND_NS: u64 = 1_000_000_000;

/// A limit for each second on the clock of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    per_second: u32,
    second: u64,
    taken: u32,
}

impl Rate {
    pub(super) const fn new(per_second: u32) -> Self {
        Self { per_second, second: 0, taken: 0 }
    }

    /// Whether one more may be taken at this time. An event that comes late counts in the second that runs.
    pub(super) fn admits(&mut self, boot_ns: u64) -> bool {
        let second = boot_ns / SECOND_NS;
        if second > self.second {
            (self.second, self.taken) = (second, 0);
        }
        let is_admitted = self.taken < self.per_second;
        self.taken = self.taken.saturating_add(u32::from(is_admitted));
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_takes_so_many_and_no_event_of_the_past_opens_it_again() {
        let mut rate = Rate::new(2);
        let admitted = [5, 6, 7, SECOND_NS, 9, SECOND_NS + 1, 10, 2 * SECOND_NS].map(|ns| rate.admits(ns));
        assert_eq!(admitted, [true, true, false, true, true, false, false, true]);
    }
}
