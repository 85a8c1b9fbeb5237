//! Proves on the running kernel that every hook tells the truth.
//!
//! It watches a cgroup of its own, in which a copy of this program does a known number of things, and compares. It
//! needs root, BTF and a cgroup v2 mount, and nothing else: no shell, no shared library, no second program; so it runs
//! in an initramfs too. Invariant: it leaves no process, cgroup or file behind.

mod cgroup;
mod child;
mod expect;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use event::{Event, Kind, KnownProcess, ProcessKey, What};

use crate::bpf::{HookReport, KernelCounters, Scope, Sensor, SensorConfig, SensorError};
use crate::decode::{DecodeError, Decoded, Decoder};

use crate::privileges;

pub use cgroup::{CgroupError, OwnCgroup};
pub use child::{CHILD_ARGUMENT, child};

/// An emulated processor needs minutes for what takes a second.
const DEADLINE: Duration = Duration::from_secs(180);

/// What the self-test found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One entry per check, in the order they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether every check passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

impl std::fmt::Display for Report {
    /// One line per check.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for check in &self.checks {
            let verdict = if check.passed { "ok    " } else { "FAILED" };
            writeln!(f, "{verdict} {}: {}", check.name, check.found)?;
        }
        Ok(())
    }
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What must be so.
    pub name: String,
    /// Whether it is.
    pub passed: bool,
    /// What was found.
    pub found: String,
}

