//! The tree itself: its stores, what they take, and what is asked of single nodes.

use crate::activity::{Activity, Verdict};
use crate::arena::{Store, TextId, Texts, push};
use crate::model::Times;
use crate::node::{
    Base, BindNode, CapabilityNode, DeviceNode, Files, FlowNode, ImdsNode, NameNode, NodeKind, NodeRef, Pred,
    ProcessNode, QuestionNode, RuleEntry, SeenEntry, Signature, Suffix, SyscallNode, times, touch,
};
use crate::options::Options;
use crate::refusal::{MAX_TAGS, Refusal};
use crate::stats::{Counters, Stats};

/// What a workload was seen doing. See `docs/activity-tree.md`.
#[derive(Debug, Clone)]
pub struct Tree {
    pub(crate) options: Options,
    pub(crate) texts: Texts,
    /// Names of the image tags; the first is empty, for when the tag is not known.
    pub(crate) tags: Vec<TextId>,
    pub(crate) processes: Store<ProcessNode>,
    pub(crate) preds: Store<Pred>,
    pub(crate) files: Files,
    pub(crate) signatures: Store<Signature>,
    pub(crate) names: Store<NameNode>,
    pub(crate) questions: Store<QuestionNode>,
    pub(crate) suffixes: Store<Suffix>,
    pub(crate) binds: Store<BindNode>,
    pub(crate) imds: Store<ImdsNode>,
    pub(crate) syscalls: Store<SyscallNode>,
    pub(crate) capabilities: Store<CapabilityNode>,
    pub(crate) devices: Store<DeviceNode>,
    pub(crate) flows: Store<FlowNode>,
    pub(crate) rules: Store<RuleEntry>,
    pub(crate) seen: Store<SeenEntry>,
    pub(crate) counters: Counters,
    /// File nodes when the siblings were folded last.
    pub(crate) folded_at: usize,
}

/// The tag that is not known.
pub(crate) const UNTAGGED: u16 = 0;

