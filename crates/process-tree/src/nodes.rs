//! The runs of the tree as a forest of counted nodes.
//!
//! Every run that a process of the tree runs, or that such a run descends from, is one node; a node goes when
//! nothing needs it. Invariants: `bytes` is the sum over all nodes and programs, a node's run has the run of its
//! parent node as ancestor, and `children` has every node that has a parent.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use event::{Exec, Lineage, ProcessKey, Run, Source, Task};
use slab::Slab;

use super::footprint;

pub(super) type NodeId = usize;
type ExecId = usize;

/// What a node takes besides its run: itself and its place among the children of its parent.
const NODE_BYTES: usize = size_of::<Node>() + 2 * size_of::<(NodeId, u64, NodeId)>();

/// What a run is made of, without what follows from its parent.
#[derive(Debug, Clone)]
pub(super) struct Seed {
    pub key: ProcessKey,
    pub task: Arc<Task>,
    /// When the run began; 0 = before anything was seen.
    pub since_ns: u64,
    pub origin: Origin,
    pub source: Source,
    /// The lineage if there is no parent.
    pub root_lineage: Lineage,
}

/// How a run began.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// By fork: it runs the program of its parent.
    Fork,
    /// By exec.
    Exec { exec: Arc<Exec>, exec_ns: u64 },
    /// Not seen.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Node {
    pub run: Arc<Run>,
    pub parent: Option<NodeId>,
    pub since_ns: u64,
    pub is_fork: bool,
    root_lineage: Lineage,
    refs: usize,
    bytes: usize,
    program: Option<ExecId>,
}

/// What a node knows besides its run.
struct Shape {
    since_ns: u64,
    is_fork: bool,
    program: Option<ExecId>,
}

