//! The process tree of one host: which run was acting, and where it came from.
//!
//! For the analyzer, which asks it of every event, and the command line, which asks it of captures.
//!
//! Pure state with the events' own clock. Every fork and exec makes a new [`Run`] whose ancestor is the run it
//! came from; runs never change. When facts arrive late (a fork after the exec of its child), the tree replaces
//! the runs concerned, so that any order of the same events ends in the same lineage; events that were already
//! passed on keep the run they had. Opening a file allocates nothing.
//!
//! A missing parent is a state. The tree takes it that every process of the scope is in the table the probe sends
//! first, or that its fork was streamed. So a parent that is not known lies outside the scope, and the lineage is
//! complete without it; it is [`Lineage::MissingParent`] when that reasoning does not hold: a process with the pid
//! of the parent is in the tree, the parent is older than a known gap (lost events, or a process forgotten at a
//! limit), or the probe's table named a parent and never sent it.
//!
//! Invariant: never more than `max_processes` and `max_bytes`, whatever is applied.

mod footprint;
mod limits;
mod nodes;
mod repair;
mod retention;
mod table;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use event::{Event, Exec, Lineage, ProcessKey, Run, Source, Task, What};

pub use limits::Limits;
use nodes::{NodeId, Nodes, Origin, Seed};

/// The process tree of one host.
#[derive(Debug)]
pub struct Tree {
    limits: Limits,
    nodes: Nodes,
    processes: HashMap<ProcessKey, Process>,
    /// Living processes by pid, to notice that a parent should have been known.
    pids: HashMap<u32, ProcessKey>,
    /// Children whose parent is not known, by that parent.
    awaiting: HashMap<ProcessKey, Vec<ProcessKey>>,
    retention: retention::Queues,
    /// The latest time seen in any event.
    now_ns: u64,
    /// The latest fork seen: an exec before it may belong between a process and its children.
    newest_fork_ns: u64,
    /// Until when something is known to be missing.
    gap_ns: Option<u64>,
    /// Everything before this has been applied, so nothing comes late for processes that ended before it; 0 = not
    /// said.
    complete_ns: u64,
    /// Number of the probe's table, from 1.
    table: u64,
    stats: Stats,
}

#[derive(Debug)]
struct Process {
    node: NodeId,
    /// Whether its parent is a settled question: its fork was seen, or the probe's table told.
    is_fork_known: bool,
    wanted_parent: Option<ProcessKey>,
    ended_ns: Option<u64>,
    /// Had an event since the eviction last passed by.
    is_active: bool,
    ticket: u64,
    /// The table of the probe that listed it last.
    table: u64,
}

/// What happened to the tree so far, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Processes in the tree, the ended ones included.
    pub processes: u64,
    /// Bytes of the tree.
    pub bytes: u64,
    /// Processes whose fork was not seen.
    pub orphans: u64,
    /// Images whose lineage lacks an ancestor.
    pub missing_parents: u64,
    /// Events that the tree knew already.
    pub duplicates: u64,
    /// Facts that came late and changed lineages.
    pub repaired: u64,
    /// Facts that contradict others (a process as its own ancestor).
    pub contradictions: u64,
    /// Living processes forgotten at a limit.
    pub evicted: u64,
    /// Lineages cut at the depth limit.
    pub truncated: u64,
    /// Ended processes forgotten at a limit although events of them may still come.
    pub ended_early: u64,
    /// Images visited because a fact came late.
    pub visited: u64,
}

