//! What trees hold and files need not: whatever a node is below was seen whenever the node was.

use crate::Tree;
use crate::arena::narrow;
use crate::model::Times;
use crate::node::{Base, NodeKind, NodeRef};
use crate::tree::UNTAGGED;

impl Tree {
    /// Holds what a file need not: what something is below was seen whenever that was seen. Children come after what
    /// they are below, so one pass from the end is enough.
    pub(super) fn settle(&mut self) {
        let files: Vec<u32> = self.files.iter().rev().map(|(id, _)| id).collect();
        for id in files {
            let Some(node) = self.files.get(id).copied() else { continue };
            let above = match node.owner.id() {
                Ok(process) => NodeKind::Process.at(process),
                Err(file) => NodeKind::File.at(file),
            };
            self.lift(node.base, NodeKind::File.at(id), above);
        }
        macro_rules! lift_all {
            ($($store:ident $kind:ident),*) => {$(
                for id in 0..narrow(self.$store.len()) {
                    if let Some(node) = self.$store.get(id).copied() {
                        self.lift(node.base, NodeKind::$kind.at(id), NodeKind::Process.at(node.process));
                    }
                }
            )*};
        }
        lift_all!(names Name, binds Bind, imds Imds, syscalls Syscall, capabilities Capability);
        for id in 0..narrow(self.flows.len()) {
            let Some(node) = self.flows.get(id).copied() else { continue };
            if let Some(device) = self.devices.get(node.device).copied() {
                self.lift(node.base, NodeKind::Flow.at(id), NodeKind::Process.at(device.process));
            }
        }
        for id in (0..narrow(self.processes.len())).rev() {
            let Some(node) = self.processes.get(id).copied() else { continue };
            self.lift(node.base, NodeKind::Process.at(id), NodeKind::Process.at(node.parent));
        }
    }

    /// Notes that `above` was seen whenever `node` was. What is not known of a node says nothing of what it is below.
    fn lift(&mut self, base: Base, node: NodeRef, above: NodeRef) {
        let seen: Vec<(u16, Times)> = self.seen(base, node).collect();
        for (tag, times) in seen {
            if tag != UNTAGGED || times != Times::default() {
                self.touch(above, tag, times);
            }
        }
    }
}
