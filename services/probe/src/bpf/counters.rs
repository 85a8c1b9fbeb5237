//! The per-CPU counters of the programs, summed.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

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
    /// Times that the kernel did not say how many these are for a program, so that there may be more.
    pub missed_runs_unread: u64,
    /// Decisions about a cgroup that the map had no room for.
    pub undecided: u64,
}

pub(super) struct Counters {
    pub(super) map: PerCpuArray<MapData, [u64; WORDS]>,
    descriptions: Descriptions,
    /// Answered again should a read fail, so that a counter never goes back.
    last: Cell<KernelCounters>,
    limit: LogLimit,
}

impl Counters {
    pub(super) fn new(map: Map) -> Result<Self, SensorError> {
        let map = PerCpuArray::try_from(map).map_err(LoadError::Map)?;
        Ok(Self {
            map,
            descriptions: Descriptions::default(),
            last: Cell::default(),
            limit: LogLimit::default(),
        })
    }

    /// Knows the programs that are loaded by now.
    pub(super) fn know(&mut self, ebpf: &Ebpf) {
        self.descriptions = Descriptions::open(ebpf);
    }

    pub(super) fn read(&self) -> KernelCounters {
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
        let missed = self.descriptions.missed_runs();
        if let Some(error) = &missed.error
            && let Some(suppressed) = self.limit.permit()
        {
            let programs = missed.unread;
            tracing::warn!(%error, programs, suppressed, "the kernel does not say how many runs of a program it skipped");
        }
        let mut counters = KernelCounters {
            missed_runs: missed.runs.max(self.last.get().missed_runs),
            missed_runs_unread: self.last.get().missed_runs_unread + missed.unread,
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

/// What the kernel says of each program to who holds it, and to nobody else: the description of its descriptor. The files
/// are opened while the probe may open any, and read again and again; by its path one could be another file later.
#[derive(Default)]
struct Descriptions {
    files: Vec<File>,
    /// Programs whose description could not be opened.
    missing: u64,
}

/// The runs that were skipped, as far as they could be read.
#[derive(Default)]
struct Missed {
    runs: u64,
    unread: u64,
    error: Option<io::Error>,
}

impl Descriptions {
    fn open(ebpf: &Ebpf) -> Self {
        let mut found = Self::default();
        for (name, program) in ebpf.programs() {
            // One that was not loaded has none, and runs never.
            let Ok(fd) = program.fd() else { continue };
            match File::open(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())) {
                Ok(file) => found.files.push(file),
                Err(error) => {
                    tracing::warn!(program = name, %error, "the kernel does not say how many runs of a program it skips");
                    found.missing += 1;
                }
            }
        }
        found
    }

    fn missed_runs(&self) -> Missed {
        let mut missed = Missed { unread: self.missing, ..Missed::default() };
        for file in &self.files {
            match recursion_misses(file) {
                Ok(runs) => missed.runs += runs,
                Err(error) => {
                    missed.unread += 1;
                    missed.error = Some(error);
                }
            }
        }
        missed
    }
}

/// The count in a description, which is some 200 bytes long.
fn recursion_misses(description: &File) -> io::Result<u64> {
    let mut bytes = [0; 2048];
    let length = description.read_at(&mut bytes, 0)?;
    let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
    let value = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"));
    value.and_then(|value| value.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_description_that_cannot_be_read_is_counted_and_the_others_are_added_up() {
        let closed = File::open("/").unwrap();
        let files = vec![
            file("pos:\t0\nprog_type:\t26\nrecursion_misses:\t3\n"),
            file("pos:\t0\n"),
            closed,
            file("recursion_misses:\t4\n"),
        ];
        let missed = Descriptions { files, missing: 1 }.missed_runs();
        assert_eq!((missed.runs, missed.unread), (7, 3));
        assert!(missed.error.is_some());
    }
}
