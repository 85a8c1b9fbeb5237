//! Decides whether the tags of a container are known, worth a wait, or not to be had.

use tokio::time::Instant;

use super::group::Group;
use super::queue::Readiness;
use crate::context::tags::{Directory, Lookup};
use crate::context::workloads::Workloads;

/// Knows where tags are kept and where they are asked for.
pub struct Tagger(Workloads);

impl Tagger {
    /// One that asks this registry.
    #[must_use]
    pub fn new(workloads: Workloads) -> Self {
        Self(workloads)
    }

    pub(super) fn directory(&self) -> &Directory {
        self.0.directory()
    }

    pub(super) fn readiness(&self, group: &Group, now: Instant) -> Readiness {
        let Some(container) = &group.head().container else { return Readiness::Ready(None) };
        match self.0.look_up(container, &group.head().cgroup, now) {
            Lookup::Known(tags) => Readiness::Ready(Some(tags)),
            Lookup::Asked { until } if until > now => Readiness::Waits(until),
            Lookup::Asked { .. } | Lookup::MustAsk { .. } | Lookup::Absent { .. } => Readiness::Untagged,
        }
    }
}
