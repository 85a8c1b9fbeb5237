//! From a decoded batch to dispatched events: scrub, process tree, stages.
//!
//! Pure: its only clock is the one recorded in the events, so the same batches give the same bytes whenever they
//! are run. Invariant: no argument or environment variable passes that the scrubber did not see.

use std::collections::BTreeSet;
use std::sync::Arc;

use event::{Category, Cgroup, Event, Exec, Host, Kind, KnownProcess, What, WorkloadLoss};
use process_tree::{Limits, Stats, Tree};
use wire::batch::{Decoded, News};

use crate::config::TreeConfig;
use crate::context::scrub::Scrubber;
use crate::context::tags::Tags;
use crate::stages::dispatch::{Dispatched, Ending, Marks, Stages};
use crate::stages::out::{Custom, Emitted, Out};

/// Time between two ticks.
const TICK_NS: u64 = 1_000_000_000;

/// The pure middle of the analyzer, for one host at a time.
pub struct Pipeline {
    tree_limits: Limits,
    scrubber: Scrubber,
    stages: Stages,
    out: Out,
    /// The newest time that an event or its batch told.
    last_ns: u64,
    next_tick_ns: u64,
    host: Arc<Host>,
    tree: Tree,
    session: u64,
    last_seq: Option<u64>,
    is_table_open: bool,
    dispatched: u64,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Processed {
    /// Number of the batch in its stream.
    pub seq: u64,
    /// True when it was sent again: then nothing else is filled.
    pub is_repeated: bool,
    /// Batches missing before it.
    pub missing: u64,
    /// Processes of the probe's table, scrubbed.
    pub processes: Vec<KnownProcess>,
    /// The events, in order.
    pub events: Vec<Dispatched>,
    /// Those that a stage sends to every output.
    pub emitted: Vec<Emitted>,
    /// What the stages say of the system itself.
    pub custom: Vec<Custom>,
    /// What the batch said beside them.
    pub news: News,
}

impl Pipeline {
    /// A pipeline that has seen nothing. It dispatches to `stages`.
    #[must_use]
    pub fn new(tree: TreeConfig, scrubber: Scrubber, mut stages: Stages) -> Self {
        let tree = Limits::from(tree);
        let mut out = Out::default();
        stages.start(&mut out);
        Self {
            tree_limits: tree,
            scrubber,
            stages,
            out,
            last_ns: 0,
            next_tick_ns: 0,
            host: Arc::default(),
            tree: Tree::new(tree),
            session: 0,
            last_seq: None,
            is_table_open: true,
            dispatched: 0,
        }
    }

    /// A stream begins. The tree outlives streams of the same boot; batch numbers only those of one `session`. True
    /// when it is the session of before.
    pub fn begin(&mut self, host: Host, session: u64) -> bool {
        let is_same_probe = session != 0 && session == self.session;
        if host.boot_id != self.host.boot_id {
            self.tree = Tree::new(self.tree_limits);
            // Another boot has another clock.
            (self.last_ns, self.next_tick_ns) = (0, 0);
        } else if !is_same_probe {
            // Another probe watches: what happened in between was not seen.
            self.tree.begin_probe();
        }
        if !is_same_probe {
            self.last_seq = None;
        }
        // The table of a probe that goes on is older than the batches it sent us and we did not acknowledge; only
        // that of a new one can say that a process is gone.
        self.is_table_open = session != 0 && !is_same_probe;
        self.tree.begin_table();
        self.session = session;
        if host != *self.host {
            self.host = Arc::new(host);
        }
        self.stages.begin(&self.host, &mut self.out);
        is_same_probe
    }

    /// The host of the stream.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Runs one batch of workloads of which nothing is known through everything.
    pub fn process(&mut self, batch: Decoded) -> Processed {
        self.process_with(batch, |_| None)
    }

