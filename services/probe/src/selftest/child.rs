//! What the watched copy of this program does. Every step is one that `expect` counts.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The first argument that makes the probe be the child of a self-test.
pub const CHILD_ARGUMENT: &str = "selftest-child";

pub(super) const READY: &str = "in cgroup";
pub(super) const SUBDIRECTORY: &str = "sub";
pub(super) const EXISTING: &str = "existing";
pub(super) const CREATED: &str = "sub/created";
pub(super) const MISSING: &str = "missing";
/// How many programs it starts.
pub(super) const STARTED: u8 = 5;
/// How often it opens the existing file.
pub(super) const OPENED: usize = 20;
pub(super) const EXIT_CODE: u8 = 7;
/// How many processes end while two of their threads run, and how.
pub(super) const RACES: usize = 200;
pub(super) const RACE: &str = "race";
pub(super) const RACE_EXIT_CODE: u8 = 11;
/// A script of which this program is the interpreter, and how it then ends.
pub(super) const SCRIPT: &str = "script";
pub(super) const SCRIPT_EXIT_CODE: u8 = 9;
pub(super) const LONG_ARGUMENT_BYTES: usize = 9000;
pub(super) const VARIABLE: (&str, &str) = ("SHRIKE_SELFTEST", "yes");

/// Runs the child with the arguments of this process; `main` calls it for [`CHILD_ARGUMENT`].
#[must_use]
pub fn child() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(2).collect();
    match arguments.as_slice() {
        [role, procs, directory] if role == "main" => match work(procs.as_ref(), directory.as_ref()) {
            Ok(()) => ExitCode::from(EXIT_CODE),
            Err(_) => ExitCode::from(101),
        },
        [role, code, ..] if role == "exit" => {
            code.to_str().and_then(|code| code.parse::<u8>().ok()).map_or(ExitCode::from(102), ExitCode::from)
        }
        [role] if role == RACE => race(),
        // The kernel starts the interpreter of a script with the script as its only further argument.
        [script] if Path::new(script).file_name().is_some_and(|name| name == SCRIPT) => {
            ExitCode::from(SCRIPT_EXIT_CODE)
        }
        _ => ExitCode::from(103),
    }
}

/// Arguments of the n-th program that is started.
pub(super) fn arguments(n: u8) -> Vec<String> {
    let long = "x".repeat(LONG_ARGUMENT_BYTES);
    vec![CHILD_ARGUMENT.to_owned(), "exit".to_owned(), n.to_string(), String::new(), long]
}

/// Both threads pass the end at the same time: the other one runs, on its own CPU if there is one, until it is killed.
fn race() -> ExitCode {
    let (running, is_running) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(running);
        loop {
            std::hint::spin_loop();
        }
    });
    // The channel closes when the thread runs.
    is_running.recv().unwrap_or(());
    ExitCode::from(RACE_EXIT_CODE)
}

fn work(procs: &Path, directory: &Path) -> std::io::Result<()> {
    let program = std::env::current_exe()?;
    std::fs::write(procs, "0")?;
    say_ready()?;
    std::io::stdin().read_exact(&mut [0])?;

    for _ in 0..OPENED {
        std::fs::File::open(directory.join(EXISTING))?;
    }
    std::fs::File::create(directory.join(CREATED))?;
    std::env::set_current_dir(directory)?;
    // The name is relative, so that the kernel side has to find the directory.
    if std::fs::File::open(PathBuf::from(MISSING)).is_ok() {
        return Err(std::io::Error::other("the missing file is there"));
    }
    for n in 0..STARTED {
        let (name, value) = VARIABLE;
        let status = Command::new(&program).args(arguments(n)).env_clear().env(name, value).status()?;
        if status.code() != Some(i32::from(n)) {
            return Err(std::io::Error::other("a started program did not end as told"));
        }
    }
    for _ in 0..RACES {
        let (name, value) = VARIABLE;
        let status =
            Command::new(&program).args([CHILD_ARGUMENT, RACE]).env_clear().env(name, value).status()?;
        if status.code() != Some(i32::from(RACE_EXIT_CODE)) {
            return Err(std::io::Error::other("a race did not end as told"));
        }
    }
    let status = Command::new(directory.join(SCRIPT)).env_clear().status()?;
    if status.code() != Some(i32::from(SCRIPT_EXIT_CODE)) {
        return Err(std::io::Error::other("the script did not end as told"));
    }
    Ok(())
}

fn say_ready() -> std::io::Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{READY}")?;
    output.flush()
}
