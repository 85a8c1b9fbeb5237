//! The profile of an image: one tree, its versions, and what it says of an event.

use std::collections::BTreeMap;

use activity_tree::{EventType, Generation, Metadata, Refusal, Tree, What};

use crate::completeness::Completeness;
use crate::identity::{Identity, Key, identity, instance};
use crate::machine::{Clock, Facts};
use crate::observation::{Known, Loss, NoProfile, NotLearned, Observation, Reason, Verdict};
use crate::quorum::Pending;
use crate::reported::Reported;
use crate::settings::Settings;
use crate::state::{Kept, State};
use crate::version::Version;

/// Versions that went and were not asked for yet; of more there is only the count.
const MAX_EVICTED: usize = 64;
/// System calls have no numbers beyond.
const MAX_SYSCALL: u32 = 4096;

/// A version that had to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted {
    /// Its tag.
    pub image_tag: String,
    /// When it was seen last: all others were seen later.
    pub last_seen_ns: u64,
    /// How many versions there may be, which is why it went.
    pub max_image_tags: usize,
}

/// What is normal for an image.
#[derive(Debug, Clone)]
pub struct Profile {
    pub(crate) image: String,
    pub(crate) settings: Settings,
    pub(crate) metadata: Metadata,
    pub(crate) is_disabled: bool,
    pub(crate) tree: Tree,
    pub(crate) versions: BTreeMap<String, Version>,
    key: Key,
    reported: Reported,
    pending: Pending,
    evicted: Vec<Evicted>,
    n_evicted: u64,
}

impl Profile {
    /// A profile that knows nothing.
    #[must_use]
    pub fn new(image: &str, settings: Settings, key: Key) -> Self {
        Self {
            image: image.to_owned(),
            metadata: Metadata { differentiate_args: settings.differentiate_args, ..Metadata::default() },
            is_disabled: false,
            tree: Tree::new(settings.options()),
            versions: BTreeMap::new(),
            key,
            reported: Reported::new(settings.max_reported, settings.max_workloads),
            pending: Pending::new(settings.max_pending, settings.quorum),
            evicted: Vec::new(),
            n_evicted: 0,
            settings,
        }
    }

