//! Gives up what the probe no longer needs once its hooks are attached.
//!
//! Capabilities belong to a thread, so this runs on the only thread there is; threads made later inherit what is
//! left. Invariant: after [`drop_all_but`] the kernel itself says what is left, and that is what is returned.

use std::path::PathBuf;

use bootstrap::confine::{self, Calls, Needs};
use caps::{CapSet, Capability, CapsHashSet};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use crate::config::Config;

/// Why privileges could not be given up. The probe does not go on with more than it needs.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The kernel refused.
    #[error("cannot give up {what}: {source}")]
    Refused {
        /// Which set.
        what: &'static str,
        /// The cause.
        source: caps::errors::CapsError,
    },
    /// The kernel refused to make us another user.
    #[error(
        "cannot become uid {uid}: {source}; start as root with CAP_SETUID and CAP_SETGID, or as that user, or leave `run_as` out"
    )]
    User {
        /// Who.
        uid: u32,
        /// The cause.
        source: nix::Error,
    },
    /// The kernel refused to keep our memory private.
    #[error("cannot forbid dumps and debuggers: {0}")]
    Dumpable(#[source] std::io::Error),
    /// The kernel refused to bar new privileges.
    #[error("cannot set no_new_privs: {0}")]
    NoNewPrivs(#[source] nix::Error),
    /// Files and system calls could not be restricted.
    #[error(transparent)]
    Confine(#[from] confine::ConfineError),
    /// The kernel did not do what it said.
    #[error("privileges are left after giving them up: {0:?}")]
    Left(Left),
    /// Nothing to read.
    #[error("cannot read /proc/thread-self/status: {0}")]
    Unreadable(#[source] std::io::Error),
}

/// What a thread may do, as `/proc/<pid>/status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// `CapEff`
    pub effective: u64,
    /// `CapPrm`
    pub permitted: u64,
    /// `CapInh`
    pub inheritable: u64,
    /// `CapBnd`
    pub bounding: u64,
    /// `CapAmb`
    pub ambient: u64,
    /// `NoNewPrivs`
    pub no_new_privs: bool,
}

/// The capabilities that a running probe needs on this kernel (`uname -r`).
///
/// None since 5.19: from then on a process may use the maps it holds open without a capability. Before, every access
/// to a map needs `CAP_BPF` unless unprivileged BPF is enabled.
#[must_use]
pub fn needed(release: &str) -> &'static [Capability] {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|word| word.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 19) { &[] } else { &[Capability::CAP_BPF] }
}

/// Gives up every capability except `keep`, in every set, bars the process from getting new ones, and becomes the user
/// `run_as` (and its group, with no other), if there is one.
///
/// # Errors
/// When the kernel refuses, or shows afterwards that something else is left.
pub fn drop_all_but(keep: &[Capability], run_as: Option<u32>) -> Result<Left, PrivilegeError> {
    let refused = |what| move |source| PrivilegeError::Refused { what, source };
    bootstrap::privacy::forbid_dumps().map_err(PrivilegeError::Dumpable)?;
    nix::sys::prctl::set_no_new_privs().map_err(PrivilegeError::NoNewPrivs)?;
    // Dropping from the bounding set needs CAP_SETPCAP, so it comes first; without that capability the set cannot
    // be changed, which matters little when the others are empty and no_new_privs is set.
    let may_bound = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false);
    if may_bound {
        for capability in caps::runtime::thread_all_supported().into_iter().filter(|cap| !keep.contains(cap))
        {
            caps::drop(None, CapSet::Bounding, capability).map_err(refused("the bounding set"))?;
        }
    }
    if let Some(uid) = run_as {
        become_user(uid).map_err(|source| PrivilegeError::User { uid, source })?;
        // A change of user makes the process dumpable or not as the administrator has set it.
        bootstrap::privacy::forbid_dumps().map_err(PrivilegeError::Dumpable)?;
    }
    let held = caps::read(None, CapSet::Permitted).map_err(refused("the permitted set"))?;
    let kept: CapsHashSet = keep.iter().copied().filter(|cap| held.contains(cap)).collect();
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient).map_err(refused("the ambient set"))?;
    }
    caps::clear(None, CapSet::Inheritable).map_err(refused("the inheritable set"))?;
    caps::set(None, CapSet::Effective, &kept).map_err(refused("the effective set"))?;
    caps::set(None, CapSet::Permitted, &kept).map_err(refused("the permitted set"))?;
    let status = std::fs::read_to_string("/proc/thread-self/status").map_err(PrivilegeError::Unreadable)?;
    let left = parse(&status);
    let allowed = kept.iter().fold(0, |mask, capability| mask | capability.bitmask());
    let is_clean = left.effective == allowed
        && left.permitted == allowed
        && left.inheritable == 0
        && left.ambient == 0
        && (!may_bound || left.bounding & !keep.iter().fold(0, |mask, cap| mask | cap.bitmask()) == 0)
        && left.no_new_privs;
    if is_clean { Ok(left) } else { Err(PrivilegeError::Left(left)) }
}

