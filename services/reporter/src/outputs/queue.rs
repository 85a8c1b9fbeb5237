//! What waits for one output: shared groups, HIGH before LOW, bounded in bytes; and, where the output has a spool, what waits
//! only there.
//!
//! Invariants: the order within a class is kept, through memory and disk; a group counts until the output has resolved all of
//! it, not only until it is taken, so the bound holds for what is in the output's hands too; an empty queue takes any group.
//! With a spool each class is a line: the oldest groups in memory, then a range of payloads on disk, then the newest in
//! memory, which go to disk once the spool has them. Only the thread of the spool moves the range on disk.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::intake::group::{Class, Group};

/// The queue of one output.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    max_bytes: usize,
    has_spool: bool,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    high: Line,
    low: Line,
    /// Of everything in memory that is not resolved.
    bytes: usize,
    /// Of the newest groups, those behind what is on disk.
    newest_bytes: usize,
    is_closed: bool,
}

/// The groups of one class, in order.
#[derive(Debug, Default)]
struct Line {
    oldest: VecDeque<Arc<Group>>,
    disk: Range<u64>,
    newest: VecDeque<Arc<Group>>,
    /// First payloads of the records whose groups are in memory.
    records: BTreeSet<u64>,
}

/// What a reader of the queue gets.
enum Next {
    Group(Arc<Group>),
    /// First the spool must bring what it has of this class.
    Load(Class),
    Wait,
    End,
}

impl State {
    fn line(&mut self, class: Class) -> &mut Line {
        match class {
            Class::High => &mut self.high,
            Class::Low => &mut self.low,
        }
    }

    /// Bytes of the oldest groups and of those in the output's hands.
    fn held_bytes(&self) -> usize {
        self.bytes.saturating_sub(self.newest_bytes)
    }

    fn next(&mut self, max_bytes: usize) -> Next {
        let held = self.held_bytes();
        let is_closed = self.is_closed;
        for class in Class::ALL {
            let line = self.line(class);
            if let Some(group) = line.oldest.pop_front() {
                return Next::Group(group);
            }
            if !line.disk.is_empty() {
                match is_closed {
                    // It is sent after the next start, and what is behind it too.
                    true => continue,
                    false if held <= max_bytes => return Next::Load(class),
                    false => return Next::Wait,
                }
            }
            let Some(bytes) = line.newest.front().map(|group| group.bytes()) else { continue };
            if held > 0 && held + bytes > max_bytes {
                return Next::Wait;
            }
            if let Some(group) = line.newest.pop_front() {
                self.newest_bytes = self.newest_bytes.saturating_sub(bytes);
                return Next::Group(group);
            }
        }
        if is_closed { Next::End } else { Next::Wait }
    }
}

impl Queue {
    /// Holds so many bytes in memory; with a spool up to half as much again.
    pub(crate) fn new(max_bytes: usize, has_spool: bool) -> Self {
        Self { state: Mutex::default(), max_bytes, has_spool, filled: Notify::new() }
    }

    /// Whether a group of this size can be pushed now.
    pub(crate) fn has_room(&self, class: Class, bytes: usize) -> bool {
        let state = self.state();
        if !self.has_spool {
            return state.bytes == 0 || state.bytes.saturating_add(bytes) <= self.max_bytes;
        }
        // What the spool does not take of LOW must not stand in the way of HIGH.
        let most = match class {
            Class::High => self.max_bytes / 2,
            Class::Low => self.max_bytes / 4,
        };
        state.newest_bytes == 0 || state.newest_bytes.saturating_add(bytes) <= most
    }

