//! Whole texts and starts of texts, found in one pass over a value that mostly ends after a few bytes.
//!
//! A radix tree: each node has the bytes that lead to it, and its children differ in their first byte.

/// A set of texts, each with the rules it concerns.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// The root first; empty when nothing was put in.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// The bytes between the parent and this node.
    edge: Vec<u8>,
    /// First bytes of the edges of the children, and their places in the same order.
    first_bytes: Vec<u8>,
    children: Vec<usize>,
    /// Rules that want a text to end here.
    whole: Vec<u32>,
    /// Rules that want a text to come by here.
    start: Vec<u32>,
}

impl Trie {
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a text that a value must be.
    pub(super) fn insert_whole(&mut self, text: impl Iterator<Item = u8>, rule: u32) {
        if let Some(node) = self.node_for(&text.collect::<Vec<u8>>())
            && !node.whole.contains(&rule)
        {
            node.whole.push(rule);
        }
    }

    /// Adds a text that a value must start with.
    pub(super) fn insert_start(&mut self, text: impl Iterator<Item = u8>, rule: u32) {
        if let Some(node) = self.node_for(&text.collect::<Vec<u8>>())
            && !node.start.contains(&rule)
        {
            node.start.push(rule);
        }
    }

    /// The node at the end of this text, made if needed.
    fn node_for(&mut self, text: &[u8]) -> Option<&mut Node> {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let (mut at, mut rest) = (0, text);
        while let Some(first) = rest.first() {
            let Some(child) = self.nodes.get(at)?.child(*first) else {
                let leaf = self.nodes.len();
                self.nodes.push(Node { edge: rest.to_vec(), ..Node::default() });
                self.nodes.get_mut(at)?.add_child(*first, leaf);
                return self.nodes.get_mut(leaf);
            };
            let edge = &self.nodes.get(child)?.edge;
            let shared = edge.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if shared < edge.len() {
                self.split(child, shared)?;
            }
            at = child;
            rest = rest.get(shared..)?;
        }
        self.nodes.get_mut(at)
    }

    /// Makes the node end after `shared` bytes of its edge, with one child for what followed.
    fn split(&mut self, at: usize, shared: usize) -> Option<()> {
        let below = self.nodes.len();
        let node = self.nodes.get_mut(at)?;
        let edge = node.edge.split_off(shared);
        let first = *edge.first()?;
        let upper = Node { edge: std::mem::take(&mut node.edge), ..Node::default() };
        let lower = Node { edge, ..std::mem::replace(node, upper) };
        node.add_child(first, below);
        self.nodes.push(lower);
        Some(())
    }

    /// Calls `found` with every rule whose text the value is or starts with.
    pub(super) fn look_up(&self, mut value: impl Iterator<Item = u8>, found: &mut impl FnMut(u32)) {
        let Some(mut node) = self.nodes.first() else { return };
        loop {
            node.start.iter().for_each(|rule| found(*rule));
            let Some(first) = value.next() else {
                node.whole.iter().for_each(|rule| found(*rule));
                return;
            };
            let Some(child) = node.child(first).and_then(|child| self.nodes.get(child)) else { return };
            let mut rest = child.edge.iter().skip(1);
            if !rest.all(|byte| value.next() == Some(*byte)) {
                return;
            }
            node = child;
        }
    }
}

impl Node {
    fn child(&self, first: u8) -> Option<usize> {
        let at = self.first_bytes.iter().position(|byte| *byte == first)?;
        self.children.get(at).copied()
    }

    fn add_child(&mut self, first: u8, child: usize) {
        self.first_bytes.push(first);
        self.children.push(child);
    }
}
