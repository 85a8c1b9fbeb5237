//! Does exactly as many execs, forks and opens as it is told, and prints what that makes in events.
//!
//! Every number includes the program itself from the moment it is in its control group: its exit, and its exec when
//! it was started in there (with `--cgroup` it joins after its exec). Its own creation by fork is never included.
//! One exec is a fork, an exec and an exit; one fork is a fork and an exit.
//!
//! ```text
//! $ count-events --execs 2 --forks 3 --opens 4 --open-fails 1
//! {"exact":true,"execs":3,"exits":6,"forks":5,"opens":5,"opens_failed":1}
//! ```
#![no_main]
#![expect(unsafe_code, reason = "C's main, fork, and opens by a chosen system call, in a test program")]

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use event::{Kind, PerKind};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, execv, fork};

workloads::plain_main!(run);

/// The argument with which the program starts itself to do nothing.
const NOTHING: &CStr = c"--do-nothing";

/// Does exactly as many execs, forks and opens as it is told, and prints what that makes in events.
#[derive(Debug, Parser)]
#[command(name = "count-events")]
struct Args {
    /// Children that start this program again, with an argument to do nothing
    #[arg(long, default_value_t = 0)]
    execs: u64,
    /// Children that only exit
    #[arg(long, default_value_t = 0)]
    forks: u64,
    /// Opens of --file that succeed
    #[arg(long, default_value_t = 0)]
    opens: u64,
    /// Opens of a file that does not exist
    #[arg(long, default_value_t = 0)]
    open_fails: u64,
    /// Rounds of `workloads::kinds` for every kind
    #[arg(long, default_value_t = 0)]
    rounds: u64,
    /// An empty directory for them
    #[arg(long, default_value = "/tmp")]
    directory: PathBuf,
    /// The file to open
    #[arg(long, default_value = "/dev/null")]
    file: PathBuf,
    /// The system call for opens
    #[arg(long, value_enum, default_value_t = Via::Openat)]
    via: Via,
    /// Control group to join before anything is done
    #[arg(long)]
    cgroup: Option<PathBuf>,
}

/// A system call that opens files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Via {
    Openat,
    Openat2,
    #[cfg(target_arch = "x86_64")]
    Open,
    #[cfg(target_arch = "x86_64")]
    Creat,
}

fn run() -> anyhow::Result<()> {
    // Before anything else: this is the program that --execs counts.
    if std::env::args_os().nth(1).is_some_and(|argument| argument.as_bytes() == NOTHING.to_bytes()) {
        return Ok(());
    }
    let args = Args::try_parse().unwrap_or_else(|error| error.exit());
    if let Some(cgroup) = &args.cgroup {
        workloads::join(cgroup)?;
    }
    let file = CString::new(args.file.as_os_str().as_bytes())?;
    let missing = CString::new([args.file.as_os_str().as_bytes(), b".does/not/exist"].concat())?;
    for _ in 0..args.execs {
        child(exec_nothing)?;
    }
    for _ in 0..args.forks {
        child(|| 0)?;
    }
    for _ in 0..args.opens {
        let fd = open(args.via, &file).with_context(|| format!("cannot open {}", args.file.display()))?;
        nix::unistd::close(fd)?;
    }
    for _ in 0..args.open_fails {
        if open(args.via, &missing).is_ok() {
            bail!("{missing:?} exists, so opening it does not fail");
        }
    }
    let mut of_kinds = PerKind::<u64>::default();
    for kind in Kind::ALL {
        for _ in 0..args.rounds {
            for (made, _) in workloads::kinds::round(kind, &args.directory)? {
                *of_kinds.get_mut(made) += 1;
            }
        }
    }
    let own_exec = u64::from(args.cgroup.is_none());
    let mut did = serde_json::json!({
        "execs": args.execs + own_exec,
        "forks": args.execs + args.forks,
        "exits": args.execs + args.forks + 1,
        "opens": args.opens + args.open_fails + of_kinds.get(Kind::Open),
        "opens_failed": args.open_fails,
        // Only then no library is opened at a program start.
        "exact": cfg!(target_feature = "crt-static"),
    });
    if let Some(did) = did.as_object_mut()
        && args.rounds > 0
    {
        did.extend(of_kinds.iter().map(|(kind, n)| (kind.name().to_owned(), (*n).into())));
    }
    writeln!(std::io::stdout(), "{did}").context("cannot print")
}

/// Runs `work` in a child and waits for its end.
fn child(work: fn() -> i32) -> anyhow::Result<()> {
    // SAFETY: this process never has a second thread, so the child may do whatever the parent may.
    match unsafe { fork() }.context("cannot fork")? {
        ForkResult::Child => {
            let code = work();
            // SAFETY: `_exit` only ends the process; nothing that the parent buffered is written twice.
            unsafe { nix::libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            let ended = waitpid(child, None)?;
            ensure!(ended == WaitStatus::Exited(child, 0), "a child did not do its work: {ended:?}");
            Ok(())
        }
    }
}

/// Comes back only when the exec failed.
fn exec_nothing() -> i32 {
    match execv(c"/proc/self/exe", &[c"count-events", NOTHING]) {
        Ok(never) => match never {},
        Err(_failed) => 1,
    }
}

fn open(via: Via, path: &CStr) -> nix::Result<RawFd> {
    use nix::libc::{AT_FDCWD, O_CLOEXEC, O_RDONLY, SYS_openat, SYS_openat2, syscall};
    let path = path.as_ptr();
    let flags = O_RDONLY | O_CLOEXEC;
    // SAFETY: `path` points to a string with its NUL, and `how` lives until the call returns.
    let result = unsafe {
        match via {
            Via::Openat => syscall(SYS_openat, AT_FDCWD, path, flags, 0),
            Via::Openat2 => {
                // struct open_how: flags, mode, resolve (include/uapi/linux/openat2.h).
                let how = [u64::from(flags.unsigned_abs()), 0, 0];
                syscall(SYS_openat2, AT_FDCWD, path, how.as_ptr(), size_of_val(&how))
            }
            #[cfg(target_arch = "x86_64")]
            Via::Open => syscall(nix::libc::SYS_open, path, flags, 0),
            #[cfg(target_arch = "x86_64")]
            Via::Creat => syscall(nix::libc::SYS_creat, path, 0o600),
        }
    };
    let fd = nix::errno::Errno::result(result)?;
    RawFd::try_from(fd).map_err(|_too_large| nix::errno::Errno::EBADF)
}
