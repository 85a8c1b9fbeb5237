//! Tables of processes: the one a probe sends first, and the one we show to who records.

use std::collections::HashMap;
use std::sync::Arc;

use event::{KnownProcess, Lineage, ProcessKey, Run, Source};

use super::nodes::{NodeId, Origin, Seed};
use super::{Tree, seed};

impl Tree {
    /// The processes that follow are the table of a probe.
    pub fn begin_table(&mut self) {
        self.table += 1;
    }

    /// Takes in a process of the table that the probe sends first. What the tree knows already is kept, because it
    /// has the runs before the current one too.
    pub fn know(&mut self, known: &KnownProcess) {
        let key = known.task.process;
        let table = self.table;
        if let Some(process) = self.processes.get_mut(&key) {
            process.table = table;
            let current = process.node;
            let exec_ns = self.nodes.get(current).map_or(0, |node| node.run.exec_ns);
            if let Some(exec) = known.exec.as_ref().filter(|_| known.exec_ns > exec_ns) {
                let origin = Origin::Exec { exec: Arc::clone(exec), exec_ns: known.exec_ns };
                self.push(key, current, seed(&known.task, known.exec_ns, origin, Source::Snapshot));
            }
        } else {
            self.add_known(known);
        }
        self.stay_within_limits();
    }

    /// The probe's table is complete: processes that it does not list have ended without us hearing of it.
    pub fn end_table(&mut self) {
        let table = self.table;
        let mut gone: Vec<ProcessKey> = self
            .processes
            .iter()
            .filter(|(_, process)| process.table < table && process.ended_ns.is_none())
            .map(|(key, _)| *key)
            .collect();
        // The order of a hash map must not decide the order of eviction.
        gone.sort_unstable();
        for key in gone {
            self.end(key, self.now_ns);
        }
        self.stay_within_limits();
    }

    /// The processes of the tree in an order in which parents come first, as a probe would send them.
    #[must_use]
    pub fn known(&self) -> Vec<KnownProcess> {
        let alive = self.processes.iter().filter(|(_, process)| process.ended_ns.is_none());
        let mut newest: HashMap<ProcessKey, (u64, NodeId)> = HashMap::new();
        for id in alive.clone().flat_map(|(_, process)| self.nodes.chain(process.node)) {
            if let Some(node) = self.nodes.get(id) {
                let newer = newest.entry(node.run.key).or_default();
                *newer = (*newer).max((node.since_ns, id));
            }
        }
        // A living process is shown by what it runs now, not by what it ran when it forked.
        newest.extend(alive.map(|(key, process)| (*key, (u64::MAX, process.node))));
        let mut known: Vec<KnownProcess> = newest
            .values()
            .filter_map(|(_, id)| self.nodes.get(*id))
            .map(|node| describe(&node.run))
            .collect();
        known.sort_unstable_by_key(|known| known.task.process);
        known
    }

    /// What every living process runs now, parents first.
    pub fn living(&self) -> impl Iterator<Item = &Arc<Run>> {
        let mut alive: Vec<(&ProcessKey, NodeId)> = self
            .processes
            .iter()
            .filter(|(_, process)| process.ended_ns.is_none())
            .map(|(key, process)| (key, process.node))
            .collect();
        alive.sort_unstable();
        alive.into_iter().filter_map(|(_, id)| self.nodes.get(id)).map(|node| &node.run)
    }

    fn add_known(&mut self, known: &KnownProcess) {
        let key = known.task.process;
        let above = known.parent.and_then(|parent| self.parent_at(parent, key, u64::MAX));
        let parent_exec_ns = above.and_then(|id| self.nodes.get(id)).map_or(0, |node| node.run.exec_ns);
        let origin = match &known.exec {
            Some(exec) => Origin::Exec { exec: Arc::clone(exec), exec_ns: known.exec_ns },
            // The parent runs something else since: what this one runs is not known.
            None if parent_exec_ns > key.start_ns => Origin::Unknown,
            None => Origin::Fork,
        };
        let is_parent_missing = known.parent.is_some() && above.is_none();
        let seed = Seed {
            root_lineage: if is_parent_missing { Lineage::MissingParent } else { Lineage::Complete },
            ..seed(&known.task, known.exec_ns, origin, Source::Snapshot)
        };
        let node = self.nodes.add(seed, above);
        self.add_process(key, node, true, known.parent.filter(|_| is_parent_missing));
    }
}

fn describe(run: &Run) -> KnownProcess {
    let parent = run.ancestors().find(|ancestor| ancestor.key != run.key).map(|ancestor| ancestor.key);
    KnownProcess {
        task: Arc::clone(&run.task),
        parent,
        exec_ns: run.exec_ns,
        exec: run.exec.clone().filter(|_| run.is_own_exec || parent.is_none()),
    }
}
