//! What waits for one output: shared groups, HIGH before LOW, bounded in bytes.
//!
//! Invariants: the order within a class is kept; a group counts until the output has resolved all of it, not only
//! until it is taken, so the bound holds for what is in the output's hands too; an empty queue takes any group.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::intake::group::{Class, Group};

/// The queue of one output.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    max_bytes: usize,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    high: VecDeque<Arc<Group>>,
    low: VecDeque<Arc<Group>>,
    bytes: usize,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { state: Mutex::default(), max_bytes, filled: Notify::new() }
    }

    /// Whether a group of this size can be pushed now.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let state = self.state();
        state.bytes == 0 || state.bytes.saturating_add(bytes) <= self.max_bytes
    }

    /// Adds a group; whoever pushes has asked for room.
    pub(crate) fn push(&self, group: Arc<Group>) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(group.bytes());
        match group.class() {
            Class::High => state.high.push_back(group),
            Class::Low => state.low.push_back(group),
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The next group; `None` once the queue is closed and empty. May be cancelled; for one reader.
    pub(crate) async fn pop(&self) -> Option<Arc<Group>> {
        loop {
            let filled = self.filled.notified();
            {
                let mut state = self.state();
                let group = state.high.pop_front().or_else(|| state.low.pop_front());
                if group.is_some() || state.is_closed {
                    return group;
                }
            }
            filled.await;
        }
    }

    /// Nothing will be pushed any more.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.filled.notify_one();
    }

    /// The output has resolved a group of this size.
    pub(crate) fn release(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Removes and returns the groups that wait and are void.
    pub(crate) fn remove(&self, is_void: impl Fn(&Group) -> bool) -> Vec<Arc<Group>> {
        let mut state = self.state();
        let mut removed = Vec::new();
        let State { high, low, .. } = &mut *state;
        for class in [high, low] {
            class.retain(|group| {
                let is_void = is_void(group);
                if is_void {
                    removed.push(group.clone());
                }
                !is_void
            });
        }
        removed
    }

    /// Bytes of everything that is not resolved.
    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
