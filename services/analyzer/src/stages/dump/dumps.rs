//! The state of all dumps: who is recorded, since when, until when, and what is to be kept of it.
//!
//! Pure: its clock is that of the events. What is to be written is handed over as [`Parcel`]s. Invariants: a dump ends as one
//! parcel, whatever ends it; of two dumps that run no two are of one workload; it grows by what was asked for and no more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dump::{Format, Partial, Target};
use event::{Cgroup, Event, Host, Kind, Run};

use super::active::{Active, Origin, Plan, Status, Wanted, nanos};
use super::admission::{self, Admission, Unwanted};
use super::load::{Limits, Reduction};
use super::parcel::Parcel;
use crate::config::ActivityDumpConfig;
use crate::metrics::DumpMetrics;
use crate::stages::dispatch::{Dispatched, Ending};

/// Parcels that may wait; then no new dump begins.
const MAX_PARCELS: usize = 16;

/// A request for a dump.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose events.
    pub wanted: Wanted,
    /// How long; the default if nobody says.
    pub timeout: Option<Duration>,
    /// Whether programs with other arguments are other processes.
    pub differentiate_args: bool,
    /// Formats; those of the configuration if there are none.
    pub formats: Vec<Format>,
    /// Whether files are packed; as the configuration says if nobody does.
    pub is_packed: Option<bool>,
}

/// Why a request is not met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The workload is recorded.
    #[error("it is recorded already, by {0}: stop that dump first")]
    AlreadyRuns(String),
    /// As many as may be asked for at once run.
    #[error("{0} requested dumps run already (traced_cgroups_count): stop one of them first")]
    TooMany(usize),
    /// Dumps that ended wait to be written.
    #[error("{0} dumps that ended wait to be written: try again")]
    Behind(usize),
    /// There is no clock and no host yet.
    #[error("no probe has connected yet: see `shrike status`")]
    NoProbe,
    /// No dump is meant.
    #[error("no dump runs for {0}")]
    NotFound(String),
}

/// What is told of a dump.
#[derive(Debug, Clone)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Whose it is; the text of the request before anything was seen.
    pub wanted: Wanted,
    /// The workload, once something of it was seen.
    pub target: Option<Target>,
    /// Its control group.
    pub cgroup: Option<Arc<Cgroup>>,
    /// Tags of the workload.
    pub tags: Vec<String>,
    /// Whether it takes events.
    pub status: Status,
    /// Why there is a dump.
    pub origin: Origin,
    /// From when, nanoseconds since the epoch.
    pub start_ns: u64,
    /// How long it lasts from then on.
    pub timeout: Duration,
    /// Whether programs with other arguments are other processes.
    pub differentiate_args: bool,
    /// Formats.
    pub formats: Vec<Format>,
    /// Whether files are packed.
    pub is_packed: bool,
    /// What it holds.
    pub stats: activity_tree::Stats,
    /// What it missed, as tags.
    pub missed: Vec<String>,
    /// Events that it missed.
    pub missed_events: u64,
}

/// Which dump is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By its name.
    Name(String),
    /// By its workload.
    Of(Wanted),
}

/// All dumps.
pub struct Dumps {
    config: ActivityDumpConfig,
    metrics: DumpMetrics,
    host: Arc<Host>,
    now_ns: u64,
    active: Vec<Active>,
    admission: Admission,
    /// The control group that was looked at last, and is not to be recorded now.
    looked_at: Option<Arc<Cgroup>>,
    parcels: VecDeque<Parcel>,
    /// Whether automatic dumps have a place to be kept.
    is_kept: bool,
    number: u64,
    next_load_ns: u64,
    next_clean_ns: u64,
    next_checkpoint_ns: u64,
    next_silent_ns: u64,
    last_stopped_ns: u64,
}

