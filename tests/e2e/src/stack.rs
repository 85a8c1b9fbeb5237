//! The three services of one test, started by `shrike run`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mock_intake::{MockIntake, Received};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use wire::v1;
use wire::v1::analyzer_client::AnalyzerClient;

use crate::counts::Accounting;

/// The uid of the analyzer in a stack: the one that `shrike run` takes first, and that `deploy/` names.
pub const ANALYZER_UID: u32 = 60_961;
/// What the probe becomes; the one in between is the reporter's.
const PROBE_UID: u32 = 60_963;

/// How long anything may take before a test gives up. Generous: machines are shared.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// What differs from test to test.
#[derive(Debug, Default)]
pub struct StackOptions {
    /// `--scope`, like `cgroup=/x`.
    pub scope: String,
    /// Users that may use the API, besides root and the analyzer's own.
    pub api_uids: Vec<u32>,
    /// Lines added to the generated `analyzer.toml`.
    pub analyzer_toml: String,
    /// Lines added to the generated `reporter.toml`, in its `[intake]` part.
    pub intake_toml: String,
    /// Lines at the end of the generated `reporter.toml`; `[file]` adds a file.
    pub reporter_toml: String,
    /// No intake: then `reporter_toml` names an output.
    pub without_intake: bool,
    /// What the intake keeps and where.
    pub intake: mock_intake::Options,
    /// Of how many documents one is checked against the contract; 0 = all. Only loads of hundreds of thousands are
    /// sampled.
    pub check_one_in: usize,
}

/// A running Shrike and its intake.
#[derive(Debug)]
pub struct Stack {
    run: Child,
    dir: tempfile::TempDir,
    /// Where the events end.
    pub intake: MockIntake,
    check_one_in: usize,
}

