//! The measured side of the overhead bench: one pinned process that repeats one operation.

use std::hint::{black_box, spin_loop};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::fcntl::OFlag;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::stat::Mode;
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::spread::Spread;

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `getpid(2)`: the floor of a system call.
    Getpid,
    /// `open(2)` and `close(2)` of one existing file.
    OpenOne,
    /// The same with [`MANY`] files in turn.
    OpenMany,
    /// `posix_spawn` of `/bin/true` and waiting for it.
    SpawnWait,
}

/// Files of [`Operation::OpenMany`]: more than any cache of names holds close by.
pub const MANY: usize = 5000;
/// Events a second that a burst of operations may cause, on average: what every watcher can take without loss, so that
/// nobody looks cheap by dropping. Between two bursts the process spins, so that its core stays as it is.
const EVENTS_PER_SECOND: f64 = 50_000.0;

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Getpid, Self::OpenOne, Self::OpenMany, Self::SpawnWait];

    /// The name on the command line and in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Getpid => "getpid",
            Self::OpenOne => "open+close, one file",
            Self::OpenMany => "open+close, 5000 files",
            Self::SpawnWait => "spawn+wait",
        }
    }

    /// How long it is repeated, without the pauses.
    fn time(self) -> Duration {
        Duration::from_millis(match self {
            Self::Getpid => 60,
            Self::OpenOne | Self::OpenMany => 80,
            Self::SpawnWait => 400,
        })
    }

    /// Operations between two looks at the clock.
    fn burst(self) -> u32 {
        match self {
            Self::Getpid => 256,
            Self::OpenOne | Self::OpenMany => 50,
            Self::SpawnWait => 1,
        }
    }

    /// Whether most of it happens in another process; then the time on the clock counts, and the median of it, because a
    /// machine that does something else meanwhile can only make it longer.
    fn waits(self) -> bool {
        self == Self::SpawnWait
    }

    /// Time that a burst and the pause after it take together, at least.
    fn pace(self) -> Duration {
        match self {
            Self::OpenOne | Self::OpenMany => {
                Duration::from_secs_f64(f64::from(self.burst()) / EVENTS_PER_SECOND)
            }
            // The first causes no event, the second takes long enough by itself.
            Self::Getpid | Self::SpawnWait => Duration::ZERO,
        }
    }
}

/// Makes the files that the operations open.
///
/// # Errors
/// When a file cannot be written.
pub fn make_files(dir: &Path) -> anyhow::Result<()> {
    (0..MANY).try_for_each(|number| std::fs::write(file(dir, number), "x"))?;
    Ok(())
}

fn file(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("opened-{number}"))
}

/// Waits for one byte on standard input (the parent has then moved us to the cgroup), repeats `operation` on the last
/// CPU and gives nanoseconds per operation: the mean of its CPU time, or the median time of one that waits.
///
/// # Errors
/// When the operation itself fails.
pub fn run(operation: &str, dir: &Path) -> anyhow::Result<f64> {
    let operation = Operation::ALL
        .into_iter()
        .find(|known| known.name() == operation)
        .with_context(|| format!("no operation {operation}"))?;
    pin_to_last_cpu()?;
    let files = if operation == Operation::OpenMany { MANY } else { 1 };
    let paths: Vec<PathBuf> = (0..files).map(|number| file(dir, number)).collect();
    let mut paths = paths.iter().cycle();
    std::io::stdin().read_exact(&mut [0])?;
    let mut burst = || -> anyhow::Result<()> {
        for _ in 0..operation.burst() {
            once(operation, paths.next().context("there are files")?)?;
        }
        Ok(())
    };
    burst()?;
    let (mut bursts, mut spent) = (Vec::new(), Duration::ZERO);
    while spent < operation.time() {
        let (start, used) = (Instant::now(), cpu_time()?);
        burst()?;
        let took = if operation.waits() { start.elapsed() } else { cpu_time()? - used };
        spent += took;
        bursts.push(took.as_secs_f64() * 1e9 / f64::from(operation.burst()));
        while start.elapsed() < operation.pace() {
            spin_loop();
        }
    }
    let spread = Spread::of(bursts.clone()).context("there was a burst")?;
    if operation.waits() {
        return Ok(spread.median);
    }
    let count = u32::try_from(bursts.len())?;
    Ok(bursts.iter().sum::<f64>() / f64::from(count))
}

/// CPU time of this thread: what others do on its core meanwhile is not counted.
fn cpu_time() -> anyhow::Result<Duration> {
    Ok(nix::time::clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn once(operation: Operation, path: &Path) -> anyhow::Result<()> {
    match operation {
        Operation::Getpid => {
            black_box(nix::unistd::getpid());
        }
        Operation::OpenOne | Operation::OpenMany => {
            drop(nix::fcntl::open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
        }
        Operation::SpawnWait => {
            std::process::Command::new("/bin/true").env_clear().status()?;
        }
    }
    Ok(())
}

fn pin_to_last_cpu() -> anyhow::Result<()> {
    let mut last = CpuSet::new();
    last.set(cpus()?.saturating_sub(1))?;
    sched_setaffinity(Pid::from_raw(0), &last)?;
    Ok(())
}

/// Keeps this thread, and all that it starts from now on, off the CPU of the measured process.
///
/// # Errors
/// When the kernel refuses.
pub fn leave_last_cpu() -> anyhow::Result<()> {
    let mut others = CpuSet::new();
    (0..cpus()?.saturating_sub(1).max(1)).try_for_each(|cpu| others.set(cpu))?;
    sched_setaffinity(Pid::from_raw(0), &others)?;
    Ok(())
}

/// All CPUs of the machine, whatever this thread is pinned to.
fn cpus() -> anyhow::Result<usize> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    let last = text.trim().rsplit([',', '-']).next().context("some CPU is online")?;
    Ok(last.parse::<usize>()? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_operations_that_open_files_are_slowed_down() {
        let paced: Vec<_> = Operation::ALL.into_iter().filter(|op| !op.pace().is_zero()).collect();
        assert_eq!(paced, [Operation::OpenOne, Operation::OpenMany]);
    }

    #[test]
    fn an_unknown_operation_is_refused() {
        assert!(run("mount", Path::new("/")).is_err());
    }
}
