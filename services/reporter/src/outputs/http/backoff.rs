//! How long to wait before a request. Pure: clock and randomness are arguments.
//!
//! One count of errors for the whole destination; a wait precedes every request while it is not 0, first attempts
//! too, so that after an outage the load comes back in steps.

use std::time::Duration;

use tokio::time::Instant;

use super::config::IntakeConfig;

/// The settings of a back-off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) base: Duration,
    pub(crate) max: Duration,
    pub(crate) factor: f64,
    pub(crate) recovery_interval: u32,
    pub(crate) recovery_reset: bool,
}

impl Policy {
    pub(crate) fn new(config: &IntakeConfig) -> Self {
        Self {
            base: config.sender_backoff_base,
            max: config.sender_backoff_max,
            factor: config.sender_backoff_factor,
            recovery_interval: config.sender_recovery_interval,
            recovery_reset: config.sender_recovery_reset,
        }
    }

    /// The count from which on the longest wait applies: ⌊log2(max/base)⌋ + 1.
    fn max_errors(&self) -> u32 {
        let mut errors = 1;
        let mut wait = self.base.saturating_mul(2);
        while wait <= self.max && errors < u32::BITS {
            wait = wait.saturating_mul(2);
            errors += 1;
        }
        errors
    }
}

/// The state of a destination.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    policy: Policy,
    errors: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, errors: 0, not_before: None }
    }

    /// Errors that are remembered.
    pub(crate) fn errors(&self) -> u32 {
        self.errors
    }

    /// A request must be repeated; the intake may have said after how long. It is believed up to the longest wait.
    pub(crate) fn failed(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.errors = self.errors.saturating_add(1).min(self.policy.max_errors());
        // A time that the clock cannot hold asks for more than any limit.
        if let Some(until) = retry_after.and_then(|after| now.checked_add(after.min(self.policy.max))) {
            self.not_before = Some(self.not_before.map_or(until, |known| known.max(until)));
        }
    }

    /// A request was answered for good.
    pub(crate) fn settled(&mut self) {
        let step =
            if self.policy.recovery_reset { self.policy.max_errors() } else { self.policy.recovery_interval };
        self.errors = self.errors.saturating_sub(step);
    }

    /// The wait before the next request; `random` is in [0, 1).
    pub(crate) fn wait(&self, now: Instant, random: f64) -> Duration {
        let asked = self.not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        asked.max(self.own_wait(random))
    }

    fn own_wait(&self, random: f64) -> Duration {
        let Policy { base, max, factor, .. } = self.policy;
        if self.errors == 0 {
            return Duration::ZERO;
        }
        let longest = base.saturating_mul(2_u32.saturating_pow(self.errors));
        if longest > max {
            return max;
        }
        let shortest = longest.div_f64(factor);
        shortest + (longest - shortest).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        Backoff::new(Policy::new(&IntakeConfig::default()))
    }

    fn seconds(backoff: &Backoff) -> (f64, f64) {
        let now = Instant::now();
        (backoff.wait(now, 0.0).as_secs_f64(), backoff.wait(now, 0.999_999_999).as_secs_f64().round())
    }

    #[test]
    fn the_waits_are_those_of_the_table() {
        let mut backoff = backoff();
        assert_eq!(seconds(&backoff), (0.0, 0.0));
        let table =
            [(1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (120.0, 120.0)];
        for expected in table {
            backoff.failed(None, Instant::now());
            assert_eq!(seconds(&backoff), expected);
        }
        backoff.failed(None, Instant::now());
        assert_eq!(backoff.errors(), 7);
    }

    #[test]
    fn a_success_forgets_two_errors_so_the_load_returns_in_steps() {
        let mut backoff = backoff();
        for _ in 0..9 {
            backoff.failed(None, Instant::now());
        }
        let left = [(); 5].map(|()| {
            backoff.settled();
            backoff.errors()
        });
        assert_eq!(left, [5, 3, 1, 0, 0]);
    }

    #[test]
    fn a_reset_forgets_all_errors_at_once() {
        let mut backoff = backoff();
        backoff.policy.recovery_reset = true;
        for _ in 0..7 {
            backoff.failed(None, Instant::now());
        }
        backoff.settled();
        assert_eq!(backoff.errors(), 0);
    }

    #[test]
    fn retry_after_is_honoured_up_to_the_longest_wait() {
        let now = Instant::now();
        let mut backoff = backoff();
        backoff.failed(Some(Duration::from_secs(30)), now);
        assert_eq!(backoff.wait(now, 0.5), Duration::from_secs(30));
        assert!(backoff.wait(now + Duration::from_secs(30), 0.5) < Duration::from_secs(2));
        backoff.failed(Some(Duration::MAX), now);
        assert_eq!(backoff.wait(now, 0.5), Duration::from_secs(120));
    }

    #[test]
    fn no_setting_overflows() {
        let mut backoff = Backoff::new(Policy {
            base: Duration::from_nanos(1),
            max: Duration::MAX,
            factor: 1e300,
            recovery_interval: u32::MAX,
            recovery_reset: false,
        });
        for _ in 0..100 {
            backoff.failed(Some(Duration::ZERO), Instant::now());
            backoff.wait(Instant::now(), 0.999);
        }
        assert!(backoff.errors() <= u32::BITS);
    }
}
