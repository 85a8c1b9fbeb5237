//! One dump that runs.

use std::sync::Arc;
use std::time::Duration;

use activity_tree::Options;
use dump::{Format, Lacks, Missed, Partial, Recorder, Taken, Target};
use event::{Cgroup, Host, Kind, Run};

use super::load::{self, Limits};
use super::parcel::Parcel;
use super::rate::Rate;
use crate::context::tags::Tags;
use crate::stages::dispatch::{Dispatched, Ending};

/// Whether a dump takes events. The numbers are those of the public messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It ended.
    Stopped = 0,
    /// Its workload is not traced.
    Disabled = 1,
    /// It reached its size.
    Paused = 2,
    /// It takes events.
    Running = 3,
}

/// Why there is a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Somebody asked for it.
    Request,
    /// The workload was new.
    NewWorkload,
    /// A profile of the workload had no tree.
    SilentWorkload,
}

/// Whose events are asked for, before any was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A container by its id or the beginning of it, or by its name.
    Container(String),
    /// A control group by its path.
    Cgroup(String),
}

impl Wanted {
    fn has(&self, cgroup: &Cgroup, tags: Option<&Tags>) -> bool {
        match self {
            Self::Container(wanted) => {
                let is_id = cgroup.workload.container_id().is_some_and(|id| id.starts_with(wanted.as_str()));
                is_id || tags.is_some_and(|tags| tags.container_name == *wanted)
            }
            Self::Cgroup(path) => cgroup.path.as_bytes() == path.as_bytes(),
        }
    }
}

/// What a dump is made with.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) origin: Origin,
    pub(super) wanted: Wanted,
    pub(super) limits: Limits,
    pub(super) max_bytes: usize,
    pub(super) differentiate_args: bool,
    pub(super) formats: Vec<Format>,
    pub(super) is_packed: bool,
}

/// The recorder, once it is known whose events it takes.
struct Bound {
    recorder: Recorder,
    cgroup: Arc<Cgroup>,
    tags: Option<Arc<Tags>>,
    /// The processes that run are to be put in.
    needs_snapshot: bool,
}

/// A dump that runs, or is paused.
pub(super) struct Active {
    pub(super) name: String,
    pub(super) plan: Plan,
    pub(super) start_ns: u64,
    /// Whether it counts for its image.
    pub(super) is_counted: bool,
    rate: Rate,
    missed_before: Missed,
    bound: Option<Bound>,
    full_at_ns: Option<u64>,
    has_grown: bool,
}

impl Active {
    pub(super) fn new(name: String, plan: Plan, start_ns: u64) -> Self {
        let rate = Rate::new(plan.limits.rate);
        Self {
            name,
            plan,
            start_ns,
            is_counted: false,
            rate,
            missed_before: Missed::default(),
            bound: None,
            full_at_ns: None,
            has_grown: true,
        }
    }

    pub(super) fn status(&self) -> Status {
        if self.full_at_ns.is_some() { Status::Paused } else { Status::Running }
    }

    pub(super) fn end_ns(&self) -> u64 {
        self.start_ns.saturating_add(nanos(self.plan.limits.timeout))
    }

    pub(super) fn target(&self) -> Option<&Target> {
        self.bound.as_ref().map(|bound| bound.recorder.target())
    }

    pub(super) fn cgroup(&self) -> Option<&Arc<Cgroup>> {
        self.bound.as_ref().map(|bound| &bound.cgroup)
    }

    pub(super) fn tags(&self) -> Option<&Arc<Tags>> {
        self.bound.as_ref()?.tags.as_ref()
    }

    pub(super) fn recorder(&self) -> Option<&Recorder> {
        self.bound.as_ref().map(|bound| &bound.recorder)
    }

    pub(super) fn missed(&self) -> &Missed {
        self.bound.as_ref().map_or(&self.missed_before, |bound| bound.recorder.missed())
    }

