//! Opens a path that another thread keeps changing, and prints which file was opened each time.
//!
//! This is the race that makes a path read from a system call's argument a lie: it is changed after it was checked.
//! The truth is `/proc/self/fd/<n>`. One line per try, in order: the opened path, or `error <errno>`.
//! Give two names that differ in one byte, and every try opens one of them.
#![no_main]
#![expect(unsafe_code, reason = "C's main, and an open whose path argument another thread writes to")]

use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use anyhow::{Context, ensure};
use clap::Parser;

workloads::plain_main!(run);

/// Opens a path that another thread keeps changing, and prints which file was opened each time.
#[derive(Debug, Parser)]
#[command(name = "flip-path")]
struct Args {
    /// One file
    file_a: PathBuf,
    /// The other file, its name as long as that of the first
    file_b: PathBuf,
    /// How often to open
    #[arg(long, default_value_t = 10_000)]
    tries: u64,
    /// Control group to join before anything is opened
    #[arg(long)]
    cgroup: Option<PathBuf>,
}

fn run() -> anyhow::Result<()> {
    let args = Args::try_parse().unwrap_or_else(|error| error.exit());
    if let Some(cgroup) = &args.cgroup {
        workloads::join(cgroup)?;
    }
    let (a, b) = (args.file_a.as_os_str().as_bytes(), args.file_b.as_os_str().as_bytes());
    ensure!(a.len() == b.len() && a != b, "the two names must have the same length and differ");
    let path: Vec<AtomicU8> = a.iter().copied().chain([0]).map(AtomicU8::new).collect();
    let is_over = AtomicBool::new(false);
    let opened = std::thread::scope(|scope| {
        scope.spawn(|| {
            for name in [b, a].into_iter().cycle() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                for (byte, new) in path.iter().zip(name) {
                    byte.store(*new, Ordering::Relaxed);
                }
            }
        });
        let opened = (0..args.tries).map(|_| open(&path)).collect::<anyhow::Result<Vec<_>>>();
        is_over.store(true, Ordering::Relaxed);
        opened
    })?;
    let mut out = BufWriter::new(std::io::stdout());
    for line in opened {
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).context("cannot print")?;
    }
    out.flush().context("cannot print")
}

/// Opens whatever is in `path` when the kernel reads it; gives what was opened.
fn open(path: &[AtomicU8]) -> anyhow::Result<Vec<u8>> {
    let flags = nix::libc::O_RDONLY | nix::libc::O_CLOEXEC;
    // SAFETY: the last byte is NUL and is never written, so the kernel stops inside the buffer, whose bytes may
    // change at any time because they are atomics.
    let fd = unsafe { nix::libc::openat(nix::libc::AT_FDCWD, path.as_ptr().cast(), flags) };
    let fd = match nix::errno::Errno::result(fd) {
        Ok(fd) => fd,
        Err(errno) => return Ok(format!("error {errno:?}").into_bytes()),
    };
    let link = format!("/proc/self/fd/{fd}");
    let truth = std::fs::read_link(&link).with_context(|| format!("cannot read {link}"))?;
    nix::unistd::close(fd)?;
    Ok(truth.into_os_string().as_bytes().to_vec())
}
