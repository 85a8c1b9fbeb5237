//! The payloads of one batch: rendered group by group, when there is room for one more.

use std::collections::HashMap;
use std::sync::Arc;

use event::{Cgroup, Text};

use crate::context::clock;
use crate::link::ingest::Published;
use crate::output::outbox::{BatchId, Group, Head, Label};
use crate::output::render::{BatchIds, Renderer};

/// Documents of one group at most.
const MAX_PAYLOADS: usize = 4096;
/// Bytes of a document, before one was seen.
const FIRST_GUESS: usize = 2048;

/// What is left to render of a batch.
pub struct Payloads {
    published: Arc<Published>,
    ids: BatchIds,
    batch: BatchId,
    is_urgent: bool,
    backlog_percent: u32,
    containers: std::vec::IntoIter<OfContainer>,
    current: Option<OfContainer>,
    has_gaps: bool,
    guess: usize,
    /// The same for what of it is no tail.
    own_guess: usize,
}

/// The events of one container in a batch, by position.
struct OfContainer {
    container: Option<Arc<str>>,
    cgroup: Text,
    events: Vec<usize>,
    done: usize,
}

impl Payloads {
    /// The payloads of a batch: of its events, if they are taken, and of what the system says of itself.
    #[must_use]
    pub fn new(
        published: Arc<Published>,
        batch: BatchId,
        takes_events: bool,
        is_urgent: bool,
        backlog_percent: u32,
    ) -> Self {
        let containers = if takes_events { by_container(&published) } else { Vec::new() };
        Self {
            ids: BatchIds::new(published.session, published.seq),
            has_gaps: !published.not_observed.is_empty(),
            published,
            batch,
            is_urgent,
            backlog_percent,
            containers: containers.into_iter(),
            current: None,
            guess: FIRST_GUESS,
            own_guess: FIRST_GUESS,
        }
    }

    /// The next group, of about `group_bytes` at most.
    pub fn next(&mut self, renderer: &mut Renderer, group_bytes: usize) -> Option<Group> {
        if std::mem::take(&mut self.has_gaps) {
            return Some(self.gaps(renderer));
        }
        if self.current.as_ref().is_none_or(|current| current.done >= current.events.len()) {
            self.current = self.containers.next();
        }
        let current = self.current.as_mut()?;
        let mut group = Group::new(Head {
            batch: self.batch,
            is_urgent: self.is_urgent,
            container: current.container.clone(),
            cgroup: current.cgroup.clone(),
            backlog_percent: self.backlog_percent,
            ..Head::default()
        });
        let rest = current.events.get(current.done..).unwrap_or_default();
        let n = rest.len().min(group_bytes / self.guess + 1).min(MAX_PAYLOADS);
        group.reserve(n, n * (self.own_guess + self.own_guess / 8));
        for index in rest {
            if group.payloads() >= MAX_PAYLOADS || group.content_bytes() >= group_bytes {
                break;
            }
            current.done += 1;
            let Some(event) = self.published.events.get(*index) else { continue };
            let time_ms = clock::wall_ns(event.event.boot_ns, self.published.host.wall_offset_ns) / 1_000_000;
            let label = Label::Event(event.event.kind());
            group.add_parted(label, time_ms, |out| renderer.event_parted(out, &self.ids, *index, event));
        }
        let payloads = group.payloads().max(1);
        self.guess = (group.content_bytes() / payloads).max(256);
        self.own_guess = (group.own_bytes() / payloads).max(128);
        Some(group.finish())
    }

    fn gaps(&self, renderer: &Renderer) -> Group {
        let rule = event_json::NOT_OBSERVED;
        let mut group = Group::new(Head {
            batch: self.batch,
            is_urgent: true,
            tags: vec![format!("rule_id:{rule}"), format!("type:{rule}")],
            backlog_percent: self.backlog_percent,
            ..Head::default()
        });
        let first = self.published.events.len();
        for (n, gap) in self.published.not_observed.iter().enumerate() {
            let time_ms = clock::wall_ns(gap.to_ns, self.published.host.wall_offset_ns) / 1_000_000;
            group.add(Label::Custom, time_ms, |out| renderer.not_observed(out, &self.ids, first + n, gap));
        }
        group.finish()
    }
}

/// The events of a batch by container, in the order in which each container comes first.
fn by_container(published: &Published) -> Vec<OfContainer> {
    let mut all: Vec<OfContainer> = Vec::new();
    let mut known: HashMap<Option<&str>, usize> = HashMap::new();
    // Neighbours are mostly of one control group.
    let mut last: Option<(&Arc<Cgroup>, usize)> = None;
    for (index, event) in published.events.iter().enumerate() {
        let cgroup = &event.event.task.cgroup;
        let at = match last {
            Some((same, at)) if Arc::ptr_eq(same, cgroup) => at,
            _ => {
                let container = cgroup.workload.container_id();
                *known.entry(container.map(|id| &**id)).or_insert_with(|| {
                    let (container, cgroup) = (container.cloned(), cgroup.path.clone());
                    all.push(OfContainer { container, cgroup, events: Vec::new(), done: 0 });
                    all.len() - 1
                })
            }
        };
        last = Some((cgroup, at));
        if let Some(of) = all.get_mut(at) {
            of.events.push(index);
        }
    }
    all
}