/// What a running probe still needs of files and system calls. `hierarchies`: where those of control groups are mounted.
#[must_use]
pub fn confines(config: &Config, hierarchies: impl IntoIterator<Item = PathBuf>) -> Needs {
    // How many processors a counter is kept for, and the names of control groups.
    let mut read = vec!["/sys/devices/system/cpu".into(), "/sys/fs/cgroup".into()];
    read.extend(hierarchies);
    Needs {
        read,
        // The state is written through the descriptor that is open.
        write: Vec::new(),
        // Its own goes away with it.
        sockets: vec![confine::directory_of(&config.socket)],
        calls: vec![Calls::BpfInUse],
    }
}

/// Changes the user of this thread, the only one, and keeps what capabilities it has. With others the C library would
/// change theirs too, and abort where one is refused what another gets.
fn become_user(uid: u32) -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    if geteuid() == user {
        return Ok(());
    }
    // Which a change of user forgets: whoever started us wants us gone with it.
    let end_with_parent = nix::sys::prctl::get_pdeathsig()?;
    let parent = nix::unistd::getppid();
    nix::sys::prctl::set_keepcaps(true)?;
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    if let Some(signal) = end_with_parent {
        nix::sys::prctl::set_pdeathsig(signal)?;
        if nix::unistd::getppid() != parent {
            // It ended in between, and no signal will come for that.
            return Err(nix::Error::ESRCH);
        }
    }
    // For the next program, which there is none of.
    nix::sys::prctl::set_keepcaps(false)
}

fn parse(status: &str) -> Left {
    let value = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map_or("", str::trim)
    };
    // What cannot be read counts as everything, so that it cannot pass for nothing.
    let mask = |name: &str| u64::from_str_radix(value(name), 16).unwrap_or(u64::MAX);
    Left {
        effective: mask("CapEff"),
        permitted: mask("CapPrm"),
        inheritable: mask("CapInh"),
        bounding: mask("CapBnd"),
        ambient: mask("CapAmb"),
        no_new_privs: value("NoNewPrivs") == "1",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_kernels_before_5_19_need_a_capability() {
        for (release, count) in [
            ("5.11.0-27-generic", 1),
            ("5.18.99", 1),
            ("5.19.0", 0),
            ("6.1.0-18-cloud-amd64", 0),
            ("6.18", 0),
            ("?", 1),
        ] {
            assert_eq!(needed(release).len(), count, "{release}");
        }
    }

    #[test]
    fn what_cannot_be_read_does_not_pass_for_nothing() {
        assert_eq!(parse("CapEff:\tzz\n").effective, u64::MAX);
        assert_eq!(parse("CapEff:\t0000000000000000\nNoNewPrivs:\t1\n").effective, 0);
        assert!(!parse("").no_new_privs);
    }

    /// What `deploy/kubernetes/daemonset.yaml` gives, of which this one alone is for the socket.
    #[tokio::test]
    async fn a_socket_is_given_to_the_analyzer_with_the_right_to_do_that_alone() {
        if !geteuid().is_root() {
            // Past the capture of libtest, which calls this passed.
            let line = b"test-skipped: a_socket_is_given_to_the_analyzer_with_the_right_to_do_that_alone: not root\n";
            return std::io::stderr().write_all(line).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("probe.sock");
        let runtime = tokio::runtime::Handle::current();
        let (socket, left) = (path.clone(), [Capability::CAP_CHOWN]);
        let bound = std::thread::spawn(move || {
            drop_all_but(&left, None).unwrap();
            let _entered = runtime.enter();
            bootstrap::socket::bind(&socket, &bootstrap::socket::PeerUids::new([60_961])).map(drop)
        });
        bound.join().unwrap().unwrap();
        let meta = std::fs::metadata(path).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (60_961, 0o600));
    }

    #[test]
    fn afterwards_the_thread_has_nothing_and_its_children_cannot_get_any() {
        // A thread of its own: the other tests keep what they have.
        let left = std::thread::spawn(|| drop_all_but(&[], None)).join().unwrap().unwrap();
        let nothing = Left { bounding: left.bounding, no_new_privs: true, ..Left::default() };
        assert_eq!(left, nothing);
        if geteuid().is_root() {
            assert_eq!(left.bounding, 0);
            let may_bind = std::thread::spawn(|| {
                drop_all_but(&[], None).unwrap();
                nix::unistd::chown("/proc/self", Some(Uid::from_raw(1)), None)
            });
            assert!(may_bind.join().unwrap().is_err());
        }
    }
}
