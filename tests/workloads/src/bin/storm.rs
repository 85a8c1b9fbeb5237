//! Opens numbered files and starts numbered programs at a given rate or as fast as it can, and says when it did which.
//!
//! Every open fails (`ENOENT`): its event carries the path, and the path the number, so a test can tell which of them
//! arrived. Execs start this program again with the number as argument.
//!
//! ```text
//! $ storm --opens 20000 --rate 20000 --ticks /tmp/ticks
//! {"execs":0,"opens":20000}
//! ```
//!
//! The file of ticks has a line for each millisecond in which something was opened: number of the first open, time
//! before it (`CLOCK_BOOTTIME`, nanoseconds).
#![no_main]
#![expect(unsafe_code, reason = "C's main, fork and raw opens, in a test program")]

use std::ffi::CString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use nix::sys::time::TimeSpec;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use nix::unistd::{ForkResult, execv, fork};

workloads::plain_main!(run);

/// The argument with which the program starts itself to do nothing; the number follows.
const NOTHING: &str = "--numbered";

/// Opens numbered files and starts numbered programs.
#[derive(Debug, Parser)]
#[command(name = "storm")]
struct Args {
    /// Opens of the prefix and a number; with several threads each numbers its own from 0
    #[arg(long, default_value_t = 0)]
    opens: u64,
    /// Opens a second; 0 = as many as possible
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// What the paths begin with; no such file may exist
    #[arg(long, default_value = "/no/such/file/")]
    prefix: String,
    /// Threads that open
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Ends after this many seconds, whatever is left
    #[arg(long)]
    seconds: Option<u64>,
    /// Numbered program starts, --exec-pause apart
    #[arg(long, default_value_t = 0)]
    execs: u64,
    /// Milliseconds between two program starts
    #[arg(long, default_value_t = 1000)]
    exec_pause: u64,
    /// Control group to join before anything is done
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// User and group to become after that, which makes events smaller: no capabilities
    #[arg(long)]
    uid: Option<u32>,
    /// File to write the times of the opens to
    #[arg(long)]
    ticks: Option<PathBuf>,
}

fn run() -> anyhow::Result<()> {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == NOTHING) {
        return Ok(());
    }
    let args = Args::try_parse().unwrap_or_else(|error| error.exit());
    let mut ticks = args.ticks.as_ref().map(std::fs::File::create).transpose()?;
    if let Some(cgroup) = &args.cgroup {
        workloads::join(cgroup)?;
    }
    if let Some(uid) = args.uid {
        nix::unistd::setgid(uid.into())?;
        nix::unistd::setuid(uid.into())?;
    }
    let end_ns = args.seconds.map(|seconds| now_ns().saturating_add(seconds.saturating_mul(1_000_000_000)));
    for number in 0..args.execs {
        start_numbered(number)?;
        pause(Duration::from_millis(args.exec_pause))?;
    }
    let opens = if args.threads <= 1 {
        let mut times = String::new();
        let opens = open_numbered(&args, end_ns, &mut times, &AtomicBool::new(false))?;
        if let Some(file) = &mut ticks {
            file.write_all(times.as_bytes()).context("cannot write the ticks")?;
        }
        opens
    } else {
        open_in_threads(&args, end_ns)?
    };
    let did = serde_json::json!({ "execs": args.execs, "opens": opens });
    writeln!(std::io::stdout(), "{did}").context("cannot print")
}

fn open_in_threads(args: &Args, end_ns: Option<u64>) -> anyhow::Result<u64> {
    let has_failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|_| scope.spawn(|| open_numbered(args, end_ns, &mut String::new(), &has_failed)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_panic| anyhow::anyhow!("a thread ended with a panic"))?)
            .sum()
    })
}

/// Opens up to the number or the time that was asked for; gives how many.
fn open_numbered(
    args: &Args,
    end_ns: Option<u64>,
    times: &mut String,
    has_failed: &AtomicBool,
) -> anyhow::Result<u64> {
    let start_ns = now_ns();
    let per_tick = args.rate.div_ceil(1000).max(1);
    let mut path = args.prefix.clone();
    let mut done = 0;
    let mut tick = 0_u64;
    while done < args.opens && end_ns.is_none_or(|end| now_ns() < end) && !has_failed.load(Ordering::Relaxed)
    {
        writeln!(times, "{done} {}", now_ns())?;
        for _ in 0..per_tick.min(args.opens - done) {
            path.truncate(args.prefix.len());
            write!(path, "{done:09}")?;
            if let Err(error) = open_missing(&path) {
                has_failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
            done += 1;
        }
        tick += 1;
        if let Some(tick_ns) = (per_tick * 1_000_000_000).checked_div(args.rate) {
            let next_ns = start_ns.saturating_add(tick.saturating_mul(tick_ns));
            pause(Duration::from_nanos(next_ns.saturating_sub(now_ns())))?;
        }
    }
    Ok(done)
}

fn open_missing(path: &str) -> anyhow::Result<()> {
    use nix::libc::{AT_FDCWD, O_CLOEXEC, O_RDONLY, SYS_openat, syscall};
    let path = CString::new(path)?;
    // SAFETY: `path` points to a string with its NUL that lives until the call returns.
    let result = unsafe { syscall(SYS_openat, AT_FDCWD, path.as_ptr(), O_RDONLY | O_CLOEXEC, 0) };
    ensure!(result < 0, "{} exists", path.to_string_lossy());
    Ok(())
}

/// Starts this program with a number and waits for its end.
fn start_numbered(number: u64) -> anyhow::Result<()> {
    let program = CString::new(std::env::current_exe()?.as_os_str().as_bytes())?;
    let number = CString::new(format!("{number:06}"))?;
    let arguments = [c"storm".to_owned(), CString::new(NOTHING)?, number];
    // SAFETY: this process has no second thread yet, so the child may do whatever the parent may.
    match unsafe { fork() }.context("cannot fork")? {
        ForkResult::Child => {
            let _never = execv(&program, &arguments);
            // SAFETY: `_exit` only ends the process; nothing that the parent buffered is written twice.
            unsafe { nix::libc::_exit(1) }
        }
        ForkResult::Parent { child } => {
            let ended = waitpid(child, None)?;
            ensure!(ended == WaitStatus::Exited(child, 0), "a child did not do its work: {ended:?}");
            Ok(())
        }
    }
}

fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The pace of a load is made of pauses; nothing waits for anything here.
fn pause(time: Duration) -> nix::Result<()> {
    if time.is_zero() {
        return Ok(());
    }
    clock_nanosleep(ClockId::CLOCK_BOOTTIME, ClockNanosleepFlags::empty(), &TimeSpec::from_duration(time))
        .map(drop)
}
