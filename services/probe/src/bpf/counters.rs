//! The per-CPU counters of the programs, summed.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd};

use aya::Ebpf;
use aya::maps::{Map, MapData, PerCpuArray};
use event::{Kind, PerKind};
use event_abi::event_kind;

use super::error::{LoadError, SensorError};

const KINDS: usize = event_kind::EVENT_KINDS.0 as usize;
pub(super) const WORDS: usize = size_of::<event_abi::cpu_counters>() / size_of::<u64>();
const UNDECIDED: usize = std::mem::offset_of!(event_abi::cpu_counters, undecided) / size_of::<u64>();

/// What the programs have counted since they were loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelCounters {
    /// Events in scope that a hook saw.
    pub generated: PerKind<u64>,
    /// Of those, lost because the ring was full.
    pub ring_full: PerKind<u64>,
    /// Of those, lost because the program had no scratch memory (too many were preempted on one CPU).
    pub kernel_busy: PerKind<u64>,
    /// Of those, lost because the cgroup had used up its share of the ring.
    pub ring_share: PerKind<u64>,
    /// Records that are not events (argument chunks, cgroups), lost for any of these.
    pub lost_other: u64,
    /// Runs that the kernel itself skipped to avoid recursion; the programs never saw these, and `generated` does
    /// not count them.
    pub missed_runs: u64,
    /// Decisions about a cgroup that the map had no room for.
    pub undecided: u64,
}

impl KernelCounters {
    /// Events lost, for any cause.
    pub(super) fn lost(&self) -> u64 {
        [&self.ring_full, &self.kernel_busy, &self.ring_share].map(PerKind::total).iter().sum()
    }
}

pub(super) struct Counters {
    pub(super) map: PerCpuArray<MapData, [u64; WORDS]>,
    /// Answered again should a read fail, so that a counter never goes back.
    last: Cell<KernelCounters>,
}

impl Counters {
    pub(super) fn new(map: Map) -> Result<Self, SensorError> {
        let map = PerCpuArray::try_from(map).map_err(LoadError::Map)?;
        Ok(Self { map, last: Cell::default() })
    }

    pub(super) fn read(&self, ebpf: &Ebpf) -> KernelCounters {
        let Ok(per_cpu) = self.map.get(&0, 0) else { return self.last.get() };
        let mut words = [0_u64; WORDS];
        for cpu in per_cpu.iter() {
            for (sum, word) in words.iter_mut().zip(cpu) {
                *sum += word;
            }
        }
        let mut counters = KernelCounters {
            missed_runs: missed_runs(ebpf).max(self.last.get().missed_runs),
            undecided: words.get(UNDECIDED).copied().unwrap_or(0),
            ..KernelCounters::default()
        };
        let mut tables = words.chunks_exact(KINDS);
        let generated = tables.next().unwrap_or_default();
        let ring_full = tables.next().unwrap_or_default();
        let kernel_busy = tables.next().unwrap_or_default();
        let ring_share = tables.next().unwrap_or_default();
        for kind in Kind::ALL {
            let count = |table: &[u64]| table.get(usize::from(kind.number())).copied().unwrap_or(0);
            *counters.generated.get_mut(kind) = count(generated);
            *counters.ring_full.get_mut(kind) = count(ring_full);
            *counters.kernel_busy.get_mut(kind) = count(kernel_busy);
            *counters.ring_share.get_mut(kind) = count(ring_share);
        }
        counters.lost_other = ring_full.iter().chain(kernel_busy).chain(ring_share).sum::<u64>()
            - counters.ring_full.total()
            - counters.kernel_busy.total()
            - counters.ring_share.total();
        self.last.set(counters);
        counters
    }
}

/// The kernel shows `recursion_misses` of a program only to who holds it, in the description of the descriptor.
fn missed_runs(ebpf: &Ebpf) -> u64 {
    let misses = |fd: &aya::programs::ProgramFd| -> Option<u64> {
        let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
        let description = std::fs::read_to_string(path).ok()?;
        let value = description.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?;
        value.trim().parse().ok()
    };
    ebpf.programs().filter_map(|(_, program)| misses(program.fd().ok()?)).sum()
}