impl Dumps {
    /// No dump. `is_kept`: files can be written.
    #[must_use]
    pub fn new(config: ActivityDumpConfig, is_kept: bool, metrics: DumpMetrics) -> Self {
        let admission =
            Admission::new(config.max_dump_count_per_workload.get(), config.workload_deny_list.clone());
        Self {
            config,
            metrics,
            host: Arc::default(),
            now_ns: 0,
            active: Vec::new(),
            admission,
            looked_at: None,
            parcels: VecDeque::new(),
            is_kept,
            number: 0,
            next_load_ns: 0,
            next_clean_ns: 0,
            next_checkpoint_ns: 0,
            next_silent_ns: 0,
            last_stopped_ns: 0,
        }
    }

    /// A stream begins on this host. The clock of another boot is another one: what ran ends with what it has.
    pub fn begin(&mut self, host: &Arc<Host>) {
        if host.boot_id != self.host.boot_id && !self.active.is_empty() {
            self.end_all(Partial::Ending);
        }
        if host.boot_id != self.host.boot_id {
            (self.now_ns, self.next_load_ns, self.next_clean_ns) = (0, 0, 0);
            (self.next_checkpoint_ns, self.next_silent_ns, self.last_stopped_ns) = (0, 0, 0);
        }
        self.host = Arc::clone(host);
    }

