//! One tree taken into another: how trees are merged, versions forgotten, siblings folded, and space given back.
//!
//! A parent always has a smaller id than its child, so one pass in the order of ids sees every parent first. Invariant:
//! the result does not depend on which tree was first, as each value is joined by an operation that does not (see
//! `docs/activity-tree.md`); only ids do, and no encoding shows them.

use crate::arena::{Entry, Store, TextId, wide};
use crate::insert::Mark;
use crate::model::{Device, FileInfo, Open, Process, Times};
use crate::node::{Base, FileNode, NodeKind, NodeRef, Place, QuestionNode, ROOT, Signature};
use crate::patterns::Renames;
use crate::refusal::Refusal;
use crate::{Tree, records};

/// What of a tree is taken.
pub(crate) struct Selection<'a> {
    /// The tag under which a node is taken, by tag and times; none = not seen in that.
    pub(crate) tag: &'a dyn Fn(u16, Times) -> Option<u16>,
    pub(crate) renames: Option<&'a Renames>,
}

/// The mark for a node that has to be made, and all versions it was seen in.
type Marks = (Mark, Vec<(u16, Times)>);

/// Where the nodes of one kind went.
type Ids = Vec<Option<u32>>;

/// Where the nodes of the other tree went.
#[derive(Default)]
struct Way {
    processes: Ids,
    files: Vec<Option<(u32, Place)>>,
    names: Ids,
    binds: Ids,
    imds: Ids,
    syscalls: Ids,
    capabilities: Ids,
    devices: Ids,
    flows: Ids,
}

fn at(ids: &Ids, id: u32) -> Option<u32> {
    ids.get(wide(id)).copied().flatten()
}

impl Way {
    fn of(&self, NodeRef { kind, id }: NodeRef) -> Option<NodeRef> {
        let went = match kind {
            NodeKind::Process => at(&self.processes, id),
            NodeKind::File => self.files.get(wide(id)).copied().flatten().map(|(id, _)| id),
            NodeKind::Name => at(&self.names, id),
            NodeKind::Bind => at(&self.binds, id),
            NodeKind::Imds => at(&self.imds, id),
            NodeKind::Syscall => at(&self.syscalls, id),
            NodeKind::Capability => at(&self.capabilities, id),
            NodeKind::Device => at(&self.devices, id),
            NodeKind::Flow => at(&self.flows, id),
        };
        went.map(|id| kind.at(id))
    }
}

impl Tree {
    /// Takes in another tree.
    pub(crate) fn absorb(&mut self, other: &Self) -> Result<(), Refusal> {
        self.absorb_selected(other, &Selection { tag: &|tag, _| Some(tag), renames: None })
    }

    pub(crate) fn absorb_selected(&mut self, other: &Self, selection: &Selection<'_>) -> Result<(), Refusal> {
        let mut way = Way::default();
        self.absorb_processes(other, selection, &mut way)?;
        self.absorb_files(other, selection, &mut way)?;
        self.absorb_names(other, selection, &mut way)?;
        self.absorb_leaves(other, selection, &mut way)?;
        self.absorb_flows(other, selection, &mut way)?;
        for (_, entry) in other.rules.iter() {
            if let Some(node) = way.of(entry.node) {
                self.put_rule_bytes(node, other.texts.get(entry.rule));
            }
        }
        Ok(())
    }

    /// In which tags a node is taken, with the mark for when it has to be made; none when it is not taken.
    fn marks(
        &mut self,
        other: &Self,
        selection: &Selection<'_>,
        base: Base,
        node: NodeRef,
    ) -> Result<Option<Marks>, Refusal> {
        let mut marks = Vec::new();
        for (tag, times) in other.seen(base, node) {
            if let Some(tag) = (selection.tag)(tag, times) {
                marks.push((self.tag(other.tag_name(tag))?, times));
            }
        }
        let mark = |tag| Mark { tag, times: Times::default(), generation: base.generation() };
        Ok(marks.first().map(|(tag, _)| mark(*tag)).map(|mark| (mark, marks)))
    }

