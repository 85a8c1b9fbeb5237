//! The directory where sockets and generated configurations live while Shrike runs.
//!
//! ```text
//! <run dir>/                 root, 0711: everyone may pass, only root may change what is in it
//!   probe.sock               given to the analyzer's uid by the probe
//!   analyzer.sock  ->  analyzer/api.sock
//!   *.toml                   root, 0644
//!   analyzer/                0711, of the analyzer's user: it creates its socket here
//!   reporter/                0710, of the reporter's user: only the group of the analyzer may pass
//!   lock                     root, 0600: locked as long as a supervisor uses the directory
//!   temporary                root: the directory was created by a supervisor, and goes with the last one
//! ```
//! Invariant: a service without rights can write nowhere that a service with rights looks for its own files.
//! Were the socket of the probe in a directory of the analyzer's user, that user could swap it for a symbolic link
//! while the probe, as root, sets its owner.
//! Second invariant: only the holder of the lock puts something into the directory or takes something out; `temporary`
//! alone is put there by whoever created the directory, which may be another one than the first holder.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::identity::{Identities, Identity};
use crate::failure::Failure;

/// Files that may be in a run directory and are ours.
///
/// The lock and the mark are not among them: they go last.
const FILES: [&str; 8] = [
    "probe.sock",
    "probe.state",
    "analyzer.sock",
    "api-key",
    "tags.toml",
    "probe.toml",
    "analyzer.toml",
    "reporter.toml",
];
/// Directories that may be in a run directory and are ours.
const DIRECTORIES: [&str; 4] = ["analyzer", "reporter", "intake", "demo"];
/// The file whose lock says that the directory is in use. Nobody else may open it, so nobody else can lock it.
const LOCK: &str = "lock";
/// The file that says that the directory is to be removed.
const MARK: &str = "temporary";
/// So often the lock may be removed by another supervisor that ends just then, before we call the directory taken.
const ATTEMPTS: usize = 16;

/// A prepared run directory; what was created is removed on drop.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    /// Held for its removal at the end.
    private: Option<tempfile::TempDir>,
    /// Held until what is in the directory has been removed; a private directory needs none.
    lock: Option<Flock<File>>,
}

/// What came of the wish for a directory.
enum Wish {
    /// It is ours until the end.
    Granted(RunDir),
    /// Another Shrike runs in it.
    Taken,
    /// It cannot be written, or others may write in it.
    Unusable,
    /// Another supervisor removed it meanwhile.
    Gone,
}

/// What to do when another Shrike runs in the wanted directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfTaken {
    /// Say so and end.
    Refuse,
    /// Use a private directory.
    UsePrivate,
}

impl RunDir {
    /// Prepares `wanted`, or a private directory when it cannot be used.
    pub(crate) fn prepare(wanted: &Path, users: &Identities, if_taken: IfTaken) -> Result<Self, Failure> {
        let dir = match Self::open(wanted) {
            Wish::Granted(dir) => dir,
            Wish::Taken | Wish::Gone if if_taken == IfTaken::Refuse => {
                return Err(Failure::AlreadyRuns { path: wanted.to_owned() });
            }
            Wish::Taken | Wish::Gone | Wish::Unusable => Self::private()?,
        };
        dir.subdirectory("analyzer", users.analyzer)?;
        let reporter = dir.subdirectory("reporter", users.reporter)?;
        dir.give(&reporter, Identity { gid: users.analyzer.gid, ..users.reporter })?;
        mode(&reporter, 0o710)?;
        let link = dir.path.join("analyzer.sock");
        if link.is_symlink() || link.exists() {
            std::fs::remove_file(&link).map_err(Failure::file("replace", &link))?;
        }
        symlink("analyzer/api.sock", &link).map_err(Failure::file("create", &link))?;
        Ok(dir)
    }

    fn open(wanted: &Path) -> Wish {
        let mut wishes = (0..ATTEMPTS).map(|_| Self::try_open(wanted));
        wishes.find(|wish| !matches!(wish, Wish::Gone)).unwrap_or(Wish::Gone)
    }