impl Tree {
    /// An empty tree.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut tags = Vec::new();
        push(&mut tags, TextId(0));
        Self {
            options,
            texts: Texts::default(),
            tags,
            processes: Store::default(),
            preds: Store::default(),
            files: Files::default(),
            signatures: Store::default(),
            names: Store::default(),
            questions: Store::default(),
            suffixes: Store::default(),
            binds: Store::default(),
            imds: Store::default(),
            syscalls: Store::default(),
            capabilities: Store::default(),
            devices: Store::default(),
            flows: Store::default(),
            rules: Store::default(),
            seen: Store::default(),
            counters: Counters::default(),
            folded_at: 0,
        }
    }

    /// Its settings.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Changes what it may hold or records from now on; what decides about identity stays as it is.
    pub fn limit(&mut self, max_bytes: usize, traced: crate::Traced) {
        self.options.max_bytes = max_bytes;
        self.options.traced = traced;
    }

    /// Bytes that the tree takes, to the byte.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.texts.bytes()
            + self.tags.capacity() * size_of::<TextId>()
            + self.processes.bytes()
            + self.preds.bytes()
            + self.files.bytes()
            + self.signatures.bytes()
            + self.names.bytes()
            + self.questions.bytes()
            + self.suffixes.bytes()
            + self.binds.bytes()
            + self.imds.bytes()
            + self.syscalls.bytes()
            + self.capabilities.bytes()
            + self.devices.bytes()
            + self.flows.bytes()
            + self.rules.bytes()
            + self.seen.bytes()
    }

    /// Bytes of the texts and records alone, without any table.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.len() == 0
    }

    /// Whether it takes nothing new.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.options.max_bytes != 0 && self.bytes() >= self.options.max_bytes
    }

    /// Counts of nodes and of what became of activities.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            processes: self.processes.len(),
            files: self.files.len(),
            dns_names: self.names.len(),
            sockets: self.sockets(),
            binds: self.binds.len(),
            imds_events: self.imds.len(),
            syscalls: self.syscalls.len(),
            flows: self.flows.len(),
            capabilities: self.capabilities.len(),
            bytes: self.bytes(),
            counters: self.counters,
        }
    }

    /// Whether it knows an activity. Takes the tree as it is: a look-up changes nothing, not even a counter.
    ///
    /// # Errors
    /// What cannot be in any tree is refused as by [`Self::insert`].
    pub fn contains(&self, activity: &Activity<'_>) -> Result<Verdict, Refusal> {
        self.check(activity)?;
        Ok(self.look(activity).verdict)
    }

    /// Takes in an activity and tells what of it was new.
    ///
    /// # Errors
    /// When it cannot be in any tree, or not in this one as it is full. Nothing of it is taken in then.
    pub fn insert(&mut self, activity: &Activity<'_>) -> Result<Verdict, Refusal> {
        let result = self.try_insert(activity);
        self.counters.count(&activity.what, activity.generation, result);
        result
    }

    /// Notes that what is known was seen, also in another version; adds nothing that is not, so a tree that may not grow
    /// still knows what is used. A name that only its last labels made known is left as it is.
    ///
    /// # Errors
    /// As [`Self::contains`], and when there are too many image tags.
    pub fn refresh(&mut self, activity: &Activity<'_>) -> Result<Verdict, Refusal> {
        self.check(activity)?;
        let verdict = self.look_exactly(activity).verdict;
        if verdict.is_new() { Ok(verdict) } else { self.try_insert(activity) }
    }

    /// Every name that was asked for, sorted, once.
    #[must_use]
    pub fn dns_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.iter().map(|(_, node)| self.texts.text(node.name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Every system call, sorted, once.
    #[must_use]
    pub fn syscalls(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.syscalls.iter().map(|(_, node)| node.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Every image tag that some node was seen in, sorted, with the time from the first to the last.
    #[must_use]
    pub fn image_tags(&self) -> Vec<(&str, Times)> {
        let mut tags: Vec<(&str, Times)> = Vec::new();
        for (id, tag) in (0..).zip(&self.tags).skip(1) {
            let spans = self.processes.iter().filter_map(|(process, node)| {
                times(node.base, &self.seen, NodeKind::Process.at(process), id)
            });
            if let Some(span) = spans.reduce(Times::join) {
                tags.push((self.texts.text(*tag), span));
            }
        }
        tags.sort_unstable_by_key(|(tag, _)| *tag);
        tags
    }

    fn sockets(&self) -> usize {
        let sockets: std::collections::HashSet<_> =
            self.binds.iter().map(|(_, node)| (node.process, node.family)).collect();
        sockets.len()
    }

    /// The number of a tag, made if needed.
    pub(crate) fn tag(&mut self, tag: &str) -> Result<u16, Refusal> {
        if let Some(number) = self.find_tag(tag) {
            return Ok(number);
        }
        let number = u16::try_from(self.tags.len()).ok().filter(|_| self.tags.len() <= MAX_TAGS);
        let number = number.ok_or(Refusal::TooManyTags)?;
        let text = self.texts.add(tag.as_bytes());
        push(&mut self.tags, text);
        Ok(number)
    }

    pub(crate) fn find_tag(&self, tag: &str) -> Option<u16> {
        let text = self.texts.find(tag.as_bytes())?;
        self.tags.iter().position(|known| *known == text).and_then(|at| u16::try_from(at).ok())
    }

    /// Adds that a node was seen.
    pub(crate) fn touch(&mut self, node: NodeRef, tag: u16, times: Times) {
        let NodeRef { kind, id } = node;
        let base = match kind {
            NodeKind::Process => self.processes.get_mut(id).map(|node| &mut node.base),
            NodeKind::File => self.files.get_mut(id).map(|node| &mut node.base),
            NodeKind::Name => self.names.get_mut(id).map(|node| &mut node.base),
            NodeKind::Bind => self.binds.get_mut(id).map(|node| &mut node.base),
            NodeKind::Imds => self.imds.get_mut(id).map(|node| &mut node.base),
            NodeKind::Syscall => self.syscalls.get_mut(id).map(|node| &mut node.base),
            NodeKind::Capability => self.capabilities.get_mut(id).map(|node| &mut node.base),
            NodeKind::Flow => self.flows.get_mut(id).map(|node| &mut node.base),
            NodeKind::Device => None,
        };
        if let Some(base) = base {
            touch(base, &mut self.seen, node, tag, times);
        }
    }

    /// The versions a node was seen in.
    pub(crate) fn seen(&self, base: Base, node: NodeRef) -> impl Iterator<Item = (u16, Times)> {
        (0..)
            .zip(&self.tags)
            .filter_map(move |(tag, _)| times(base, &self.seen, node, tag).map(|times| (tag, times)))
    }

    /// The name of a tag.
    pub(crate) fn tag_name(&self, tag: u16) -> &str {
        self.tags.get(usize::from(tag)).map_or("", |text| self.texts.text(*text))
    }

    /// Path of a file node from the root of the workload.
    pub(crate) fn path_of(&self, file: u32) -> String {
        let mut names = Vec::new();
        let mut at = Some(file);
        while let Some(node) = at.and_then(|id| self.files.get(id)) {
            names.push(self.texts.text(node.name));
            at = node.owner.id().err();
        }
        let mut path = String::new();
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        path
    }
}
