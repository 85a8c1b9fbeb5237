//! A control group for one test or bench, removed at the end.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// A cgroup v2 directory of our own. Dropping it removes it; it must be empty by then.
#[derive(Debug)]
pub struct OwnCgroup {
    dir: PathBuf,
    path: String,
}

impl OwnCgroup {
    /// Makes `name` (may have several components) under the root of the cgroup v2 hierarchy.
    ///
    /// # Errors
    /// Without root, or without a cgroup v2 mount.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let dir = v2_root()?.join(name);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make the cgroup {}", dir.display()))?;
        Ok(Self { dir, path: format!("/{name}") })
    }

    /// The path inside the hierarchy, as the probe's scope wants it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves a process here.
    ///
    /// # Errors
    /// When the process is gone or the kernel refuses.
    pub fn add(&self, pid: u32) -> anyhow::Result<()> {
        std::fs::write(self.dir.join("cgroup.procs"), pid.to_string())
            .with_context(|| format!("cannot move process {pid} to {}", self.dir.display()))
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        // Parents that we made on the way are removed too; a parent that others use stays, which is right.
        let mut dir = self.dir.as_path();
        for _ in self.path.matches('/') {
            if std::fs::remove_dir(dir).is_err() {
                break;
            }
            let Some(parent) = dir.parent() else { break };
            dir = parent;
        }
    }
}

/// Where cgroup v2 is mounted: `/sys/fs/cgroup`, or `unified` below it on a hybrid host.
///
/// # Errors
/// When it is not mounted.
pub fn v2_root() -> anyhow::Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .find(|(_, filesystem)| *filesystem == "cgroup2")
        .map(|(mount, _)| PathBuf::from(mount))
        .context("cgroup v2 is not mounted: mount it with `mount -t cgroup2 none /sys/fs/cgroup`")
}
