//! The pod of `deploy/kubernetes/daemonset.yaml`, run by podman as `deploy/podman` says, with images and a storage of the
//! test's own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use wire::v1;
use wire::v1::analyzer_client::AnalyzerClient;

use crate::container::{output, which};
use crate::stack::DEADLINE;

const POD: &str = "shrike";
const TAG: &str = "e2e";
/// `runAsUser` of the reporter.
pub const REPORTER_UID: u32 = 60_962;

/// What the test decides; the rest is the manifest's.
#[derive(Debug, Clone)]
pub struct PodOptions {
    /// `scope` of the probe: other containers of the machine are none of our business.
    pub scope: String,
    /// The intake.
    pub intake: String,
}

/// A running pod; dropping it ends it and removes all of it.
#[derive(Debug)]
pub struct Pod {
    dir: TempDir,
}

impl Pod {
    /// Builds the images and starts the pod, and waits until every service is connected.
    ///
    /// # Errors
    /// When something does not start; the error has what the containers said.
    pub async fn start(options: &PodOptions) -> anyhow::Result<Self> {
        let pod = Self { dir: tempfile::Builder::new().prefix("shrike-pod-").tempdir()? };
        pod.write_settings()?;
        pod.build()?;
        let mut volumes = Command::new(repository().join("deploy/podman/volumes.sh"));
        pod.settings_of(&mut volumes);
        output(volumes.env("NAME", POD))?;
        let manifest = pod.manifest(options)?;
        let mut play = pod.podman();
        play.args(["kube", "play", "--network", "host", "--seccomp-profile-root"]);
        output(play.arg(repository().join("deploy/seccomp")).arg(manifest))?;
        let started = pod.until("every service is connected", |status| {
            status.probe_connected && status.reporter_connected
        });
        started.await?;
        Ok(pod)
    }

