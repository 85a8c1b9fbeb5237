//! What a program does to make events of each kind, and what they must say: for tests on real programs.
//!
//! One arm for each kind: a kind that has none does not compile, and tests that count compare every kind.

use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use event::{
    Address, AddressState, Exec, ExitStatus, Field, File, Flags, Kind, Names, PathState, ProcessKey, Text,
    Visitor, What,
};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat, renameat2};
use nix::sys::socket::{self, AddressFamily, NetlinkAddr, SockFlag, SockType, UnixAddr, socket};
use nix::unistd::UnlinkatFlags;

/// What one round makes: for each event its kind, and what it must say, field by field as [`said`] has it.
pub type Says = Vec<(Kind, Vec<(&'static str, String)>)>;

/// Does one round of a kind in `directory`, which is empty and stays so. It makes no other event than it says.
///
/// # Errors
/// When something is not as it should be, so that the round does not count.
pub fn round(kind: Kind, directory: &Path) -> anyhow::Result<Says> {
    match kind {
        // These have workloads of their own, because they come in a lifecycle.
        Kind::Exec | Kind::Fork | Kind::Exit => Ok(Vec::new()),
        Kind::Open => open(directory),
        Kind::Unlink => unlink(directory),
        Kind::Rename => rename(directory),
        Kind::Bind => bind(directory),
        Kind::Connect => connect(directory),
    }
}

fn open(directory: &Path) -> anyhow::Result<Says> {
    let missing = directory.join("missing");
    ensure!(std::fs::File::open(&missing).is_err(), "{} exists", missing.display());
    let says = vec![
        ("open.file", format!("{} (asked for)", missing.display())),
        ("open.flags", "O_RDONLY|O_CLOEXEC".to_owned()),
        ("open.retval", "-2".to_owned()),
    ];
    Ok(vec![(Kind::Open, says)])
}

/// A file by its path, a directory relative to another, a file that is not there, and the other system call.
fn unlink(directory: &Path) -> anyhow::Result<Says> {
    // Neither makes an open.
    let (file, inner) = (directory.join("file"), directory.join("inner"));
    nix::sys::stat::mknod(&file, nix::sys::stat::SFlag::S_IFREG, nix::sys::stat::Mode::S_IRWXU, 0)?;
    nix::unistd::mkdir(&inner, nix::sys::stat::Mode::S_IRWXU)?;
    nix::unistd::unlink(&file)?;
    let before = nix::unistd::getcwd()?;
    nix::unistd::chdir(directory)?;
    std::fs::remove_dir("inner")?;
    nix::unistd::chdir(&before)?;
    ensure!(nix::unistd::unlink(&file) == Err(Errno::ENOENT), "{} is still there", file.display());
    nix::sys::stat::mknod(&file, nix::sys::stat::SFlag::S_IFREG, nix::sys::stat::Mode::S_IRWXU, 0)?;
    nix::unistd::unlinkat(AT_FDCWD, &file, UnlinkatFlags::NoRemoveDir)?;
    let (gone, again) = (removed(file.clone(), "0", -2), removed(file.clone(), "0", 0));
    Ok(vec![removed(file, "0", 0), removed(inner, "AT_REMOVEDIR", 0), gone, again])
}

fn removed(path: std::path::PathBuf, flags: &str, retval: i32) -> (Kind, Vec<(&'static str, String)>) {
    let file = ("unlink.file", format!("{} (asked for)", path.display()));
    (Kind::Unlink, vec![file, ("unlink.flags", flags.to_owned()), ("unlink.retval", retval.to_string())])
}

/// A file that gets another name by each of the system calls, and one that is not there.
fn rename(directory: &Path) -> anyhow::Result<Says> {
    let (old, new) = (directory.join("old"), directory.join("new"));
    let says = |from: &Path, to: &Path, flags: &str, retval: i32| {
        let path = |path: &Path| format!("{} (asked for)", path.display());
        let files = [("rename.file", path(from)), ("rename.file.destination", path(to))];
        let rest = [("rename.flags", flags.to_owned()), ("rename.retval", retval.to_string())];
        (Kind::Rename, files.into_iter().chain(rest).collect())
    };
    nix::sys::stat::mknod(&old, nix::sys::stat::SFlag::S_IFREG, nix::sys::stat::Mode::S_IRWXU, 0)?;
    std::fs::rename(&old, &new)?;
    ensure!(std::fs::rename(&old, &new).is_err(), "{} is still there", old.display());
    renameat(AT_FDCWD, &new, AT_FDCWD, &old)?;
    renameat2(AT_FDCWD, &old, AT_FDCWD, &new, RenameFlags::RENAME_NOREPLACE)?;
    nix::unistd::unlink(&new)?;
    Ok(vec![
        says(&old, &new, "0", 0),
        says(&old, &new, "0", -2),
        says(&new, &old, "0", 0),
        says(&old, &new, "RENAME_NOREPLACE", 0),
        removed(new, "0", 0),
    ])
}

/// A port that the kernel chooses, a name without a file, and a path in a directory that is not there.
fn bind(directory: &Path) -> anyhow::Result<Says> {
    let udp = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let mut all = vec![bound(udp.local_addr()?.to_string(), "IP_PROTO_UDP", 0)];
    let stream = || socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None);
    let name = format!("shrike-{}", std::process::id());
    let named = stream()?;
    socket::bind(named.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    all.push(bound(format!("@{name}"), "IP_PROTO_IP", 0));
    let path = directory.join("missing/socket");
    ensure!(socket::bind(stream()?.as_raw_fd(), &UnixAddr::new(&path)?) == Err(Errno::ENOENT), "it is there");
    all.push(bound(format!("{} (asked for)", path.display()), "IP_PROTO_IP", -2));
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), None)?;
    socket::bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    all.push(bound("AF_NETLINK".to_owned(), "IP_PROTO_IP", 0));
    Ok(all)
}

fn bound(address: String, protocol: &str, retval: i32) -> (Kind, Vec<(&'static str, String)>) {
    let protocol = ("bind.protocol", protocol.to_owned());
    (Kind::Bind, vec![("bind.addr", address), protocol, ("bind.retval", retval.to_string())])
}

/// A peer of UDP, a port where nobody listens, a path in a directory that is not there, and a family that has no address.
fn connect(directory: &Path) -> anyhow::Result<Says> {
    let says = |address: String, protocol: &str, retval: i32| {
        let protocol = ("connect.protocol", protocol.to_owned());
        (Kind::Connect, vec![("connect.addr", address), protocol, ("connect.retval", retval.to_string())])
    };
    let udp = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let mut all = vec![bound(udp.local_addr()?.to_string(), "IP_PROTO_UDP", 0)];
    udp.connect("127.0.0.1:9")?;
    all.push(says("127.0.0.1:9".to_owned(), "IP_PROTO_UDP", 0));
    let refused = std::net::TcpStream::connect("127.0.0.1:1");
    ensure!(
        refused.as_ref().is_err_and(|error| error.raw_os_error() == Some(111)),
        "somebody listens on port 1: {refused:?}"
    );
    all.push(says("127.0.0.1:1 (asked for)".to_owned(), "IP_PROTO_TCP", -111));
    let unix = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
    let path = directory.join("missing/socket");
    let missing = socket::connect(unix.as_raw_fd(), &UnixAddr::new(&path)?);
    ensure!(missing == Err(Errno::ENOENT), "{} exists: {missing:?}", path.display());
    all.push(says(format!("{} (asked for)", path.display()), "IP_PROTO_IP", -2));
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), None)?;
    socket::connect(netlink.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    all.push(says("AF_NETLINK".to_owned(), "IP_PROTO_IP", 0));
    Ok(all)
}

/// What an event says, field by field.
#[must_use]
pub fn said(what: &What) -> Vec<(&'static str, String)> {
    let mut words = Words(Vec::new());
    what.visit(&mut words);
    words.0
}

struct Words(Vec<(&'static str, String)>);

impl<'a> Visitor<'a> for Words {
    fn file(&mut self, field: &'static Field, file: &'a Arc<File>) {
        let state = match file.path_state {
            PathState::Resolved => "",
            PathState::TruncatedParents => " (truncated)",
            PathState::Argument => " (asked for)",
            PathState::Unreadable => " (unreadable)",
            PathState::NoPlace => " (no place)",
            PathState::Detached => " (detached)",
        };
        self.0.push((field.path, format!("{}{state}", file.path)));
    }

    fn program(&mut self, field: &'static Field, exec: &'a Arc<Exec>) {
        self.0.push((field.path, exec.executable.path.to_string()));
    }

    fn process(&mut self, field: &'static Field, key: ProcessKey) {
        self.0.push((field.path, key.tgid.to_string()));
    }

    fn status(&mut self, field: &'static Field, status: ExitStatus) {
        self.0.push((field.path, format!("{status:?}")));
    }

    fn address(&mut self, field: &'static Field, address: &'a Address) {
        let state = match address.state {
            AddressState::Kernel => "",
            AddressState::Argument => " (asked for)",
            AddressState::Unreadable => " (unreadable)",
        };
        self.0.push((field.path, format!("{}{state}", address.endpoint)));
    }

    fn text(&mut self, field: &'static Field, text: &'a Text) {
        self.0.push((field.path, text.to_string()));
    }

    fn flags(&mut self, field: &'static Field, names: &'static Flags, flags: u32) {
        self.0.push((field.path, names.to_names(flags)));
    }

    fn number(&mut self, field: &'static Field, names: &'static Names, number: u32) {
        self.0.push((field.path, names.to_name(number)));
    }

    // What there is besides a mode decides whether it means anything.
    fn mode(&mut self, _: &'static Field, _: u32) {}

    fn descriptor(&mut self, field: &'static Field, retval: i32) {
        self.0.push((field.path, retval.to_string()));
    }

    fn errno(&mut self, field: &'static Field, retval: i32) {
        self.0.push((field.path, retval.to_string()));
    }
}
