//! One loaded set of programs with its rings and maps.

use std::os::fd::{AsFd, BorrowedFd};

use aya::Ebpf;
use aya::maps::{Array, Map, MapData};
use event::{Kind, ProcessKey};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::attachments::{Attachments, HookReport};
use super::config::{Scope, SensorConfig};
use super::counters::{Counters, KernelCounters};
use super::error::{LoadError, SensorError};
use super::hooks;
use super::loader;
use super::losses::{CgroupLoss, Losses};
use super::ring::Ring;
use super::scope::{Decision, Decisions};
use super::snapshot;

/// How often the reader looks whether a record is finished. A program writes one in a microsecond, unless its
/// processor is a virtual one that does not run just now.
const UNFINISHED_TRIES: u32 = 1000;

/// The loaded programs. Dropping it detaches them.
pub struct Sensor {
    pub(super) attachments: Attachments,
    pub(super) ebpf: Ebpf,
    hooks: Vec<HookReport>,
    running: Result<Vec<Vec<u8>>, SensorError>,
    bulk: Ring,
    never_drop: Ring,
    strings: Ring,
    pub(super) counters: Counters,
    pub(super) losses: Losses,
    pub(super) decisions: Decisions,
    epoch: Epoch,
    ready: Epoll,
}

impl Sensor {
    /// Loads and attaches every hook of the configured kinds that this kernel allows. Look at [`Sensor::hooks`] for
    /// those it does not.
    ///
    /// # Errors
    /// When the object itself cannot be used: no BTF, no permission, no memory.
    pub fn load(config: &SensorConfig) -> Result<Self, SensorError> {
        let (types, mut ebpf) = loader::start(config)?;
        let bulk = Ring::new(loader::take_map(&mut ebpf, "bulk")?, "bulk")?;
        let never_drop = Ring::new(loader::take_map(&mut ebpf, "never_drop")?, "never_drop")?;
        let strings = Ring::new(loader::take_map(&mut ebpf, "strings")?, "strings")?;
        let mut counters = Counters::new(loader::take_map(&mut ebpf, "counters")?)?;
        let losses = Losses::new(loader::take_map(&mut ebpf, "losses")?)?;
        let mut decisions = Decisions::new(
            loader::take_map(&mut ebpf, "decisions")?,
            loader::take_map(&mut ebpf, "decided")?,
        )?;
        if let Scope::Cgroup { ids } = &config.scope {
            for id in ids {
                decisions.decide(*id, Decision::Watch)?;
            }
        }
        let epoch = Epoch::new(loader::take_map(&mut ebpf, ".bss")?)?;
        let ready = watch(&[&bulk, &never_drop, &strings])?;
        let attached = loader::attach(&mut ebpf, &config.kinds, &types)?;
        counters.know(&ebpf);
        Ok(Self {
            attachments: attached.attachments,
            ebpf,
            hooks: attached.reports,
            running: attached.running,
            bulk,
            never_drop,
            strings,
            counters,
            losses,
            decisions,
            epoch,
            ready,
        })
    }

    /// Detaches every hook: nothing new is generated. What the rings hold and the counters stay readable.
    pub fn detach(&mut self) {
        self.attachments.detach_all();
    }

    /// Attaches the programs of an optional kind that was loaded. It needs no capability, and loses nothing of the others.
    ///
    /// # Errors
    /// When the kind is not optional, was not loaded, or the kernel refuses.
    pub fn attach_kind(&mut self, kind: Kind) -> Result<(), SensorError> {
        let attached = self.attachments.attach_kind(&mut self.ebpf, kind);
        let error = attached.as_ref().err().map(|error| super::programs::chain(error));
        self.report(kind, error.is_none(), error);
        attached
    }

    /// Detaches an optional kind: who does nothing else pays nothing for it any more.
    ///
    /// # Errors
    /// When the kind is not optional.
    pub fn detach_kind(&mut self, kind: Kind) -> Result<(), SensorError> {
        self.attachments.detach_kind(kind)?;
        self.report(kind, false, None);
        Ok(())
    }

    /// The optional kinds that are attached.
    #[must_use]
    pub fn optional(&self) -> Vec<Kind> {
        let is_active = |kind: &Kind| self.hooks.iter().any(|hook| hook.active && hook.kind == kind.name());
        Kind::ALL.into_iter().filter(|kind| hooks::is_optional(*kind)).filter(is_active).collect()
    }

    fn report(&mut self, kind: Kind, active: bool, error: Option<String>) {
        if let Some(hook) = self.hooks.iter_mut().find(|hook| hook.kind == kind.name()) {
            (hook.active, hook.error) = (active, error);
        }
    }

    /// What became of each hook.
    #[must_use]
    pub fn hooks(&self) -> &[HookReport] {
        &self.hooks
    }

    /// Gives every record that is in the rings now to `each` and returns how many they were. The bulk ring comes
    /// first: what happened to a process before it opened a file is then never drained after the file. The strings of an
    /// exec come before it.
    pub fn drain(&mut self, each: &mut dyn FnMut(&[u8])) -> usize {
        // Clears the readiness; that nothing was ready is the usual answer and needs no handling.
        let mut events = [EpollEvent::empty(); 3];
        self.ready.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        // What was sent before is drained now, so everybody has a new share.
        self.epoch.advance();
        let files = self.bulk.drain(each);
        // Every record before this place was begun after the strings that belong to it were written.
        let end = self.never_drop.end();
        let strings = self.drain_strings(each);
        // An exec must not overtake its strings, so it waits for the next drain if they are not all there.
        let processes = strings.map_or(0, |_| self.never_drop.drain_to(end, each));
        files + strings.unwrap_or(0) + processes
    }