impl Tree {
    /// An empty tree.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let max_depth = u32::try_from(limits.max_depth.get()).unwrap_or(u32::MAX);
        Self {
            limits,
            nodes: Nodes::new(max_depth),
            processes: HashMap::new(),
            pids: HashMap::new(),
            awaiting: HashMap::new(),
            retention: retention::Queues { ended: VecDeque::new(), quiet: VecDeque::new(), next_ticket: 0 },
            now_ns: 0,
            newest_fork_ns: 0,
            gap_ns: None,
            complete_ns: 0,
            table: 0,
            stats: Stats::default(),
        }
    }

    /// Applies one event and gives the run that was acting.
    pub fn apply(&mut self, event: &Event) -> Arc<Run> {
        self.now_ns = self.now_ns.max(event.boot_ns);
        let run = if let What::Exec(exec) = &event.what {
            self.exec(event, exec)
        } else if let What::Fork(parent) = &event.what {
            self.fork(event, *parent)
        } else if let What::Exit(_) = &event.what {
            self.exit(event)
        } else {
            self.run_of(event)
        };
        self.stay_within_limits();
        run
    }

    /// Everything that happened before this has been applied, or is lost. Until then events of processes that have
    /// ended may come. 0 = not said.
    pub fn complete_until(&mut self, boot_ns: u64) {
        self.complete_ns = self.complete_ns.max(boot_ns);
        self.stay_within_limits();
    }

    /// Another probe watches: what happened in between was not seen, and what the one before promised is void.
    pub fn begin_probe(&mut self) {
        self.complete_ns = 0;
        self.note_gap();
    }

    /// Events were lost: from here on, what came before cannot prove that a parent is outside the scope.
    pub fn note_gap(&mut self) {
        self.gap_ns = Some(self.now_ns);
    }

    /// Counters and size.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            processes: wide(self.processes.len()),
            bytes: wide(self.bytes()),
            truncated: self.nodes.truncated(),
            visited: self.nodes.visited(),
            ..self.stats
        }
    }

    fn run_of(&mut self, event: &Event) -> Arc<Run> {
        let key = event.task.process;
        let Some(process) = self.processes.get_mut(&key) else {
            return self.adopt(event, Origin::Unknown, Source::Unknown);
        };
        process.is_active = true;
        let current = process.node;
        self.run(self.nodes.at(current, event.boot_ns), event)
    }

    fn exec(&mut self, event: &Event, exec: &Arc<Exec>) -> Arc<Run> {
        let key = event.task.process;
        let origin = || Origin::Exec { exec: Arc::clone(exec), exec_ns: event.boot_ns };
        let Some(process) = self.processes.get_mut(&key) else {
            return self.adopt(event, origin(), Source::Event);
        };
        process.is_active = true;
        let current = process.node;
        let is_known = |id: &NodeId| {
            self.nodes.get(*id).is_some_and(|node| {
                node.run.is_own_exec && node.run.exec_ns == event.boot_ns && node.run.key == key
            })
        };
        let before = self.nodes.at(current, event.boot_ns);
        if is_known(&before) {
            self.stats.duplicates += 1;
            return self.run(before, event);
        }
        let seed = seed(&event.task, event.boot_ns, origin(), Source::Event);
        let is_newest = self.nodes.get(before).is_some_and(|node| node.since_ns <= event.boot_ns);
        let id = if before == current && is_newest && event.boot_ns >= self.newest_fork_ns {
            self.push(key, current, seed)
        } else {
            self.insert_late_exec(key, current, before, seed)
        };
        self.run(id, event)
    }

    fn fork(&mut self, event: &Event, parent: ProcessKey) -> Arc<Run> {
        let key = event.task.process;
        if let Some(process) = self.processes.get_mut(&key) {
            process.is_active = true;
            let current = process.node;
            if process.is_fork_known {
                self.stats.duplicates += 1;
                return self.run(self.nodes.first(current), event);
            }
            let id = self.attach_late_fork(event, parent);
            return self.run(id, event);
        }
        self.newest_fork_ns = self.newest_fork_ns.max(event.boot_ns);
        let above = self.parent_at(parent, key, event.boot_ns);
        let root_lineage = if above.is_some() { Lineage::Complete } else { self.lineage_without(parent) };
        let seed = Seed { root_lineage, ..seed(&event.task, event.boot_ns, Origin::Fork, Source::Event) };
        let node = self.nodes.add(seed, above);
        let is_awaited = above.is_none() && parent != key;
        self.add_process(key, node, true, is_awaited.then_some(parent));
        self.run(node, event)
    }

    fn exit(&mut self, event: &Event) -> Arc<Run> {
        let key = event.task.process;
        let run = self.run_of(event);
        if self.processes.get(&key).is_some_and(|process| process.ended_ns.is_some()) {
            self.stats.duplicates += 1;
        }
        self.end(key, event.boot_ns);
        Arc::new(Run { exit_ns: event.boot_ns, ..(*run).clone() })
    }

    /// Takes in a process whose fork was not seen (yet).
    fn adopt(&mut self, event: &Event, origin: Origin, source: Source) -> Arc<Run> {
        let key = event.task.process;
        let parent_is_known = self.pids.contains_key(&event.task.ppid);
        let is_older_than_gap = self.gap_ns.is_some_and(|gap_ns| key.start_ns <= gap_ns);
        let root_lineage = if parent_is_known || is_older_than_gap {
            self.stats.missing_parents += 1;
            Lineage::MissingParent
        } else {
            Lineage::Complete
        };
        self.stats.orphans += 1;
        let since_ns = if matches!(origin, Origin::Exec { .. }) { event.boot_ns } else { 0 };
        let seed = Seed { root_lineage, ..seed(&event.task, since_ns, origin, source) };
        let node = self.nodes.add(seed, None);
        self.add_process(key, node, false, None);
        self.run(node, event)
    }

    /// Puts a newer run on top of the current one of a process.
    fn push(&mut self, key: ProcessKey, current: NodeId, seed: Seed) -> NodeId {
        let current = self.shortened(key).unwrap_or(current);
        let id = self.nodes.add(seed, Some(current));
        if let Some(process) = self.processes.get_mut(&key) {
            process.node = id;
            self.nodes.release(current);
        }
        id
    }

    /// The run that a parent ran when it forked; a parent is active when it forks.
    fn parent_at(&mut self, parent: ProcessKey, child: ProcessKey, boot_ns: u64) -> Option<NodeId> {
        if parent == child {
            self.stats.contradictions += 1;
            return None;
        }
        let process = self.processes.get_mut(&parent)?;
        process.is_active = true;
        let current = process.node;
        let at = self.nodes.at(current, boot_ns);
        if at == current { self.shortened(parent).or(Some(at)) } else { Some(at) }
    }

    /// Cuts the lineage of a process if it is at the depth limit, and gives its current node.
    fn shortened(&mut self, key: ProcessKey) -> Option<NodeId> {
        let process = self.processes.get_mut(&key)?;
        if let Some(cut) = self.nodes.cut(process.node) {
            self.nodes.release(std::mem::replace(&mut process.node, cut));
        }
        Some(process.node)
    }

    fn lineage_without(&mut self, parent: ProcessKey) -> Lineage {
        if self.processes.contains_key(&parent) {
            return Lineage::Complete;
        }
        if self.gap_ns.is_some_and(|gap_ns| parent.start_ns <= gap_ns) {
            self.stats.missing_parents += 1;
            return Lineage::MissingParent;
        }
        Lineage::Complete
    }

    fn add_process(
        &mut self,
        key: ProcessKey,
        node: NodeId,
        is_fork_known: bool,
        wanted_parent: Option<ProcessKey>,
    ) {
        let ticket = self.retention.enter(key);
        if let Some(parent) = wanted_parent {
            self.awaiting.entry(parent).or_default().push(key);
        }
        let process = Process {
            node,
            is_fork_known,
            wanted_parent,
            ended_ns: None,
            is_active: false,
            ticket,
            table: self.table,
        };
        self.processes.insert(key, process);
        self.take_pid(key);
        self.welcome(key);
    }

    /// A pid belongs to one living process: whoever had it before has ended, even if that was not seen.
    fn take_pid(&mut self, key: ProcessKey) {
        match self.pids.get(&key.tgid).copied() {
            Some(newer) if newer.start_ns > key.start_ns => self.end(key, self.now_ns),
            older => {
                self.pids.insert(key.tgid, key);
                if let Some(older) = older {
                    self.end(older, self.now_ns);
                }
            }
        }
    }

    fn run(&self, id: NodeId, event: &Event) -> Arc<Run> {
        if let Some(node) = self.nodes.get(id) {
            return Arc::clone(&node.run);
        }
        // No node is ever freed while its process is in the tree; a run without lineage is still true.
        Arc::new(Run {
            key: event.task.process,
            task: Arc::clone(&event.task),
            fork_ns: event.task.process.start_ns,
            exec_ns: 0,
            exit_ns: 0,
            exec: None,
            is_own_exec: false,
            ancestor: None,
            lineage: Lineage::MissingParent,
            depth: 0,
            source: Source::Unknown,
        })
    }
}

fn seed(task: &Arc<Task>, since_ns: u64, origin: Origin, source: Source) -> Seed {
    let root_lineage = Lineage::Complete;
    Seed { key: task.process, task: Arc::clone(task), since_ns, origin, source, root_lineage }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