/// Why the self-test could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum SelftestError {
    /// No cgroup to work in.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The kernel side could not be loaded.
    #[error(transparent)]
    Sensor(#[from] SensorError),
    /// A record could not be decoded.
    #[error("a record of the kernel side could not be decoded")]
    Decode(#[from] DecodeError),
    /// The child could not be started or did not follow.
    #[error("the child of the self-test failed while {doing}")]
    Child {
        /// At which step.
        doing: &'static str,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The last event did not come.
    #[error("the end of the child was not reported within {} s: {seen} events were seen", DEADLINE.as_secs())]
    Deadline {
        /// How many came.
        seen: usize,
    },
}

/// What was observed of one child.
struct Observed {
    hooks: Vec<HookReport>,
    known: Vec<KnownProcess>,
    /// What was told of the child when it joined the cgroup.
    entered: Vec<KnownProcess>,
    living: Option<Vec<ProcessKey>>,
    events: Vec<Event>,
    /// How often opens were detached and attached again meanwhile.
    turns: usize,
    counters: KernelCounters,
    child: u32,
    status: ExitStatus,
    directory: PathBuf,
    program: PathBuf,
}

/// Runs the self-test.
///
/// # Errors
/// When it could not be made. A hook that is missing or wrong is no error but a check that did not pass.
pub fn run() -> Result<Report, SelftestError> {
    let doing = |doing| move |source| SelftestError::Child { doing, source };
    let cgroup = OwnCgroup::new("selftest")?;
    let program = std::env::current_exe().map_err(doing("looking for its own program"))?;
    let scratch = ScratchDirectory::new(&program).map_err(doing("making a directory"))?;
    let mut sensor = Sensor::load(&SensorConfig {
        scope: Scope::Cgroup { ids: vec![cgroup.id()] },
        never_drop_bytes: 1 << 20,
        strings_bytes: 1 << 20,
        bulk_bytes: 1 << 20,
        kinds: Kind::ALL.to_vec(),
    })?;
    if sensor.hooks().iter().any(|hook| !hook.active) {
        // What a missing hook would report never comes; the reasons are all there is to tell.
        return Ok(Report { checks: expect::hooks(sensor.hooks()) });
    }
    let mut child = Running(
        Command::new(&program)
            .arg(CHILD_ARGUMENT)
            .arg("main")
            .arg(cgroup.procs())
            .arg(&scratch.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(doing("starting"))?,
    );
    child.wait_until_in_cgroup().map_err(doing("joining the cgroup"))?;
    let mut decoder = Decoder::default();
    let mut known = Vec::new();
    for raw in sensor.snapshot()? {
        if let Some(Decoded::Known(process)) = decoder.decode(&raw)? {
            known.push(process);
        }
    }
    let (mut early, mut entered) = (Vec::new(), Vec::new());
    sensor.drain(&mut |raw| match decoder.decode(raw) {
        Ok(Some(Decoded::Known(process))) => entered.push(process),
        Ok(Some(Decoded::Event(event))) => early.push(event),
        _ => (),
    });
    let living = without_capabilities(&mut sensor);
    child.go().map_err(doing("being told to go on"))?;
    let id = child.0.id();
    let (events, turns) = std::thread::scope(|scope| {
        let collect = || {
            // Capabilities belong to a thread, and this one ends. Should they stay, the check of the living says so.
            privileges::drop_all_but(&[], None).ok();
            collect(&mut sensor, &mut decoder, id)
        };
        scope.spawn(collect).join().unwrap_or(Err(SelftestError::Deadline { seen: 0 }))
    })?;
    let status = child.0.wait().map_err(doing("ending"))?;
    let observed = Observed {
        hooks: sensor.hooks().to_vec(),
        known,
        entered,
        living,
        events: early.into_iter().chain(events).collect(),
        turns,
        counters: sensor.counters(),
        child: id,
        status,
        directory: scratch.0.clone(),
        program,
    };
    Ok(Report { checks: expect::checks(&observed) })
}

/// The living processes as a thread without capabilities sees them, as those of a running probe are.
fn without_capabilities(sensor: &mut Sensor) -> Option<Vec<ProcessKey>> {
    std::thread::scope(|scope| {
        let list = || {
            privileges::drop_all_but(&[], None).ok()?;
            sensor.living().ok()
        };
        scope.spawn(list).join().unwrap_or_default()
    })
}

/// Drains until the child has ended, without any capability. The rings are polled, because a few records cross no mark.
///
/// From the first program that the child starts on it opens nothing that is checked, so opens are detached and attached
/// again all the time. Returns how often, too.
fn collect(
    sensor: &mut Sensor,
    decoder: &mut Decoder,
    child: u32,
) -> Result<(Vec<Event>, usize), SelftestError> {
    let mut turns = 0;
    let begin = Instant::now();
    let mut events = Vec::new();
    let mut failure = None;
    let mut has_ended = false;
    // Nothing is ever sent: the wait for a message that cannot come is a pause between two looks at the rings.
    let (_keep, pause) = mpsc::channel::<()>();
    while !has_ended {
        sensor.drain(&mut |raw| match decoder.decode(raw) {
            Ok(Some(Decoded::Event(event))) => {
                has_ended |= event.task.process.tgid == child && matches!(event.what, What::Exit(_));
                events.push(event);
            }
            Ok(_) => (),
            Err(error) => failure = Some(error),
        });
        if let Some(error) = failure {
            return Err(error.into());
        }
        if events.iter().any(|event| matches!(event.what, What::Exec(_))) {
            sensor.detach_kind(Kind::Open)?;
            sensor.attach_kind(Kind::Open)?;
            turns += 1;
        }
        if begin.elapsed() > DEADLINE {
            return Err(SelftestError::Deadline { seen: events.len() });
        }
        pause.recv_timeout(Duration::from_millis(2)).unwrap_or(());
    }
    // The last record was on one ring; what was before it on the other is there as well.
    sensor.drain(&mut |raw| {
        if let Ok(Some(Decoded::Event(event))) = decoder.decode(raw) {
            events.push(event);
        }
    });
    Ok((events, turns))
}

/// The child; ended with its guard, whatever happens.
struct Running(Child);

impl Running {
    fn wait_until_in_cgroup(&mut self) -> std::io::Result<()> {
        let Some(output) = self.0.stdout.take() else { return Err(std::io::ErrorKind::BrokenPipe.into()) };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() == child::READY {
            return Ok(());
        }
        Err(std::io::Error::other(format!("it said {line:?}")))
    }

    fn go(&mut self) -> std::io::Result<()> {
        let Some(mut input) = self.0.stdin.take() else { return Err(std::io::ErrorKind::BrokenPipe.into()) };
        input.write_all(b"\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended by itself; both calls then say so, and there is nothing to do about it.
        self.0.kill().unwrap_or(());
        if let Err(error) = self.0.wait() {
            tracing::debug!(%error, "the child of the self-test cannot be waited for");
        }
    }
}

/// A directory for the files of the child, removed with its guard.
struct ScratchDirectory(PathBuf);

impl ScratchDirectory {
    fn new(interpreter: &Path) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("shrike-selftest-{}", std::process::id()));
        std::fs::create_dir_all(path.join(child::SUBDIRECTORY))?;
        // In an initramfs there may be no /tmp, and the path of a file is compared with what the kernel says.
        let directory = Self(path.canonicalize()?);
        std::fs::write(directory.0.join(child::EXISTING), b"a file\n")?;
        let script = directory.0.join(child::SCRIPT);
        std::fs::write(&script, format!("#!{} {CHILD_ARGUMENT}\n", interpreter.display()))?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        Ok(directory)
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        remove_all(&self.0);
    }
}

fn remove_all(path: &Path) {
    // What cannot be removed is left to whoever cleans the temporary directory.
    std::fs::remove_dir_all(path).unwrap_or(());
}
