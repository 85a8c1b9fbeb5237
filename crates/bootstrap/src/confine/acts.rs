//! What a confined service must not be able to do, tried from inside.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockFlag, SockType};

use super::{Calls, ConfineError, Confined, Landlocked, Needs};

/// Something that is tried, and what came of it.
#[derive(Debug)]
pub struct Act {
    /// What is tried.
    pub what: &'static str,
    /// What the system said.
    pub outcome: io::Result<()>,
}

impl Act {
    /// Tries this.
    pub fn new(what: &'static str, attempt: impl FnOnce() -> io::Result<()>) -> Self {
        Self { what, outcome: attempt() }
    }

    /// Whether it was refused for want of permission, and not for another reason.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(()) => write!(f, "{:<44} POSSIBLE", self.what),
            Err(error) if self.is_refused() => write!(f, "{:<44} refused: {error}", self.what),
            Err(error) => write!(f, "{:<44} failed for another reason: {error}", self.what),
        }
    }
}

/// What was tried after being confined.
#[derive(Debug)]
struct Attempts {
    confined: Confined,
    acts: Vec<Act>,
}

impl Attempts {
    fn are_all_refused(&self) -> bool {
        self.acts.iter().all(Act::is_refused)
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for act in &self.acts {
            writeln!(f, "{act}")?;
        }
        let refused = self.acts.iter().filter(|act| act.is_refused()).count();
        let files = match self.confined.files {
            Landlocked::Fully => "landlock and seccomp",
            Landlocked::Partly => "seccomp and what this kernel knows of landlock",
            Landlocked::Not => "seccomp alone, for want of landlock",
        };
        writeln!(f, "{refused} of {} refused, by {files}", self.acts.len())
    }
}

/// Why a service is not shown to be confined.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// It is not.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// Standard output is closed.
    #[error("cannot write what was tried: {0}")]
    Write(#[source] io::Error),
    /// See what was printed.
    #[error("not everything was refused")]
    Possible,
}

/// `attempt_confined`, printed.
///
/// # Errors
/// See [`AttemptError`]; when something is possible, among them.
pub fn show_attempts(needs: &Needs, more: impl FnOnce() -> Vec<Act> + Send) -> Result<(), AttemptError> {
    let attempts = attempt_confined(needs, more)?;
    io::stdout().write_all(attempts.to_string().as_bytes()).map_err(AttemptError::Write)?;
    if attempts.are_all_refused() { Ok(()) } else { Err(AttemptError::Possible) }
}

/// Enters these confines, and tries from a thread that is started after that what no service needs, and `more`.
///
/// The process does nothing else afterwards: should an act be possible, it was done.
fn attempt_confined(needs: &Needs, more: impl FnOnce() -> Vec<Act> + Send) -> Result<Attempts, ConfineError> {
    let confined = super::enter(needs)?;
    let may_use_internet = needs.calls.contains(&Calls::Internet);
    let acts = std::thread::scope(|scope| {
        let tried = scope.spawn(move || {
            let mut acts = attempt(may_use_internet);
            acts.extend(more());
            acts
        });
        // A panic of the thread is one of this function.
        tried.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    Ok(Attempts { confined, acts })
}

/// Tries what no service needs. `may_use_internet`: whether this one needs its sockets.
fn attempt(may_use_internet: bool) -> Vec<Act> {
    let socket = |family| {
        nix::sys::socket::socket(family, SockType::Datagram, SockFlag::empty(), None)
            .map(drop)
            .map_err(io::Error::from)
    };
    let mut acts = vec![
        Act::new("read the environment of process 1", || std::fs::File::open("/proc/1/environ").map(drop)),
        Act::new("read the root directory", || std::fs::read_dir("/").map(drop)),
        Act::new("make a file in the root directory", || make(Path::new("/.shrike-confined"))),
        Act::new("run a program", || std::process::Command::new("/bin/true").spawn().map(drop)),
        Act::new("be traced", || nix::sys::ptrace::traceme().map_err(io::Error::from)),
        Act::new("send a signal to its parent", || {
            nix::sys::signal::kill(nix::unistd::getppid(), None).map_err(io::Error::from)
        }),
        Act::new("have a user namespace", || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(io::Error::from)
        }),
        Act::new("mount", || {
            let none: Option<&str> = None;
            let flags = nix::mount::MsFlags::empty();
            nix::mount::mount(none, "/proc", Some("proc"), flags, none).map_err(io::Error::from)
        }),
        Act::new("change its user", || nix::unistd::setuid(nix::unistd::getuid()).map_err(io::Error::from)),
        Act::new("open a socket for packets", || socket(AddressFamily::Packet)),
        Act::new("open a socket to virtual machines", || socket(AddressFamily::Vsock)),
        Act::new("open a socket to parts of the kernel", || socket(AddressFamily::Netlink)),
    ];
    if !may_use_internet {
        acts.push(Act::new("open a socket for IPv4", || socket(AddressFamily::Inet)));
        acts.push(Act::new("open a socket for IPv6", || socket(AddressFamily::Inet6)));
    }
    acts
}

fn make(path: &Path) -> io::Result<()> {
    std::fs::File::create_new(path)?;
    std::fs::remove_file(path)
}