    pub(super) fn bytes(&self) -> usize {
        self.recorder().map_or(0, |recorder| recorder.tree().bytes())
    }

    /// Binds it to the workload of a control group.
    pub(super) fn bind(&mut self, cgroup: &Arc<Cgroup>, tags: Option<&Arc<Tags>>, host: &Host) {
        let options = Options {
            max_bytes: self.plan.max_bytes,
            differentiate_args: self.plan.differentiate_args,
            traced: self.plan.limits.traced,
            ..Options::default()
        };
        let mut recorder = Recorder::new(Target::of(cgroup), options, host.wall_offset_ns);
        *recorder.missed_mut() = std::mem::take(&mut self.missed_before);
        self.bound =
            Some(Bound { recorder, cgroup: Arc::clone(cgroup), tags: tags.cloned(), needs_snapshot: true });
    }

    /// Whether it waits for the workload of this event.
    pub(super) fn waits_for(&self, dispatched: &Dispatched) -> bool {
        let cgroup = &dispatched.event.task.cgroup;
        self.bound.is_none() && self.plan.wanted.has(cgroup, dispatched.tags.as_deref())
    }

    /// Whether it takes events of this kind and control group.
    pub(super) fn covers(&self, kind: Kind, cgroup: &Cgroup) -> bool {
        self.full_at_ns.is_none()
            && self.bound.as_ref().is_some_and(|bound| bound.recorder.takes(kind, cgroup))
    }

    /// Whether it traces events of this kind.
    pub(super) fn traces(&self, kind: Kind) -> bool {
        Recorder::kinds_of(self.plan.limits.traced).any(|traced| traced == kind)
    }

    /// Takes an event. Gives the tags of its workload when they become known by it.
    pub(super) fn take(&mut self, dispatched: &Dispatched) -> Option<Arc<Tags>> {
        let Dispatched { event, run, tags, .. } = dispatched;
        let bound = self.bound.as_mut()?;
        if !bound.recorder.target().has(&event.task.cgroup) {
            return None;
        }
        let news = tags.as_ref().filter(|_| bound.tags.is_none()).cloned();
        if news.is_some() {
            bound.tags.clone_from(&news);
        }
        let image_tag =
            tags.as_ref().and_then(|tags| tags.image.as_ref()?.tag.as_deref()).unwrap_or_default();
        let (rate, is_full) = (&mut self.rate, self.full_at_ns.is_some());
        let is_lifecycle = matches!(event.kind(), Kind::Exec | Kind::Exit);
        let taken = bound.recorder.take(event, run, image_tag, || {
            if is_full {
                return Err(Lacks::Paused);
            }
            // Programs are what everything else hangs on.
            if is_lifecycle || rate.admits(event.boot_ns) { Ok(()) } else { Err(Lacks::RateLimiter) }
        });
        self.has_grown |= matches!(taken, Taken::New | Taken::Missed);
        if self.full_at_ns.is_none() && taken != Taken::Passed && bound.recorder.tree().is_full() {
            self.full_at_ns = Some(event.boot_ns);
        }
        news
    }

