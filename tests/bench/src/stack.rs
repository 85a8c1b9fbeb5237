//! A running Shrike, started by the `shrike run` of its version, and what its three processes cost.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use wire::v1;
use wire::v1::analyzer_client::AnalyzerClient;

use crate::first;
use crate::programs::{Programs, Taker, Wanted};
use crate::tally::Tally;

/// The services, in the order of an event's way.
pub const SERVICES: [&str; 3] = ["shrike-probe", "shrike-analyzer", "shrike-reporter"];
/// How long a start may take.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long a status may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long everything may take to reach the output after a load.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);

/// The three services and the supervisor that started them.
#[derive(Debug)]
pub struct Stack {
    run: Child,
    dir: tempfile::TempDir,
    api: PathBuf,
    started: Instant,
    /// Process ids, as in [`SERVICES`].
    pub pids: [i32; 3],
}

impl Stack {
    /// Starts everything and waits until the whole path stands.
    ///
    /// # Errors
    /// When it does not; with what the services said.
    pub async fn start(
        programs: &Programs,
        cgroup: &str,
        taker: Taker,
        intake: Option<&Intake>,
    ) -> anyhow::Result<Self> {
        let mut stack = Self::spawn(programs, cgroup, taker, intake)?;
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if let Some(ended) = stack.run.try_wait()? {
                anyhow::bail!("`shrike run` ended: {ended}: {}", stack.last_words());
            }
            let status = stack.status().await;
            if status.is_ok_and(|status| {
                status.probe_connected && status.reporter_connected && status.probe.is_some()
            }) {
                break;
            }
            ensure!(Instant::now() < deadline, "not up within {START_WITHIN:?}: {}", stack.last_words());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stack.pids = services_of(stack.run.id())?;
        Ok(stack)
    }

    /// Starts everything and comes back at once; process ids are not known yet.
    ///
    /// # Errors
    /// When a configuration cannot be written or the supervisor not be started.
    pub fn spawn(
        programs: &Programs,
        cgroup: &str,
        taker: Taker,
        intake: Option<&Intake>,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("shrike-bench-").tempdir()?;
        open_for_all(dir.path(), 0o755)?;
        let output = dir.path().join("output");
        std::fs::create_dir(&output)?;
        open_for_all(&output, 0o777)?;
        let (run_dir, configs) = (dir.path().join("run"), dir.path().join("config"));
        let wanted = Wanted {
            run_dir: &run_dir,
            cgroup,
            taker,
            output: &events_in(dir.path()),
            intake: intake.map(|intake| (intake.url.as_str(), intake.key.as_path())),
        };
        programs.write_configs(&configs, &wanted)?;
        let log = std::fs::File::create(dir.path().join("log"))?;
        let (program, started) = (programs.program("shrike")?, Instant::now());
        let run = Command::new(program)
            .args(["run", "--run-dir"])
            .arg(&run_dir)
            .arg("--config-dir")
            .arg(&configs)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self { run, api: programs.api(&run_dir)?, dir, started, pids: [0; 3] })
    }

    /// The file with the events.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        events_in(self.dir.path())
    }

    /// When its supervisor was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The first complaint in what the services said.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let complaint = log.lines().find(|line| line.contains("ERROR") || line.contains("error"));
        complaint.or(log.lines().last()).unwrap_or("it said nothing").chars().take(150).collect()
    }

    /// The status of all parts, as the command line sees it.
    ///
    /// # Errors
    /// When the analyzer cannot be reached.
    pub async fn status(&self) -> anyhow::Result<v1::AnalyzerStatus> {
        let asked = async {
            let channel = bootstrap::socket::connect(&self.api).await?;
            anyhow::Ok(AnalyzerClient::new(channel).get_status(v1::StatusRequest {}).await?.into_inner())
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        answer.with_context(|| format!("the analyzer did not answer within {ANSWER_WITHIN:?}"))?
    }

    /// What became of all events so far.
    ///
    /// # Errors
    /// When the analyzer cannot be reached.
    pub async fn tally(&self) -> anyhow::Result<Tally> {
        let tally = Tally::of(&self.status().await?);
        // Of an earlier version no count is where it is now.
        if tally.generated > 0 {
            return Ok(tally);
        }
        Ok(Tally::of_first(&first::status(bootstrap::socket::connect(&self.api).await?).await?))
    }

    /// Waits until at least `events` events are accounted for and nothing is on its way.
    ///
    /// # Errors
    /// When that takes longer than a minute.
    pub async fn settled(&self, events: u64) -> anyhow::Result<Tally> {
        let deadline = Instant::now() + SETTLE_WITHIN;
        loop {
            // Status is polled, rarely: answering costs CPU time that is being measured.
            tokio::time::sleep(Duration::from_millis(400)).await;
            let tally = self.tally().await?;
            if tally.generated >= events && tally.is_settled() {
                return Ok(tally);
            }
            ensure!(Instant::now() < deadline, "not settled within {SETTLE_WITHIN:?}: {tally:?}");
        }
    }

    /// CPU time that each service has used since it started, all its threads together.
    ///
    /// # Errors
    /// When one is gone.
    pub fn cpu(&self) -> anyhow::Result<[Duration; 3]> {
        let [probe, analyzer, reporter] = self.pids.map(cpu_of);
        Ok([probe?, analyzer?, reporter?])
    }

    /// Ends it as Ctrl-C would.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(mut self) -> anyhow::Result<()> {
        end(&mut self.run)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        end(&mut self.run).unwrap_or_default();
    }
}