    /// The status, from the socket that the analyzer has inside.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn status(&self) -> anyhow::Result<v1::AnalyzerStatus> {
        let socket = format!("/proc/{}/root/run/shrike/analyzer.sock", self.pid_of("analyzer")?);
        let channel = bootstrap::socket::connect(Path::new(&socket)).await?;
        Ok(AnalyzerClient::new(channel).get_status(v1::StatusRequest {}).await?.into_inner())
    }

    /// Waits until the status meets `condition`.
    ///
    /// # Errors
    /// After [`DEADLINE`], with the last status and what the containers said.
    pub async fn until(
        &self,
        what: &str,
        condition: impl Fn(&v1::AnalyzerStatus) -> bool,
    ) -> anyhow::Result<v1::AnalyzerStatus> {
        let mut last = None;
        let waiting = async {
            loop {
                match self.status().await {
                    Ok(status) if condition(&status) => return status,
                    known => last = Some(known),
                }
                // Nothing announces that a container has come back or that nothing is left to do.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(status) => Ok(status),
            Err(_) => bail!("not seen within {DEADLINE:?}: {what}; last: {last:#?}{}", self.logs()),
        }
    }

    /// The process of a container.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid_of(&self, container: &str) -> anyhow::Result<u32> {
        let pid = self.inspect(container, "{{.State.Pid}}")?.parse()?;
        ensure!(pid != 0, "the container of the {container} does not run");
        Ok(pid)
    }

    /// Kills the process of a container, and waits until podman has started it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn kill(&self, container: &str) -> anyhow::Result<()> {
        let killed = self.pid_of(container)?;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(killed)?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)?;
        let back = async {
            while !self.pid_of(container).is_ok_and(|pid| pid != killed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, back).await;
        waited.map_err(|_elapsed| anyhow::anyhow!("the {container} does not come back{}", self.logs()))
    }

    /// What podman says of a container, by a template of its own.
    ///
    /// # Errors
    /// When there is no such container.
    pub fn inspect(&self, container: &str, template: &str) -> anyhow::Result<String> {
        let text =
            output(self.podman().args(["inspect", "--format", template]).arg(format!("{POD}-{container}")))?;
        Ok(text.trim().to_owned())
    }

    /// The command line inside the analyzer's container.
    ///
    /// # Errors
    /// When it fails.
    pub fn shrike(&self, arguments: &[&str]) -> anyhow::Result<String> {
        output(self.podman().args(["exec", &format!("{POD}-analyzer"), "shrike"]).args(arguments))
    }

    /// Runs the init container of the manifest, and compares what it writes with what podman was given.
    ///
    /// # Errors
    /// When it fails, or brings other profiles.
    pub fn check_profiles(&self) -> anyhow::Result<()> {
        let node = self.dir.path().join("node");
        std::fs::create_dir(&node)?;
        let mut run = self.podman();
        run.args(["run", "--rm", "--network=none", "--read-only", "--cap-drop=all"]);
        run.arg("--security-opt=no-new-privileges").arg(format!("--volume={}:/node/seccomp", node.display()));
        output(run.arg(image("probe")).args(["seccomp-profiles", "/node/seccomp"]))?;
        for service in ["probe", "analyzer", "reporter"] {
            let name = format!("{service}.json");
            let written = std::fs::read(node.join(&name))?;
            ensure!(
                written == std::fs::read(repository().join("deploy/seccomp").join(&name))?,
                "{name} differs"
            );
        }
        Ok(())
    }

    /// A storage and a runtime of the test's own, so that nothing of it is left or met on this machine.
    fn write_settings(&self) -> anyhow::Result<()> {
        let dir = self.dir.path().display();
        std::fs::write(
            self.dir.path().join("storage.conf"),
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{dir}/storage\"\nrunroot = \"{dir}/run\"\n"),
        )?;
        std::fs::write(
            self.dir.path().join("containers.conf"),
            format!(
                // Before 4.4 podman does not know `hostPID`.
                "[containers]\npidns = \"host\"\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=9000:9000\"]\n\
                 [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nlock_type = \"file\"\n\
                 infra_image = \"localhost/pause:{TAG}\"\ntmp_dir = \"{dir}/tmp\"\n\
                 volume_path = \"{dir}/volumes\"\n"
            ),
        )?;
        Ok(())
    }

    fn podman(&self) -> Command {
        let mut command = Command::new("podman");
        self.settings_of(&mut command);
        command
    }

    fn settings_of(&self, command: &mut Command) {
        command.env("CONTAINERS_CONF", self.dir.path().join("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.dir.path().join("storage.conf"));
    }

    fn build(&self) -> anyhow::Result<()> {
        let mut build = Command::new(repository().join("build/images.sh"));
        self.settings_of(&mut build);
        build.env("IMAGES", format!("localhost/{POD}")).env("TAG", TAG).env("BUILDER", "podman");
        let shrike = crate::binary("shrike")?;
        output(build.env("FROM", shrike.parent().context("a program is in a directory")?))?;
        // What holds the namespaces of a pod; podman would download it, or build it of a program that is not everywhere.
        let context = self.dir.path().join("pause");
        std::fs::create_dir(&context)?;
        std::fs::copy(which("busybox").context("busybox is missing")?, context.join("busybox"))?;
        let recipe =
            "FROM scratch\nCOPY busybox /busybox\nENTRYPOINT [\"/busybox\", \"sleep\", \"infinity\"]\n";
        std::fs::write(context.join("Dockerfile"), recipe)?;
        let name = format!("localhost/pause:{TAG}");
        output(self.podman().args(["build", "--quiet", "--tag", &name]).arg(&context)).map(drop)
    }

    /// The manifest for podman, with the configurations of `deploy/kubernetes` and what `options` puts in their place.
    fn manifest(&self, options: &PodOptions) -> anyhow::Result<PathBuf> {
        let config = self.dir.path().join("config");
        std::fs::create_dir(&config)?;
        let key = self.dir.path().join("key");
        std::fs::write(&key, "e2e-key\n")?;
        std::os::unix::fs::chown(&key, Some(REPORTER_UID), None)?;
        let deployed = repository().join("deploy/kubernetes");
        for (service, was, is) in [
            ("probe", "scope = \"containers\"", format!("scope = \"{}\"", options.scope)),
            ("analyzer", "", String::new()),
            (
                "reporter",
                "[stdout]\n",
                format!(
                    "[stdout]\n[intake]\nurl = \"{}\"\napi_key_file = \"/etc/shrike-intake/api-key\"\nbatch_wait = \"1s\"\n",
                    options.intake
                ),
            ),
        ] {
            let name = format!("{service}.toml");
            let text = std::fs::read_to_string(deployed.join(&name))?;
            ensure!(text.contains(was), "{name} in deploy/kubernetes has no {was}");
            std::fs::write(config.join(&name), text.replace(was, &is))?;
        }
        let mut script = Command::new(repository().join("deploy/podman/pod.sh"));
        script
            .env("IMAGES", format!("localhost/{POD}"))
            .env("TAG", TAG)
            .env("NAME", POD)
            .env("NODE", "e2e-node");
        let text = output(script.env("CONFIG", &config).env("API_KEY_FILE", &key))?;
        let path = self.dir.path().join("pod.yaml");
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn logs(&self) -> String {
        let of = |container: &str| {
            let said =
                self.podman().args(["logs", "--tail", "20"]).arg(format!("{POD}-{container}")).output();
            said.map_or_else(
                |error| error.to_string(),
                |said| {
                    format!(
                        "{}{}",
                        String::from_utf8_lossy(&said.stdout),
                        String::from_utf8_lossy(&said.stderr)
                    )
                },
            )
        };
        ["probe", "analyzer", "reporter"].map(|name| format!("\n-- {name}\n{}", of(name))).concat()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        drop(output(self.podman().args(["pod", "rm", "--force", "--time", "0", "--all"])));
    }
}

fn image(service: &str) -> String {
    format!("localhost/{POD}/{service}:{TAG}")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
