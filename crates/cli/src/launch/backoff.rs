//! When a service that ended is started again, and when it is given up.
//!
//! Pure: time comes in as an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Ends within this time count together.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// So many ends within the window are one too many.
pub(crate) const MAX_ENDS: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Remembers the recent ends of one service.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    ends: VecDeque<Instant>,
}

impl Backoff {
    /// The pause before the next start, after an end at `now`; `None` = give up.
    pub(crate) fn after_end(&mut self, now: Instant) -> Option<Duration> {
        while self.ends.front().is_some_and(|end| now.duration_since(*end) > WINDOW) {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        if self.ends.len() >= MAX_ENDS {
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
    fn pauses_double_and_the_fifth_end_within_a_minute_is_the_last() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        let pauses: Vec<_> = (0..5).map(|n| backoff.after_end(start + Duration::from_secs(n))).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(pauses, [ms(200), ms(400), ms(800), ms(1600), None]);
    }

    #[test]
    fn an_end_long_ago_is_forgiven() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        for n in 0..20 {
            assert_eq!(backoff.after_end(start + (WINDOW * 2) * n), Some(FIRST_PAUSE));
        }
    }
}