#[derive(Debug)]
struct Program {
    refs: usize,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Nodes {
    slab: Slab<Node>,
    programs: Slab<Program>,
    /// Parent, beginning and id of every node that has a parent: so the children of a node that began in a time are
    /// found without visiting others.
    children: BTreeSet<(NodeId, u64, NodeId)>,
    /// Nodes visited because a fact came late.
    visited: u64,
    bytes: usize,
    max_depth: u32,
    truncated: u64,
}

impl Nodes {
    pub(super) fn new(max_depth: u32) -> Self {
        Self {
            slab: Slab::new(),
            programs: Slab::new(),
            children: BTreeSet::new(),
            visited: 0,
            bytes: 0,
            max_depth,
            truncated: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lineages that were cut at the depth limit.
    pub(super) fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Nodes visited because a fact came late.
    pub(super) fn visited(&self) -> u64 {
        self.visited
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.slab.get(id)
    }

    /// Adds a run, held once by the caller. A parent at the depth limit is cut off.
    pub(super) fn add(&mut self, seed: Seed, parent: Option<NodeId>) -> NodeId {
        let is_fork = matches!(seed.origin, Origin::Fork);
        let (own_exec, exec_ns) = match seed.origin {
            Origin::Exec { exec, exec_ns } => (Some(exec), exec_ns),
            Origin::Fork | Origin::Unknown => (None, 0),
        };
        let program = own_exec.as_deref().map(|exec| self.add_program(exec));
        let run = Run {
            key: seed.key,
            fork_ns: seed.key.start_ns,
            task: seed.task,
            exec_ns,
            exit_ns: 0,
            is_own_exec: own_exec.is_some(),
            exec: own_exec,
            ancestor: None,
            lineage: seed.root_lineage,
            depth: 0,
            source: seed.source,
        };
        self.insert(run, Shape { since_ns: seed.since_ns, is_fork, program }, parent, seed.root_lineage)
    }

    /// Adds a copy of a node below another parent, held once by the caller.
    fn add_copy(&mut self, id: NodeId, parent: Option<NodeId>, root_lineage: Lineage) -> Option<NodeId> {
        let original = self.slab.get(id)?;
        let run = (*original.run).clone();
        let shape =
            Shape { since_ns: original.since_ns, is_fork: original.is_fork, program: original.program };
        self.hold_program(shape.program);
        Some(self.insert(run, shape, parent, root_lineage))
    }

    fn insert(&mut self, mut run: Run, shape: Shape, parent: Option<NodeId>, lineage: Lineage) -> NodeId {
        let (parent, root_lineage) = self.within_depth(parent, lineage);
        if let Some(parent) = parent {
            self.hold(parent);
        }
        let program = self.derive(&mut run, shape.is_fork, shape.program, parent, root_lineage);
        let bytes = NODE_BYTES + footprint::run(&run);
        self.bytes += bytes;
        let id = self.slab.insert(Node {
            run: Arc::new(run),
            parent,
            since_ns: shape.since_ns,
            is_fork: shape.is_fork,
            root_lineage,
            refs: 1,
            bytes,
            program,
        });
        self.children.extend(parent.map(|parent| (parent, shape.since_ns, id)));
        id
    }

    pub(super) fn hold(&mut self, id: NodeId) {
        if let Some(node) = self.slab.get_mut(id) {
            node.refs += 1;
        }
    }

    /// Gives up one hold; frees the node, and its ancestors as far as nothing else needs them.
    pub(super) fn release(&mut self, id: NodeId) {
        let mut next = Some(id);
        while let Some(id) = next.take() {
            let Some(node) = self.slab.get_mut(id) else { return };
            node.refs -= 1;
            if node.refs > 0 {
                return;
            }
            if let Some(node) = self.slab.try_remove(id) {
                self.bytes -= node.bytes;
                self.release_program(node.program);
                if let Some(parent) = node.parent {
                    self.children.remove(&(parent, node.since_ns, id));
                }
                next = node.parent;
            }
        }
    }

    /// Puts a node below another parent. Call [`Nodes::rebuild`] when the node was in use.
    pub(super) fn set_parent(&mut self, id: NodeId, parent: Option<NodeId>) {
        if let Some(parent) = parent {
            self.hold(parent);
        }
        let Some(node) = self.slab.get_mut(id) else { return };
        let (old, since_ns) = (std::mem::replace(&mut node.parent, parent), node.since_ns);
        if let Some(old) = old {
            self.children.remove(&(old, since_ns, id));
            self.release(old);
        }
        self.children.extend(parent.map(|parent| (parent, since_ns, id)));
    }

    /// Turns a run of unknown origin into one that began by fork.
    pub(super) fn become_fork(&mut self, id: NodeId, task: &Arc<Task>, since_ns: u64, lineage: Lineage) {
        let Some(node) = self.slab.get_mut(id) else { return };
        node.is_fork = true;
        let before = std::mem::replace(&mut node.since_ns, since_ns);
        if let Some(parent) = node.parent {
            self.children.remove(&(parent, before, id));
            self.children.insert((parent, since_ns, id));
        }
        node.root_lineage = lineage;
        let run = Run { task: Arc::clone(task), source: Source::Event, ..(*node.run).clone() };
        let bytes = NODE_BYTES + footprint::run(&run);
        self.bytes = self.bytes - node.bytes + bytes;
        node.bytes = bytes;
        node.run = Arc::new(run);
    }

    pub(super) fn set_root_lineage(&mut self, id: NodeId, lineage: Lineage) {
        if let Some(node) = self.slab.get_mut(id) {
            node.root_lineage = lineage;
        }
    }

    /// The node of the same process below this one in time: the run it ran before.
    pub(super) fn earlier(&self, id: NodeId) -> Option<NodeId> {
        let node = self.slab.get(id)?;
        let parent = node.parent?;
        (self.slab.get(parent)?.run.key == node.run.key).then_some(parent)
    }

    /// The first run of the process that runs this one.
    pub(super) fn first(&self, id: NodeId) -> NodeId {
        std::iter::successors(Some(id), |id| self.earlier(*id)).last().unwrap_or(id)
    }

    /// The run that a process ran at a time, given the one it runs now.
    pub(super) fn at(&self, current: NodeId, boot_ns: u64) -> NodeId {
        let mut id = current;
        while self.slab.get(id).is_some_and(|node| node.since_ns > boot_ns) {
            let Some(earlier) = self.earlier(id) else { break };
            id = earlier;
        }
        id
    }

    pub(super) fn descends_from(&self, id: NodeId, ancestor: NodeId) -> bool {
        self.chain(id).any(|id| id == ancestor)
    }

    pub(super) fn chain(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(Some(id), |id| self.slab.get(*id)?.parent)
    }

    /// Children that hang below a run of a process which did not run when they were forked, each with the run
    /// that did.
    pub(super) fn misplaced(&mut self, current: NodeId) -> Vec<(NodeId, NodeId)> {
        let mut found = Vec::new();
        let mut next: Option<(NodeId, u64)> = None;
        for id in std::iter::successors(Some(current), |id| self.earlier(*id)) {
            let Some(node) = self.slab.get(id) else { break };
            let too_early = self.earlier(id).map(|_| (id, 0, 0)..(id, node.since_ns, 0));
            let too_late = next.map(|(_, until_ns)| (id, until_ns, 0)..=(id, u64::MAX, NodeId::MAX));
            let too_early = too_early.into_iter().flat_map(|range| self.children.range(range));
            let too_late = too_late.into_iter().flat_map(|range| self.children.range(range));
            let of_others =
                too_early.chain(too_late).filter(|child| Some(child.2) != next.map(|next| next.0));
            found.extend(of_others.map(|(_, since_ns, child)| (*child, self.at(current, *since_ns))));
            next = Some((id, node.since_ns));
        }
        self.visited += found.len() as u64;
        found
    }

    /// Gives these nodes and all that descend from them runs that agree with their parents again.
    pub(super) fn rebuild(&mut self, changed: &[NodeId]) {
        let mut queue: VecDeque<NodeId> = changed.iter().copied().collect();
        while let Some(id) = queue.pop_front() {
            self.visited += 1;
            self.refresh(id);
            queue.extend(self.children.range((id, 0, 0)..=(id, u64::MAX, NodeId::MAX)).map(|child| child.2));
        }
    }

    /// A copy of a chain that is cut to its nearest half, held once by the caller; `None` if it need not be cut.
    pub(super) fn cut(&mut self, id: NodeId) -> Option<NodeId> {
        if self.slab.get(id)?.run.depth < self.max_depth {
            return None;
        }
        let keep = usize::try_from(self.max_depth / 2).unwrap_or(usize::MAX).max(1);
        let mut kept: Vec<NodeId> = self.chain(id).take(keep).collect();
        kept.reverse();
        self.truncated += 1;
        let mut copy = None;
        for id in kept {
            let next = self.add_copy(id, copy, Lineage::Truncated);
            // The new node holds its parent, so the hold that came with the parent can go.
            if let Some(parent) = copy {
                self.release(parent);
            }
            copy = next;
        }
        copy
    }

    /// Makes the run of a node agree with its parent.
    fn refresh(&mut self, id: NodeId) {
        let Some(node) = self.slab.get(id) else { return };
        let (old_parent, is_fork, program) = (node.parent, node.is_fork, node.program);
        let mut run = (*node.run).clone();
        let root_lineage = node.root_lineage;
        let (parent, root_lineage) = self.within_depth(old_parent, root_lineage);
        if parent != old_parent {
            self.set_parent(id, parent);
        }
        let program = self.derive(&mut run, is_fork, program, parent, root_lineage);
        if let Some(node) = self.slab.get_mut(id) {
            node.run = Arc::new(run);
            node.root_lineage = root_lineage;
            node.program = program;
        }
    }

    /// Fills in what follows from the parent. A fork takes over its program, which is returned held; without a
    /// parent it keeps what it has.
    fn derive(
        &mut self,
        run: &mut Run,
        is_fork: bool,
        program: Option<ExecId>,
        parent: Option<NodeId>,
        root_lineage: Lineage,
    ) -> Option<ExecId> {
        let Some(above) = parent.and_then(|parent| self.slab.get(parent)) else {
            run.ancestor = None;
            run.lineage = root_lineage;
            run.depth = 0;
            return program;
        };
        run.lineage = above.run.lineage;
        run.depth = above.run.depth + 1;
        run.ancestor = Some(Arc::clone(&above.run));
        if !is_fork {
            return program;
        }
        run.exec.clone_from(&above.run.exec);
        let inherited = above.program;
        self.hold_program(inherited);
        self.release_program(program);
        inherited
    }

    fn within_depth(&mut self, parent: Option<NodeId>, root_lineage: Lineage) -> (Option<NodeId>, Lineage) {
        let depth = parent.and_then(|parent| self.slab.get(parent)).map(|parent| parent.run.depth);
        match depth {
            Some(depth) if depth >= self.max_depth => {
                self.truncated += 1;
                (None, Lineage::Truncated)
            }
            _ => (parent, root_lineage),
        }
    }

    fn add_program(&mut self, exec: &Exec) -> ExecId {
        let bytes = footprint::exec(exec);
        self.bytes += bytes;
        self.programs.insert(Program { refs: 1, bytes })
    }

    fn hold_program(&mut self, id: Option<ExecId>) {
        if let Some(program) = id.and_then(|id| self.programs.get_mut(id)) {
            program.refs += 1;
        }
    }

    fn release_program(&mut self, id: Option<ExecId>) {
        let Some(id) = id else { return };
        let Some(program) = self.programs.get_mut(id) else { return };
        program.refs -= 1;
        if program.refs == 0 {
            self.bytes -= program.bytes;
            self.programs.try_remove(id);
        }
    }
}

#[cfg(test)]
impl Nodes {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The bytes counted anew.
    pub(super) fn recount(&self) -> usize {
        let nodes: usize = self.slab.iter().map(|(_, node)| node.bytes).sum();
        let programs: usize = self.programs.iter().map(|(_, program)| program.bytes).sum();
        nodes + programs
    }

    /// The children of nodes, found by visiting all.
    pub(super) fn naive_children(&self) -> BTreeSet<(NodeId, u64, NodeId)> {
        let child = |(id, node): (NodeId, &Node)| Some((node.parent?, node.since_ns, id));
        self.slab.iter().filter_map(child).collect()
    }

    pub(super) fn children(&self) -> &BTreeSet<(NodeId, u64, NodeId)> {
        &self.children
    }

    /// What [`Nodes::misplaced`] finds, found by visiting all.
    pub(super) fn naive_misplaced(&self, current: NodeId) -> Vec<(NodeId, NodeId)> {
        let own: Vec<NodeId> = std::iter::successors(Some(current), |id| self.earlier(*id)).collect();
        self.slab
            .iter()
            .filter(|(id, _)| !own.contains(id))
            .filter(|(_, node)| node.parent.is_some_and(|parent| own.contains(&parent)))
            .map(|(id, node)| (id, self.at(current, node.since_ns)))
            .filter(|(id, right)| self.slab.get(*id).is_some_and(|node| node.parent != Some(*right)))
            .collect()
    }

    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.slab.iter().map(|(id, _)| id).collect()
    }
}
