//! A control group that looks like a container, and the workload in it.
//!
//! Invariant: when it is dropped, the processes of the workload and the control groups are gone. Processes that
//! somebody else moved in are moved out, never killed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::failure::Failure;
use crate::launch::identity::Identity;

const SCRIPT: &str = include_str!("workload.sh");

/// The container that is none.
#[derive(Debug)]
pub(crate) struct Container {
    /// Where the hierarchy is mounted.
    mount: PathBuf,
    /// Path of the outer group inside the hierarchy.
    scope: String,
    /// Id as a runtime would give it.
    id: String,
    workload: Option<Child>,
}

impl Container {
    /// Creates the control groups.
    pub(crate) fn create() -> Result<Self, Failure> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")
            .map_err(Failure::file("read", "/proc/self/mountinfo"))?;
        let Some(mount) = unified_mount(&mounts) else {
            let source = std::io::Error::other("this machine has no cgroup v2 mounted");
            let action =
                "create the demo's control group (mount one: mount -t cgroup2 none /sys/fs/cgroup/unified)";
            return Err(Failure::System { action, source });
        };
        // The pid makes two demos at once possible; the id must only look like one, also in its first digits.
        let pid = std::process::id();
        let digits = u64::from(pid).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let container = Self {
            mount,
            scope: format!("/shrike-demo-{pid}"),
            id: format!("{digits:016x}").repeat(4),
            workload: None,
        };
        // On failure of the second, dropping removes the first.
        for dir in [container.outer(), container.directory()] {
            std::fs::create_dir(&dir).map_err(Failure::file("create the control group", &dir))?;
        }
        Ok(container)
    }

    /// The id of the container.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The control group to watch, as in `/proc/<pid>/cgroup`.
    pub(crate) fn scope(&self) -> &str {
        &self.scope
    }

    /// The control group of the workload, in the file system.
    pub(crate) fn directory(&self) -> PathBuf {
        self.outer().join(format!("docker-{}.scope", self.id))
    }

    fn outer(&self) -> PathBuf {
        self.mount.join(self.scope.trim_start_matches('/'))
    }

    /// Runs the workload in `home`, which belongs to `user`, until it ends.
    pub(crate) async fn run_workload(&mut self, home: &Path, user: Identity) -> Result<(), Failure> {
        let script = home.join("workload.sh");
        std::fs::write(&script, SCRIPT).map_err(Failure::file("write", &script))?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))
            .map_err(Failure::file("write", &script))?;
        let own = std::env::current_exe().map_err(Failure::system("find my own program"))?;
        let mut command = Command::new(own);
        command.args(["become", "--parent", &std::process::id().to_string()]);
        command.args(["--uid", &user.uid.to_string(), "--gid", &user.gid.to_string(), "--cgroup"]);
        command.arg(self.directory()).arg("--").arg(&script);
        command.current_dir(home).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(Failure::file("start", &script))?;
        let status =
            self.workload.insert(child).wait().await.map_err(Failure::system("wait for the workload"))?;
        if status.success() {
            return Ok(());
        }
        let reason = format!("its workload ended with {status}");
        Err(Failure::Demo { reason, next: "Please report this with the output above" })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // A pid is ours as long as the child was not waited for.
        if let Some(pid) = self.workload.as_ref().and_then(Child::id).and_then(|pid| i32::try_from(pid).ok())
        {
            killpg(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_default();
        }
        let parent = self.mount.join("cgroup.procs");
        for dir in [self.directory(), self.outer()] {
            let members = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            for pid in members.lines() {
                // It fails for one that has ended, which is as good.
                std::fs::write(&parent, pid).unwrap_or_default();
            }
            remove(&dir);
        }
    }
}

/// Removes a control group; a killed member may take a moment to leave it.
fn remove(dir: &Path) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
    while let Err(error) = std::fs::remove_dir(dir) {
        if error.kind() != std::io::ErrorKind::ResourceBusy || std::time::Instant::now() > deadline {
            return;
        }
        std::thread::yield_now();
    }
}

/// Where the unified hierarchy is mounted, writable, from its root.
fn unified_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_unified = filesystem.split(' ').next() == Some("cgroup2");
        // The fifth field; the kernel writes blanks in it as \040, which no sane mount point has.
        let path = mount.split(' ').nth(4)?;
        is_unified.then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_is_found_on_hybrid_and_on_pure_machines() {
        let v1 = "35 30 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let hybrid = "42 30 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        let pure = "31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(unified_mount(&format!("{v1}{hybrid}")), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(unified_mount(pure), Some("/sys/fs/cgroup".into()));
        assert_eq!(unified_mount(v1), None);
    }
}
