//! A tree as it is shown: sorted by content, each process with what is below it, exec chains as a tree.
//!
//! Made once for each encoding. Invariant: it depends on what is in the tree and not on how that came in.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::Tree;
use crate::arena::{Entry, Store};
use crate::model::{Bind, Device, Flow, Process, Times};
use crate::node::{Base, BindNode, FlowNode, NodeRef, Owner, ProcessNode, ROOT};
use crate::records;

/// Execs that are shown one below the other; a longer chain goes on beside its parent. Bounds the nesting of files.
pub(crate) const MAX_CHAIN: usize = 4;

/// A process in its place. One that came to be in several ways is shown with all of it once, and else as a stub.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) process: u32,
    pub(crate) is_stub: bool,
    /// Whether it took the place of the one above it.
    pub(crate) is_exec: bool,
    pub(crate) children: Vec<usize>,
}

/// Ids of each store, sorted by owner and content.
pub(crate) struct View<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) shown: Vec<Shown>,
    pub(crate) roots: Vec<usize>,
    files: Vec<u32>,
    names: Vec<u32>,
    questions: Vec<u32>,
    binds: Vec<u32>,
    imds: Vec<u32>,
    syscalls: Vec<u32>,
    capabilities: Vec<u32>,
    devices: Vec<u32>,
    flows: Vec<u32>,
    rules: Vec<u32>,
}

fn sorted<T: Entry, K: Ord>(store: &Store<T>, key: impl Fn(&T) -> K) -> Vec<u32> {
    let mut ids: Vec<u32> = store.iter().map(|(id, _)| id).collect();
    ids.sort_by_cached_key(|id| store.get(*id).map(&key));
    ids
}

/// The part of sorted ids that belongs to an owner.
fn of<K: Ord>(ids: &[u32], owner: K, owner_of: impl Fn(u32) -> Option<K>) -> &[u32] {
    let start = ids.partition_point(|id| owner_of(*id).is_some_and(|other| other < owner));
    let end = ids.partition_point(|id| owner_of(*id).is_some_and(|other| other <= owner));
    ids.get(start..end).unwrap_or_default()
}

impl<'t> View<'t> {
    pub(crate) fn new(tree: &'t Tree) -> Self {
        let text = |id| tree.texts.text(id);
        let mut files: Vec<u32> = tree.files.iter().map(|(id, _)| id).collect();
        files.sort_by_cached_key(|id| tree.files.get(*id).map(|node| (node.owner, text(node.name))));
        let mut view = Self {
            tree,
            shown: Vec::new(),
            roots: Vec::new(),
            files,
            names: sorted(&tree.names, |node| (node.process, text(node.name))),
            questions: sorted(&tree.questions, |node| (node.name, node.qtype)),
            binds: sorted(&tree.binds, |node| (node.process, tree.bind(node))),
            imds: sorted(&tree.imds, |node| (node.process, tree.texts.get(node.event))),
            syscalls: sorted(&tree.syscalls, |node| (node.process, node.number)),
            capabilities: sorted(&tree.capabilities, |node| (node.process, node.number, node.is_held)),
            devices: sorted(&tree.devices, |node| {
                (node.process, node.netns, node.ifindex, text(node.ifname))
            }),
            flows: sorted(&tree.flows, |node| (node.device, tree.flow(node))),
            rules: sorted(&tree.rules, |rule| (rank(rule.node), tree.texts.get(rule.rule))),
        };
        view.show();
        view
    }

    pub(crate) fn files(&self, owner: Owner) -> &[u32] {
        of(&self.files, owner, |id| self.tree.files.get(id).map(|node| node.owner))
    }

    pub(crate) fn names(&self, process: u32) -> &[u32] {
        of(&self.names, process, |id| self.tree.names.get(id).map(|node| node.process))
    }

    pub(crate) fn questions(&self, name: u32) -> &[u32] {
        of(&self.questions, name, |id| self.tree.questions.get(id).map(|node| node.name))
    }

    pub(crate) fn binds(&self, process: u32) -> &[u32] {
        of(&self.binds, process, |id| self.tree.binds.get(id).map(|node| node.process))
    }

    pub(crate) fn imds(&self, process: u32) -> &[u32] {
        of(&self.imds, process, |id| self.tree.imds.get(id).map(|node| node.process))
    }

    pub(crate) fn syscalls(&self, process: u32) -> &[u32] {
        of(&self.syscalls, process, |id| self.tree.syscalls.get(id).map(|node| node.process))
    }

    pub(crate) fn capabilities(&self, process: u32) -> &[u32] {
        of(&self.capabilities, process, |id| self.tree.capabilities.get(id).map(|node| node.process))
    }

    pub(crate) fn devices(&self, process: u32) -> &[u32] {
        of(&self.devices, process, |id| self.tree.devices.get(id).map(|node| node.process))
    }

    pub(crate) fn flows(&self, device: u32) -> &[u32] {
        of(&self.flows, device, |id| self.tree.flows.get(id).map(|node| node.device))
    }