    fn try_open(wanted: &Path) -> Wish {
        if create(wanted).is_err() {
            return Wish::Unusable;
        }
        let meta = match std::fs::symlink_metadata(wanted) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Wish::Gone,
            Err(_) => return Wish::Unusable,
        };
        let is_ours = meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw();
        // Others could swap what is in it (see above), or the services could not pass.
        let is_safe = meta.mode() & 0o022 == 0 && meta.mode() & 0o011 == 0o011;
        if !is_ours || !is_safe {
            return Wish::Unusable;
        }
        let lock = match lock(&wanted.join(LOCK)) {
            Ok(lock) => lock,
            Err(LockError::Held) => return Wish::Taken,
            Err(LockError::Gone) => return Wish::Gone,
            // Mode bits do not tell about read-only file systems.
            Err(LockError::Unusable) => return Wish::Unusable,
        };
        if is_served(&wanted.join("analyzer.sock")) {
            // Started by somebody else than `shrike run`, such as systemd: leave no trace.
            std::fs::remove_file(wanted.join(LOCK)).unwrap_or_default();
            return Wish::Taken;
        }
        Wish::Granted(Self { path: wanted.to_owned(), private: None, lock: Some(lock) })
    }

    fn private() -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("shrike-").tempdir();
        let private = dir.map_err(Failure::system("create a private run directory"))?;
        mode(private.path(), 0o711)?;
        Ok(Self { path: private.path().to_owned(), private: Some(private), lock: None })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another directory than the wanted one is used.
    pub(crate) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Socket of the probe.
    pub(crate) fn probe_socket(&self) -> PathBuf {
        self.path.join("probe.sock")
    }

    /// Socket of the analyzer, for everyone.
    pub(crate) fn analyzer_socket(&self) -> PathBuf {
        self.path.join("analyzer.sock")
    }

    /// Socket of the analyzer, where it creates it.
    pub(crate) fn analyzer_own_socket(&self) -> PathBuf {
        self.path.join("analyzer/api.sock")
    }

    /// Socket of the reporter.
    pub(crate) fn reporter_socket(&self) -> PathBuf {
        self.path.join("reporter/intake.sock")
    }

    /// Makes a directory that belongs to a service's user.
    pub(crate) fn subdirectory(&self, name: &'static str, owner: Identity) -> Result<PathBuf, Failure> {
        let sub = self.path.join(name);
        if !sub.is_dir() {
            std::fs::create_dir(&sub).map_err(Failure::file("create", &sub))?;
        }
        mode(&sub, 0o711)?;
        self.give(&sub, owner)?;
        Ok(sub)
    }

    /// Writes a file that everyone may read.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        std::fs::write(&path, content).map_err(Failure::file("write", &path))?;
        mode(&path, 0o644)?;
        Ok(path)
    }

    /// Copies a secret to where only the reporter reads it.
    pub(crate) fn copy_secret(&self, from: &Path, reporter: Identity) -> Result<PathBuf, Failure> {
        let secret = std::fs::read(from).map_err(Failure::file("read the API key", from))?;
        // In a directory of root, so that creating it follows no link of another user.
        let path = self.path.join("api-key");
        if path.is_symlink() || path.exists() {
            std::fs::remove_file(&path).map_err(Failure::file("replace", &path))?;
        }
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
        let mut file = options.open(&path).map_err(Failure::file("create", &path))?;
        std::io::Write::write_all(&mut file, &secret).map_err(Failure::file("write", &path))?;
        self.give(&path, reporter)?;
        Ok(path)
    }

    /// Makes `path` belong to a service's user.
    pub(crate) fn give(&self, path: &Path, to: Identity) -> Result<(), Failure> {
        std::os::unix::fs::lchown(path, Some(to.uid), Some(to.gid)).map_err(Failure::file("give away", path))
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // The lock is released after this function: whoever waits for the directory finds it clean or gone.
        if self.lock.is_none() {
            return;
        }
        // Whoever made the directory, what is in it is ours.
        for name in FILES {
            // Missing is as good as removed, and there is nobody left to tell about anything else.
            std::fs::remove_file(self.path.join(name)).unwrap_or_default();
        }
        for name in DIRECTORIES {
            std::fs::remove_dir_all(self.path.join(name)).unwrap_or_default();
        }
        // From here on another supervisor may lock a new file in the directory, which then is not empty and stays.
        std::fs::remove_file(self.path.join(LOCK)).unwrap_or_default();
        // A directory of systemd or an administrator has no mark and stays.
        if std::fs::remove_file(self.path.join(MARK)).is_ok() {
            std::fs::remove_dir(&self.path).unwrap_or_default();
        }
    }
}