    fn touch_all(&mut self, node: NodeRef, marks: &[(u16, Times)]) {
        marks.iter().for_each(|(tag, times)| self.touch(node, *tag, *times));
    }

    fn absorb_processes(
        &mut self,
        other: &Self,
        selection: &Selection<'_>,
        way: &mut Way,
    ) -> Result<(), Refusal> {
        for (id, node) in other.processes.iter() {
            let parent = if node.parent == ROOT { Some(ROOT) } else { at(&way.processes, node.parent) };
            let marks = self.marks(other, selection, node.base, NodeKind::Process.at(id))?;
            let Some(((mark, marks), (parent, process))) = marks.zip(parent.zip(other.process(id))) else {
                way.processes.push(None);
                continue;
            };
            let went = match self.find_process(parent, &process) {
                Some(known) => {
                    self.join_process(known, process, mark);
                    known
                }
                None => self.add_process(parent, &process, mark),
            };
            self.touch_all(NodeKind::Process.at(went), &marks);
            way.processes.push(Some(went));
        }
        for (_, edge) in other.preds.iter() {
            if let Some((node, pred)) = at(&way.processes, edge.node).zip(at(&way.processes, edge.pred)) {
                self.put_pred(node, pred);
            }
        }
        Ok(())
    }

    pub(crate) fn join_process(&mut self, id: u32, other: Process, mark: Mark) {
        let Some(mine) = self.process(id) else { return };
        let exit_time = mine.exit_time.max(other.exit_time);
        // One whose start is known says more than one whose start is not.
        let rank = |process: &Process| (process.exec_time == 0, Process { exit_time: 0, ..process.clone() });
        let joined = if rank(&other) < rank(&mine) { other } else { mine };
        let path = joined.file.path.clone();
        let info = records::put_info(&mut self.texts, &Process { exit_time, ..joined }, &path);
        if let Some(node) = self.processes.get_mut(id) {
            node.info = info;
            node.base.set_generation(node.base.generation().join(mark.generation));
        }
    }

    fn absorb_files(
        &mut self,
        other: &Self,
        selection: &Selection<'_>,
        way: &mut Way,
    ) -> Result<(), Refusal> {
        for (id, node) in other.files.iter() {
            let place = match node.owner.id() {
                Ok(process) => at(&way.processes, process).map(|process| self.files.below(process)),
                Err(file) => way.files.get(wide(file)).copied().flatten().map(|(_, place)| place),
            };
            let marks = self.marks(other, selection, node.base, NodeKind::File.at(id))?;
            let Some(((mark, marks), place)) = marks.zip(place) else {
                way.files.push(None);
                continue;
            };
            let (name, shape) = match selection.renames.and_then(|renames| renames.get(&id)) {
                Some((name, shape)) => (name.as_str(), shape.as_str()),
                None => (other.texts.text(node.name), other.signature_of(id)),
            };
            let (went, place) = self.put_segment(place, name, mark);
            self.put_signature(went, shape);
            self.join_leaf(went, other, id, node);
            self.touch_all(NodeKind::File.at(went), &marks);
            way.files.push(Some((went, place)));
        }
        Ok(())
    }

    /// The child with exactly this name, made if needed.
    pub(crate) fn put_segment(&mut self, place: Place, name: &str, mark: Mark) -> (u32, Place) {
        match self.files.child(&self.texts, place, name) {
            Some((id, place)) => {
                if let Some(node) = self.files.get_mut(id) {
                    node.base.set_generation(node.base.generation().join(mark.generation));
                }
                (id, place)
            }
            None => self.files.add(&mut self.texts, place, name, mark.base()),
        }
    }

