//! Trees made of others: merged, without a version, without what is old, folded, compacted.

use crate::absorb::Selection;
use crate::model::{Process, Times};
use crate::node::NodeKind;
use crate::options::Options;
use crate::patterns::Renames;
use crate::refusal::Refusal;
use crate::tree::{Tree, UNTAGGED};

impl Tree {
    /// Both trees as one: what either saw, from the earlier of the first times to the later of the last. Any order and
    /// any number of repetitions give the same encoding, unless similar paths or patterns are on.
    ///
    /// # Errors
    /// When there are too many image tags.
    pub fn merge(&self, other: &Self) -> Result<Self, Refusal> {
        let mut merged = Self::new(self.options.join(other.options));
        merged.absorb(self)?;
        merged.absorb(other)?;
        merged.options.max_bytes = self.options.max_bytes;
        Ok(merged)
    }

    /// Forgets a version of the image: nodes that were seen in no other are gone, all others stay.
    pub fn evict(&mut self, image_tag: &str) {
        let Some(evicted) = self.find_tag(image_tag) else { return };
        self.rebuild(&|tag, _| (tag != evicted).then_some(tag), None);
    }

    /// Forgets what was not seen since `before`, nanoseconds since the epoch, but for processes that `is_running` knows.
    /// What has no time is kept.
    pub fn evict_unused(&mut self, before: u64, is_running: impl Fn(&Process) -> bool) {
        let running: Vec<u32> = self
            .processes
            .iter()
            .map(|(id, _)| id)
            .filter(|id| self.process(*id).is_some_and(|process| is_running(&process)))
            .collect();
        for mut id in running {
            while let Some(node) = self.processes.get(id) {
                let (parent, base) = (node.parent, node.base);
                let tags: Vec<u16> = self.seen(base, NodeKind::Process.at(id)).map(|(tag, _)| tag).collect();
                tags.into_iter().for_each(|tag| {
                    self.touch(NodeKind::Process.at(id), tag, Times { first: 0, last: before })
                });
                id = parent;
            }
        }
        self.rebuild(&|tag, times| (times.last == 0 || times.last >= before).then_some(tag), None);
    }

    /// Gives a name to what was seen while the version of the image was not known.
    ///
    /// # Errors
    /// When there are too many image tags.
    pub fn name_untagged(&mut self, image_tag: &str) -> Result<(), Refusal> {
        let named = self.tag(image_tag)?;
        self.rebuild(&|tag, _| Some(if tag == UNTAGGED { named } else { tag }), None);
        Ok(())
    }

    /// Gives back what vectors have to spare and what no node uses any more.
    pub fn compact(&mut self) {
        self.rebuild(&|tag, _| Some(tag), None);
        self.texts.shrink();
        self.tags.shrink_to_fit();
        self.processes.shrink();
        self.preds.shrink();
        self.files.shrink();
        self.signatures.shrink();
        self.names.shrink();
        self.questions.shrink();
        self.suffixes.shrink();
        self.binds.shrink();
        self.imds.shrink();
        self.syscalls.shrink();
        self.capabilities.shrink();
        self.devices.shrink();
        self.flows.shrink();
        self.rules.shrink();
        self.seen.shrink();
    }

    pub(crate) fn rename(&mut self, renames: &Renames) {
        self.rebuild(&|tag, _| Some(tag), Some(renames));
    }

    fn rebuild(&mut self, tag: &dyn Fn(u16, Times) -> Option<u16>, renames: Option<&Renames>) {
        let mut rebuilt = Self::new(Options { max_bytes: 0, ..self.options });
        // Tags were numbered here already, so there are not too many.
        if rebuilt.absorb_selected(self, &Selection { tag, renames }).is_ok() {
            rebuilt.options = self.options;
            rebuilt.counters = self.counters;
            rebuilt.folded_at = self.folded_at;
            *self = rebuilt;
        }
    }
}

impl Options {
    /// What holds for both of two trees.
    fn join(self, other: Self) -> Self {
        Self {
            max_bytes: 0,
            differentiate_args: self.differentiate_args || other.differentiate_args,
            dns_match_max_depth: self.dns_match_max_depth.max(other.dns_match_max_depth),
            similar_paths: self.similar_paths || other.similar_paths,
            patterns: self.patterns.or(other.patterns),
            traced: self.traced,
        }
    }
}