    /// Adds a group; whoever pushes has asked for room.
    pub(crate) fn push(&self, group: Arc<Group>) {
        let mut state = self.state();
        let is_newest = self.has_spool && state.held_bytes() >= self.max_bytes / 2;
        let bytes = group.bytes();
        state.bytes = state.bytes.saturating_add(bytes);
        let line = state.line(group.class());
        if is_newest || !line.disk.is_empty() || !line.newest.is_empty() {
            line.newest.push_back(group);
            state.newest_bytes = state.newest_bytes.saturating_add(bytes);
        } else {
            line.oldest.push_back(group);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The next group; `None` once the queue is closed and what is in memory was taken. May be cancelled; for one reader.
    /// `load` asks the spool for what it has of a class.
    pub(crate) async fn pop(&self, load: impl Fn(Class)) -> Option<Arc<Group>> {
        loop {
            let filled = self.filled.notified();
            let next = self.state().next(self.max_bytes);
            match next {
                Next::Group(group) => return Some(group),
                Next::End => return None,
                Next::Load(class) => load(class),
                Next::Wait => {}
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
        drop(state);
        if self.has_spool {
            self.filled.notify_one();
        }
    }

    /// Removes and returns the groups that wait in memory and are void.
    pub(crate) fn remove(&self, is_void: impl Fn(&Group) -> bool) -> Vec<Arc<Group>> {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut removed = Vec::new();
        for line in [&mut state.high, &mut state.low] {
            let mut newest_bytes = 0;
            for (groups, bytes) in [(&mut line.oldest, &mut 0), (&mut line.newest, &mut newest_bytes)] {
                groups.retain(|group| {
                    let is_void = is_void(group);
                    if is_void {
                        *bytes += group.bytes();
                        removed.push(group.clone());
                    }
                    !is_void
                });
            }
            state.newest_bytes = state.newest_bytes.saturating_sub(newest_bytes);
        }
        removed
    }

    /// Bytes of everything in memory that is not resolved.
    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// What of a class is only on disk.
    pub(crate) fn disk(&self, class: Class) -> Range<u64> {
        self.state().line(class).disk.clone()
    }

    /// All that is on disk at the beginning.
    pub(crate) fn resume(&self, class: Class, range: Range<u64>) {
        self.state().line(class).disk = range;
        self.filled.notify_one();
    }

    /// A record of a group that is in memory.
    pub(crate) fn record(&self, class: Class, first: u64) {
        self.state().line(class).records.insert(first);
    }

    /// The group of a record is resolved.
    pub(crate) fn resolved(&self, class: Class, first: u64) {
        self.state().line(class).records.remove(&first);
    }

    /// Up to where everything of a class is resolved, when `next` is the number of the next payload.
    pub(crate) fn resolved_up_to(&self, class: Class, next: u64) -> u64 {
        let mut state = self.state();
        let line = state.line(class);
        let disk = (!line.disk.is_empty()).then_some(line.disk.start);
        line.records.first().copied().into_iter().chain(disk).min().unwrap_or(next)
    }

    /// Forgets the newest groups that need not be in memory, because `record` says what they are on disk.
    pub(crate) fn shed(&self, record: impl Fn(&Group) -> Option<Range<u64>>) {
        let mut guard = self.state();
        let state = &mut *guard;
        for line in [&mut state.high, &mut state.low] {
            while let Some(on_disk) = line.newest.front().and_then(|group| record(group)) {
                let Some(group) = line.newest.pop_front() else { break };
                let bytes = group.bytes();
                let held = state.bytes.saturating_sub(state.newest_bytes);
                state.newest_bytes = state.newest_bytes.saturating_sub(bytes);
                if line.disk.is_empty() && held + bytes <= self.max_bytes / 2 {
                    line.oldest.push_back(group);
                    continue;
                }
                state.bytes = state.bytes.saturating_sub(bytes);
                line.records.remove(&on_disk.start);
                if line.disk.is_empty() {
                    line.disk.start = on_disk.start;
                }
                line.disk.end = on_disk.end;
            }
        }
        drop(guard);
        self.filled.notify_one();
    }

    /// Groups that were read back, each with the first payload of its record; the rest begins with `next`.
    pub(crate) fn loaded(&self, class: Class, groups: Vec<(u64, Arc<Group>)>, next: u64) {
        let mut state = self.state();
        for (first, group) in groups {
            state.bytes = state.bytes.saturating_add(group.bytes());
            let line = state.line(class);
            line.records.insert(first);
            line.oldest.push_back(group);
        }
        let line = state.line(class);
        line.disk.start = next.min(line.disk.end);
        drop(state);
        self.filled.notify_one();
    }

    /// The spool gave up this part of what is only on disk.
    pub(crate) fn evicted(&self, class: Class, range: &Range<u64>) {
        let mut state = self.state();
        let line = state.line(class);
        if line.disk.start >= range.start {
            line.disk.start = line.disk.start.max(range.end).min(line.disk.end);
        }
        drop(state);
        self.filled.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
