//! The thread that owns the store of one output: it writes, commits, reads back and gives up.
//!
//! Invariants: a group is kept only after a commit without an error; what could not be written stays the output's and is tried
//! again in its order; of what is given up every payload is counted, by its label as long as that can be read.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bootstrap::log_limit::LogLimit;

use crate::intake::group::{Class, Group, now_ms};
use crate::intake::labels::{LabelId, Labels};
use crate::metrics::DropCause;
use crate::metrics::spool::SpoolMetrics;
use crate::outputs::output::Output;
use crate::spool::config::SpoolConfig;
use crate::spool::log::Extent;
use crate::spool::store::{Store, of, of_mut};
use crate::spool::{Spool, Times};

/// After a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How often what was delivered is noted, when nothing is written.
const NOTE: Duration = Duration::from_secs(1);
/// How often ages are looked at.
const EXPIRE: Duration = Duration::from_secs(60);
/// Read back at once: enough for a batch, little beside a queue.
const LOAD_BYTES: usize = 1 << 20;

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Keeper<S> {
    pub(crate) store: S,
    pub(crate) spool: Arc<Spool>,
    pub(crate) output: Arc<Output>,
    pub(crate) labels: Arc<Labels>,
    pub(crate) config: SpoolConfig,
    pub(crate) metrics: SpoolMetrics,
    pub(crate) logs: Logs,
}

/// What keeps its lines in the log few.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    failures: LogLimit,
    full: LogLimit,
    reads: LogLimit,
    /// Said, and not taken back yet.
    is_down: bool,
}

/// What became of a group that was to be written.
enum Written {
    Yes,
    /// The output was done with it before.
    Needless,
    /// The limit is reached.
    Full,
}

