//! Decides whether the tags of a container are known, worth a wait, or not to be had.

use std::sync::Arc;

use actix::Recipient;
use event::Text;
use tokio::time::Instant;

use super::group::Group;
use super::queue::Readiness;
use crate::context::tags::{Directory, Lookup, Resolve};

/// Knows where tags are kept and where they are asked for.
pub struct Tagger {
    directory: Directory,
    resolver: Recipient<Resolve>,
}

impl Tagger {
    /// One that looks in `directory` and asks at `resolver`.
    #[must_use]
    pub fn new(directory: Directory, resolver: Recipient<Resolve>) -> Self {
        Self { directory, resolver }
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(super) fn readiness(&self, group: &Group, now: Instant) -> Readiness {
        let Some(container) = &group.head().container else { return Readiness::Ready(None) };
        match self.directory.look_up(container, now) {
            Lookup::Known(tags) => Readiness::Ready(Some(tags)),
            Lookup::Asked { until } if until > now => Readiness::Waits(until),
            Lookup::MustAsk { until } if self.ask(container, &group.head().cgroup) => Readiness::Waits(until),
            Lookup::Absent { must_ask: true } => {
                self.ask(container, &group.head().cgroup);
                Readiness::Untagged
            }
            Lookup::MustAsk { .. } | Lookup::Asked { .. } | Lookup::Absent { must_ask: false } => {
                Readiness::Untagged
            }
        }
    }

    /// Asks for a container; a question that nobody takes is forgotten, so that the next group asks again.
    fn ask(&self, container: &Arc<str>, cgroup: &Text) -> bool {
        let resolve = Resolve { container: Arc::clone(container), cgroup: cgroup.clone() };
        let is_asked = self.resolver.try_send(resolve).is_ok();
        if !is_asked {
            self.directory.forget(container);
        }
        is_asked
    }
}