    /// `None` when a program has begun to write strings and does not finish.
    fn drain_strings(&mut self, each: &mut dyn FnMut(&[u8])) -> Option<usize> {
        let end = self.strings.end();
        let mut records = 0;
        for _ in 0..UNFINISHED_TRIES {
            records += self.strings.drain_to(end, each);
            if self.strings.has_reached(end) {
                return Some(records);
            }
            std::thread::yield_now();
        }
        None
    }

    /// Asks for [`Self::ready_fd`] to become readable at the next record, however few wait; holds over one drain. False when
    /// it cannot be asked for. A record that is being written meanwhile may not have seen the question: the drain after
    /// the next one must not be far away.
    pub fn sleep(&mut self) -> bool {
        self.epoch.sleep()
    }

    /// Becomes readable when a ring is filled to its mark. Records below the mark make no noise, so also drain on a
    /// timer.
    #[must_use]
    pub fn ready_fd(&self) -> BorrowedFd<'_> {
        self.ready.0.as_fd()
    }

    /// The counters of the programs since they were loaded.
    #[must_use]
    pub fn counters(&self) -> KernelCounters {
        let mut counters = self.counters.read();
        counters.undecided += self.decisions.refused;
        counters
    }

    /// What each cgroup lost, of what these counters tell.
    #[must_use]
    pub fn losses(&self, counters: &KernelCounters) -> Vec<CgroupLoss> {
        self.losses.read(counters)
    }

    /// Writes what is to be done about a cgroup from now on. Its descendants that are made later inherit it.
    ///
    /// # Errors
    /// When the map is full; that is counted as undecided.
    pub fn decide(&mut self, cgroup: u64, decision: Decision) -> Result<(), SensorError> {
        self.decisions.decide(cgroup, decision)
    }

    /// Forgets a cgroup that is gone. [`Sensor::losses`] tells what it lost once more.
    pub fn forget(&mut self, cgroup: u64) {
        self.decisions.forget(cgroup);
        self.losses.forget(cgroup);
    }

    /// One record per process that was in scope while the hooks were attached, once. Of whoever is not among them
    /// the beginning was seen before anything else, and of whoever is, everything; but who ended before the last hook was
    /// attached is there too, and its end was not seen.
    ///
    /// # Errors
    /// When the kernel could not list them.
    pub fn take_running(&mut self) -> Result<Vec<Vec<u8>>, SensorError> {
        std::mem::replace(&mut self.running, Ok(Vec::new()))
    }

    /// One record per process in scope, as bytes for the decoder.
    ///
    /// # Errors
    /// When the iterator could not be loaded, or failed.
    pub fn snapshot(&mut self) -> Result<Vec<Vec<u8>>, SensorError> {
        snapshot::take(&mut self.ebpf)
    }

    /// The processes in scope that have not ended. It needs no capability, and reads nothing but who they are.
    ///
    /// # Errors
    /// When the iterator could not be loaded, or failed.
    pub fn living(&mut self) -> Result<Vec<ProcessKey>, SensorError> {
        snapshot::living(&mut self.ebpf)
    }
}

impl std::fmt::Debug for Sensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sensor").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

impl AsFd for Sensor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready_fd()
    }
}

/// The number of the drain, by which the programs know whose share is used up.
struct Epoch {
    map: Array<MapData, u64>,
    number: u64,
    /// Whether the next drain is made by somebody who goes to sleep after it.
    is_before_sleep: bool,
}

/// The bit that asks the programs for a wake-up at the next record; they clear it.
const ASLEEP: u64 = 1 << 63;

impl Epoch {
    fn new(map: Map) -> Result<Self, SensorError> {
        Ok(Self { map: map.try_into().map_err(LoadError::Map)?, number: 0, is_before_sleep: false })
    }

    fn advance(&mut self) {
        self.number += 1;
        let asleep = if std::mem::take(&mut self.is_before_sleep) { ASLEEP } else { 0 };
        if let Err(error) = self.map.set(0, self.number | asleep, 0) {
            // The only element of an array can always be written.
            tracing::debug!(%error, "shares of the rings are not renewed");
        }
    }

    fn sleep(&mut self) -> bool {
        self.is_before_sleep = self.map.set(0, self.number | ASLEEP, 0).is_ok();
        self.is_before_sleep
    }
}

/// One descriptor for all rings, edge triggered: only a wake-up of the kernel side makes it readable.
fn watch(rings: &[&Ring]) -> Result<Epoll, SensorError> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
        .map_err(|source| SensorError::Ring { ring: "epoll", source })?;
    for (token, ring) in (0_u64..).zip(rings) {
        let interest = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, token);
        epoll.add(ring.fd(), interest).map_err(|source| SensorError::Ring { ring: ring.name(), source })?;
    }
    Ok(epoll)
}
