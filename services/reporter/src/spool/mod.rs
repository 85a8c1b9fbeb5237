//! What an output has not delivered yet, on disk: it survives the end of the process and of the machine.
//!
//! [`Spool`] is the side of the output: it hands groups to the [`keeper`], the thread that owns the [`store`]. Invariant: a
//! group counts as kept only after a commit that had it; until then it is in memory, and the output's to deliver. See
//! docs/reporter.md.

pub(crate) mod config;
pub(crate) mod keeper;
mod ledger;
pub(crate) mod log;
mod record;
mod segment;
pub(crate) mod store;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::intake::group::{Class, Group};
use store::{of, of_mut};

/// The spool of one output, as the output sees it.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    asked: Mutex<Asked>,
    wake: Condvar,
    /// By class: it did not take the last group.
    is_stuck: [AtomicBool; 2],
    is_full: AtomicBool,
}

/// What the keeper is asked to do.
#[derive(Debug, Default)]
struct Asked {
    /// To be written, in order. Whoever has delivered a group meanwhile has dropped it.
    groups: VecDeque<Weak<Group>>,
    loads: [bool; 2],
    has_resolved: bool,
    /// Commits come at once.
    is_hurried: bool,
    is_ended: bool,
}

/// When the keeper has to do something without being asked.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// Groups that wait are written.
    write: Instant,
    /// The last attempt failed: no hurry makes the next one come earlier.
    is_retry: bool,
    /// What was delivered is noted.
    note: Instant,
    /// What is too old is removed.
    expire: Option<Instant>,
}

/// What the keeper has to do now.
#[derive(Debug)]
struct Work {
    groups: VecDeque<Weak<Group>>,
    loads: [bool; 2],
    is_noted: bool,
    is_ended: bool,
}

impl Spool {
    /// Whether groups of this class are taken, as far as anybody knows.
    pub(crate) fn takes(&self, class: Class) -> bool {
        !of(&self.is_stuck, class).load(Ordering::SeqCst)
    }

    /// Whether a class is not taken for want of room under the limit.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::SeqCst)
    }

    /// To be written, unless the output is done with it before.
    pub(crate) fn add(&self, group: &Arc<Group>) {
        self.asked().groups.push_back(Arc::downgrade(group));
        self.wake.notify_one();
    }

    /// The output wants what is on disk of this class.
    pub(crate) fn load(&self, class: Class) {
        *of_mut(&mut self.asked().loads, class) = true;
        self.wake.notify_one();
    }

    /// Something that was written is delivered or given up.
    pub(crate) fn note_resolved(&self) {
        let mut asked = self.asked();
        let was_noted = std::mem::replace(&mut asked.has_resolved, true);
        drop(asked);
        if !was_noted {
            self.wake.notify_one();
        }
    }

    /// From now on everything is written at once.
    pub(crate) fn hurry(&self) {
        self.asked().is_hurried = true;
        self.wake.notify_one();
    }

    /// The keeper writes what waits, and ends.
    pub(crate) fn end(&self) {
        self.asked().is_ended = true;
        self.wake.notify_one();
    }

    /// Gives back what could not be written; it is tried again before what came later.
    fn put_back(&self, groups: impl DoubleEndedIterator<Item = Weak<Group>>) {
        let mut asked = self.asked();
        for group in groups.rev() {
            asked.groups.push_front(group);
        }
    }

    fn set_state(&self, is_stuck: [bool; 2], is_full: bool) {
        for (known, is_stuck) in self.is_stuck.iter().zip(is_stuck) {
            known.store(is_stuck, Ordering::SeqCst);
        }
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Waits until there is something to do.
    fn work(&self, times: Times) -> Work {
        let mut asked = self.asked();
        loop {
            let now = Instant::now();
            let is_due = asked.is_hurried && !times.is_retry || times.write <= now;
            let writes = !asked.groups.is_empty() && is_due;
            let notes = asked.has_resolved && (asked.is_hurried || times.note <= now);
            let expires = times.expire.is_some_and(|at| at <= now);
            if writes || notes || expires || asked.is_ended || asked.loads.contains(&true) {
                return Work {
                    groups: if writes || asked.is_ended {
                        std::mem::take(&mut asked.groups)
                    } else {
                        VecDeque::new()
                    },
                    loads: std::mem::take(&mut asked.loads),
                    is_noted: notes && std::mem::take(&mut asked.has_resolved),
                    is_ended: asked.is_ended,
                };
            }
            let write = (!asked.groups.is_empty()).then_some(times.write);
            let note = asked.has_resolved.then_some(times.note);
            let until = [write, note, times.expire].into_iter().flatten().min();
            asked = match until {
                Some(until) => {
                    let waited = self.wake.wait_timeout(asked, until.duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(asked).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