impl Stack {
    /// Starts everything and waits until the whole path stands.
    ///
    /// # Errors
    /// When a service does not start; its log is in the test's output.
    pub async fn start(options: &StackOptions) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("shrike-e2e-").tempdir()?;
        open_for_all(dir.path())?;
        let intake = MockIntake::start_with(options.intake.clone()).await?;
        let key = dir.path().join("api-key");
        std::fs::write(&key, "e2e-key\n")?;
        open_for_all(&key)?;
        let run_dir = dir.path().join("run");
        let configs = dir.path().join("config");
        let intake_url = (!options.without_intake).then(|| intake.url());
        write_configs(&configs, &run_dir, intake_url.as_deref(), &key, options)?;
        let run = Command::new(crate::binary("shrike")?)
            .args(["run", "--run-dir"])
            .arg(&run_dir)
            .arg("--config-dir")
            .arg(&configs)
            .stdin(Stdio::null())
            .spawn()?;
        let mut stack = Self { run, dir, intake, check_one_in: options.check_one_in.max(1) };
        stack
            .until("every service is connected", |status| status.probe_connected && status.reporter_connected)
            .await?;
        Ok(stack)
    }

    /// Directory with the sockets.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// A directory that goes away with the stack and that everybody may enter.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// The socket of the analyzer.
    #[must_use]
    pub fn api(&self) -> PathBuf {
        self.run_dir().join("analyzer.sock")
    }

    /// The status of all parts, as the command line sees it.
    ///
    /// # Errors
    /// When the analyzer cannot be reached.
    pub async fn status(&self) -> anyhow::Result<v1::AnalyzerStatus> {
        let channel = bootstrap::socket::connect(&self.api()).await?;
        Ok(AnalyzerClient::new(channel).get_status(v1::StatusRequest {}).await?.into_inner())
    }

    /// Waits until the status meets `condition`.
    ///
    /// # Errors
    /// After [`DEADLINE`], with the last status.
    pub async fn until(
        &mut self,
        what: &str,
        condition: impl Fn(&v1::AnalyzerStatus) -> bool,
    ) -> anyhow::Result<v1::AnalyzerStatus> {
        let mut last = None;
        let waiting = async {
            loop {
                if let Some(ended) = self.run.try_wait()? {
                    anyhow::bail!("`shrike run` ended: {ended}");
                }
                match self.status().await {
                    Ok(status) if condition(&status) => return Ok(status),
                    known => last = Some(known),
                }
                // Status is polled: no service announces "nothing is left to do".
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(status) => status,
            Err(_) => anyhow::bail!("not seen within {DEADLINE:?}: {what}; last status: {last:#?}"),
        }
    }

    /// Waits until at least `events` events happened and nothing is on its way any more; then gives the accounting and
    /// the events that the intake received, each checked against the contract.
    ///
    /// # Errors
    /// After [`DEADLINE`], or when a document is not valid.
    pub async fn settled(&mut self, events: u64) -> anyhow::Result<(Accounting, Vec<Arc<Received>>)> {
        let status = self
            .until("everything generated is accounted for", |status| {
                Accounting::of(status)
                    .is_ok_and(|accounting| accounting.is_settled() && accounting.generated() >= events)
            })
            .await?;
        self.check_documents()?;
        Ok((Accounting::of(&status)?, self.events()))
    }

    /// The events that the intake received, without what the system says of itself.
    #[must_use]
    pub fn events(&self) -> Vec<Arc<Received>> {
        let is_event = |entry: &Arc<Received>| {
            entry.json().get("agent").is_none_or(|agent| !crate::contract::is_custom(agent))
        };
        self.intake.received().into_iter().filter(is_event).collect()
    }

    /// Checks what the intake received against the contract.
    ///
    /// # Errors
    /// With the first document that is not valid.
    pub fn check_documents(&self) -> anyhow::Result<()> {
        let contract = crate::contract::Contract::new()?;
        let received = self.intake.received();
        received.iter().step_by(self.check_one_in).try_for_each(|entry| contract.check(&entry.message))
    }

    /// Process ids of the children that `shrike run` started with this program name.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn pids_of(&self, program: &str) -> anyhow::Result<Vec<i32>> {
        let own = self.run.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
        let named = children.split_whitespace().filter(|pid| {
            std::fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe.file_name().is_some_and(|name| name == program))
        });
        named.map(|pid| Ok(pid.parse()?)).collect()
    }

    /// The uid of a service that runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn uid_of(&self, program: &str) -> anyhow::Result<u32> {
        let pids = self.pids_of(program)?;
        let pid = pids.first().with_context(|| format!("{program} does not run"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).context("no Uid")?;
        Ok(uids.split_whitespace().next().context("no uid")?.parse()?)
    }

    /// Ends `shrike run` so that it can end nothing itself.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.run.kill()?;
        self.run.wait()?;
        Ok(())
    }

    /// Ends `shrike run` as Ctrl-C would and waits for it.
    ///
    /// # Errors
    /// When it does not end cleanly.
    pub async fn stop(mut self) -> anyhow::Result<(MockIntakeRecord, std::process::ExitStatus)> {
        nix::sys::signal::kill(Pid::from_raw(i32::try_from(self.run.id())?), Signal::SIGTERM)?;
        let ended = tokio::time::timeout(DEADLINE, async {
            loop {
                if let Some(ended) = self.run.try_wait()? {
                    return anyhow::Ok(ended);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let ended = ended.await.context("`shrike run` did not end")??;
        Ok((MockIntakeRecord { received: self.intake.received() }, ended))
    }
}

/// What an intake had at the end.
#[derive(Debug)]
pub struct MockIntakeRecord {
    /// Every entry in the order of arrival.
    pub received: Vec<Arc<Received>>,
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.run.try_wait().is_ok_and(|ended| ended.is_none())
            && let Ok(pid) = i32::try_from(self.run.id())
            && nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGTERM).is_ok()
        {
            drop(self.run.wait());
        }
    }
}

fn open_for_all(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

fn write_configs(
    dir: &Path,
    run: &Path,
    intake: Option<&str>,
    key: &Path,
    options: &StackOptions,
) -> anyhow::Result<()> {
    std::fs::create_dir(dir)?;
    let (run, key) = (run.display(), key.display());
    let StackOptions { scope, api_uids, analyzer_toml, intake_toml, reporter_toml, .. } = options;
    let intake = intake.map_or_else(String::new, |url| {
        format!("[intake]\nurl = \"{url}\"\napi_key_file = \"{key}\"\nbatch_wait = \"1s\"\n{intake_toml}")
    });
    let write = |name: &str, text: String| -> anyhow::Result<()> {
        let path = dir.join(name);
        std::fs::write(&path, text)?;
        open_for_all(&path)
    };
    write(
        "probe.toml",
        format!(
            "socket = \"{run}/probe.sock\"\nallow_uid = {ANALYZER_UID}\nrun_as = {PROBE_UID}\nscope = \"{scope}\"\n"
        ),
    )?;
    write(
        "analyzer.toml",
        format!(
            "[sockets]\nprobe = \"{run}/probe.sock\"\nreporter = \"{run}/reporter/intake.sock\"\n\
             api = \"{run}/analyzer/api.sock\"\napi_uids = {api_uids:?}\n{analyzer_toml}\n"
        ),
    )?;
    write(
        "reporter.toml",
        format!(
            "socket = \"{run}/reporter/intake.sock\"\nallowed_uids = [{ANALYZER_UID}]\n{intake}\n{reporter_toml}\n"
        ),
    )
}