    /// Rules that an event of a node matched, as messages.
    pub(crate) fn rules(&self, node: NodeRef) -> impl Iterator<Item = &'t [u8]> {
        let rules = of(&self.rules, rank(node), |id| self.tree.rules.get(id).map(|rule| rank(rule.node)));
        rules.iter().filter_map(|id| self.tree.rules.get(*id)).map(|rule| self.tree.texts.get(rule.rule))
    }

    /// The versions a node was seen in, by name; nothing when that is not known.
    pub(crate) fn seen(&self, base: Base, node: NodeRef) -> BTreeMap<&'t str, Times> {
        let tree = self.tree;
        let mut seen: BTreeMap<&str, Times> =
            tree.seen(base, node).map(|(tag, times)| (tree.tag_name(tag), times)).collect();
        if seen.len() == 1 && seen.get("") == Some(&Times::default()) {
            seen.clear();
        }
        seen
    }

    /// Puts every process in its place.
    fn show(&mut self) {
        let mut groups: HashMap<u32, Vec<u32>> = HashMap::new();
        for id in self.by_content() {
            if let Some(node) = self.tree.processes.get(id) {
                groups.entry(node.parent).or_default().push(id);
            }
        }
        let order: HashMap<u32, usize> = self.by_content().into_iter().zip(0..).collect();
        let mut next: HashMap<u32, Vec<u32>> = HashMap::new();
        for (_, edge) in self.tree.preds.iter() {
            next.entry(edge.pred).or_default().push(edge.node);
        }
        next.values_mut().for_each(|nodes| nodes.sort_by_key(|node| order.get(node)));
        let mut above = vec![(ROOT, None)];
        while let Some((parent, place)) = above.pop() {
            let members = groups.remove(&parent).unwrap_or_default();
            let (tops, placed) = self.show_group(&members, &next);
            match place.and_then(|place: usize| self.shown.get_mut(place)) {
                Some(shown) => shown.children.extend(tops),
                None => self.roots = tops,
            }
            above.extend(placed.into_iter().map(|(process, place)| (process, Some(place))));
        }
    }

    /// Processes by what makes them themselves.
    fn by_content(&self) -> Vec<u32> {
        let texts = &self.tree.texts;
        sorted(&self.tree.processes, |ProcessNode { path, argv0, args, .. }| {
            let args: Vec<&str> = records::list(texts, *args).collect();
            (texts.text(*path), texts.text(*argv0), args)
        })
    }

    /// Places a group: its members by the shortest chain of execs from one that was forked.
    fn show_group(
        &mut self,
        members: &[u32],
        next: &HashMap<u32, Vec<u32>>,
    ) -> (Vec<usize>, Vec<(u32, usize)>) {
        let mut has_pred: HashMap<u32, bool> = HashMap::new();
        for node in members.iter().filter_map(|id| next.get(id)).flatten() {
            has_pred.insert(*node, true);
        }
        let mut tops = Vec::new();
        let mut placed: HashMap<u32, usize> = HashMap::new();
        let mut order = Vec::new();
        let mut queue: VecDeque<(u32, usize, usize)> = VecDeque::new();
        let forked = members.iter().filter(|id| !has_pred.contains_key(id));
        // Whoever is in a circle has a place when nobody before it reaches the circle.
        for top in forked.chain(members) {
            if placed.contains_key(top) {
                continue;
            }
            let place = self.add(*top, false, false);
            tops.push(place);
            placed.insert(*top, place);
            order.push((*top, place));
            queue.push_back((*top, place, 1));
            while let Some((process, place, depth)) = queue.pop_front() {
                let mut host = (place, depth);
                for node in next.get(&process).into_iter().flatten() {
                    if placed.contains_key(node) {
                        let stub = self.add(*node, true, true);
                        self.put_below(place, stub);
                        continue;
                    }
                    if host.1 >= MAX_CHAIN {
                        host = (self.add(process, true, false), 1);
                        tops.push(host.0);
                    }
                    let below = self.add(*node, false, true);
                    self.put_below(host.0, below);
                    placed.insert(*node, below);
                    order.push((*node, below));
                    queue.push_back((*node, below, host.1 + 1));
                }
            }
        }
        (tops, order)
    }

    fn add(&mut self, process: u32, is_stub: bool, is_exec: bool) -> usize {
        self.shown.push(Shown { process, is_stub, is_exec, children: Vec::new() });
        self.shown.len() - 1
    }

    fn put_below(&mut self, place: usize, child: usize) {
        if let Some(shown) = self.shown.get_mut(place) {
            shown.children.push(child);
        }
    }
}

fn rank(node: NodeRef) -> (u8, u32) {
    (node.kind as u8, node.id)
}

impl Tree {
    /// A process as it says itself.
    pub(crate) fn process(&self, id: u32) -> Option<Process> {
        let node = self.processes.get(id)?;
        Some(records::process(&self.texts, &node.info, self.texts.text(node.path)))
    }

    pub(crate) fn bind(&self, node: &BindNode) -> Bind<'_> {
        let [family, ip] = [node.family, node.ip].map(|id| self.texts.text(id).into());
        Bind { family, ip, port: node.port, protocol: node.protocol }
    }

    pub(crate) fn device(&self, id: u32) -> Option<Device<'_>> {
        let node = self.devices.get(id)?;
        Some(Device { netns: node.netns, ifindex: node.ifindex, ifname: self.texts.text(node.ifname).into() })
    }

    pub(crate) fn flow(&self, node: &FlowNode) -> Flow<'_> {
        let ends = node.ends;
        let [source, destination] = [ends.source, ends.destination].map(|id| self.texts.text(id).into());
        let ([source_port, destination_port], [l3_protocol, l4_protocol]) = (ends.ports, ends.protocols);
        Flow {
            source: (source, source_port),
            destination: (destination, destination_port),
            l3_protocol,
            l4_protocol,
            ingress: node.ingress,
            egress: node.egress,
        }
    }
}
