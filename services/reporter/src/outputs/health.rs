//! Whether an output works, and since when not. Pure: the clock is an argument.
//!
//! An output is down from its first failure to its next success, and while it is blocked in one write. One that has
//! been down for `leave_after`, or at all when it is hurried, leaves the mark until it is back.

use std::time::Duration;

use tokio::time::Instant;

/// A write that takes longer is blocked: much longer than a busy disk takes, short beside a backlog.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// The health of one output.
#[derive(Debug, Default)]
pub(crate) struct Health {
    down_since: Option<Instant>,
    /// The start of a write that has not returned.
    busy_since: Option<Instant>,
    has_left: bool,
}

/// What a success meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing: it was not down.
    Nothing,
    /// It was down.
    Up,
    /// It was down and had left the mark.
    Returned,
}

impl Health {
    /// A write begins, which may block.
    pub(crate) fn began(&mut self, now: Instant) {
        self.busy_since = Some(now);
    }

    /// A write or request failed. True when that is new.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let since = self.busy_since.take().unwrap_or(now);
        let is_new = self.down_since.is_none();
        self.down_since.get_or_insert(since);
        is_new
    }

    /// A write or request succeeded.
    pub(crate) fn succeeded(&mut self) -> Recovery {
        self.busy_since = None;
        match (self.down_since.take(), std::mem::take(&mut self.has_left)) {
            (_, true) => Recovery::Returned,
            (Some(_), false) => Recovery::Up,
            (None, false) => Recovery::Nothing,
        }
    }

    /// When it is to leave the mark if nothing succeeds before; `None` while it works or when it has left.
    pub(crate) fn leaves_at(&self, leave_after: Duration, is_hurried: bool) -> Option<Instant> {
        if self.has_left {
            return None;
        }
        let down = self.down_since.map(|since| if is_hurried { since } else { since + leave_after });
        let patience = if is_hurried { BLOCKED_AFTER.min(leave_after) } else { leave_after };
        let blocked = self.busy_since.map(|since| since + patience);
        down.into_iter().chain(blocked).min()
    }

    /// Leaves the mark if it is time to. True when that is new.
    pub(crate) fn leave(&mut self, now: Instant, leave_after: Duration, is_hurried: bool) -> bool {
        let is_time = self.leaves_at(leave_after, is_hurried).is_some_and(|at| at <= now);
        self.has_left |= is_time;
        is_time
    }

    /// Whether it works, as far as anybody knows.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        self.down_since.is_none() && self.blocked_since(now).is_none()
    }

    /// How long it has been down; 0 when it is not.
    pub(crate) fn down_for(&self, now: Instant) -> Duration {
        let since = self.down_since.into_iter().chain(self.blocked_since(now)).min();
        since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    fn blocked_since(&self, now: Instant) -> Option<Instant> {
        self.busy_since.filter(|since| now.duration_since(*since) >= BLOCKED_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_output_leaves_a_minute_after_its_first_failure_and_a_success_ends_it() {
        let start = Instant::now();
        let mut health = Health::default();
        assert!(health.failed(start));
        assert!(!health.failed(start + 30 * SECOND), "only the first failure is news");
        assert!(!health.leave(start + 59 * SECOND, MINUTE, false));
        assert!(health.leave(start + MINUTE, MINUTE, false));
        assert!(!health.leave(start + 2 * MINUTE, MINUTE, false), "it leaves once");
        assert_eq!(health.down_for(start + 2 * MINUTE), 2 * MINUTE);
        assert_eq!(health.succeeded(), Recovery::Returned);
        assert_eq!(health.down_for(start + 2 * MINUTE), Duration::ZERO);
        assert_eq!(health.succeeded(), Recovery::Nothing);
    }

    #[test]
    fn a_success_before_the_minute_is_over_starts_the_count_again() {
        let start = Instant::now();
        let mut health = Health::default();
        health.failed(start);
        assert_eq!(health.succeeded(), Recovery::Up);
        health.failed(start + 50 * SECOND);
        assert_eq!(health.leaves_at(MINUTE, false), Some(start + 110 * SECOND));
    }

    #[test]
    fn a_write_that_does_not_return_counts_as_down_from_its_start() {
        let start = Instant::now();
        let mut health = Health::default();
        health.began(start);
        assert_eq!(health.down_for(start + SECOND / 2), Duration::ZERO);
        assert_eq!(health.down_for(start + 2 * SECOND), 2 * SECOND);
        assert!(health.leave(start + MINUTE, MINUTE, false));
        assert_eq!(health.succeeded(), Recovery::Returned);
    }

    #[test]
    fn a_dead_output_that_is_hurried_leaves_at_once_and_a_busy_one_after_a_second() {
        let start = Instant::now();
        let mut dead = Health::default();
        dead.failed(start);
        assert!(dead.leave(start, MINUTE, true));
        let mut busy = Health::default();
        busy.began(start);
        assert!(!busy.leave(start + SECOND / 2, MINUTE, true));
        assert!(busy.leave(start + SECOND, MINUTE, true));
    }
}
