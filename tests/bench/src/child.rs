//! The measured side of the overhead bench: one pinned process that repeats one operation.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `getpid(2)`: the floor of a system call.
    Getpid,
    /// `open(2)` and `close(2)` of one existing file.
    OpenClose,
    /// `posix_spawn` of `/bin/true` and waiting for it.
    SpawnWait,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::Getpid, Self::OpenClose, Self::SpawnWait];

    /// The name on the command line and in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Getpid => "getpid",
            Self::OpenClose => "open+close",
            Self::SpawnWait => "spawn+wait",
        }
    }
}

/// Waits for one byte on standard input (the parent has then moved us to the cgroup), repeats `operation` for
/// `time` on the last CPU and gives nanoseconds per operation.
///
/// # Errors
/// When the operation itself fails.
pub fn run(operation: &str, file: &Path, time: Duration) -> anyhow::Result<f64> {
    let operation = Operation::ALL
        .into_iter()
        .find(|known| known.name() == operation)
        .with_context(|| format!("no operation {operation}"))?;
    pin_to_last_cpu()?;
    std::io::stdin().read_exact(&mut [0])?;
    let once = || -> anyhow::Result<()> {
        match operation {
            Operation::Getpid => {
                std::hint::black_box(nix::unistd::getpid());
            }
            Operation::OpenClose => drop(nix::fcntl::open(
                file,
                nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC,
                nix::sys::stat::Mode::empty(),
            )?),
            Operation::SpawnWait => {
                std::process::Command::new("/bin/true").env_clear().status()?;
            }
        }
        Ok(())
    };
    let per_clock_read = if operation == Operation::SpawnWait { 1 } else { 256_u32 };
    for _ in 0..per_clock_read {
        once()?;
    }
    let (mut operations, start) = (0_u64, Instant::now());
    while start.elapsed() < time {
        for _ in 0..per_clock_read {
            once()?;
        }
        operations += u64::from(per_clock_read);
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / precise(operations))
}

fn pin_to_last_cpu() -> anyhow::Result<()> {
    let mut last = CpuSet::new();
    last.set(std::thread::available_parallelism()?.get() - 1)?;
    sched_setaffinity(Pid::from_raw(0), &last)?;
    Ok(())
}

/// Counts here stay far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "operation counts of a few seconds are exact in an f64")]
fn precise(count: u64) -> f64 {
    count as f64
}
