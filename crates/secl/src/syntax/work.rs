//! What a text makes its reader do, in bytes and tokens looked at. Only tests count: that reading takes time in proportion
//! to the text is held by a number which is the same on every machine.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static DONE: Cell<usize> = const { Cell::new(0) };
}

/// One more byte or token was looked at.
#[cfg(test)]
pub(super) fn step() {
    DONE.set(DONE.get() + 1);
}

/// One more byte or token was looked at.
#[cfg(not(test))]
pub(super) const fn step() {}

/// What `read` does.
#[cfg(test)]
pub(super) fn done_by(read: impl FnOnce()) -> usize {
    let before = DONE.get();
    read();
    DONE.get() - before
}
