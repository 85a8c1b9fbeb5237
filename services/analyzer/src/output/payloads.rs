//! The payloads of one batch: rendered group by group, when there is room for one more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use event::{Cgroup, Text};

use crate::context::clock;
use crate::output::outbox::{BatchId, Group, Head, Label};
use crate::output::published::Published;
use crate::output::render::{BatchIds, Renderer};
use crate::stages::monitors::abnormal::TRUNCATED_PARENTS;
use crate::stages::out::{About, Custom};
use crate::stages::rules::Rule;

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
    /// Rules that events matched, by the position of the event.
    matched: HashMap<usize, Arc<str>>,
    custom: VecDeque<OfRule>,
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

/// The custom events of one rule and type about one container, by position.
struct OfRule {
    rule: Rule,
    kind: &'static str,
    container: Option<Arc<str>>,
    cgroup: Text,
    custom: Vec<usize>,
}

impl Payloads {
    /// The payloads of a batch: of its events, all if they are taken and else those that a stage emitted, and of what the
    /// system says of itself.
    #[must_use]
    pub fn new(
        published: Arc<Published>,
        batch: BatchId,
        takes_events: bool,
        is_urgent: bool,
        backlog_percent: u32,
    ) -> Self {
        let matched: HashMap<usize, Arc<str>> = published
            .emitted
            .iter()
            .rev()
            .map(|emitted| (emitted.position, Arc::clone(&emitted.rule_id)))
            .collect();
        let containers = by_container(&published, |position| takes_events || matched.contains_key(&position));
        Self {
            ids: BatchIds::new(published.session, published.seq),
            matched,
            custom: by_rule(&published),
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
        if let Some(custom) = self.custom.pop_front() {
            return Some(self.custom(renderer, custom));
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
            let rule_id = self.matched.get(index).map(|id| &**id);
            group.add_parted(label, time_ms, |out| {
                renderer.event_parted(out, &self.ids, *index, event, rule_id)
            });
        }
        let payloads = group.payloads().max(1);
        self.guess = (group.content_bytes() / payloads).max(256);
        self.own_guess = (group.own_bytes() / payloads).max(128);
        Some(group.finish())
    }

    fn custom(&self, renderer: &mut Renderer, of: OfRule) -> Group {
        let mut group = Group::new(Head {
            batch: self.batch,
            is_urgent: true,
            container: of.container,
            cgroup: of.cgroup,
            tags: vec![format!("rule_id:{}", of.rule.id()), format!("type:{}", of.kind)],
            backlog_percent: self.backlog_percent,
        });
        let events = &self.published.events;
        for index in of.custom {
            let Some(custom) = self.published.custom.get(index) else { continue };
            let time_ms = clock::wall_ns(custom.boot_ns, self.published.host.wall_offset_ns) / 1_000_000;
            let place = events.len() + index;
            group.add(Label::Custom, time_ms, |out| renderer.custom(out, &self.ids, place, custom, events));
        }
        group.finish()
    }
}

/// The custom events of a batch by rule, type and container, in the order in which each comes first.
fn by_rule(published: &Published) -> VecDeque<OfRule> {
    let mut all: VecDeque<OfRule> = VecDeque::new();
    for (index, custom) in published.custom.iter().enumerate() {
        let cgroup = match &custom.about {
            About::Event { position, .. } => {
                published.events.get(*position).map(|event| &event.event.task.cgroup)
            }
            About::NotObserved(_) | About::Unwanted(_) | About::Lost(_) => None,
        };
        let container = cgroup.and_then(|cgroup| cgroup.workload.container_id()).cloned();
        let kind = kind_of(custom);
        let is_same =
            |of: &&mut OfRule| of.rule == custom.rule && of.kind == kind && of.container == container;
        match all.iter_mut().find(is_same) {
            Some(of) => of.custom.push(index),
            None => all.push_back(OfRule {
                rule: custom.rule,
                kind,
                container,
                cgroup: cgroup.map(|cgroup| cgroup.path.clone()).unwrap_or_default(),
                custom: vec![index],
            }),
        }
    }
    all
}

/// The type of a custom event, as the CWS agent names it.
fn kind_of(custom: &Custom) -> &'static str {
    match custom.about {
        About::NotObserved(_) => event_json::NOT_OBSERVED,
        About::Unwanted(_) => "kinds_not_observed",
        About::Lost(_) => "lost_events_write",
        About::Event { error: TRUNCATED_PARENTS, .. } => "truncated_parents",
        About::Event { .. } => "unknown",
    }
}