    /// The shape of the names that a pattern stands for; empty for a name.
    pub(crate) fn signature_of(&self, file: u32) -> &str {
        let signature = self.signatures.find((file,)).and_then(|id| self.signatures.get(id));
        signature.map_or("", |signature| self.texts.text(signature.text))
    }

    pub(crate) fn put_signature(&mut self, file: u32, shape: &str) {
        if !shape.is_empty() && self.signatures.find((file,)).is_none() {
            let text = self.texts.add(shape.as_bytes());
            self.signatures.add(Signature { file, text });
        }
    }

    fn join_leaf(&mut self, went: u32, other: &Self, id: u32, node: &FileNode) {
        if node.leaf == TextId(0) {
            return;
        }
        let (path, old_path) = (self.path_of(went), other.path_of(id));
        let (mut file, open) = records::leaf(&other.texts, node.leaf, &old_path);
        if let Some(file) = file.as_mut().filter(|_| path != old_path) {
            // Under a pattern, what was said of the place is said of the pattern.
            file.path =
                if file.path == old_path { path.clone().into() } else { std::mem::take(&mut file.path) };
            file.basename = records::basename(&path).to_owned().into();
        }
        self.join_leaf_with(went, &path, file, open);
    }

    /// The smaller metadata, all flags and modes, the smaller result.
    pub(crate) fn join_leaf_with(
        &mut self,
        id: u32,
        path: &str,
        file: Option<FileInfo<'_>>,
        open: Option<Open>,
    ) {
        let Some(known) = self.files.get(id).map(|node| node.leaf) else { return };
        let (mine, my_open) = records::leaf(&self.texts, known, path);
        let file = match (mine.map(FileInfo::into_owned), file) {
            (Some(mine), Some(other)) => Some(if other < mine { other } else { mine }),
            (mine, other) => mine.or(other),
        };
        let open = match (my_open, open) {
            (Some(a), Some(b)) => {
                Some(Open { retval: a.retval.min(b.retval), flags: a.flags | b.flags, mode: a.mode | b.mode })
            }
            (a, b) => a.or(b),
        };
        if file.is_some() || open.is_some() {
            let leaf = records::put_leaf(&mut self.texts, file.as_ref(), open, path);
            if let Some(node) = self.files.get_mut(id) {
                node.leaf = leaf;
            }
        }
    }

    fn absorb_names(
        &mut self,
        other: &Self,
        selection: &Selection<'_>,
        way: &mut Way,
    ) -> Result<(), Refusal> {
        for (id, node) in other.names.iter() {
            let process = at(&way.processes, node.process);
            let marks = self.marks(other, selection, node.base, NodeKind::Name.at(id))?;
            let went = marks.zip(process).map(|((mark, marks), process)| {
                let went = self.put_name(process, other.texts.text(node.name), mark);
                join_base(&mut self.names, went, mark, |node| &mut node.base);
                self.touch_all(NodeKind::Name.at(went), &marks);
                went
            });
            way.names.push(went);
        }
        for (_, question) in other.questions.iter() {
            if let Some(name) = at(&way.names, question.name) {
                self.join_question(QuestionNode { name, ..*question });
            }
        }
        Ok(())
    }

    pub(crate) fn join_question(&mut self, question: QuestionNode) {
        let known = self.questions.find(question.key());
        if let Some(known) = known.and_then(|id| self.questions.get_mut(id)) {
            known.class = known.class.min(question.class);
            known.size = known.size.min(question.size);
            known.count = known.count.min(question.count);
            return;
        }
        self.questions.add(question);
        if let Some(node) = self.names.get(question.name).copied() {
            let name = self.texts.text(node.name).to_owned();
            self.put_suffix(node.process, &name, question.qtype);
        }
    }