    /// Runs one batch through everything. `tags` gives what is known of a control group, and is asked once for each run of
    /// events of one.
    pub fn process_with(
        &mut self,
        batch: Decoded,
        mut tags: impl FnMut(&Cgroup) -> Option<Arc<Tags>>,
    ) -> Processed {
        let seq = batch.seq;
        let (is_repeated, missing) = self.advance(seq);
        if is_repeated {
            return Processed { seq, is_repeated, ..Processed::default() };
        }
        // The table that opens a stream has no number, whether it holds anything or not.
        let is_table = batch.events.is_empty() && (seq == 0 || !batch.processes.is_empty());
        // Without one of these a lineage may lack a part.
        let loses_lifecycle = |loss: &WorkloadLoss| {
            loss.counts.iter().any(|(kind, lost)| kind.category() == Category::Process && *lost > 0)
        };
        if missing > 0 || batch.news.lost.iter().any(loses_lifecycle) {
            self.tree.note_gap();
        }
        let processes: Vec<KnownProcess> =
            batch.processes.into_iter().map(|process| self.take_known(process)).collect();
        if !is_table && std::mem::take(&mut self.is_table_open) {
            self.tree.end_table();
        }
        let mut events = Vec::with_capacity(batch.events.len());
        let mut last: Option<(Arc<Cgroup>, Option<Arc<Tags>>)> = None;
        for (position, event) in batch.events.into_iter().enumerate() {
            self.out.at(position);
            let cgroup = &event.task.cgroup;
            let known = match &last {
                Some((same, known)) if Arc::ptr_eq(same, cgroup) => known.clone(),
                _ => {
                    let known = tags(cgroup);
                    last = Some((Arc::clone(cgroup), known.clone()));
                    known
                }
            };
            events.push(self.dispatch(event, known));
        }
        self.last_ns = self.last_ns.max(batch.news.complete_until_ns);
        let ending = Ending { news: &batch.news, last_ns: self.last_ns, processes: &self.tree };
        self.stages.end_of_batch(&ending, &mut self.out);
        if self.last_ns >= self.next_tick_ns {
            self.next_tick_ns = self.last_ns.saturating_add(TICK_NS);
            self.stages.tick(self.last_ns, &mut self.out);
        }
        let (emitted, custom) = self.out.take();
        if batch.news.complete_until_ns > 0 {
            self.tree.complete_until(batch.news.complete_until_ns);
        }
        Processed { seq, is_repeated, missing, processes, events, emitted, custom, news: batch.news }
    }

    /// Passes over a batch that cannot be decoded. Says whether it was sent again, and how many are missing before it.
    pub fn pass(&mut self, seq: u64) -> (bool, u64) {
        let (is_repeated, missing) = self.advance(seq);
        if !is_repeated {
            self.tree.note_gap();
        }
        (is_repeated, missing)
    }

    /// Nothing has come for this long. `now_ns` is what time it is if no event has told.
    pub fn quiet(&mut self, for_ns: u64, now_ns: u64) {
        let now_ns = if self.last_ns == 0 { now_ns } else { self.last_ns.saturating_add(for_ns) };
        self.stages.quiet(now_ns, &mut self.out);
    }

    /// The kinds that the stages want observed.
    #[must_use]
    pub fn wanted(&self) -> BTreeSet<Kind> {
        self.out.wanted()
    }

    /// The processes of the tree, as a probe would send them.
    #[must_use]
    pub fn known(&self) -> Vec<KnownProcess> {
        self.tree.known()
    }

    /// Size and counters of the tree.
    #[must_use]
    pub fn tree_stats(&self) -> Stats {
        self.tree.stats()
    }

    /// Moves on to this batch number, if it is one and new; gives whether it was there before, and how many were
    /// skipped. Number 0 is no number: the table that opens a stream, and batches that somebody made by hand.
    fn advance(&mut self, seq: u64) -> (bool, u64) {
        if seq == 0 {
            return (false, 0);
        }
        if self.last_seq.is_some_and(|last| seq <= last) {
            return (true, 0);
        }
        let last = self.last_seq.replace(seq);
        (false, last.map_or(0, |last| seq.saturating_sub(last.saturating_add(1))))
    }

    fn take_known(&mut self, mut process: KnownProcess) -> KnownProcess {
        if let Some(exec) = &mut process.exec {
            self.scrub(exec);
        }
        self.tree.know(&process);
        process
    }

    fn dispatch(&mut self, mut event: Event, tags: Option<Arc<Tags>>) -> Dispatched {
        if let What::Exec(exec) = &mut event.what {
            self.scrub(exec);
        }
        let run = self.tree.apply(&event);
        self.dispatched += 1;
        let mut dispatched =
            Dispatched { number: self.dispatched, event, run, tags, marks: Marks::default() };
        self.last_ns = self.last_ns.max(dispatched.event.boot_ns);
        self.stages.event(&mut dispatched, &mut self.out);
        dispatched
    }

    fn scrub(&self, exec: &mut Arc<Exec>) {
        if let Some(scrubbed) = self.scrubber.exec(exec) {
            *exec = Arc::new(scrubbed);
        }
    }
}

#[cfg(test)]
mod tests;
