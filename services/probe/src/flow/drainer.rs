//! The thread that drains: waits, steps, publishes the status, and ends in the right order.
//!
//! It never waits for the analyzer, except at the end, and then at most [`FLUSH_LIMIT`]. Nothing wakes it while nothing
//! happens, except for the status every five seconds.

use std::collections::BTreeSet;
use std::io::PipeReader;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use event::Kind;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::watch;

use crate::backlog::handover::Handover;
use crate::context::host::boot_ns;
use crate::flow::control::Control;
use crate::flow::drain::{Drain, STEP_NS};
use crate::flow::source::Source;
use crate::flow::switch::Switch;
use crate::server::Published;
use crate::server::about::About;

/// From the start of one drain to that of the next while records come. The rings report only when they fill up, so this also
/// bounds how old an event gets.
const BUSY_PERIOD: Duration = Duration::from_nanos(STEP_NS);

/// Pause after [`IDLE_AFTER_NS`] without a record, if the source cannot wake us at the next one.
const IDLE_PAUSE: Duration = Duration::from_millis(500);
const IDLE_AFTER_NS: u64 = 1_000_000_000;

/// Pause between two status messages.
const TICK_NS: u64 = 1_000_000_000;

/// The same while nothing comes, nothing waits, and no kind is to be switched again.
const QUIET_TICK_NS: u64 = 5_000_000_000;

/// After the hooks are off, programs that were running on other CPUs get this long to finish.
const STOP_PAUSE: Duration = Duration::from_millis(10);

/// Time for the analyzer to acknowledge the rest at the end.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// What the thread owns.
pub struct Drainer<S> {
    drain: Drain<S>,
    handover: Arc<Handover>,
    about: About,
    control: Arc<Control>,
    switch: Switch,
    publish: watch::Sender<Published>,
}

impl<S: Source> Drainer<S> {
    /// Publishes the first status, so that the first analyzer already finds one.
    #[must_use]
    pub fn new(
        drain: Drain<S>,
        handover: Arc<Handover>,
        about: About,
        control: Arc<Control>,
        publish: watch::Sender<Published>,
    ) -> Self {
        let switch = Switch::new(drain.source().switchable());
        let mut drainer = Self { drain, handover, about, control, switch, publish };
        drainer.tick(boot_ns());
        drainer
    }

    /// Drains until the other end of `stopped` is closed, then passes on the rest.
    pub fn run(mut self, stopped: &PipeReader) {
        let mut last_record_ns = boot_ns();
        let mut last_tick_ns = last_record_ns;
        let (mut is_settled, mut has_records, mut wakes) = (false, false, false);
        loop {
            let now_ns = boot_ns();
            let wanted = self.control.take(now_ns);
            let is_switched = wanted.is_some_and(|wanted| self.obey(wanted));
            let is_idle = now_ns.saturating_sub(last_record_ns) > IDLE_AFTER_NS;
            // Asked for before the drain: what comes after it then wakes us, except what was on its way into a ring when we
            // asked. So the drain after the first question comes soon, and only the ones after it do not.
            let woke_before = std::mem::replace(&mut wakes, is_idle && self.drain.sleep());
            let is_quiet = is_quiet(is_idle, is_settled, &self.switch);
            let had_records = std::mem::replace(&mut has_records, self.drain.step(now_ns) > 0);
            if has_records {
                last_record_ns = now_ns;
                wakes = false;
            }
            let tick_ns = last_tick_ns.saturating_add(if is_quiet { QUIET_TICK_NS } else { TICK_NS });
            if now_ns >= tick_ns || is_switched {
                last_tick_ns = now_ns;
                is_settled = self.tick(now_ns);
            }
            let pause = match (last_record_ns == now_ns || !is_idle, wakes) {
                (true, _) => busy_pause(now_ns, boot_ns()),
                (false, true) if !woke_before => BUSY_PERIOD,
                (false, true) if is_quiet => Duration::from_nanos(QUIET_TICK_NS),
                (false, true) => Duration::from_nanos(TICK_NS),
                (false, false) => IDLE_PAUSE,
            };
            // While records keep coming the next regular drain is soon enough: to wake for those that were too new, which
            // there always are, would be a drain every two milliseconds.
            let deadline_ns = self.drain.deadline_ns().filter(|_| !(had_records && has_records));
            let until_deadline =
                deadline_ns.map(|deadline| Duration::from_nanos(deadline.saturating_sub(boot_ns())));
            if self.wait(until_deadline.map_or(pause, |left| left.min(pause)), stopped) {
                break;
            }
        }
        self.finish(stopped);
    }

