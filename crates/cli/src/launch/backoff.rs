//! When a service that ended is started again, and when it is given up.
//!
//! A service that was ready is never given up: who makes it end again and again, by an attack or a full machine, would
//! switch it off for good otherwise. One that does not even get ready has a reason that the next start will not change.
//! Pure: time comes in as an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Ends within this time make the pauses longer.
const WINDOW: Duration = Duration::from_secs(60);
/// So many starts in a row that came to nothing are one too many.
pub(crate) const MAX_FAILED_STARTS: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Remembers the recent ends of one service.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    ends: VecDeque<Instant>,
    failed_starts: usize,
}

impl Backoff {
    /// The pause before the next start, after an end at `now` of a service that `was_ready` or not; `None` = give up.
    pub(crate) fn after_end(&mut self, now: Instant, was_ready: bool) -> Option<Duration> {
        while self.ends.front().is_some_and(|end| now.duration_since(*end) > WINDOW) {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        self.failed_starts = if was_ready { 0 } else { self.failed_starts + 1 };
        if self.failed_starts >= MAX_FAILED_STARTS {
            return None;
        }
        let doublings = u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX);
        Some(FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(MAX_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_the_fifth_start_in_a_row_that_came_to_nothing_is_the_last() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        let pauses: Vec<_> =
            (0..5).map(|n| backoff.after_end(start + Duration::from_secs(n), false)).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(pauses, [ms(200), ms(400), ms(800), ms(1600), None]);
    }

    #[test]
    fn a_service_that_was_ready_is_never_given_up_and_waits_longer_each_time() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        let pauses: Vec<_> =
            (0..1000).map(|n| backoff.after_end(start + Duration::from_secs(n), true).unwrap()).collect();
        assert_eq!(pauses[999], MAX_PAUSE);
        assert!(pauses.is_sorted());
    }

    #[test]
    fn an_end_long_ago_is_forgiven() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        for n in 0..20 {
            assert_eq!(backoff.after_end(start + (WINDOW * 2) * n, true), Some(FIRST_PAUSE));
        }
    }
}