    fn absorb_leaves(
        &mut self,
        other: &Self,
        selection: &Selection<'_>,
        way: &mut Way,
    ) -> Result<(), Refusal> {
        for (id, node) in other.binds.iter() {
            let process = at(&way.processes, node.process);
            let marks = self.marks(other, selection, node.base, NodeKind::Bind.at(id))?;
            let went = marks.zip(process).map(|((mark, marks), process)| {
                let went = self.put_bind(process, &other.bind(node), mark);
                join_base(&mut self.binds, went.id, mark, |node| &mut node.base);
                self.touch_all(went, &marks);
                went.id
            });
            way.binds.push(went);
        }
        for (id, node) in other.imds.iter() {
            let process = at(&way.processes, node.process);
            let marks = self.marks(other, selection, node.base, NodeKind::Imds.at(id))?;
            let went = marks.zip(process).map(|((mark, marks), process)| {
                let went = self.put_imds(process, other.texts.get(node.event), mark);
                join_base(&mut self.imds, went.id, mark, |node| &mut node.base);
                self.touch_all(went, &marks);
                went.id
            });
            way.imds.push(went);
        }
        for (id, node) in other.syscalls.iter() {
            let process = at(&way.processes, node.process);
            let marks = self.marks(other, selection, node.base, NodeKind::Syscall.at(id))?;
            let went = marks.zip(process).map(|((mark, marks), process)| {
                let went = self.put_syscall(process, node.number, mark);
                join_base(&mut self.syscalls, went, mark, |node| &mut node.base);
                self.touch_all(NodeKind::Syscall.at(went), &marks);
                went
            });
            way.syscalls.push(went);
        }
        for (id, node) in other.capabilities.iter() {
            let process = at(&way.processes, node.process);
            let marks = self.marks(other, selection, node.base, NodeKind::Capability.at(id))?;
            let went = marks.zip(process).map(|((mark, marks), process)| {
                let went = self.put_capability(process, node.number, node.is_held, mark);
                join_base(&mut self.capabilities, went, mark, |node| &mut node.base);
                self.touch_all(NodeKind::Capability.at(went), &marks);
                went
            });
            way.capabilities.push(went);
        }
        Ok(())
    }

    fn absorb_flows(
        &mut self,
        other: &Self,
        selection: &Selection<'_>,
        way: &mut Way,
    ) -> Result<(), Refusal> {
        let mut has_flows = vec![false; other.devices.len()];
        for (_, flow) in other.flows.iter() {
            if let Some(has) = has_flows.get_mut(wide(flow.device)) {
                *has = true;
            }
        }
        let mut keeps = Vec::new();
        for (id, flow) in other.flows.iter() {
            let marks = self.marks(other, selection, flow.base, NodeKind::Flow.at(id))?;
            if marks.is_some()
                && let Some(has) = has_flows.get_mut(wide(flow.device))
            {
                *has = false;
            }
            keeps.push(marks);
        }
        // Left out are those whose flows are all left out.
        for ((_, node), is_left_out) in other.devices.iter().zip(has_flows) {
            let process = at(&way.processes, node.process).filter(|_| !is_left_out);
            let ifname = other.texts.text(node.ifname).into();
            let device = Device { netns: node.netns, ifindex: node.ifindex, ifname };
            way.devices.push(process.map(|process| self.put_device(process, &device)));
        }
        for ((_, node), marks) in other.flows.iter().zip(keeps) {
            let went = marks.zip(at(&way.devices, node.device)).map(|((mark, marks), device)| {
                let went = self.put_flow(device, &other.flow(node), mark, u64::max);
                join_base(&mut self.flows, went, mark, |node| &mut node.base);
                self.touch_all(NodeKind::Flow.at(went), &marks);
                went
            });
            way.flows.push(went);
        }
        Ok(())
    }
}

fn join_base<T: Entry>(store: &mut Store<T>, id: u32, mark: Mark, base: impl Fn(&mut T) -> &mut Base) {
    if let Some(node) = store.get_mut(id) {
        let base = base(node);
        base.set_generation(base.generation().join(mark.generation));
    }
}
