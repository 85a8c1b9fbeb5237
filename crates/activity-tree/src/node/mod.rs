//! The nodes: small, `Copy`, with ids for everything that is text or another node.

mod files;
mod seen;

pub(crate) use files::{FileNode, Files, Owner, Place, segments};
pub(crate) use seen::{Base, SeenEntry, times, touch};

use crate::arena::{Entry, TextId};
use crate::model::Traffic;

/// Above the first processes of a tree there is this.
pub(crate) const ROOT: u32 = u32::MAX;

/// Which node something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeRef {
    pub(crate) kind: NodeKind,
    pub(crate) id: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum NodeKind {
    Process,
    File,
    Name,
    Bind,
    Imds,
    Syscall,
    Capability,
    Device,
    Flow,
}

impl NodeKind {
    pub(crate) const fn at(self, id: u32) -> NodeRef {
        NodeRef { kind: self, id }
    }
}

macro_rules! entries {
    ($($(#[$about:meta])* $name:ident { key: { $($key:ident: $type:ty),* $(,)? }, $($field:ident: $other:ty),* $(,)? })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name { $(pub(crate) $key: $type,)* $(pub(crate) $field: $other,)* }

        impl Entry for $name {
            type Key = ($($type,)*);

            fn key(&self) -> Self::Key {
                ($(self.$key,)*)
            }
        }
    )*};
}

entries! {
    /// A program in a group: `parent` is the process that the group was forked from, whatever execs are between.
    ProcessNode {
        key: { parent: u32, path: TextId, argv0: TextId, args: TextId },
        info: Info,
        base: Base,
    }

    /// `node` took the place of `pred` in a process.
    Pred { key: { node: u32, pred: u32 }, }

    /// A name that was asked for.
    NameNode { key: { process: u32, name: TextId }, base: Base, }

    /// A type that was asked for it.
    QuestionNode { key: { name: u32, qtype: u16 }, class: u16, size: u16, count: u16, }

    /// The last labels of a name, with a type that was asked for: for look-ups by depth.
    Suffix { key: { process: u32, labels: TextId, qtype: u16 }, }

    /// An address of a socket.
    BindNode { key: { process: u32, family: TextId, ip: TextId, port: u16, protocol: u16 }, base: Base, }

    /// A request to a metadata service or its answer, as a message.
    ImdsNode { key: { process: u32, event: TextId }, base: Base, }

    /// A system call.
    SyscallNode { key: { process: u32, number: u32 }, base: Base, }

    /// A capability that was asked for.
    CapabilityNode { key: { process: u32, number: u32, is_held: bool }, base: Base, }

    /// A network device; it has no times of its own (spec 1.7).
    DeviceNode { key: { process: u32, netns: u32, ifindex: u32, ifname: TextId }, }

    /// Packets between two ends.
    FlowNode { key: { device: u32, ends: Ends }, ingress: Traffic, egress: Traffic, base: Base, }

    /// A rule that an event matched, as a message.
    RuleEntry { key: { node: NodeRef, rule: TextId }, }

    /// What the names had in common that a pattern stands for.
    Signature { key: { file: u32 }, text: TextId, }
}

/// The two ends of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) source: TextId,
    pub(crate) destination: TextId,
    pub(crate) ports: [u16; 2],
    pub(crate) protocols: [u16; 2],
}

/// What a process says of itself beside its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Info {
    pub(crate) file: TextId,
    pub(crate) argv0: TextId,
    pub(crate) args: TextId,
    pub(crate) envs: TextId,
    pub(crate) container_id: TextId,
    pub(crate) tty: TextId,
    pub(crate) comm: TextId,
    pub(crate) credentials: TextId,
    pub(crate) exec_time: u64,
    pub(crate) fork_time: u64,
    pub(crate) exit_time: u64,
    pub(crate) cookie: u64,
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) ppid: u32,
    pub(crate) args_truncated: bool,
    pub(crate) envs_truncated: bool,
    pub(crate) is_thread: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stay_as_small_as_the_document_says() {
        assert_eq!(size_of::<FileNode>(), 28);
        assert_eq!(size_of::<Base>(), 16);
        assert!(size_of::<ProcessNode>() <= 128, "{}", size_of::<ProcessNode>());
    }
}