    /// Observes what the analyzer wants from now on. Returns whether that switched anything.
    fn obey(&mut self, wanted: BTreeSet<Kind>) -> bool {
        self.switch.want(wanted);
        self.switch()
    }

    /// Attaches and detaches what is not as it is wanted.
    fn switch(&mut self) -> bool {
        let told = self.switch.apply(self.drain.source_mut(), boot_ns);
        told.iter().for_each(|unwanted| self.handover.unwanted(unwanted));
        !told.is_empty()
    }

    fn finish(mut self, stopped: &PipeReader) {
        self.drain.stop();
        self.wait(STOP_PAUSE, stopped);
        self.drain.finish(boot_ns());
        self.handover.wait_until_settled(FLUSH_LIMIT);
        let (counters, account) = self.drain.counters();
        let status =
            self.about.status(&self.drain, &self.switch, &self.handover, &counters, &account, boot_ns());
        self.publish.send_replace(Published { status, is_last: true });
        self.about.stop(account.unsettled_since_ns);
    }

    /// Waits until records wait, the time is up, or `stopped` is closed. Returns whether it is.
    fn wait(&self, pause: Duration, stopped: &PipeReader) -> bool {
        // Rounded up, or the last part of a millisecond before a deadline would be spent spinning.
        let milliseconds =
            |pause: Duration| u16::try_from(pause.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut fds = vec![PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
        let no_wish = self.control.pause(boot_ns());
        let pause = if no_wish.is_zero() {
            fds.push(PollFd::new(self.control.as_fd(), PollFlags::POLLIN));
            pause
        } else {
            pause.min(no_wish)
        };
        fds.extend(self.drain.source().fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::from(milliseconds(pause))) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => tracing::error!(%error, "waiting for records failed"),
        }
        fds.first().is_some_and(|stopped| stopped.any().unwrap_or(false))
    }

    /// Publishes the status and keeps the state. Returns whether everything is settled.
    fn tick(&mut self, now_ns: u64) -> bool {
        if self.switch.is_behind() {
            self.switch();
        }
        let (counters, account) = self.drain.counters();
        self.drain.reconcile(now_ns, &counters.lost);
        let status =
            self.about.status(&self.drain, &self.switch, &self.handover, &counters, &account, now_ns);
        self.publish.send_replace(Published { status, is_last: false });
        self.about.keep(account.unsettled_since_ns);
        if self.about.is_without_batches(&self.drain) {
            self.handover.tell_news(now_ns);
        }
        account.waiting.total() == 0
    }
}

/// What is left of the period of a drain that began then. Never less than half of it: a drain that takes as long as its period
/// has much to read, and many small ones after it would cost more than they bring.
fn busy_pause(began_ns: u64, now_ns: u64) -> Duration {
    let spent = Duration::from_nanos(now_ns.saturating_sub(began_ns));
    BUSY_PERIOD.saturating_sub(spent).max(BUSY_PERIOD / 2)
}

/// Whether the status may come seldom. What could not be switched, or was not yet, is tried with each status.
fn is_quiet(is_idle: bool, is_settled: bool, switch: &Switch) -> bool {
    is_idle && is_settled && !switch.is_behind()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::FakeSource;

    #[test]
    fn drains_begin_a_period_apart_however_long_one_takes_up_to_half_of_it() {
        let millisecond = 1_000_000;
        let pauses =
            [0, 3, 15, 90].map(|spent| busy_pause(millisecond, (1 + spent) * millisecond).as_millis());
        assert_eq!(pauses, [18, 15, 9, 9]);
        assert_eq!(busy_pause(5, 3), BUSY_PERIOD, "a clock that went back");
    }

    #[test]
    fn what_was_refused_is_tried_again_every_second_though_nothing_happens() {
        let mut source = FakeSource::default();
        let mut switch = Switch::new(vec![Kind::Open]);
        assert!(is_quiet(true, true, &switch));
        switch.want(BTreeSet::new());
        switch.apply(&mut source, || 0);
        assert!(!is_quiet(true, true, &switch), "it stays for a while, which then ends");
        switch.apply(&mut source, || u64::MAX);
        assert!(is_quiet(true, true, &switch));
        source.refuse_to_switch(true);
        switch.want([Kind::Open].into());
        switch.apply(&mut source, || u64::MAX);
        assert!(!is_quiet(true, true, &switch));
    }
}
