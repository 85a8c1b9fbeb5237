//! What the analyzer wants observed, on its way from the connection to the drain thread.
//!
//! Only the newest wish is kept and it is taken ten times a second at most, so an analyzer that says a thousand different
//! things, in one connection or in as many, costs as much as one that says ten. Acknowledgements wait for none of it.
//! Invariants: from a connection that was replaced nothing is taken; a wake-up that brought nothing is over once it was
//! looked at.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::Kind;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::backlog::handover::Session;

/// Time from one wish that is taken to the next.
const PAUSE_NS: u64 = 100_000_000;

/// The way of a wish.
#[derive(Debug)]
pub struct Control {
    newest: Mutex<Newest>,
    wake: EventFd,
}

#[derive(Debug, Default)]
struct Newest {
    session: Option<Session>,
    wanted: Option<BTreeSet<Kind>>,
    not_before_ns: u64,
}

impl Control {
    /// Nobody has wanted anything yet.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { newest: Mutex::default(), wake })
    }

    /// A connection begins, which wants this; what older ones want no longer counts.
    pub fn begin(&self, session: Session, wanted: BTreeSet<Kind>) {
        self.put(|newest| {
            newest.session = Some(session);
            newest.wanted = Some(wanted);
        });
    }

    /// The analyzer of this connection wants this now.
    pub fn want(&self, session: Session, wanted: BTreeSet<Kind>) {
        self.put(|newest| {
            if newest.session == Some(session) {
                newest.wanted = Some(wanted);
            }
        });
    }

    /// What is wanted, if that is new and the time has come.
    #[must_use]
    pub fn take(&self, now_ns: u64) -> Option<BTreeSet<Kind>> {
        let mut newest = self.lock();
        if now_ns < newest.not_before_ns {
            return None;
        }
        // Whether or not there is a wish: its writer may come so far only after it was taken, and a replaced connection
        // wakes for nothing. What stayed readable would wake without end.
        self.wake.read().unwrap_or_default();
        let wanted = newest.wanted.take();
        if wanted.is_some() {
            newest.not_before_ns = now_ns.saturating_add(PAUSE_NS);
        }
        wanted
    }

    /// How long nothing can be taken: until then it is of no use to wait for a wish.
    #[must_use]
    pub fn pause(&self, now_ns: u64) -> Duration {
        Duration::from_nanos(self.lock().not_before_ns.saturating_sub(now_ns))
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, put: impl FnOnce(&mut Newest)) {
        put(&mut self.lock());
        // Full means that it is readable already.
        self.wake.write(1).unwrap_or_default();
    }
}

/// Readable when something is wanted that was not taken.
impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;
    use crate::backlog::Backlog;
    use crate::backlog::handover::Handover;
    use crate::context::table::Table;
    use crate::metrics::Metrics;

    fn sessions() -> [Session; 2] {
        let handover = Handover::new(Backlog::new(1, None), Table::new(1, 1), Metrics::default());
        [handover.connect(0).0, handover.connect(0).0]
    }

    fn wakes(control: &Control) -> bool {
        let mut fds = [PollFd::new(control.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
    }

    #[test]
    fn a_connection_that_was_replaced_wakes_once_and_not_without_end() {
        let control = Control::new().unwrap();
        let [replaced, newest] = sessions();
        control.begin(newest, [Kind::Open].into());
        assert_eq!(control.take(u64::MAX), Some([Kind::Open].into()));
        control.want(replaced, [Kind::Bind].into());
        assert_eq!(control.take(u64::MAX), None);
        assert!(!wakes(&control), "what was looked at wakes again");
    }

    #[test]
    fn who_connects_all_the_time_is_obeyed_as_seldom_as_who_says_something_all_the_time() {
        let control = Control::new().unwrap();
        let [first, second] = sessions();
        control.begin(first, [Kind::Open].into());
        assert_eq!(control.take(1), Some([Kind::Open].into()));
        control.begin(second, [Kind::Bind].into());
        control.want(second, [Kind::Rename].into());
        assert_eq!((control.take(PAUSE_NS), control.pause(PAUSE_NS)), (None, Duration::from_nanos(1)));
        assert!(wakes(&control), "it still waits");
        assert_eq!(control.take(PAUSE_NS + 1), Some([Kind::Rename].into()), "the newest is what counts");
        assert!(!wakes(&control));
    }
}
