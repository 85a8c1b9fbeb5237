//! Collects events until a batch is complete: by count, by weight or by age.
//!
//! Pure. Invariant: a batch holds at least one event, and what goes in comes out in the same order. The weight
//! keeps every encoded batch far below the 4 MiB that a message may have.

use event::{Event, Exec, File, Kind, PerKind, Strings, What};

/// Estimated bytes of content at which a batch is complete. One exec has at most 128 KiB of arguments and
/// environment, so no batch can exceed twice this.
const FULL_BYTES: usize = 1 << 20;

/// Events of one batch, complete.
#[derive(Debug)]
pub struct Complete {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// How many of each kind.
    pub counts: PerKind<u64>,
}

/// Events that wait for their batch to be complete.
#[derive(Debug)]
pub struct Batcher {
    events: Vec<Event>,
    counts: PerKind<u64>,
    bytes: usize,
    since_ns: u64,
    max_events: usize,
    max_age_ns: u64,
}

impl Batcher {
    /// A batcher with its limits.
    #[must_use]
    pub fn new(max_events: usize, max_age_ns: u64) -> Self {
        Self {
            events: Vec::new(),
            counts: PerKind::default(),
            bytes: 0,
            since_ns: 0,
            max_events: max_events.max(1),
            max_age_ns,
        }
    }

    /// Adds an event; gives the batch when this one completes it. The age of a batch is that of its first event.
    pub fn push(&mut self, event: Event) -> Option<Complete> {
        if self.events.is_empty() {
            self.since_ns = event.boot_ns;
        }
        *self.counts.get_mut(event.kind()) += 1;
        self.bytes += event_bytes(&event);
        self.events.push(event);
        if self.events.len() >= self.max_events || self.bytes >= FULL_BYTES { self.take() } else { None }
    }

    /// Gives the batch when its first event has waited long enough.
    pub fn due(&mut self, now_ns: u64) -> Option<Complete> {
        if self.deadline_ns()? <= now_ns { self.take() } else { None }
    }

    /// When the waiting events must leave; `None` when nothing waits.
    #[must_use]
    pub fn deadline_ns(&self) -> Option<u64> {
        (!self.events.is_empty()).then(|| self.since_ns.saturating_add(self.max_age_ns))
    }

    /// Gives whatever waits.
    pub fn take(&mut self) -> Option<Complete> {
        if self.events.is_empty() {
            return None;
        }
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        Some(Complete { events, counts: std::mem::take(&mut self.counts) })
    }
}

/// What an event weighs in memory, roughly.
#[must_use]
pub fn event_bytes(event: &Event) -> usize {
    let task = size_of::<event::Task>() + event.task.comm.len();
    let what = match &event.what {
        What::Exec(exec) => exec_bytes(exec),
        What::Open(open) => file_bytes(&open.file),
        What::Fork { .. } | What::Exit(_) => 0,
    };
    size_of::<Event>() + task + what
}

/// What a program image weighs in memory, roughly.
#[must_use]
pub fn exec_bytes(exec: &Exec) -> usize {
    size_of::<Exec>()
        + file_bytes(&exec.executable)
        + exec.script.as_deref().map_or(0, file_bytes)
        + strings_bytes(&exec.args)
        + strings_bytes(&exec.envs)
}

fn file_bytes(file: &File) -> usize {
    size_of::<File>() + file.path.len()
}

fn strings_bytes(strings: &Strings) -> usize {
    // A reference, the two counts beside the bytes, the bytes.
    strings.items.iter().map(|item| 2 * size_of::<usize>() + 16 + item.len()).sum()
}

/// True for the kinds that change the process table.
#[must_use]
pub fn is_lifecycle(kind: Kind) -> bool {
    match kind {
        Kind::Exec | Kind::Fork | Kind::Exit => true,
        Kind::Open => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{exec, exit, image, open, task_in};

    #[test]
    fn a_batch_is_complete_by_count() {
        let mut batcher = Batcher::new(2, 100);
        assert!(batcher.push(open(1, 1)).is_none());
        let complete = batcher.push(exit(1, 2)).unwrap();
        assert_eq!(complete.events.len(), 2);
        assert_eq!((complete.counts.get(Kind::Open), complete.counts.get(Kind::Exit)), (1, 1));
        assert!(batcher.take().is_none());
    }

    #[test]
    fn a_batch_is_complete_by_the_age_of_its_first_event() {
        let mut batcher = Batcher::new(10, 100);
        assert_eq!(batcher.deadline_ns(), None);
        batcher.push(open(1, 50));
        batcher.push(open(1, 149));
        assert_eq!(batcher.deadline_ns(), Some(150));
        assert!(batcher.due(149).is_none());
        assert_eq!(batcher.due(150).unwrap().events.len(), 2);
        assert!(batcher.due(u64::MAX).is_none());
    }

    #[test]
    fn a_batch_is_complete_by_weight() {
        let mut batcher = Batcher::new(1_000_000, 100);
        let args = "x".repeat(64 << 10);
        let event = Event { boot_ns: 1, task: task_in(1, 1), what: What::Exec(image("/bin/a", &[&args])) };
        let complete = (0..100).find_map(|_| batcher.push(event.clone())).unwrap();
        assert!(complete.events.len() <= 17, "{}", complete.events.len());
        assert!(event_bytes(&exec(1, 1, "/a")) < 1024);
    }
}
