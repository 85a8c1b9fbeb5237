//! Where decoded records come from: the kernel, or a test.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;

use event::{Kind, PerKind, ProcessKey};

use crate::bpf::{CgroupLoss, Decision, HookReport, KernelCounters, Sensor, SensorError};
use crate::decode::{Decoded, Decoder};

/// What the kernel side counted since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelCounts {
    /// Of all control groups together.
    pub all: KernelCounters,
    /// What was lost, by control group and cause; the sum is what `all` says of that cause.
    pub by_cgroup: Vec<CgroupLoss>,
}

/// A source of decoded records, and the filter in front of it.
pub trait Source: Send {
    /// Takes everything that waits. Returns how many there were, and how many could not be decoded.
    fn drain(&mut self, out: &mut Vec<Decoded>) -> Drained;
    /// What the hooks counted so far.
    fn counts(&mut self) -> KernelCounts;
    /// What serves which kind.
    fn hooks(&self) -> Vec<HookReport>;
    /// The kinds that [`Self::switch`] can attach and detach.
    fn switchable(&self) -> Vec<Kind>;
    /// Attaches or detaches the programs of a kind, without a capability. Nothing of another kind is lost.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn switch(&mut self, kind: Kind, is_on: bool) -> Result<(), SensorError>;
    /// The processes in scope that have not ended, or `None` when that cannot be found out. One that started after the
    /// call began may be missing. Works without capabilities; costs about what `ps` does.
    fn living(&mut self) -> Option<Vec<ProcessKey>>;
    /// The start of the oldest process in scope of each control group, by the boot clock; nothing when that cannot be found
    /// out. Works without capabilities, as [`Self::living`] does.
    fn oldest(&mut self) -> HashMap<u64, u64>;
    /// Tells the filter whether to watch a control group.
    fn decide(&mut self, cgroup: u64, watch: bool);
    /// A control group is gone, and the filter may forget it.
    fn forget(&mut self, cgroup: u64);
    /// Detaches every hook: nothing new is generated; what waits can still be drained.
    fn stop(&mut self);
    /// Readable when records wait. Without one the source is asked again and again.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// Asks for a wake-up through [`Self::fd`] at the next record, however few wait. False when the source cannot
    /// promise that, and has to be asked again after a while.
    fn sleep(&mut self) -> bool {
        false
    }
}

/// What one drain took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drained {
    /// Records, of any sort.
    pub records: usize,
    /// Records that could not be decoded, of any sort.
    pub damaged: usize,
    /// Events among them, by kind.
    pub undecodable: PerKind<u64>,
}

/// The kernel.
pub struct KernelSource {
    sensor: Sensor,
    decoder: Decoder,
    has_warned: bool,
}

impl KernelSource {
    /// Reads what this sensor sends.
    #[must_use]
    pub fn new(sensor: Sensor) -> Self {
        Self { sensor, decoder: Decoder::default(), has_warned: false }
    }

    /// The processes that ran in scope when the hooks were attached ([`Sensor::take_running`]).
    ///
    /// # Errors
    /// When the kernel cannot list them.
    pub fn running(&mut self) -> Result<Vec<Decoded>, SensorError> {
        let mut processes = Vec::new();
        for record in self.sensor.take_running()? {
            match self.decoder.decode(&record) {
                Ok(decoded) => processes.extend(decoded),
                Err(error) => tracing::warn!(%error, "a running process could not be read"),
            }
        }
        Ok(processes)
    }
}

impl Source for KernelSource {
    fn drain(&mut self, out: &mut Vec<Decoded>) -> Drained {
        let mut damaged = 0;
        let mut undecodable = PerKind::default();
        let decoder = &mut self.decoder;
        let records = self.sensor.drain(&mut |record| match decoder.decode(record) {
            Ok(decoded) => out.extend(decoded),
            Err(error) => {
                tracing::debug!(%error, "a record could not be decoded");
                damaged += 1;
                if let Some(kind) = error.kind() {
                    *undecodable.get_mut(kind) += 1;
                }
            }
        });
        Drained { records, damaged, undecodable }
    }

    fn counts(&mut self) -> KernelCounts {
        let all = self.sensor.counters();
        let by_cgroup = self.sensor.losses(&all);
        KernelCounts { all, by_cgroup }
    }

    fn hooks(&self) -> Vec<HookReport> {
        self.sensor.hooks().to_vec()
    }

    fn switchable(&self) -> Vec<Kind> {
        self.sensor.optional()
    }

    fn switch(&mut self, kind: Kind, is_on: bool) -> Result<(), SensorError> {
        if is_on { self.sensor.attach_kind(kind) } else { self.sensor.detach_kind(kind) }
    }

    fn living(&mut self) -> Option<Vec<ProcessKey>> {
        self.sensor
            .living()
            .inspect_err(|error| tracing::debug!(%error, "the living processes cannot be listed"))
            .ok()
    }

    fn oldest(&mut self) -> HashMap<u64, u64> {
        let records = match self.sensor.snapshot() {
            Ok(records) => records,
            Err(error) => {
                tracing::debug!(%error, "the running processes cannot be listed");
                return HashMap::new();
            }
        };
        // One of its own: these processes were told of before.
        let mut decoder = Decoder::default();
        let mut oldest = HashMap::new();
        for decoded in records.iter().filter_map(|record| decoder.decode(record).ok()).flatten() {
            let Decoded::Known(process) = decoded else { continue };
            let start_ns = process.task.process.start_ns;
            let known = oldest.entry(process.task.cgroup.id).or_insert(start_ns);
            *known = start_ns.min(*known);
        }
        oldest
    }

    fn decide(&mut self, cgroup: u64, watch: bool) {
        let decision = if watch { Decision::Watch } else { Decision::Ignore };
        if let Err(error) = self.sensor.decide(cgroup, decision) {
            // Without a decision the events of this control group keep coming and are suppressed one by one.
            if !std::mem::replace(&mut self.has_warned, true) {
                tracing::warn!(%error, cgroup, "the kernel's scope filter is full: filtering costs more from here on");
            }
        }
    }

    fn forget(&mut self, cgroup: u64) {
        self.sensor.forget(cgroup);
    }

    fn sleep(&mut self) -> bool {
        self.sensor.sleep()
    }

    fn stop(&mut self) {
        self.sensor.detach();
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.sensor.ready_fd())
    }
}

/// Kinds that no active hook serves.
#[must_use]
pub fn uncovered(hooks: &[HookReport], kinds: &[Kind]) -> Vec<Kind> {
    let is_served = |kind: &Kind| hooks.iter().any(|hook| hook.active && hook.kind == kind.name());
    kinds.iter().filter(|kind| !is_served(kind)).copied().collect()
}
