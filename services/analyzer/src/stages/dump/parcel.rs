//! What the stages hand over: a dump that ended, or a copy of one that runs.

use std::sync::Arc;

use activity_tree::{Dump, Tree};
use dump::{Facts, Format, Missed, Target};
use event::{Cgroup, Host};

use crate::context::tags::Tags;

/// A recording on its way to a file.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Its name.
    pub name: String,
    /// Whether it ended; else it is a copy, for the case that the analyzer is killed.
    pub is_end: bool,
    /// Whether somebody asked for it, and waits.
    pub is_awaited: bool,
    /// Whose it is, if anything was seen.
    pub workload: Option<(Target, Arc<Cgroup>)>,
    /// The tags, as far as they are known.
    pub tags: Option<Arc<Tags>>,
    /// What was recorded.
    pub tree: Tree,
    /// What was not.
    pub missed: Missed,
    /// Where.
    pub host: Arc<Host>,
    /// From when, nanoseconds since the epoch.
    pub start_ns: u64,
    /// Until when.
    pub end_ns: u64,
    /// The formats that are asked for.
    pub formats: Vec<Format>,
    /// Whether files are packed.
    pub is_packed: bool,
}

impl Parcel {
    /// The container whose tags it waits for.
    #[must_use]
    pub fn untagged(&self) -> Option<&Arc<Cgroup>> {
        let (target, cgroup) = self.workload.as_ref()?;
        (self.tags.is_none() && target.container_id().is_some()).then_some(cgroup)
    }

    /// The dump, with what is known now.
    #[must_use]
    pub fn into_dump(self, extra_tags: &[String], distribution: &str) -> Dump {
        let (container_id, cgroup) = match &self.workload {
            Some((target, cgroup)) => {
                (target.container_id().unwrap_or_default().to_owned(), cgroup.path.to_lossy().into_owned())
            }
            None => (String::new(), String::new()),
        };
        let mut tags: Vec<String> = self.tags.iter().flat_map(|tags| tags.list()).cloned().collect();
        // The name of the host is the host's to tell.
        tags.extend(extra_tags.iter().filter(|tag| !tag.starts_with("host")).cloned());
        let facts = Facts {
            name: self.name,
            host: self.host.hostname.clone(),
            kernel: self.host.kernel.clone(),
            distribution: distribution.to_owned(),
            version: bootstrap::VERSION.to_owned(),
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            container_id,
            cgroup,
            tags,
        };
        dump::finish(self.tree, &self.missed, facts)
    }
}