impl<S: Store> Keeper<S> {
    /// Takes up what a process before this one left, and starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(self) -> io::Result<JoinHandle<()>> {
        for class in Class::ALL {
            let kept = self.store.kept(class);
            let n = kept.end - kept.start;
            if n > 0 {
                let (destination, class) = (self.output.name(), class.name());
                tracing::info!(destination, class, payloads = n, "what was spooled before is sent now");
            }
            self.output.resume(n);
            self.metrics.resumed.add(n);
            self.output.queue().resume(class, kept);
        }
        self.show();
        let name = format!("{}-spool", self.output.name());
        std::thread::Builder::new().name(name).spawn(move || self.run())
    }

    fn run(mut self) {
        let start = Instant::now();
        // What is too old may have become so while nobody ran.
        let mut times = Times { write: start, is_retry: false, note: start + NOTE, expire: Some(start) };
        // What could not be read, and is wanted.
        let mut refused = [false; 2];
        loop {
            let work = self.spool.work(times);
            for class in Class::ALL {
                if *of(&work.loads, class) || *of(&refused, class) {
                    *of_mut(&mut refused, class) = !self.load(class);
                }
            }
            if !work.groups.is_empty() || work.is_noted || work.is_ended {
                let is_whole = self.write(work.groups.into_iter().collect());
                let now = Instant::now();
                times.write = now + if is_whole { self.config.sync_every } else { RETRY };
                (times.is_retry, times.note) = (!is_whole, now + NOTE);
            }
            let now = Instant::now();
            if times.expire.is_some_and(|at| at <= now) {
                self.expire();
                times.expire = None;
            }
            let holds = Class::ALL.iter().any(|class| !self.output.queue().disk(*class).is_empty());
            times.expire = holds.then(|| times.expire.unwrap_or(now + EXPIRE.min(self.config.max_age)));
            if refused.contains(&true) {
                times.expire = Some(now + RETRY);
            }
            self.show();
            if work.is_ended {
                return;
            }
        }
    }

    /// Writes groups and commits; false when something could not be written for want of the system's help.
    fn write(&mut self, groups: Vec<Weak<Group>>) -> bool {
        let mut written = Vec::new();
        let mut later = Vec::new();
        let mut is_stuck = [false; 2];
        let mut failure = None;
        for weak in groups {
            let Some(group) = weak.upgrade() else { continue };
            if failure.is_some() || *of(&is_stuck, group.class()) {
                later.push(group);
                continue;
            }
            match self.append(&group) {
                Ok(Written::Yes) => written.push(group),
                Ok(Written::Needless) => {}
                Ok(Written::Full) => {
                    *of_mut(&mut is_stuck, group.class()) = true;
                    later.push(group);
                }
                Err(error) => {
                    failure = Some(error);
                    later.push(group);
                }
            }
        }
        let is_full = is_stuck.contains(&true);
        if let Err(error) = self.commit() {
            failure.get_or_insert(error);
            later.splice(0..0, written.drain(..));
        }
        if failure.is_some() {
            is_stuck = [true; 2];
        }
        self.spool.set_state(is_stuck, is_full);
        self.told(failure.as_ref(), is_full);
        for group in &written {
            self.metrics.written.add(group.n_fit().into());
            self.output.keep(group);
        }
        for group in &later {
            self.refuse(group);
        }
        self.spool.put_back(later.iter().map(Arc::downgrade));
        let index = self.output.index();
        let on_disk = |group: &Group| {
            let first = group.record(index).filter(|_| group.is_kept(index))?;
            Some(first..first + u64::from(group.n_fit()))
        };
        self.output.queue().shed(on_disk);
        self.output.changed();
        failure.is_none()
    }

    fn append(&mut self, group: &Arc<Group>) -> io::Result<Written> {
        let (class, index) = (group.class(), self.output.index());
        let first = self.store.kept(class).end;
        if !self.has_room(class, group.bytes() as u64) {
            return Ok(Written::Full);
        }
        // Before the output can finish it, so that it takes this away again.
        self.output.queue().record(class, first);
        if !group.begin_record(index, first) {
            self.output.queue().resolved(class, first);
            return Ok(Written::Needless);
        }
        self.store.append(class, group.n_fit(), group.accepted_ms(), &group.encode())?;
        Ok(Written::Yes)
    }

    /// A group that is not on disk: its output keeps it in memory.
    fn refuse(&self, group: &Group) {
        if let Some(record) = group.record(self.output.index()) {
            self.output.queue().resolved(group.class(), record);
        }
        group.refuse_record(self.output.index());
    }

    fn commit(&mut self) -> io::Result<()> {
        let up_to = |class| self.output.queue().resolved_up_to(class, self.store.kept(class).end);
        let delivered = Class::ALL.map(up_to);
        self.store.commit(delivered)?;
        self.metrics.commits.inc();
        Ok(())
    }

    /// Whether this many bytes more are within the limit; what is of high class makes room.
    fn has_room(&mut self, class: Class, bytes: u64) -> bool {
        while self.store.bytes().saturating_add(bytes) > self.config.max_bytes {
            let on_disk = self.output.queue().disk(Class::Low);
            let Some(oldest) = self.store.oldest(Class::Low, &on_disk).filter(|_| class == Class::High)
            else {
                return false;
            };
            if !self.give_up(Class::Low, &oldest, DropCause::SpoolEvicted) {
                return false;
            }
        }
        true
    }

    fn expire(&mut self) {
        let max_age_ms = i64::try_from(self.config.max_age.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now_ms().saturating_sub(max_age_ms);
        for class in Class::ALL {
            while let Some(extent) = self
                .store
                .oldest(class, &self.output.queue().disk(class))
                .filter(|extent| extent.newest_ms < oldest_ms)
            {
                if !self.give_up(class, &extent, DropCause::SpoolExpired) {
                    break;
                }
            }
        }
    }

    /// Gives up a segment and counts what was in it.
    fn give_up(&mut self, class: Class, extent: &Extent, cause: DropCause) -> bool {
        let (groups, is_read) = self.read(class, extent.range.clone(), usize::MAX);
        if is_read.end < extent.range.end {
            return false;
        }
        if let Err(error) = self.store.evict(class, extent.range.start) {
            self.told(Some(&error), false);
            return false;
        }
        self.output.queue().evicted(class, &extent.range);
        for (_, group) in groups {
            self.output.lose_spooled(cause, &group.label_counts());
        }
        true
    }

    /// Reads back what is next on disk; false when that must be tried again.
    fn load(&mut self, class: Class) -> bool {
        let on_disk = self.output.queue().disk(class);
        if on_disk.is_empty() {
            return true;
        }
        let (groups, is_read) = self.read(class, on_disk, LOAD_BYTES);
        if is_read.is_empty() {
            return false;
        }
        let n: u64 = groups.iter().map(|(_, group)| u64::from(group.n_fit())).sum();
        self.metrics.loaded.add(n);
        self.output.queue().loaded(class, groups, is_read.end);
        true
    }

    /// Groups from the beginning of a range on, and the part of it that was read; what of it is gone is counted.
    fn read(
        &mut self,
        class: Class,
        range: Range<u64>,
        max_bytes: usize,
    ) -> (Vec<(u64, Arc<Group>)>, Range<u64>) {
        let (mut groups, mut bytes, mut from) = (Vec::new(), 0, range.start);
        while from < range.end && bytes < max_bytes {
            let found = match self.store.read(class, from..range.end) {
                Ok(found) => found,
                Err(error) => {
                    if let Some(suppressed) = self.logs.reads.permit() {
                        tracing::error!(%error, suppressed, "cannot read the spool, trying again");
                    }
                    break;
                }
            };
            let mut lost = found.lost;
            if let Some(record) = found.record {
                let place = (self.output.index(), record.first, record.accepted_ms);
                match Group::from_spool(record.body, place, &self.labels) {
                    Some(group) => {
                        bytes += group.bytes();
                        groups.push((record.first, Arc::new(group)));
                    }
                    None => lost += u64::from(record.n),
                }
            }
            if lost > 0 {
                self.output.lose_spooled(DropCause::SpoolDamaged, &[(LabelId::OTHER, lost)]);
            }
            from = found.next;
        }
        (groups, range.start..from)
    }

    fn told(&mut self, failure: Option<&io::Error>, is_full: bool) {
        let destination = self.output.name();
        if let Some(error) = failure {
            self.metrics.failures.inc();
            self.logs.is_down = true;
            if let Some(suppressed) = self.logs.failures.permit() {
                tracing::error!(
                    destination,
                    %error,
                    suppressed,
                    "the spool cannot write: what comes stays in memory, and the sender waits when that is full"
                );
            }
        } else if std::mem::take(&mut self.logs.is_down) {
            tracing::info!(destination, "the spool writes again");
        }
        self.metrics.memory_up.set(u64::from(self.logs.is_down));
        if is_full && let Some(suppressed) = self.logs.full.permit() {
            let bytes = self.store.bytes();
            tracing::error!(
                destination,
                bytes,
                suppressed,
                "the spool is full: it takes nothing of low class"
            );
        }
    }

    fn show(&self) {
        self.metrics.payloads.set(self.output.spooled());
        self.metrics.bytes.set(self.store.bytes());
    }
}

#[cfg(test)]
#[path = "keeper/tests.rs"]
mod tests;
