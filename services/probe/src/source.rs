//! Where decoded records come from: the kernel, or a test.

use std::os::fd::BorrowedFd;

use event::{Kind, LossCause, PerKind, ProcessKey};

use crate::bpf::{HookReport, Sensor, SensorError};
use crate::decode::{Decoded, Decoder};

/// What the kernel side counted since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelCounts {
    /// Events inside the kernel's scope filter.
    pub generated: PerKind<u64>,
    /// Lost because a ring was full.
    pub ring_full: PerKind<u64>,
    /// Lost because scratch memory was not free.
    pub kernel_busy: PerKind<u64>,
    /// Lost because the control group had used up its share of a ring.
    pub ring_share: PerKind<u64>,
    /// Records that are not events (parts of an exec, control groups), lost for any of these.
    pub lost_other: u64,
    /// Runs of a hook that the kernel skipped to avoid recursion; not part of `generated`.
    pub missed_runs: u64,
    /// Decisions that the filter had no room for.
    pub undecided: u64,
    /// What was lost, by control group and cause; the sum is that of the causes above.
    pub by_cgroup: Vec<CgroupLoss>,
}

/// What one control group lost in the kernel since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupLoss {
    /// Its id; 0 = not known, because too many control groups have lost something.
    pub cgroup: u64,
    /// Why.
    pub cause: LossCause,
    /// How many.
    pub counts: PerKind<u64>,
}

/// A source of decoded records, and the filter in front of it.
pub trait Source: Send {
    /// Takes everything that waits. Returns how many there were, and how many could not be decoded.
    fn drain(&mut self, out: &mut Vec<Decoded>) -> Drained;
    /// What the hooks counted so far.
    fn counts(&mut self) -> KernelCounts;
    /// What serves which kind.
    fn hooks(&self) -> Vec<HookReport>;
    /// The processes in scope that have not ended, or `None` when that cannot be found out. One that started after the
    /// call began may be missing. Works without capabilities; costs about what `ps` does.
    fn living(&mut self) -> Option<Vec<ProcessKey>>;
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
    undecided: u64,
}

impl KernelSource {
    /// Reads what this sensor sends.
    #[must_use]
    pub fn new(sensor: Sensor) -> Self {
        Self { sensor, decoder: Decoder::default(), undecided: 0 }
    }

    /// The processes that run in scope now.
    ///
    /// # Errors
    /// When the kernel cannot list them.
    pub fn snapshot(&mut self) -> Result<Vec<Decoded>, SensorError> {
        let mut processes = Vec::new();
        for record in self.sensor.snapshot()? {
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
        let counters = self.sensor.counters();
        let by_cgroup = self.sensor.losses(&counters).into_iter();
        KernelCounts {
            generated: counters.generated,
            ring_full: counters.ring_full,
            kernel_busy: counters.kernel_busy,
            ring_share: counters.ring_share,
            lost_other: counters.lost_other,
            missed_runs: counters.missed_runs,
            undecided: self.undecided,
            by_cgroup: by_cgroup
                .map(|(cgroup, cause, counts)| CgroupLoss { cgroup, cause, counts })
                .collect(),
        }
    }

    fn hooks(&self) -> Vec<HookReport> {
        self.sensor.hooks().to_vec()
    }

    fn living(&mut self) -> Option<Vec<ProcessKey>> {
        self.sensor
            .living()
            .inspect_err(|error| tracing::debug!(%error, "the living processes cannot be listed"))
            .ok()
    }

    fn decide(&mut self, cgroup: u64, watch: bool) {
        if let Err(error) = self.sensor.decide(cgroup, watch) {
            // Without a decision the events of this control group keep coming and are suppressed one by one.
            self.undecided += 1;
            if self.undecided == 1 {
                tracing::warn!(%error, cgroup, "the kernel's scope filter is full: filtering costs more from here on");
            }
        }
    }

    fn forget(&mut self, cgroup: u64) {
        self.sensor.forget(cgroup);
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
