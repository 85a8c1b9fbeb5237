//! Real containers, with podman and an image made from one static busybox.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

/// Why containers cannot be run here, if they cannot.
#[must_use]
pub fn missing_requirement() -> Option<String> {
    for (program, package) in [("podman", "podman"), ("runc", "runc"), ("busybox", "busybox-static")] {
        if which(program).is_none() {
            return Some(format!("needs {program}: apt-get install {package}"));
        }
    }
    None
}

pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// An imported image; dropping it removes it.
#[derive(Debug)]
pub struct Image {
    name: String,
}

impl Image {
    /// Imports a root file system with busybox as `localhost/<name>:<tag>`.
    ///
    /// # Errors
    /// When podman fails; the error has its output.
    pub fn import(name: &str, tag: &str) -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        let bin = root.path().join("bin");
        std::fs::create_dir(&bin)?;
        std::fs::copy(which("busybox").context("busybox is missing")?, bin.join("busybox"))?;
        for applet in ["sh", "cat", "true"] {
            std::os::unix::fs::symlink("busybox", bin.join(applet))?;
        }
        std::fs::create_dir(root.path().join("etc"))?;
        std::fs::write(root.path().join("etc/motd"), "hello\n")?;
        let archive = root.path().join("image.tar");
        let tar = |command: &mut Command| output(command.current_dir(root.path()));
        tar(Command::new("tar").args(["-cf", "image.tar", "bin", "etc"]))?;
        let image = format!("localhost/{name}:{tag}");
        output(Command::new("podman").arg("import").arg(&archive).arg(&image))?;
        Ok(Self { name: image })
    }

    /// Its name and tag.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a shell script in a fresh container below the cgroup `parent`, waits for its end and gives the container's id. The container stays
    /// known to podman until [`remove`], as one that runs for longer would.
    ///
    /// # Errors
    /// When the container does not start or the script fails.
    pub fn run(&self, name: &str, parent: &str, script: &str) -> anyhow::Result<String> {
        self.podman("run", name, parent, script)
    }

    /// Makes such a container, and does not start it.
    ///
    /// # Errors
    /// When podman fails.
    pub fn create(&self, name: &str, parent: &str, script: &str) -> anyhow::Result<String> {
        self.podman("create", name, parent, script)
    }

    fn podman(&self, verb: &str, name: &str, parent: &str, script: &str) -> anyhow::Result<String> {
        let id = tempfile::NamedTempFile::new()?;
        let path = id.path().to_owned();
        // podman insists on creating the file itself.
        drop(id);
        let mut command = Command::new("podman");
        command.args(["--runtime", "runc", verb, "--name", name, "--network=none"]);
        command.args(["--cgroup-parent", parent]);
        command.args(["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=9000:9000", "--cidfile"]);
        output(command.arg(&path).arg(&self.name).args(["/bin/sh", "-c", script]))?;
        let id = std::fs::read_to_string(&path)?;
        std::fs::remove_file(&path)?;
        Ok(id.trim().to_owned())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        drop(output(Command::new("podman").args(["rmi", "--force", &self.name])));
    }
}

/// Starts a container that was made, and waits for its end.
///
/// # Errors
/// When it does not start, or its script fails.
pub fn start(id: &str) -> anyhow::Result<()> {
    output(Command::new("podman").args(["--runtime", "runc", "start", "--attach", id])).map(drop)
}

/// Removes a container.
///
/// # Errors
/// When podman does not know it.
pub fn remove(id: &str) -> anyhow::Result<()> {
    output(Command::new("podman").args(["rm", "--force", id])).map(drop)
}

/// `podman system service`: the Docker-compatible API on a socket of our own.
#[derive(Debug)]
pub struct ApiService {
    child: Child,
}

impl ApiService {
    /// Serves the API on `socket` until dropped.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(socket: &Path) -> anyhow::Result<Self> {
        let child = Command::new("podman")
            .args(["system", "service", "--time=0"])
            .arg(format!("unix://{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let service = Self { child };
        until_served(socket).await.context("podman's API did not come up")?;
        Ok(service)
    }
}

impl Drop for ApiService {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Waits until somebody listens on a socket.
pub(crate) async fn until_served(socket: &Path) -> anyhow::Result<()> {
    let up = async {
        while tokio::net::UnixStream::connect(socket).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    Ok(tokio::time::timeout(Duration::from_secs(30), up).await?)
}

pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?} failed with {}: {text}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