/// Ends a child as Ctrl-C would, and waits for it.
///
/// # Errors
/// When it cannot be waited for.
pub fn end(child: &mut Child) -> anyhow::Result<()> {
    if child.try_wait()?.is_none() {
        nix::sys::signal::kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        child.wait()?;
    }
    Ok(())
}

fn events_in(dir: &Path) -> PathBuf {
    dir.join("output/events.json")
}

/// To the nanosecond, and with the threads that have ended; /proc/<pid>/stat counts in hundredths of a second.
fn cpu_of(pid: i32) -> anyhow::Result<Duration> {
    let clock = nix::time::clock_getcpuclockid(Pid::from_raw(pid))?;
    Ok(nix::time::clock_gettime(clock)?.into())
}

/// The services among the children of a supervisor, whichever of its threads started them.
fn services_of(supervisor: u32) -> anyhow::Result<[i32; 3]> {
    let mut children = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{supervisor}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("children"))?;
        children.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    let named = |wanted: &str| {
        let is_it = |pid: &&i32| {
            std::fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe.file_name().is_some_and(|name| name == wanted))
        };
        children.iter().find(is_it).copied().with_context(|| format!("{wanted} does not run"))
    };
    let [probe, analyzer, reporter] = SERVICES.map(named);
    Ok([probe?, analyzer?, reporter?])
}

fn open_for_all(path: &Path, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?)
}

/// The mock intake, in a process of its own so that what it costs is nobody else's.
#[derive(Debug)]
pub struct Intake {
    child: Child,
    dir: tempfile::TempDir,
    /// Where it listens.
    pub url: String,
    /// The file with the key it is given.
    pub key: PathBuf,
}

impl Intake {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not listen within ten seconds.
    pub async fn start(programs: &Programs) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        open_for_all(dir.path(), 0o755)?;
        let (key, port) = (dir.path().join("api-key"), dir.path().join("port"));
        std::fs::write(&key, "bench-key\n")?;
        let child = Command::new(programs.program("mock-intake")?)
            .args(["--keep", "1000", "--print-port-to"])
            .arg(&port)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut intake = Self { child, dir, url: String::new(), key };
        for _ in 0..1000 {
            if let Ok(number) = std::fs::read_to_string(&port) {
                intake.url = format!("http://127.0.0.1:{}", number.trim());
                return Ok(intake);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!(
            "the mock intake did not listen within ten seconds (in {})",
            intake.dir.path().display()
        )
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        end(&mut self.child).unwrap_or_default();
    }
}