    /// Takes what a batch says beside its events, and the processes that run if it began in this batch.
    pub(super) fn end_of_batch<'a>(
        &mut self,
        ending: &Ending<'_>,
        living: impl Iterator<Item = &'a Arc<Run>>,
        host: &Host,
    ) {
        let traced = self.plan.limits.traced;
        let offset = host.wall_offset_ns;
        let start_ns = self.start_ns;
        // What was before it is none of its business.
        let wall = move |boot_ns: u64| boot_ns.max(start_ns).saturating_add_signed(offset);
        let target = self.target().cloned();
        let missed = match &mut self.bound {
            Some(bound) => bound.recorder.missed_mut(),
            None => &mut self.missed_before,
        };
        let news = ending.news;
        if let Some(target) = &target {
            news.lost.iter().for_each(|loss| missed.lose(target, loss));
        }
        for gap in news.not_observed.iter().filter(|gap| gap.to_ns > start_ns) {
            missed.not_observed(gap, wall);
        }
        for gap in news.unwanted.iter().filter(|gap| gap.to_ns.is_none_or(|to_ns| to_ns > start_ns)) {
            let is_traced = |kind| Recorder::kinds_of(traced).any(|traced| traced == kind);
            missed.unwanted(gap, is_traced, ending.last_ns, wall);
        }
        self.has_grown |= !(news.lost.is_empty() && news.not_observed.is_empty() && news.unwanted.is_empty());
        if let Some(bound) = self.bound.as_mut().filter(|bound| bound.needs_snapshot) {
            bound.needs_snapshot = false;
            let image = bound.tags.as_ref().and_then(|tags| tags.image.as_ref());
            let image_tag = image.and_then(|image| image.tag.clone()).unwrap_or_default();
            // Who began in this batch was told of by its events.
            let before = living.filter(|run| run.exec_ns.max(run.fork_ns) < start_ns);
            before.for_each(|run| bound.recorder.know(run, &image_tag, start_ns));
        }
    }

    /// The next part of a dump that is full, and this one's end.
    pub(super) fn split(
        self,
        name: String,
        now_ns: u64,
        least: Duration,
        host: &Arc<Host>,
    ) -> (Self, Parcel, Vec<load::Reduction>) {
        let since = |ns: u64| Duration::from_nanos(ns.saturating_sub(self.start_ns));
        let full_after = since(self.full_at_ns.unwrap_or(now_ns));
        let (limits, reductions) = load::reduce(self.plan.limits, since(now_ns), full_after, least);
        let mut next = Self::new(name, Plan { limits, ..self.plan.clone() }, now_ns);
        next.is_counted = self.is_counted;
        self.missed().reductions().iter().for_each(|known| next.missed_before.reduce(known.clone()));
        reductions.iter().for_each(|one| next.missed_before.reduce(one.text()));
        if let Some(bound) = &self.bound {
            next.bind(&bound.cgroup, bound.tags.as_ref(), host);
        }
        let parcel = self.into_parcel(now_ns, host, Some(Partial::Overload));
        (next, parcel, reductions)
    }

    /// What is left of it at its end.
    pub(super) fn into_parcel(self, now_ns: u64, host: &Arc<Host>, partial: Option<Partial>) -> Parcel {
        let end_ns = now_ns.min(self.end_ns()).max(self.start_ns);
        let mut parcel = self.copy(end_ns, host);
        parcel.is_end = true;
        if let Some(partial) = partial {
            parcel.missed.set_partial(partial);
        }
        parcel
    }

    /// A copy for the case that the analyzer is killed, if there is anything to lose since the last one.
    pub(super) fn checkpoint(&mut self, now_ns: u64, host: &Arc<Host>) -> Option<Parcel> {
        (self.bound.is_some() && std::mem::take(&mut self.has_grown)).then(|| self.copy(now_ns, host))
    }

    fn copy(&self, now_ns: u64, host: &Arc<Host>) -> Parcel {
        let wall = |boot_ns: u64| boot_ns.saturating_add_signed(host.wall_offset_ns);
        let workload =
            self.bound.as_ref().map(|bound| (bound.recorder.target().clone(), Arc::clone(&bound.cgroup)));
        let tree = self.recorder().map(|recorder| recorder.tree().clone());
        Parcel {
            name: self.name.clone(),
            is_end: false,
            is_awaited: self.plan.origin == Origin::Request,
            workload,
            tags: self.tags().cloned(),
            tree: tree.unwrap_or_else(|| activity_tree::Tree::new(Options::default())),
            missed: self.missed().clone(),
            host: Arc::clone(host),
            start_ns: wall(self.start_ns),
            end_ns: wall(now_ns),
            formats: self.plan.formats.clone(),
            is_packed: self.plan.is_packed,
        }
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
