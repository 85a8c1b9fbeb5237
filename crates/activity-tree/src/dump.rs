//! What a file holds beside the tree: who was recorded, when, by whom (spec 6.2).

use std::collections::BTreeMap;

use crate::{Options, Tree};

/// A recording of one workload (`SecDump`).
#[derive(Debug, Clone)]
pub struct Dump {
    /// Host it ran on.
    pub host: String,
    /// Service it is part of.
    pub service: String,
    /// Who made the recording.
    pub source: String,
    /// How, when, where.
    pub metadata: Metadata,
    /// Tags of the workload, `name:value`.
    pub tags: Vec<String>,
    /// What it did.
    pub tree: Tree,
}

/// What is normal for an image, with all its versions (`SecurityProfile`).
#[derive(Debug, Clone)]
pub struct Profile {
    /// How, when, where it was made first.
    pub metadata: Metadata,
    /// The image.
    pub selector: Selector,
    /// What is known of each version, by image tag.
    pub contexts: BTreeMap<String, Context>,
    /// Whether it was given up, and is not to be learned again.
    pub disabled: bool,
    /// What is normal.
    pub tree: Tree,
}

/// How, when and where a recording was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Version of the recorder.
    pub agent_version: String,
    /// Commit of the recorder.
    pub agent_commit: String,
    /// Release of the kernel.
    pub kernel_version: String,
    /// Name of the distribution.
    pub linux_distribution: String,
    /// Architecture.
    pub arch: String,
    /// Name of the recording.
    pub name: String,
    /// Version of the messages, `v1`.
    pub protobuf_version: String,
    /// Whether other arguments made another process.
    pub differentiate_args: bool,
    /// Name of the thread that was selected; no longer used.
    pub comm: String,
    /// Container.
    pub container_id: String,
    /// Control group.
    pub cgroup_id: String,
    /// Who made the control group.
    pub cgroup_manager: String,
    /// From when, nanoseconds since the epoch.
    pub start: u64,
    /// Until when.
    pub end: u64,
    /// Size.
    pub size: u64,
    /// Name of the format.
    pub serialization: String,
}

/// The image a profile is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Selector {
    /// Name.
    pub image_name: String,
    /// Tag, `*` for all of them.
    pub image_tag: String,
}

/// What a profile knows of one version of its image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// When it was seen first, nanoseconds since the epoch.
    pub first_seen: u64,
    /// When it was seen last.
    pub last_seen: u64,
    /// How far the profile is, by number of the event type.
    pub event_types: BTreeMap<u32, EventTypeState>,
    /// System calls.
    pub syscalls: Vec<u32>,
    /// Tags of the workload.
    pub tags: Vec<String>,
}

/// How far a profile is in learning one event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventTypeState {
    /// When something new was seen last.
    pub last_anomaly: u64,
    /// The state, `event_profile_state`.
    pub state: u32,
}

impl Dump {
    /// A recording of nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            host: String::new(),
            service: String::new(),
            source: String::new(),
            metadata: Metadata { differentiate_args: options.differentiate_args, ..Metadata::default() },
            tags: Vec::new(),
            tree: Tree::new(options),
        }
    }

    /// The recording as a profile of its image: one context for each version, with times of the day.
    #[must_use]
    pub fn into_profile(self, selector: Selector) -> Profile {
        let span = crate::Times { first: self.metadata.start, last: self.metadata.end };
        let mut versions: Vec<(String, crate::Times)> =
            self.tree.image_tags().into_iter().map(|(tag, times)| (tag.to_owned(), times)).collect();
        if versions.is_empty() {
            versions.push((selector.image_tag.clone(), span));
        }
        let syscalls = self.tree.syscalls();
        let contexts = versions.into_iter().map(|(tag, times)| {
            let context = Context {
                first_seen: times.first,
                last_seen: times.last,
                event_types: BTreeMap::new(),
                syscalls: syscalls.clone(),
                tags: self.tags.clone(),
            };
            (tag, context)
        });
        Profile {
            contexts: contexts.collect(),
            metadata: self.metadata,
            selector,
            disabled: false,
            tree: self.tree,
        }
    }
}

impl Profile {
    /// A profile that knows nothing.
    #[must_use]
    pub fn new(selector: Selector, options: Options) -> Self {
        Self {
            metadata: Metadata { differentiate_args: options.differentiate_args, ..Metadata::default() },
            selector,
            contexts: BTreeMap::new(),
            disabled: false,
            tree: Tree::new(options),
        }
    }
}