    /// Whether there is something to do for events.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.active.is_empty() || self.takes_new()
    }

    /// The kinds that dumps need observed.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.active.iter().any(|active| active.traces(*kind)))
    }

    /// Whether a running dump covers an event.
    #[must_use]
    pub fn covers(&self, event: &Event) -> bool {
        self.active.iter().any(|active| active.covers(event.kind(), &event.task.cgroup))
    }

    /// Takes an event into the dumps that it is of, and begins one if its workload is new.
    pub fn take(&mut self, dispatched: &Dispatched) {
        self.now_ns = self.now_ns.max(dispatched.event.boot_ns);
        let cgroup = &dispatched.event.task.cgroup;
        // Whoever asked comes before what begins by itself, and no workload is recorded twice.
        if !self.active.iter().any(|active| active.target().is_some_and(|target| target.has(cgroup)))
            && let Some(waiting) = self.active.iter_mut().find(|active| active.waits_for(dispatched))
        {
            waiting.bind(cgroup, dispatched.tags.as_ref(), &self.host);
        }
        if self.takes_new() && !self.looked_at.as_ref().is_some_and(|known| Arc::ptr_eq(known, cgroup)) {
            self.consider(dispatched);
        }
        let mut unwanted = Vec::new();
        for (place, active) in self.active.iter_mut().enumerate() {
            if let Some(tags) = active.take(dispatched)
                && active.plan.origin != Origin::Request
                && !active.is_counted
                && let Some(image) = admission::image(&tags)
            {
                active.is_counted = true;
                unwanted.extend(self.admission.count(&image).err().map(|why| (place, why)));
            }
        }
        for (place, why) in unwanted.into_iter().rev() {
            self.metrics.refuse(why);
            self.active.remove(place);
        }
    }

    fn takes_new(&self) -> bool {
        self.config.enabled && self.is_kept
    }

    /// Begins a dump of a workload that is new.
    fn consider(&mut self, dispatched: &Dispatched) {
        let cgroup = &dispatched.event.task.cgroup;
        let target = Target::of(cgroup);
        let is_recorded = self.active.iter().any(|active| active.target() == Some(&target));
        let has_place = self.automatic() < self.config.traced_cgroups_count.get();
        let is_wanted = target.container_id().is_some()
            && !is_recorded
            && !self.admission.waits(&target, self.now_ns)
            && has_place
            && self.parcels.len() < MAX_PARCELS;
        let image = dispatched.tags.as_deref().and_then(admission::image);
        let refused = match (&image, is_wanted) {
            (_, false) => true,
            (None, true) => false,
            (Some(image), true) => {
                self.admission.count(image).inspect_err(|why| self.metrics.refuse(*why)).is_err()
            }
        };
        // Whoever is denied is asked about as seldom as whoever was recorded.
        if is_wanted {
            let wait = nanos(self.config.cgroup_wait_list_timeout);
            self.admission.wait(target, self.now_ns.saturating_add(wait));
        }
        if refused {
            self.looked_at = Some(Arc::clone(cgroup));
            return;
        }
        let id = cgroup.workload.container_id().map(ToString::to_string).unwrap_or_default();
        let plan = self.automatic_plan(Origin::NewWorkload, Wanted::Container(id));
        let mut active = Active::new(self.name(), plan, dispatched.event.boot_ns);
        active.bind(cgroup, dispatched.tags.as_ref(), &self.host);
        active.is_counted = image.is_some();
        self.start(active);
    }

    fn automatic_plan(&self, origin: Origin, wanted: Wanted) -> Plan {
        let config = &self.config;
        Plan {
            origin,
            wanted,
            limits: self.limits(config.dump_duration),
            max_bytes: config.max_bytes(),
            differentiate_args: config.cgroup_differentiate_args,
            formats: config.local_storage.formats.clone(),
            is_packed: config.local_storage.compression,
        }
    }

    fn limits(&self, timeout: Duration) -> Limits {
        Limits { rate: self.config.rate_limiter.get(), timeout, traced: self.config.traced() }
    }

    fn automatic(&self) -> usize {
        self.active.iter().filter(|active| active.plan.origin != Origin::Request).count()
    }

    fn name(&mut self) -> String {
        self.number += 1;
        let (host, now, number) = (&self.host, self.now_ns.to_le_bytes(), self.number.to_le_bytes());
        dump::name(&[host.boot_id.as_bytes(), host.hostname.as_bytes(), &now, &number])
    }

    fn start(&mut self, active: Active) {
        self.metrics.started.inc();
        self.active.push(active);
        self.show();
    }

    /// Begins a dump that somebody asks for.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn request(&mut self, request: Request) -> Result<Info, Refused> {
        let Request { wanted, timeout, differentiate_args, formats, is_packed } = request;
        if self.now_ns == 0 {
            return Err(Refused::NoProbe);
        }
        if let Some(known) = self.active.iter().find(|active| is_of(active, &wanted)) {
            return Err(Refused::AlreadyRuns(known.name.clone()));
        }
        let requested = self.active.len() - self.automatic();
        if requested >= self.config.traced_cgroups_count.get() {
            self.metrics.refused_no_place.inc();
            return Err(Refused::TooMany(requested));
        }
        if self.parcels.len() >= MAX_PARCELS {
            self.metrics.refused_no_place.inc();
            return Err(Refused::Behind(self.parcels.len()));
        }
        let storage = &self.config.local_storage;
        let plan = Plan {
            origin: Origin::Request,
            wanted,
            limits: self.limits(timeout.unwrap_or(self.config.dump_duration)),
            max_bytes: self.config.max_bytes(),
            differentiate_args,
            formats: if formats.is_empty() { storage.formats.clone() } else { formats },
            is_packed: is_packed.unwrap_or(storage.compression),
        };
        let active = Active::new(self.name(), plan, self.now_ns);
        let info = self.info(&active);
        self.start(active);
        Ok(info)
    }

    /// Ends a dump.
    ///
    /// # Errors
    /// When there is none.
    pub fn stop(&mut self, which: &Which) -> Result<Info, Refused> {
        let place = self.active.iter().position(|active| match which {
            Which::Name(name) => active.name == *name,
            Which::Of(wanted) => is_of(active, wanted),
        });
        let Some(place) = place else {
            return Err(Refused::NotFound(match which {
                Which::Name(text) | Which::Of(Wanted::Container(text) | Wanted::Cgroup(text)) => text.clone(),
            }));
        };
        let active = self.active.remove(place);
        let info = Info { status: Status::Stopped, ..self.info(&active) };
        self.finish(active, None);
        Ok(info)
    }

    /// No further automatic dump of an image, and the end of those that run: its profile has all that it needs.
    pub fn stop_image(&mut self, name: &str, tag: &str) {
        let image = (name.to_owned(), tag.to_owned());
        let is_it = |active: &Active| {
            active.plan.origin != Origin::Request
                && active.tags().and_then(|tags| admission::image(tags)).as_ref() == Some(&image)
        };
        let (ended, running) = std::mem::take(&mut self.active).into_iter().partition(is_it);
        self.active = running;
        let ended: Vec<Active> = ended;
        ended.into_iter().for_each(|active| self.finish(active, None));
        self.admission.close(image);
    }

    /// The host whose events come.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Every dump that runs.
    #[must_use]
    pub fn list(&self) -> Vec<Info> {
        self.active.iter().map(|active| self.info(active)).collect()
    }

    fn info(&self, active: &Active) -> Info {
        let empty = || activity_tree::Tree::new(activity_tree::Options::default()).stats();
        Info {
            name: active.name.clone(),
            wanted: active.plan.wanted.clone(),
            target: active.target().cloned(),
            cgroup: active.cgroup().cloned(),
            tags: active.tags().map(|tags| tags.list().to_vec()).unwrap_or_default(),
            status: active.status(),
            origin: active.plan.origin,
            start_ns: active.start_ns.saturating_add_signed(self.host.wall_offset_ns),
            timeout: active.plan.limits.timeout,
            differentiate_args: active.plan.differentiate_args,
            formats: active.plan.formats.clone(),
            is_packed: active.plan.is_packed,
            stats: active.recorder().map_or_else(empty, |recorder| recorder.tree().stats()),
            missed: active.missed().tags(),
            missed_events: active.missed().events(),
        }
    }

    /// Takes what a batch says beside its events. `living` are the processes that run now.
    pub fn end_of_batch<'a, I: Iterator<Item = &'a Arc<Run>>>(
        &mut self,
        ending: &Ending<'_>,
        living: impl Fn() -> I,
    ) {
        for active in &mut self.active {
            active.end_of_batch(ending, living(), &self.host);
        }
        self.now_ns = self.now_ns.max(ending.last_ns);
    }

    /// Time has passed: ends what is over, lightens what is full, copies what has grown.
    pub fn tick(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        let now_ns = self.now_ns;
        // Whoever had no place may have one now.
        self.looked_at = None;
        let (ended, running) =
            std::mem::take(&mut self.active).into_iter().partition(|active| active.end_ns() <= now_ns);
        self.active = running;
        let ended: Vec<Active> = ended;
        ended.into_iter().for_each(|active| self.finish(active, None));
        if is_due(&mut self.next_load_ns, now_ns, self.config.load_controller_period) {
            self.lighten();
        }
        if is_due(&mut self.next_clean_ns, now_ns, self.config.cleanup_period) {
            self.admission.clean(now_ns);
        }
        if self.is_kept && is_due(&mut self.next_checkpoint_ns, now_ns, self.config.checkpoint_period) {
            self.checkpoint();
        }
        self.show();
    }

    /// Which workloads may be asked of the profiles now, by how many there is room for; 0 = none.
    pub fn silent_places(&mut self) -> usize {
        let (now_ns, silent) = (self.now_ns, self.config.silent_workloads);
        let is_quiet = now_ns.saturating_sub(self.last_stopped_ns) >= nanos(silent.delay);
        if !self.takes_new() || !is_quiet || !is_due(&mut self.next_silent_ns, now_ns, silent.ticker) {
            return 0;
        }
        self.config.traced_cgroups_count.get().saturating_sub(self.automatic())
    }

    /// Begins a dump of a workload whose profile has no tree.
    pub fn start_silent(&mut self, cgroup: &Arc<Cgroup>) {
        let target = Target::of(cgroup);
        let is_recorded = self.active.iter().any(|active| active.target() == Some(&target));
        if is_recorded || self.automatic() >= self.config.traced_cgroups_count.get() {
            return;
        }
        let id = target.container_id().unwrap_or_default().to_owned();
        let plan = self.automatic_plan(Origin::SilentWorkload, Wanted::Container(id));
        let mut active = Active::new(self.name(), plan, self.now_ns);
        active.bind(cgroup, None, &self.host);
        self.start(active);
    }

    /// Splits every dump that is full.
    fn lighten(&mut self) {
        let least = self.config.least_timeout();
        for active in std::mem::take(&mut self.active) {
            if active.status() != Status::Paused || self.parcels.len() >= MAX_PARCELS {
                self.active.push(active);
                continue;
            }
            let name = self.name();
            let (next, parcel, reductions) = active.split(name, self.now_ns, least, &self.host);
            self.metrics.partial.inc();
            for reduction in reductions {
                match reduction {
                    Reduction::Rate(..) => self.metrics.reduced_rate.inc(),
                    Reduction::Timeout(..) => self.metrics.reduced_timeout.inc(),
                    Reduction::EventType(_) => self.metrics.reduced_event_types.inc(),
                }
                tracing::warn!(
                    dump = parcel.name,
                    next = next.name,
                    reduction = reduction.text(),
                    "a dump was full and goes on with less"
                );
            }
            self.hand_over(parcel);
            if next.end_ns() > self.now_ns {
                self.active.push(next);
            }
        }
    }

    /// Copies every dump that has grown; a copy of before that still waits is replaced.
    fn checkpoint(&mut self) {
        let (now_ns, host) = (self.now_ns, &self.host);
        for copy in self.active.iter_mut().filter_map(|active| active.checkpoint(now_ns, host)) {
            self.parcels.retain(|parcel| parcel.is_end || parcel.name != copy.name);
            self.parcels.push_back(copy);
        }
    }

    /// Ends every dump.
    pub fn end_all(&mut self, why: Partial) {
        for active in std::mem::take(&mut self.active) {
            self.finish(active, Some(why));
        }
        self.show();
    }

    fn finish(&mut self, active: Active, partial: Option<Partial>) {
        self.last_stopped_ns = self.now_ns;
        let parcel = active.into_parcel(self.now_ns, &self.host, partial);
        self.hand_over(parcel);
        self.show();
    }

    fn hand_over(&mut self, parcel: Parcel) {
        self.metrics.finished.inc();
        self.metrics.missed_events.add(parcel.missed.events());
        self.parcels.retain(|waiting| waiting.is_end || waiting.name != parcel.name);
        self.parcels.push_back(parcel);
    }

    /// The next parcel.
    pub fn next_parcel(&mut self) -> Option<Parcel> {
        self.parcels.pop_front()
    }

    /// Takes a parcel back that nobody had room for.
    pub fn take_back(&mut self, parcel: Parcel) {
        self.parcels.push_front(parcel);
    }

    fn show(&self) {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.metrics.active.set(wide(self.active.len()));
        self.metrics.bytes.set(wide(self.active.iter().map(Active::bytes).sum()));
    }
}

