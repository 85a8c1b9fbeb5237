//! What the analyzer wants observed, on its way from the connection to the drain thread.
//!
//! Only the newest wish is kept, so an analyzer that says a thousand different things costs as much as one that says one.
//! Invariant: from a connection that was replaced nothing is taken.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use event::Kind;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::backlog::handover::Session;

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

    /// What is wanted, if that is new.
    #[must_use]
    pub fn take(&self) -> Option<BTreeSet<Kind>> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = newest.wanted.take();
        if wanted.is_some() {
            // Nothing to read means that the writer of this wish has not come so far: one wake-up for nothing follows.
            self.wake.read().unwrap_or_default();
        }
        wanted
    }

    fn put(&self, put: impl FnOnce(&mut Newest)) {
        put(&mut self.newest.lock().unwrap_or_else(PoisonError::into_inner));
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
