//! Puts the events of one workload into a tree.

use std::collections::HashMap;
use std::sync::Arc;

use activity_tree::{Activity, Generation, Options, Process, Refusal, Traced, Tree, Verdict, What, lineage};
use event::{Cgroup, Event, Kind, Run};

use crate::acts::{self, Left};
use crate::missed::{Lacks, Missed};
use crate::target::Target;

/// Lineages that are kept. Those of a shell that forks without end are never asked for again.
const MAX_LINEAGES: usize = 1024;

/// What makes a run another one than another: its process, its program, and what it descends from.
type RunKey = (event::ProcessKey, u64, usize);

struct Known {
    /// Keeps what `RunKey` points to.
    _run: Arc<Run>,
    processes: Result<Vec<Arc<Process>>, Refusal>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is of another workload, of a type that is not traced, or of a kind that has no node.
    Passed,
    /// The tree had it already.
    Known,
    /// The tree has grown.
    New,
    /// It is counted in what the dump missed.
    Missed,
}

/// A tree of one workload that grows with its events.
pub struct Recorder {
    target: Target,
    wall_offset_ns: i64,
    tree: Tree,
    missed: Missed,
    lineages: HashMap<RunKey, Known>,
}

impl Recorder {
    /// An empty tree for a workload. `wall_offset_ns` leads from the clock of events to time since the epoch.
    #[must_use]
    pub fn new(target: Target, options: Options, wall_offset_ns: i64) -> Self {
        let tree = Tree::new(options);
        Self { target, wall_offset_ns, tree, missed: Missed::default(), lineages: HashMap::new() }
    }

    /// The workload.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// What was recorded.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What was recorded, to change its limits.
    pub const fn tree_mut(&mut self) -> &mut Tree {
        &mut self.tree
    }

    /// What was not.
    #[must_use]
    pub const fn missed(&self) -> &Missed {
        &self.missed
    }

    /// What was not, to add to it.
    pub const fn missed_mut(&mut self) -> &mut Missed {
        &mut self.missed
    }

    /// Whether events of this kind and control group are recorded.
    #[must_use]
    pub fn takes(&self, kind: Kind, cgroup: &Cgroup) -> bool {
        self.traces(kind) && self.target.has(cgroup)
    }

    /// Whether events of this kind are recorded.
    #[must_use]
    pub fn traces(&self, kind: Kind) -> bool {
        acts::event_type(kind).is_some_and(|known| self.tree.options().traced.has(known))
    }

    /// The kinds among all that have a node and are in `traced`.
    pub fn kinds_of(traced: Traced) -> impl Iterator<Item = Kind> {
        Kind::ALL
            .into_iter()
            .filter(move |kind| acts::event_type(*kind).is_some_and(|known| traced.has(known)))
    }

    /// Time since the epoch of a moment on the clock of events.
    #[must_use]
    pub fn wall(&self, boot_ns: u64) -> u64 {
        boot_ns.saturating_add_signed(self.wall_offset_ns)
    }

    /// Takes an event of the run that was acting. `image_tag` is empty while it is not known. What is new is taken if
    /// `admits` says so, and else counted: what the tree has already is never in the way of anything.
    pub fn take(
        &mut self,
        event: &Event,
        run: &Arc<Run>,
        image_tag: &str,
        mut admits: impl FnMut() -> Result<(), Lacks>,
    ) -> Taken {
        let kind = event.kind();
        if !self.takes(kind, &event.task.cgroup) {
            return Taken::Passed;
        }
        // Whoever was moved here from elsewhere and has started no program here is what brings a container up. A program that
        // is not known because something was lost is told by that loss.
        if run.exec.is_none() || !self.target.has(&run.task.cgroup) {
            return Taken::Passed;
        }
        let at_ns = self.wall(event.boot_ns);
        let mut refused = None;
        let inserted = acts::act(event, at_ns, |what| {
            self.insert(run, what, image_tag, at_ns, Generation::Runtime, || match admits() {
                Ok(()) => true,
                Err(why) => {
                    refused = Some(why);
                    false
                }
            })
        });
        if let Some(why) = refused {
            return self.miss(kind, why);
        }
        match inserted {
            Err(Left::NoNode) => Taken::Passed,
            Err(Left::NoPath) if self.is_of_runtime(run) => Taken::Passed,
            Err(Left::NoPath) => self.miss(kind, Lacks::NoPath),
            Ok(Ok(verdict)) if verdict.is_new() => Taken::New,
            Ok(Ok(Verdict::Known | Verdict::New | Verdict::NewProcess)) => Taken::Known,
            // What brings a container up is no part of it.
            Ok(Err(Refusal::InvalidRoot)) => Taken::Passed,
            Ok(Err(Refusal::Full)) => self.miss(kind, Lacks::MaxDumpSize),
            Ok(Err(refusal)) => self.miss(kind, Lacks::Refused(refusal.name())),
        }
    }

    /// Takes a process that ran when the recording began.
    pub fn know(&mut self, run: &Arc<Run>, image_tag: &str, at_boot_ns: u64) {
        if self.target.has(&run.task.cgroup) {
            let at_ns = self.wall(at_boot_ns);
            // What cannot be in a tree now is told when it does something.
            let known = self.insert(run, What::Exec, image_tag, at_ns, Generation::Snapshot, || true);
            known.map(|_verdict| ()).unwrap_or_default();
        }
    }

    /// Leaves out an event of its workload, and counts it.
    pub fn miss(&mut self, kind: Kind, why: Lacks) -> Taken {
        self.missed.leave(kind, why);
        Taken::Missed
    }

    fn insert(
        &mut self,
        run: &Arc<Run>,
        what: What<'_>,
        image_tag: &str,
        at_ns: u64,
        generation: Generation,
        admits: impl FnOnce() -> bool,
    ) -> Result<Verdict, Refusal> {
        let key = (run.key, run.exec_ns, run.ancestor.as_ref().map_or(0, |above| Arc::as_ptr(above).addr()));
        if !self.lineages.contains_key(&key) {
            if self.lineages.len() >= MAX_LINEAGES {
                self.lineages.clear();
            }
            let known = self.lineage_of(run);
            self.lineages.insert(key, known);
        }
        let Some(Known { processes: Ok(processes), .. }) = self.lineages.get(&key) else {
            let refused = self.lineages.get(&key).and_then(|known| known.processes.as_ref().err());
            return Err(refused.copied().unwrap_or(Refusal::BrokenLineage));
        };
        let lineage: Vec<&Process> = processes.iter().map(|process| &**process).collect();
        let activity = Activity {
            lineage: &lineage,
            what,
            image_tag,
            at_ns,
            generation,
            rules: &[],
            adds_processes: true,
        };
        // The caller knows what it did not admit.
        if self.tree.contains(&activity)?.is_new() && !admits() {
            return Ok(Verdict::Known);
        }
        self.tree.insert(&activity)
    }

    /// Whether a run belongs to what brings a container up.
    fn is_of_runtime(&self, run: &Run) -> bool {
        matches!(lineage(run, |run| self.target.has(&run.task.cgroup)), Err(Refusal::InvalidRoot))
    }

    fn lineage_of(&self, run: &Arc<Run>) -> Known {
        let target = &self.target;
        let runs = lineage(run, |run| target.has(&run.task.cgroup));
        let process = |run: &&Run| Arc::new(Process::from_run(run, self.wall_offset_ns));
        Known { _run: Arc::clone(run), processes: runs.map(|runs| runs.iter().map(process).collect()) }
    }
}

#[cfg(test)]
mod tests;