/// Those events of a batch that are taken, by container, in the order in which each container comes first.
fn by_container(published: &Published, is_taken: impl Fn(usize) -> bool) -> Vec<OfContainer> {
    let mut all: Vec<OfContainer> = Vec::new();
    let mut known: HashMap<Option<&str>, usize> = HashMap::new();
    // Neighbours are mostly of one control group.
    let mut last: Option<(&Arc<Cgroup>, usize)> = None;
    for (index, event) in published.events.iter().enumerate().filter(|(index, _)| is_taken(*index)) {
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

#[cfg(test)]
mod tests {
    use event::{Event, ExitStatus, Host, LossCause, PerKind, Task, What, Workload, WorkloadLoss};
    use process_tree::{Limits, Tree};

    use super::*;
    use crate::output::outbox::Fixed;
    use crate::stages::dispatch::{Dispatched, Marks};
    use crate::stages::out::Emitted;

    fn exit(container: &str) -> Dispatched {
        let id = container.into();
        let workload = Workload::Container { id, runtime: event::Runtime::Docker, pod_uid: None };
        let cgroup = Arc::new(Cgroup { workload, ..Cgroup::default() });
        let task = Arc::new(Task { cgroup, ..Task::default() });
        let event = Event { boot_ns: 1, task, what: What::Exit(ExitStatus::Exited(3)) };
        let run = Tree::new(Limits::default()).apply(&event);
        Dispatched { number: 1, event, run, tags: None, marks: Marks::default() }
    }

    /// The documents of a group one after the other, with the tails that they share.
    fn whole(group: &wire::v1::PayloadGroup) -> Vec<u8> {
        let (mut rest, mut whole) = (&*group.content, Vec::new());
        for (number, length) in group.length.iter().enumerate() {
            let (own, next) = rest.split_at(usize::try_from(*length).unwrap());
            whole.extend_from_slice(own);
            let tail = group.tail.get(number).map_or(0, |tail| usize::try_from(*tail).unwrap());
            whole.extend_from_slice(tail.checked_sub(1).map_or(&[][..], |tail| &group.tails[tail]));
            rest = next;
        }
        whole
    }

    /// The groups of a batch of three events: container, tags and documents of each.
    fn groups(published: Published, takes_events: bool) -> Vec<(String, Vec<String>, String)> {
        let events = ["a", "b", "a"].map(exit).into();
        let published = Arc::new(Published { session: 1, seq: 2, events, ..published });
        let mut payloads = Payloads::new(published, BatchId { probe: 1, seq: 2 }, takes_events, true, 0);
        let mut renderer = Renderer::new(&Host::default(), event_json::Names::default());
        let group = |group: Group| {
            let message = group.message(1, &Fixed::default(), None);
            let container = group.head().container.as_deref().unwrap_or_default().to_owned();
            (container, group.head().tags.clone(), String::from_utf8(whole(&message)).unwrap())
        };
        std::iter::from_fn(|| payloads.next(&mut renderer, 1 << 20)).map(group).collect()
    }

    #[test]
    fn only_what_a_stage_emitted_goes_to_outputs_that_do_not_take_all() {
        let emitted = |position, rule: &str| Emitted { position, rule_id: rule.into() };
        let published =
            Published { emitted: vec![emitted(1, "first"), emitted(1, "second")], ..Published::default() };
        let all = groups(published.clone(), false);
        let [(container, _, documents)] = &*all else { panic!("{all:?}") };
        assert_eq!(container, "b");
        assert!(
            documents.starts_with(r#"{"agent":{"event_id":"1-2-1","rule_id":"first"},"evt""#),
            "{documents}"
        );
        assert_eq!(documents.lines().count(), 1);
        let of_all: usize =
            groups(published, true).iter().map(|(_, _, documents)| documents.lines().count()).sum();
        assert_eq!(of_all, 3, "who takes all has it once");
        assert_eq!(groups(Published::default(), false), []);
    }

    #[test]
    fn custom_events_leave_with_the_tags_of_their_rule_and_of_the_container_they_are_about() {
        let say = |rule, about| Custom { rule, boot_ns: 1, suppressed: 0, about };
        let loss = WorkloadLoss {
            cgroup: 1,
            workload: "a".into(),
            cause: LossCause::RingFull,
            counts: PerKind::default(),
        };
        let path = |position, error| say(Rule::AbnormalPath, About::Event { position, error });
        let custom = vec![
            path(1, TRUNCATED_PARENTS),
            say(Rule::LostEvents, About::Lost(loss)),
            path(0, "other"),
            path(2, "other"),
        ];
        let all = groups(Published { custom, ..Published::default() }, false);
        let heads: Vec<_> = all
            .iter()
            .map(|(container, tags, lines)| (&**container, &**tags, lines.lines().count()))
            .collect();
        let tags = |rule: &str, kind: &str| [format!("rule_id:{rule}"), format!("type:{kind}")];
        assert_eq!(
            heads,
            [
                ("b", &tags("abnormal_path", "truncated_parents")[..], 1),
                ("", &tags("lost_events", "lost_events_write")[..], 1),
                ("a", &tags("abnormal_path", "unknown")[..], 2),
            ]
        );
        assert!(all[2].2.contains(r#""event_id":"1-2-6""#), "behind the events of the batch: {}", all[2].2);
    }
}
