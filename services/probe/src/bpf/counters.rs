//! The per-CPU counters of the programs, summed.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd};

use aya::Ebpf;
use aya::maps::{Map, MapData, PerCpuArray};
use bootstrap::log_limit::LogLimit;
use event::{Kind, LossCause, Losses, PerKind};
use event_abi::{event_kind, loss_cause};

use super::error::{LoadError, SensorError};

const KINDS: usize = event_kind::EVENT_KINDS.0 as usize;
pub(super) const WORDS: usize = size_of::<event_abi::cpu_counters>() / size_of::<u64>();
const UNDECIDED: usize = std::mem::offset_of!(event_abi::cpu_counters, undecided) / size_of::<u64>();

/// Why the programs lose events, in the order of `enum loss_cause`. A cause that is not here does not compile.
pub const KERNEL_CAUSES: [LossCause; loss_cause::LOSS_CAUSES.0 as usize] =
    [LossCause::RingFull, LossCause::KernelBusy, LossCause::RingShare];

const _: () = assert!(
    loss_cause::LOSS_RING_FULL.0 == 0
        && loss_cause::LOSS_KERNEL_BUSY.0 == 1
        && loss_cause::LOSS_RING_SHARE.0 == 2
);

/// What the programs have counted since they were loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelCounters {
    /// Events in scope that a hook saw.
    pub generated: PerKind<u64>,
    /// Of those, lost for each of [`KERNEL_CAUSES`].
    pub lost: Losses,
    /// Records that are not events (argument chunks, cgroups), lost for any of these.
    pub lost_other: u64,
    /// Runs that the kernel itself skipped to avoid recursion; the programs never saw these, and `generated` does
    /// not count them.
    pub missed_runs: u64,
    /// Decisions about a cgroup that the map had no room for.
    pub undecided: u64,
}

pub(super) struct Counters {
    pub(super) map: PerCpuArray<MapData, [u64; WORDS]>,
    /// Answered again should a read fail, so that a counter never goes back.
    last: Cell<KernelCounters>,
    limit: LogLimit,
}

impl Counters {
    pub(super) fn new(map: Map) -> Result<Self, SensorError> {
        let map = PerCpuArray::try_from(map).map_err(LoadError::Map)?;
        Ok(Self { map, last: Cell::default(), limit: LogLimit::default() })
    }

    pub(super) fn read(&self, ebpf: &Ebpf) -> KernelCounters {
        let per_cpu = match self.map.get(&0, 0) {
            Ok(per_cpu) => per_cpu,
            Err(error) => {
                if let Some(suppressed) = self.limit.permit() {
                    tracing::warn!(%error, suppressed, "the kernel's counters cannot be read, so the last ones are told again");
                }
                return self.last.get();
            }
        };
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
        counters.generated = per_kind(generated);
        for (cause, table) in KERNEL_CAUSES.into_iter().zip(tables) {
            let lost = per_kind(table);
            counters.lost_other += table.iter().sum::<u64>() - lost.total();
            counters.lost.add(cause, &lost);
        }
        self.last.set(counters);
        counters
    }
}

/// The events of a table with a count for each kind of record.
pub(super) fn per_kind(table: &[u64]) -> PerKind<u64> {
    let mut counts = PerKind::default();
    for kind in Kind::ALL {
        *counts.get_mut(kind) = table.get(usize::from(kind.number())).copied().unwrap_or(0);
    }
    counts
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
