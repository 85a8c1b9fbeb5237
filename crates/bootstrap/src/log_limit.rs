//! Keeps a log line that events, a neighbour or an outside party can cause from filling the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const PERIOD: Duration = Duration::from_secs(10);

/// Lets one line pass every ten seconds and counts the others.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    /// `Some(lines suppressed since the last one)` when a line may be written now.
    #[must_use]
    pub fn permit(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.last.is_some_and(|last| now - last < PERIOD) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_line_after_a_flood_says_how_many_were_suppressed() {
        let limit = LogLimit::default();
        assert_eq!(limit.permit(), Some(0));
        assert_eq!([limit.permit(), limit.permit()], [None, None]);
        tokio::time::advance(PERIOD).await;
        assert_eq!(limit.permit(), Some(2));
        assert_eq!(limit.permit(), None);
    }
}
