//! Makes payloads of events, and decides whether their labels are known, worth a wait, or not to be had.

use std::sync::Arc;
use std::time::Instant;

use actix::Recipient;
use bytes::Bytes;
use event::Text;

use super::queue::{Payload, Readiness};
use crate::clock;
use crate::dispatch::Dispatched;
use crate::labels::{Directory, Lookup, Resolve};

/// Knows where labels are kept and where they are asked for.
pub(super) struct Labeller {
    directory: Directory,
    resolver: Option<Recipient<Resolve>>,
}

impl Labeller {
    pub(super) fn new(directory: Directory) -> Self {
        Self { directory, resolver: None }
    }

    pub(super) fn ask_at(&mut self, resolver: Recipient<Resolve>) {
        self.resolver = Some(resolver);
    }

    pub(super) fn payload(
        &self,
        event: &Dispatched,
        wall_offset_ns: i64,
        now: Instant,
    ) -> (Payload, Readiness) {
        let cgroup = &event.event.task.cgroup;
        let container = cgroup.workload.container_id().cloned();
        let readiness = container
            .as_ref()
            .map_or(Readiness::Ready(None), |container| self.readiness(container, &cgroup.path, now));
        let payload = Payload {
            // A copy of its own: a slice would keep the JSON of the whole batch for as long as this one waits.
            content: Bytes::copy_from_slice(&event.json),
            container,
            time_ms: clock::wall_ns(event.event.boot_ns, wall_offset_ns) / 1_000_000,
            labels: None,
        };
        (payload, readiness)
    }

    fn readiness(&self, container: &Arc<str>, cgroup: &Text, now: Instant) -> Readiness {
        match self.directory.look_up(container, now) {
            Lookup::Known(labels) => Readiness::Ready(Some(labels)),
            Lookup::Asked => Readiness::Waits,
            Lookup::MustAsk if self.ask(container, cgroup) => Readiness::Waits,
            Lookup::Absent { must_ask: true } => {
                self.ask(container, cgroup);
                Readiness::Unlabelled
            }
            Lookup::MustAsk | Lookup::Absent { must_ask: false } => Readiness::Unlabelled,
        }
    }

    /// Asks for a container; a question that nobody takes is forgotten, so that the next event asks again.
    fn ask(&self, container: &Arc<str>, cgroup: &Text) -> bool {
        let resolve = Resolve { container: Arc::clone(container), cgroup: cgroup.clone() };
        let is_asked = self.resolver.as_ref().is_some_and(|resolver| resolver.try_send(resolve).is_ok());
        if !is_asked {
            self.directory.forget(container);
        }
        is_asked
    }
}
