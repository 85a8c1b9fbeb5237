//! Facts that arrive late: forks after the exec of the child, execs after the next one, parents after children.

use event::{Event, Lineage, ProcessKey};

use super::nodes::{NodeId, Origin, Seed};
use super::{Tree, seed};

impl Tree {
    /// Puts an exec where it belongs in time: between the runs of its process, and below the children that were
    /// forked after it. `before` is the run that ran until then.
    pub(super) fn insert_late_exec(
        &mut self,
        key: ProcessKey,
        current: NodeId,
        before: NodeId,
        mut new: Seed,
    ) -> NodeId {
        let Some(node) = self.nodes.get(before) else { return self.push(key, current, new) };
        let is_later = node.since_ns > new.since_ns;
        let (parent, after) = if is_later && !node.is_fork {
            // Nothing of the process is older than this exec: it comes below all.
            new.root_lineage = node.run.lineage;
            (node.parent, Some(before))
        } else {
            (Some(before), self.nodes.chain(current).take_while(|id| *id != before).last())
        };
        let Some(after) = after else {
            let id = self.push(key, current, new);
            self.repaired(key, id);
            return id;
        };
        let id = self.nodes.add(new, parent);
        self.nodes.set_parent(after, Some(id));
        self.nodes.release(id);
        self.repaired(key, id);
        id
    }

    /// Takes in the fork of a process that was seen before its fork, and gives the run that the fork made.
    pub(super) fn attach_late_fork(&mut self, event: &Event, parent: ProcessKey) -> NodeId {
        let key = event.task.process;
        let Some(current) = self.processes.get(&key).map(|process| process.node) else { return NodeId::MAX };
        self.newest_fork_ns = self.newest_fork_ns.max(event.boot_ns);
        let first = self.nodes.first(current);
        let above = self.parent_at(parent, key, event.boot_ns);
        let is_cycle = above.is_some_and(|above| self.nodes.descends_from(above, first));
        if is_cycle {
            self.stats.contradictions += 1;
        }
        let above = above.filter(|_| !is_cycle);
        let root_lineage = if above.is_some() { Lineage::Complete } else { self.lineage_without(parent) };
        let starts_unknown = self.nodes.get(first).is_some_and(|node| !node.is_fork && !node.run.is_own_exec);
        let forked = if starts_unknown {
            self.nodes.become_fork(first, &event.task, event.boot_ns, root_lineage);
            self.nodes.set_parent(first, above);
            first
        } else {
            let seed =
                Seed { root_lineage, ..seed(&event.task, event.boot_ns, Origin::Fork, event::Source::Event) };
            let forked = self.nodes.add(seed, above);
            self.nodes.set_parent(first, Some(forked));
            self.nodes.release(forked);
            forked
        };
        let wanted = (above.is_none() && !is_cycle && parent != key).then_some(parent);
        if let Some(process) = self.processes.get_mut(&key) {
            process.is_fork_known = true;
            process.wanted_parent = wanted;
        }
        if let Some(parent) = wanted {
            self.awaiting.entry(parent).or_default().push(key);
        }
        self.repaired(key, forked);
        forked
    }

    /// Gives a new process the children that came before it.
    pub(super) fn welcome(&mut self, parent: ProcessKey) {
        let Some(children) = self.awaiting.remove(&parent) else { return };
        let mut attached = Vec::new();
        for child in children {
            let Some(process) = self.processes.get_mut(&child) else { continue };
            process.wanted_parent = None;
            let first = self.nodes.first(process.node);
            let since_ns = self.nodes.get(first).map_or(0, |node| node.since_ns);
            let Some(above) = self.parent_at(parent, child, since_ns) else { continue };
            if self.nodes.descends_from(above, first) {
                self.stats.contradictions += 1;
                continue;
            }
            self.nodes.set_root_lineage(first, Lineage::Complete);
            self.nodes.set_parent(first, Some(above));
            attached.push(first);
        }
        if !attached.is_empty() {
            self.stats.repaired += 1;
            self.nodes.rebuild(&attached);
        }
    }

    /// After a late fact about a process: its children go below the runs that forked them, and what descends from
    /// the changed run and from them is made anew.
    fn repaired(&mut self, key: ProcessKey, changed: NodeId) {
        let Some(current) = self.processes.get(&key).map(|process| process.node) else { return };
        let mut stale = vec![changed];
        for (child, right) in self.nodes.misplaced(current) {
            self.nodes.set_parent(child, Some(right));
            if !self.nodes.descends_from(right, changed) {
                stale.push(child);
            }
        }
        self.stats.repaired += 1;
        self.nodes.rebuild(&stale);
    }
}
