//! Pauses between attempts: twice as long each time, never the same for two clients.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// The state of one client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause before the next attempt: between half and all of what the number of failures calls for.
    pub fn pause(&mut self) -> Duration {
        let full = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// An attempt succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let first = backoff.pause();
        assert!(first >= FIRST / 2 && first <= FIRST);
        for _ in 0..40 {
            assert!(backoff.pause() <= LONGEST);
        }
        assert!(backoff.pause() >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