/// Creates the directory, with the mark, unless it is there.
fn create(dir: &Path) -> std::io::Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::create_dir(dir) {
        Ok(()) => {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711))?;
            File::create_new(dir.join(MARK)).map(drop)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Why a lock was not taken.
enum LockError {
    /// Another supervisor has it.
    Held,
    /// Another supervisor removed it, or the directory, while we opened it.
    Gone,
    /// The file cannot be created or locked.
    Unusable,
}

/// Locks the file at `path`, which is created if need be.
fn lock(path: &Path) -> Result<Flock<File>, LockError> {
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create(true).truncate(false), 0o600);
    let file = options.open(path).map_err(|error| {
        if error.kind() == ErrorKind::NotFound { LockError::Gone } else { LockError::Unusable }
    })?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == Errno::EWOULDBLOCK { LockError::Held } else { LockError::Unusable }
    })?;
    // The last holder removes the file before it lets go: then this is the lock of nothing.
    match (lock.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(theirs)) if (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()) => Ok(lock),
        _ => Err(LockError::Gone),
    }
}

fn is_served(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

fn mode(path: &Path, mode: u32) -> Result<(), Failure> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(Failure::file("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skipped::skipped;

    fn own() -> Identities {
        Identities::own()
    }

    #[test]
    fn a_run_directory_is_removed_only_when_we_created_it() {
        let parent = tempfile::tempdir().unwrap();
        let fresh = parent.path().join("fresh");
        let dir = RunDir::prepare(&fresh, &own(), IfTaken::UsePrivate).unwrap();
        dir.write("probe.toml", "").unwrap();
        assert!(!dir.is_private() && fresh.join("analyzer").is_dir());
        drop(dir);
        assert!(!fresh.exists());

        let kept = parent.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        mode(&kept, 0o755).unwrap();
        std::fs::write(kept.join("precious"), "x").unwrap();
        drop(RunDir::prepare(&kept, &own(), IfTaken::UsePrivate).unwrap());
        let left: Vec<_> =
            std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["precious"]);
    }

    #[test]
    fn a_directory_where_another_shrike_runs_is_left_alone() {
        let wanted = tempfile::tempdir().unwrap();
        let socket = wanted.path().join("analyzer.sock");
        let other = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let refused = RunDir::prepare(wanted.path(), &own(), IfTaken::Refuse);
        assert!(matches!(refused, Err(Failure::AlreadyRuns { .. })));
        let dir = RunDir::prepare(wanted.path(), &own(), IfTaken::UsePrivate).unwrap();
        assert!(dir.is_private());
        let private = dir.path().to_owned();
        drop(dir);
        assert!(!private.exists() && socket.exists());
        drop(other);
    }

    #[test]
    fn a_directory_in_use_is_refused_or_replaced_until_its_user_ends() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("run");
        let first = RunDir::prepare(&wanted, &own(), IfTaken::Refuse).unwrap();
        let refused = RunDir::prepare(&wanted, &own(), IfTaken::Refuse);
        assert!(matches!(refused, Err(Failure::AlreadyRuns { .. })));
        let second = RunDir::prepare(&wanted, &own(), IfTaken::UsePrivate).unwrap();
        assert!(second.is_private() && !first.is_private());
        drop(second);
        assert!(wanted.join("analyzer").is_dir(), "the second took nothing from the first");
        drop(first);
        assert!(!wanted.exists());
        assert!(!RunDir::prepare(&wanted, &own(), IfTaken::Refuse).unwrap().is_private());
    }

    #[test]
    fn a_directory_left_by_a_killed_supervisor_is_used_again_and_removed() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("run");
        let mut killed = RunDir::prepare(&wanted, &own(), IfTaken::Refuse).unwrap();
        killed.write("probe.toml", "old").unwrap();
        killed.lock = None;
        drop(killed);
        assert!(wanted.join("probe.toml").exists());
        drop(RunDir::prepare(&wanted, &own(), IfTaken::Refuse).unwrap());
        assert!(!wanted.exists());
    }

    #[test]
    fn of_many_supervisors_in_the_same_moment_one_at_a_time_has_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("run");
        let n_granted = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let dir = RunDir::prepare(&wanted, &own(), IfTaken::UsePrivate).unwrap();
                        if dir.is_private() {
                            continue;
                        }
                        n_granted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let mine = dir.path().join("analyzer/mine");
                        // Fails if another one is in here.
                        File::create_new(&mine).unwrap();
                        dir.write("probe.toml", "x").unwrap();
                        assert!(mine.exists() && dir.analyzer_socket().is_symlink());
                    }
                });
            }
        });
        assert!(n_granted.into_inner() > 0);
        // One may have locked it between the last two steps of another; then it is left, empty.
        assert!(!wanted.exists() || std::fs::read_dir(&wanted).unwrap().next().is_none());
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_replaced_by_a_private_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let dir = RunDir::prepare(&file.path().join("below-a-file"), &own(), IfTaken::UsePrivate).unwrap();
        assert!(dir.is_private());
    }

    #[test]
    fn a_directory_that_others_may_write_is_not_used_and_keeps_its_mode() {
        let shared = tempfile::tempdir().unwrap();
        mode(shared.path(), 0o1777).unwrap();
        assert!(RunDir::prepare(shared.path(), &own(), IfTaken::Refuse).unwrap().is_private());
        assert_eq!(std::fs::metadata(shared.path()).unwrap().mode() & 0o7777, 0o1777);
    }

    #[test]
    fn the_api_key_is_readable_by_the_reporter_only() {
        let parent = tempfile::tempdir().unwrap();
        mode(parent.path(), 0o711).unwrap();
        let key = parent.path().join("key");
        std::fs::write(&key, "k").unwrap();
        let is_root = nix::unistd::geteuid().is_root();
        let users = if is_root { Identities::choose(None).unwrap() } else { own() };
        let dir = RunDir::prepare(&parent.path().join("run"), &users, IfTaken::UsePrivate).unwrap();
        let copy = dir.copy_secret(&key, users.reporter).unwrap();
        let meta = std::fs::metadata(&copy).unwrap();
        assert_eq!((meta.mode() & 0o777, meta.uid()), (0o600, users.reporter.uid));
        if is_root {
            use std::os::unix::process::CommandExt;
            let reads = |uid| {
                let mut cat = std::process::Command::new("cat");
                cat.arg(&copy).uid(uid).gid(uid).stderr(std::process::Stdio::null());
                cat.output().unwrap().stdout == b"k"
            };
            assert!(reads(users.reporter.uid) && !reads(users.analyzer.uid) && !reads(65_534));
        }
    }

    #[test]
    fn only_the_analyzer_reaches_the_socket_of_the_reporter() {
        if !nix::unistd::geteuid().is_root() {
            // Only root can give a directory to somebody; as another user there is one user for all.
            return skipped("not root");
        }
        use std::os::unix::process::CommandExt;
        let parent = tempfile::tempdir().unwrap();
        mode(parent.path(), 0o711).unwrap();
        let users = Identities::choose(None).unwrap();
        let dir = RunDir::prepare(&parent.path().join("run"), &users, IfTaken::UsePrivate).unwrap();
        let socket = dir.reporter_socket();
        std::fs::write(&socket, "").unwrap();
        mode(&socket, 0o666).unwrap();
        let reaches = |uid| {
            let mut test = std::process::Command::new("test");
            test.arg("-e").arg(&socket).uid(uid).gid(uid).status().unwrap().success()
        };
        assert!(reaches(users.analyzer.uid) && !reaches(users.workload.uid) && !reaches(65_534));
    }
}
