//! A containerd of the test's own, with an image and a container in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::container::{Image, output, until_served, which};

/// Why there cannot be one here, if so.
#[must_use]
pub fn missing_requirement() -> Option<String> {
    crate::container::missing_requirement().or_else(|| {
        which("containerd").is_none().then(|| "needs containerd: apt-get install containerd".to_owned())
    })
}

/// The daemon; dropping it ends it. What ran in it has ended before.
#[derive(Debug)]
pub struct Containerd {
    dir: TempDir,
    child: Child,
}

impl Containerd {
    /// Starts one that knows nothing yet.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().display();
        std::fs::write(
            dir.path().join("config.toml"),
            // CRI would want a network for pods.
            format!(
                "version = 2\nroot = \"{path}/root\"\nstate = \"{path}/state\"\n\
                 disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{path}/containerd.sock\"\n"
            ),
        )?;
        let child = Command::new("containerd")
            .arg("--config")
            .arg(dir.path().join("config.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let daemon = Self { dir, child };
        until_served(&daemon.socket()).await.context("containerd did not come up")?;
        Ok(daemon)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("containerd.sock")
    }

    /// Its directory, which others may have to pass through.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Puts an image of podman into the namespace of Kubernetes.
    ///
    /// # Errors
    /// When either fails.
    pub fn import(&self, image: &Image) -> anyhow::Result<()> {
        let archive = self.dir.path().join("image.tar");
        let saved = ["save", "--quiet", "--format", "docker-archive", "-o"];
        output(Command::new("podman").args(saved).arg(&archive).arg(image.name()))?;
        output(self.ctr().args(["images", "import", "--snapshotter", "native"]).arg(&archive)).map(drop)
    }

    /// Runs a shell script in a container with this id below the cgroup `parent`, and waits for its end. The container stays
    /// known, as one that runs for longer would.
    ///
    /// # Errors
    /// When the container does not start or the script fails.
    pub fn run(
        &self,
        image: &Image,
        id: &str,
        labels: &[&str],
        parent: &str,
        script: &str,
    ) -> anyhow::Result<()> {
        let mut command = self.ctr();
        command.args(["run", "--snapshotter", "native", "--cgroup", &format!("{parent}/{id}")]);
        for label in labels {
            command.args(["--label", label]);
        }
        output(command.arg(image.name()).arg(id).args(["/bin/sh", "-c", script])).map(drop)
    }

    fn ctr(&self) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.socket()).args(["--namespace", "k8s.io"]).stdin(Stdio::null());
        command
    }

    /// Ends it, and sees that it ended well.
    ///
    /// # Errors
    /// When it did not.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.signal()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "containerd ended with {status}");
        Ok(())
    }

    fn signal(&self) -> anyhow::Result<()> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id())?);
        Ok(nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // After `stop` there is none.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