/// Whether a dump is of the workload that somebody names.
fn is_of(active: &Active, wanted: &Wanted) -> bool {
    if active.plan.wanted == *wanted {
        return true;
    }
    match (wanted, active.target()) {
        (Wanted::Container(text), Some(Target::Container(id))) => {
            let is_name = active.tags().is_some_and(|tags| tags.container_name == *text);
            !text.is_empty() && id.starts_with(text.as_str()) || is_name
        }
        (Wanted::Cgroup(path), Some(_)) => {
            active.cgroup().is_some_and(|cgroup| cgroup.path.as_bytes() == path.as_bytes())
        }
        (Wanted::Container(_), Some(Target::Cgroup(_))) | (_, None) => false,
    }
}

/// Whether something that is done every `period` is to be done now; then the next time is set.
fn is_due(next_ns: &mut u64, now_ns: u64, period: Duration) -> bool {
    if *next_ns == 0 {
        *next_ns = now_ns.saturating_add(nanos(period));
        return false;
    }
    let is_due = now_ns >= *next_ns;
    if is_due {
        *next_ns = now_ns.saturating_add(nanos(period));
    }
    is_due
}

impl DumpMetrics {
    fn refuse(&self, why: Unwanted) {
        match why {
            Unwanted::Denied => self.refused_denied.inc(),
            Unwanted::Counted => self.refused_count.inc(),
        }
    }
}

#[cfg(test)]
mod tests;
