//! A cgroup of one's own in the v2 hierarchy.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why there is no cgroup of one's own.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No cgroup v2 hierarchy is mounted.
    #[error("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup")]
    NoHierarchy,
    /// It could not be made.
    #[error("cannot make the cgroup {path}: run as root, outside of a read-only container")]
    Create {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
}

/// A new cgroup; processes that are still in it are killed, and it is removed, when this is dropped.
#[derive(Debug)]
pub struct OwnCgroup {
    path: PathBuf,
    id: u64,
}

impl OwnCgroup {
    /// Makes one in the root of the v2 hierarchy.
    ///
    /// # Errors
    /// Without a v2 hierarchy, or without the right to write to it.
    pub fn new(name: &str) -> Result<Self, CgroupError> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let root = v2_mount(&mounts).ok_or(CgroupError::NoHierarchy)?;
        let path = root.join(format!("shrike-{name}-{}", std::process::id()));
        let failed = |source| CgroupError::Create { path: path.clone(), source };
        std::fs::create_dir(&path).map_err(failed)?;
        let id = std::fs::metadata(&path).map_err(failed)?.ino();
        Ok(Self { path, id })
    }

    /// The id that the kernel side knows it by.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file to which a process writes `0` to join.
    #[must_use]
    pub fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        // A cgroup with nobody in it has nobody to kill, and one that cannot be removed is empty and harmless.
        std::fs::write(self.path.join("cgroup.kill"), b"1").unwrap_or(());
        for _ in 0..1000 {
            match std::fs::remove_dir(&self.path) {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => std::thread::yield_now(),
                _ => return,
            }
        }
    }
}

fn v2_mount(mounts: &str) -> Option<PathBuf> {
    let mut rows = mounts.lines().map(|line| line.split(' '));
    rows.find_map(|mut row| {
        let (_, place, kind) = (row.next()?, row.next()?, row.next()?);
        (kind == "cgroup2").then(|| place.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_hierarchy_is_found_on_hybrid_and_on_unified_hosts() {
        let hybrid =
            "cgroup /sys/fs/cgroup/pids cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(v2_mount(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(v2_mount("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"), Some("/sys/fs/cgroup".into()));
        assert_eq!(v2_mount("proc /proc proc rw 0 0\n"), None);
    }
}
