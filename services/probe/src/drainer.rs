//! The thread that drains: waits, steps, publishes the status, and ends in the right order.
//!
//! It never waits for the analyzer, except at the end, and then at most [`FLUSH_LIMIT`].

use std::io::PipeReader;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::watch;
use wire::v1;

use crate::drain::Drain;
use crate::host::boot_ns;
use crate::outbox::Outbox;
use crate::server::Published;
use crate::source::Source;

/// Pause between two drains while records come. The rings report only when they fill up, so this also bounds how
/// old an event gets.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Pause after [`IDLE_AFTER_NS`] without a record: 10 wake-ups a second.
const IDLE_PAUSE: Duration = Duration::from_millis(100);
const IDLE_AFTER_NS: u64 = 1_000_000_000;

/// Pause between two status messages.
const STATUS_PAUSE_NS: u64 = 1_000_000_000;

/// After the hooks are off, programs that were running on other CPUs get this long to finish.
const STOP_PAUSE: Duration = Duration::from_millis(10);

/// Time for the analyzer to acknowledge the rest at the end.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// What the thread owns.
pub struct Drainer<S> {
    drain: Drain<S>,
    outbox: Arc<Outbox>,
    scope: String,
    publish: watch::Sender<Published>,
}

impl<S: Source> Drainer<S> {
    /// Publishes the first status, so that the first analyzer already finds one.
    #[must_use]
    pub fn new(
        drain: Drain<S>,
        outbox: Arc<Outbox>,
        scope: String,
        publish: watch::Sender<Published>,
    ) -> Self {
        let mut drainer = Self { drain, outbox, scope, publish };
        drainer.publish(false);
        drainer
    }

    /// Drains until the other end of `stopped` is closed, then passes on the rest.
    pub fn run(mut self, stopped: &PipeReader) {
        let mut last_record_ns = boot_ns();
        let mut next_status_ns = last_record_ns.saturating_add(STATUS_PAUSE_NS);
        loop {
            let now_ns = boot_ns();
            if self.drain.step(now_ns) > 0 {
                last_record_ns = now_ns;
            }
            if now_ns >= next_status_ns {
                next_status_ns = now_ns.saturating_add(STATUS_PAUSE_NS);
                self.publish(false);
            }
            let is_idle = now_ns.saturating_sub(last_record_ns) > IDLE_AFTER_NS;
            let pause = if is_idle { IDLE_PAUSE } else { BUSY_PAUSE };
            let until_deadline = self
                .drain
                .deadline_ns()
                .map(|deadline| Duration::from_nanos(deadline.saturating_sub(boot_ns())));
            if self.wait(until_deadline.map_or(pause, |left| left.min(pause)), stopped) {
                break;
            }
        }
        self.drain.stop();
        self.wait(STOP_PAUSE, stopped);
        self.drain.finish(boot_ns());
        self.outbox.wait_until_settled(FLUSH_LIMIT);
        self.publish(true);
    }

    /// Waits until records wait, the time is up, or `stopped` is closed. Returns whether it is.
    fn wait(&self, pause: Duration, stopped: &PipeReader) -> bool {
        // Rounded up, or the last part of a millisecond before a deadline would be spent spinning.
        let milliseconds = u16::try_from(pause.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut fds = vec![PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.drain.source().fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => tracing::error!(%error, "waiting for records failed"),
        }
        fds.first().is_some_and(|stopped| stopped.any().unwrap_or(false))
    }

    fn publish(&mut self, is_last: bool) {
        let (counters, _account) = self.drain.counters();
        let hooks = self.drain.source().hooks().into_iter().map(|hook| v1::Hook {
            kind: hook.kind,
            program: hook.program,
            attach: hook.attach,
            active: hook.active,
            error: hook.error.unwrap_or_default(),
        });
        let metrics = self.drain.metrics().samples();
        let status = wire::status::encode(
            &counters,
            wire::status::Parts {
                hooks: hooks.collect(),
                metrics,
                scope: self.scope.clone(),
                ..wire::status::Parts::default()
            },
        );
        self.publish.send_replace(Published { status, is_last });
    }
}
