//! An activity, as it is given to a tree, and what the tree says of it.

use crate::model::{Bind, Device, FileInfo, Flow, Generation, Imds, MatchedRule, Open, Process, Question};

/// What was done, by whom, and how that is known.
#[derive(Debug, Clone)]
pub struct Activity<'a> {
    /// Who did it, with the ancestors inside the workload, the first of them first.
    pub lineage: &'a [&'a Process],
    /// What was done.
    pub what: What<'a>,
    /// Version of the image; empty while it is not known.
    pub image_tag: &'a str,
    /// When, nanoseconds since the epoch.
    pub at_ns: u64,
    /// How it is known.
    pub generation: Generation,
    /// Rules that it matched.
    pub rules: &'a [MatchedRule],
    /// Whether processes that are not in the tree are added (spec 2.1).
    pub adds_processes: bool,
}

/// What can be done.
#[derive(Debug, Clone)]
pub enum What<'a> {
    /// A program was started: the last of the lineage.
    Exec,
    /// A process ended, at this time since the epoch.
    Exit(u64),
    /// A file was opened; without metadata if there is none.
    Open {
        /// Its path.
        path: &'a str,
        /// What is known of it.
        file: Option<&'a FileInfo<'a>>,
        /// How.
        open: Open,
    },
    /// A name was asked for.
    Dns(Question<'a>),
    /// A socket was bound, with the result of the call.
    Bind(Bind<'a>, i64),
    /// A metadata service was asked, or answered.
    Imds(&'a Imds),
    /// These system calls were made.
    Syscalls(&'a [u32]),
    /// Packets were seen at a device.
    Flows(Device<'a>, &'a [Flow<'a>]),
    /// A capability was asked for, and held or not.
    Capability(u32, bool),
    /// Something that has no node of its own: it says no more than that the process is there.
    Other,
}

/// Whether a tree knows an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it.
    Known,
    /// The process, and not what it did.
    New,
    /// Not even the process.
    NewProcess,
}

impl Verdict {
    /// Whether something of it was not known.
    #[must_use]
    pub fn is_new(self) -> bool {
        self != Self::Known
    }
}