    /// Name of the image.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.image
    }

    /// What is normal.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How it behaves.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The tags of its versions, sorted.
    pub fn image_tags(&self) -> impl Iterator<Item = &str> {
        self.versions.keys().map(String::as_str)
    }

    /// Judges an event, learns from it, and says what came of it. `loss` is what its control group lost before it.
    pub fn observe(&mut self, seen: &Observation<'_>, now_ns: u64, loss: Loss<'_>) -> Verdict {
        let instance = instance(self.key, seen.instance);
        self.enter_version(seen.tag(), seen.tags, now_ns).seen(instance, now_ns);
        self.lose(seen.tag(), loss);
        let event_type = seen.event_type();
        if self.is_disabled {
            return Verdict::no_profile(NoProfile::Disabled);
        }
        if !self.settings.learns(event_type) {
            return Verdict::no_profile(NoProfile::EventType);
        }
        let asked =
            self.tree.contains(&seen.activity(seen.what.clone(), now_ns, Generation::ProfileDrift, true));
        let known = match asked {
            Ok(activity_tree::Verdict::Known) => Known::Yes,
            Ok(activity_tree::Verdict::New) => Known::Process,
            Ok(activity_tree::Verdict::NewProcess) => Known::Nothing,
            Err(refusal) => return Verdict::no_profile(NoProfile::Refused(refusal)),
        };
        let facts = Facts {
            now_ns,
            is_warming_up: now_ns.saturating_sub(seen.created_ns) < self.settings.warmup_ns,
            is_full: self.tree.is_full(),
            is_known: known == Known::Yes,
        };
        let adds_processes = self.adds_processes(seen.tag(), event_type, facts);
        let limits = self.settings.limits(event_type);
        let clock = self.versions.get_mut(seen.tag()).and_then(|version| version.clocks.get_mut(&event_type));
        let Some(state) = clock.map(|clock| clock.judge(facts, limits)) else {
            return Verdict::no_profile(NoProfile::EventType);
        };
        let verdict = Verdict { known: Some(known), ..Verdict::judged(state) };
        match (state, known) {
            (State::NoProfile | State::Unstable, _) => verdict,
            (_, Known::Yes) => self.note(seen, now_ns, verdict),
            (State::AutoLearning | State::WorkloadWarmup, _) => {
                self.learn_or_not(seen, facts, adds_processes, verdict)
            }
            (State::ProfileAtMaxSize, _) => Verdict { not_learned: Some(NotLearned::Full), ..verdict },
            (State::Stable, _) => {
                let anomaly = self.report(seen, Reason::StableMiss, now_ns);
                Verdict { not_learned: Some(NotLearned::NotLearning), anomaly, ..verdict }
            }
        }
    }

    /// Whether processes that are not in the tree are added: by exec, and by others while exec learns. The state is that of
    /// exec, also when another type asks.
    fn adds_processes(&self, tag: &str, event_type: EventType, facts: Facts) -> bool {
        if event_type == EventType::Exec || facts.is_warming_up {
            return true;
        }
        let limits = self.settings.limits(EventType::Exec);
        let exec = self.versions.get(tag).and_then(|version| version.clocks.get(&EventType::Exec)).copied();
        // Asked as an exec would be, without moving it on: that is for its own events and for time.
        exec.is_none_or(|mut exec| {
            exec.judge(Facts { is_known: true, is_full: false, ..facts }, limits);
            exec.kept() == Kept::AutoLearning
        })
    }

    /// Notes that what is known was seen: eviction must not take away what another version uses.
    fn note(&mut self, seen: &Observation<'_>, now_ns: u64, verdict: Verdict) -> Verdict {
        let activity = seen.activity(seen.what.clone(), now_ns, generation(verdict.state), true);
        // While it learns, names that only their last labels made known are kept with their version.
        let noted = if matches!(verdict.state, State::AutoLearning | State::WorkloadWarmup) {
            self.tree.insert(&activity)
        } else {
            self.tree.refresh(&activity)
        };
        // It is known, whether or not that could be noted.
        if noted.is_ok() {
            self.note_syscalls(seen);
        }
        verdict
    }

    fn learn_or_not(
        &mut self,
        seen: &Observation<'_>,
        facts: Facts,
        adds_processes: bool,
        verdict: Verdict,
    ) -> Verdict {
        let (tag, event_type, now_ns) = (seen.tag(), seen.event_type(), facts.now_ns);
        let others = self.versions.iter().filter(|(other, _)| *other != tag);
        let is_stable_elsewhere =
            others.into_iter().any(|(_, other)| other.kept(event_type) == Some(Kept::Stable));
        // Before it is learned: of several system calls only those count that are new.
        let parts = self.parts(seen, now_ns);
        let learned = self.learn(seen, &parts, facts, adds_processes, verdict.known);
        if learned.is_ok()
            && let Some(clock) = self.clock(tag, event_type)
        {
            clock.learned(now_ns);
        }
        let reports = is_stable_elsewhere && self.settings.reports(event_type);
        let anomaly = reports.then(|| self.reported.report(&parts, seen.instance, Reason::NewInVersion));
        Verdict { is_learned: learned.is_ok(), not_learned: learned.err(), anomaly, ..verdict }
    }

    fn learn(
        &mut self,
        seen: &Observation<'_>,
        parts: &[Identity],
        facts: Facts,
        adds_processes: bool,
        known: Option<Known>,
    ) -> Result<(), NotLearned> {
        if known == Some(Known::Nothing) && !adds_processes {
            return Err(NotLearned::UnknownProcess);
        }
        let instance = instance(self.key, seen.instance);
        let needed = self.settings.quorum;
        for part in parts {
            self.pending.admit(*part, instance).map_err(|seen| NotLearned::Quorum { seen, needed })?;
        }
        let how = if facts.is_warming_up { Generation::WorkloadWarmup } else { Generation::ProfileDrift };
        let activity = seen.activity(seen.what.clone(), facts.now_ns, how, adds_processes);
        match self.tree.insert(&activity) {
            Ok(_) => {
                self.note_syscalls(seen);
                Ok(())
            }
            Err(Refusal::Full) => Err(NotLearned::Full),
            Err(refusal) => Err(NotLearned::Refused(refusal)),
        }
    }

    fn note_syscalls(&mut self, seen: &Observation<'_>) {
        if let What::Syscalls(numbers) = seen.what
            && let Some(version) = self.versions.get_mut(seen.tag())
        {
            version.syscalls.extend(numbers.iter().copied().filter(|number| *number < MAX_SYSCALL));
        }
    }

    fn report(&mut self, seen: &Observation<'_>, reason: Reason, now_ns: u64) -> Option<crate::Anomaly> {
        if !self.settings.reports(seen.event_type()) {
            return None;
        }
        let parts = self.parts(seen, now_ns);
        Some(self.reported.report(&parts, seen.instance, reason))
    }

    /// The behaviours of an event that are not known: one, or each system call.
    fn parts(&self, seen: &Observation<'_>, now_ns: u64) -> Vec<Identity> {
        let identity = |what: &What<'_>| identity(self.key, &self.image, seen, what, &self.settings);
        let What::Syscalls(numbers) = seen.what else { return vec![identity(&seen.what)] };
        let is_new = |number: &&[u32]| {
            let activity = seen.activity(What::Syscalls(number), now_ns, Generation::ProfileDrift, true);
            !matches!(self.tree.contains(&activity), Ok(activity_tree::Verdict::Known))
        };
        numbers.chunks(1).filter(is_new).map(|number| identity(&What::Syscalls(number))).collect()
    }

    fn clock(&mut self, tag: &str, event_type: EventType) -> Option<&mut Clock> {
        self.versions.get_mut(tag)?.clocks.get_mut(&event_type)
    }

    /// The version with a tag, made if needed, for which another one may have to go.
    pub(crate) fn enter_version(&mut self, tag: &str, tags: &[String], now_ns: u64) -> &mut Version {
        if !self.versions.contains_key(tag) {
            self.evict_beyond(self.settings.max_image_tags.max(1) - 1);
        }
        self.versions.entry(tag.to_owned()).or_insert_with(|| Version::new(&self.settings, tags, now_ns))
    }

    /// Evicts versions until there are at most so many: the one that was seen longest ago goes first.
    pub(crate) fn evict_beyond(&mut self, most: usize) {
        while self.versions.len() > most {
            let oldest = self.versions.iter().min_by_key(|(_, version)| version.last_seen_ns);
            let Some(tag) = oldest.map(|(tag, _)| tag.clone()) else { return };
            let last_seen_ns = self.versions.remove(&tag).map_or(0, |version| version.last_seen_ns);
            self.tree.evict(&tag);
            self.n_evicted = self.n_evicted.saturating_add(1);
            if self.evicted.len() < MAX_EVICTED {
                let max_image_tags = self.settings.max_image_tags;
                self.evicted.push(Evicted { image_tag: tag, last_seen_ns, max_image_tags });
            }
        }
    }

    /// Versions that went since this was asked last.
    pub fn take_evicted(&mut self) -> Vec<Evicted> {
        std::mem::take(&mut self.evicted)
    }

    /// How many versions went.
    #[must_use]
    pub const fn n_evicted(&self) -> u64 {
        self.n_evicted
    }

    /// Events of a version's own control groups were lost.
    pub fn lose(&mut self, image_tag: &str, loss: Loss<'_>) {
        if let Some(version) = self.versions.get_mut(image_tag) {
            version.lose(loss);
        }
    }

    /// These types were not observed for a time, whatever version.
    pub fn not_observed(&mut self, types: &[EventType], from_ns: u64, to_ns: u64) {
        self.versions.values_mut().for_each(|version| version.not_observed(types, from_ns, to_ns));
    }

    /// A container of a version runs.
    pub fn link(&mut self, image_tag: &str, tags: &[String], container: &str, now_ns: u64) {
        let instance = instance(self.key, container);
        self.enter_version(image_tag, tags, now_ns).link(instance, now_ns);
    }

    /// A container is gone.
    pub fn unlink(&mut self, container: &str, now_ns: u64) {
        let instance = instance(self.key, container);
        self.versions.values_mut().for_each(|version| version.unlink(instance, now_ns));
    }

    /// Moves on what time alone moves, in versions that run.
    pub fn tick(&mut self, now_ns: u64) {
        let settings = &self.settings;
        self.versions.values_mut().for_each(|version| version.tick(settings, now_ns));
    }

    /// Puts all types of a version into a state: somebody looked at it. Whether there is such a version.
    pub fn set_state(&mut self, image_tag: &str, kept: Kept, now_ns: u64) -> bool {
        let version = self.versions.get_mut(image_tag);
        let clocks = version.map(|version| version.clocks.values_mut());
        clocks.map(|clocks| clocks.for_each(|clock| clock.force(kept, now_ns))).is_some()
    }

    /// The state of a version.
    #[must_use]
    pub fn state(&self, image_tag: &str) -> State {
        self.versions.get(image_tag).map_or(State::NoProfile, Version::state)
    }

    /// The state of one type of events in a version.
    #[must_use]
    pub fn type_state(&self, image_tag: &str, event_type: EventType) -> State {
        let kept = self.versions.get(image_tag).and_then(|version| version.kept(event_type));
        kept.map_or(State::NoProfile, Kept::state)
    }

    /// How much a version can be trusted.
    #[must_use]
    pub fn completeness(&self, image_tag: &str, now_ns: u64) -> Option<Completeness> {
        self.versions.get(image_tag).map(|version| Completeness::of(version, &self.settings, now_ns))
    }

    /// Behaviours that were forgotten as reported, and may be reported again.
    #[must_use]
    pub const fn n_forgotten(&self) -> u64 {
        self.reported.forgotten()
    }

    /// Behaviours that wait for a quorum.
    #[must_use]
    pub fn n_pending(&self) -> usize {
        self.pending.len()
    }
}

fn generation(state: State) -> Generation {
    if state == State::WorkloadWarmup { Generation::WorkloadWarmup } else { Generation::ProfileDrift }
}
