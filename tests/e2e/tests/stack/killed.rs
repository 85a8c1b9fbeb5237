//! Services that are stopped or killed at the worst moments: each numbered event of the load is at an output, under one id,
//! and the accounts agree to the event.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use e2e::counts::Accounting;
use e2e::documents::{Numbered, lines};
use e2e::{Stack, StackOptions};
use event::Kind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::storm::{
    Containers, PREFIX, ended, hanging_resolver, not_observed, output_directory, reported_gap, settled_again,
    storm,
};

/// Longer than everything that only looks whether a neighbour makes progress: the outbox tells of a stall after ten
/// seconds. What gives up, and so would save the events in another way, looks after thirty and is not reached.
const STOP: Duration = Duration::from_secs(12);
const ANALYZER: &str = "shrike-analyzer";
const PROBE: &str = "shrike-probe";

/// A stack that writes to a file which is looked through at the end.
struct Bench {
    containers: Containers,
    directory: tempfile::TempDir,
    file: PathBuf,
    stack: Stack,
    opens: u64,
    loads: u64,
}

impl Bench {
    async fn start(analyzer_toml: impl FnOnce(&Path) -> anyhow::Result<String>) -> anyhow::Result<Self> {
        let directory = output_directory()?;
        let file = directory.path().join("events.json");
        Self::start_with(analyzer_toml(directory.path())?, directory, file).await
    }

    async fn start_with(
        analyzer_toml: String,
        directory: tempfile::TempDir,
        file: PathBuf,
    ) -> anyhow::Result<Self> {
        let containers = Containers::new()?;
        let options = StackOptions {
            scope: containers.scope.clone(),
            analyzer_toml,
            without_intake: true,
            reporter_toml: format!("[file]\npath = {file:?}\nmax_files = 1000\n"),
            ..StackOptions::default()
        };
        let stack = Stack::start(&options).await?;
        Ok(Self { containers, directory, file, stack, opens: 0, loads: 0 })
    }

    /// Starts to open `opens` more files, `rate` a second.
    fn load(&mut self, opens: u64, rate: u64) -> anyhow::Result<std::process::Child> {
        // The numbers of a second load go on from where no first one comes to: each has nine digits.
        let prefix = format!("{}{}", String::from_utf8_lossy(PREFIX), self.loads);
        self.opens += opens;
        self.loads += 1;
        let (opens, rate) = (opens.to_string(), rate.to_string());
        storm(&self.containers.loud, &["--opens", &opens, "--rate", &rate, "--prefix", &prefix])
    }

    fn pid(&self, service: &str) -> anyhow::Result<Option<Pid>> {
        Ok(self.stack.pids_of(service)?.first().copied().map(Pid::from_raw))
    }

    /// Kills a service, if it runs.
    fn kill(&self, service: &str) -> anyhow::Result<()> {
        self.pid(service)?.map_or(Ok(()), |pid| Ok(kill(pid, Signal::SIGKILL)?))
    }

    /// Waits until another process of the service runs than this one.
    async fn restarted(&self, service: &str, before: Option<Pid>) -> anyhow::Result<()> {
        tokio::time::timeout(e2e::stack::DEADLINE, async {
            loop {
                let now = self.pid(service)?;
                if now.is_some() && now != before {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await?
    }

    /// Waits until something more is in the file: the first of it is there, and what follows is on its way.
    async fn grown(&self) -> anyhow::Result<()> {
        let size = || std::fs::metadata(&self.file).map_or(0, |metadata| metadata.len());
        let before = size();
        let growing = async {
            while size() <= before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        Ok(tokio::time::timeout(e2e::stack::DEADLINE, growing).await?)
    }

    /// What is in the files now.
    fn numbered(&self) -> anyhow::Result<Numbered> {
        let mut numbered = Numbered::default();
        lines(&self.file, &mut |line| numbered.see(line, PREFIX))?;
        Ok(numbered)
    }

    /// Waits until nothing is on its way; then everything must be at the output, and the accounts must say so.
    async fn nothing_is_lost(&mut self, what: &str) -> anyhow::Result<Numbered> {
        let (accounting, _) = self.stack.settled(self.opens).await?;
        let Accounting { counters, .. } = accounting;
        let numbered = self.numbered()?;
        ensure!(numbered.conflicts.is_empty(), "{what}: {:?}", numbered.conflicts.first());
        let of = |counts: &event::PerKind<u64>| counts.get(Kind::Open);
        let (generated, delivered) = (of(&counters.generated), of(&counters.delivered));
        ensure!(
            numbered.ids.len() as u64 == self.opens,
            "{what}: {} of {} opens are at the output: {accounting:?}",
            numbered.ids.len(),
            self.opens
        );
        ensure!(accounting.lost().total() == 0, "{what}: {accounting:?}");
        ensure!(generated == delivered && generated >= self.opens, "{what}: {accounting:?}");
        Ok(numbered)
    }
}

/// An analyzer that stands for longer than its neighbours look away: the probe keeps what it does not take, and its own
/// outbox drops nothing when it wakes up to a reporter that seems to have stalled.
pub(crate) fn analyzer_stopped() -> anyhow::Result<()> {
    crate::run(async {
        let mut bench = Bench::start(|_| Ok(String::new())).await?;
        let load = bench.load(16 * 5_000, 5_000)?;
        bench.stack.until("the load arrives", |status| delivered(status) > 1_000).await?;
        let stopped = bench.pid(ANALYZER)?;
        let before = bench.numbered()?.ids.len() as u64;
        if let Some(pid) = stopped {
            kill(pid, Signal::SIGSTOP)?;
            tokio::time::sleep(STOP).await;
            let meanwhile = bench.numbered()?.ids.len() as u64;
            kill(pid, Signal::SIGCONT)?;
            ensure!(meanwhile < bench.opens, "{before} grew to {meanwhile}: the stop stopped nothing");
        }
        ended(load).await?;
        let numbered = bench.nothing_is_lost("stopped").await?;
        ensure!(numbered.lines == bench.opens, "nobody was killed, and there are {} lines", numbered.lines);
        ensure!(bench.pid(ANALYZER)? == stopped, "the analyzer that was stopped is not the one that runs");
        Ok(())
    })
}

/// Killed when its first batch comes, and again as soon as it runs; then with no process in scope, and nothing to do.
pub(crate) fn analyzer_killed_at_the_first_batch() -> anyhow::Result<()> {
    crate::run(async {
        let mut bench = Bench::start(|_| Ok(String::new())).await?;
        let load = bench.load(40_000, 20_000)?;
        for has_begun in [true, false, true] {
            if has_begun {
                bench.grown().await?;
            }
            let pid = bench.pid(ANALYZER)?;
            bench.kill(ANALYZER)?;
            bench.restarted(ANALYZER, pid).await?;
        }
        ended(load).await?;
        bench.nothing_is_lost("killed at the first batch").await?;
        // The load has ended: the process table is empty, and numbers of batches must go on all the same.
        let pid = bench.pid(ANALYZER)?;
        bench.kill(ANALYZER)?;
        bench.restarted(ANALYZER, pid).await?;
        let load = bench.load(20_000, 20_000)?;
        ended(load).await?;
        bench.nothing_is_lost("killed with an empty table").await?;
        let status = bench.stack.status().await?;
        let missing = e2e::counts::metric(&status.analyzer, |metric| {
            metric.name == "analyzer_link_missing_batches_total"
        });
        ensure!(missing == 0, "{missing} batches are taken for missing");
        Ok(())
    })
}

/// Killed while everything waits for tags that never come.
pub(crate) fn analyzer_killed_while_tags_are_pending() -> anyhow::Result<()> {
    crate::run(async {
        let resolver = |directory: &Path| {
            let socket = hanging_resolver(directory)?;
            // Longer than the load: what is killed has not let go of anything yet.
            Ok(format!("[tags]\ndocker_sockets = [{socket:?}]\nwait = \"4s\"\ntimeout = \"1m\"\n"))
        };
        let mut bench = Bench::start(resolver).await?;
        let load = bench.load(4_000, 20_000)?;
        ended(load).await?;
        let waiting = |status: &wire::v1::AnalyzerStatus| {
            e2e::counts::metric(&status.analyzer, |metric| metric.name == "analyzer_outbox_payloads") > 0
        };
        bench.stack.until("payloads wait for tags", waiting).await?;
        ensure!(bench.numbered().map_or(0, |numbered| numbered.lines) == 0, "nothing waited for tags");
        bench.kill(ANALYZER)?;
        bench.nothing_is_lost("killed while tags are pending").await?;
        Ok(())
    })
}

/// Killed, and once more before anybody has heard of the first hole: what is missing is inside of one that is reported.
pub(crate) fn probe_killed_twice() -> anyhow::Result<()> {
    crate::run(async {
        let mut bench = Bench::start(|_| Ok(String::new())).await?;
        let ticks = bench.directory.path().join("ticks");
        std::fs::File::create(&ticks)?;
        let opens = 60_000;
        let (opens_text, ticks_path) = (u64::to_string(&opens), ticks.to_string_lossy());
        let arguments = ["--opens", &opens_text, "--rate", "10000", "--ticks", &ticks_path];
        let load = storm(&bench.containers.loud, &arguments)?;
        bench.stack.until("the load arrives", |status| delivered(status) > 1_000).await?;
        for _ in 0..2 {
            let pid = bench.pid(PROBE)?;
            bench.kill(PROBE)?;
            bench.restarted(PROBE, pid).await?;
        }
        ended(load).await?;
        let status = settled_again(&mut bench.stack).await?;
        let mut gaps = Vec::new();
        lines(&bench.file, &mut |line| gaps.extend(reported_gap(line)))?;
        let numbered = bench.numbered()?;
        ensure!(numbered.conflicts.is_empty(), "{:?}", numbered.conflicts.first());
        let hidden = not_observed(&status, &gaps, &ticks, opens)?;
        let missing: Vec<u64> = (0..opens).filter(|number| !numbered.ids.contains_key(number)).collect();
        ensure!(!missing.is_empty(), "nothing was missed, so these kills prove nothing");
        let unexplained = missing.iter().find(|number| !hidden.contains(number));
        ensure!(
            unexplained.is_none(),
            "{} are missing, {unexplained:?} is in none of {gaps:?}, {:?}",
            missing.len(),
            Accounting::of(&status)?
        );
        ensure!(hidden.len() < usize::try_from(opens)?, "everything is said to be missing: {gaps:?}");
        Ok(())
    })
}

/// A file system, unmounted at the end.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, bytes: usize) -> anyhow::Result<Self> {
        run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes},mode=0777"), "tmpfs"], at)?;
        Ok(Self(at.to_owned()))
    }

    fn resize(&self, bytes: usize) -> anyhow::Result<()> {
        run("mount", &["-o", &format!("remount,size={bytes}")], &self.0)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily, because a test that failed may have left a reporter with its file open.
        run("umount", &["--lazy"], &self.0).unwrap_or_default();
    }
}

fn run(program: &str, arguments: &[&str], place: &Path) -> anyhow::Result<()> {
    let status = Command::new(program).args(arguments).arg(place).stdin(Stdio::null()).status()?;
    ensure!(status.success(), "{program} {arguments:?} {}: {status}", place.display());
    Ok(())
}

/// A disk that is full stands like any other output that is slow, and no line is left in half when there is room again.
pub(crate) fn disk_full() -> anyhow::Result<()> {
    crate::run(async {
        let directory = output_directory()?;
        let place = directory.path().join("small");
        std::fs::create_dir(&place)?;
        let disk = Small::mount(&place, 4 << 20)?;
        let file = place.join("events.json");
        let mut bench = Bench::start_with(String::new(), directory, file).await?;
        let load = bench.load(20_000, 10_000)?;
        let retries = |status: &wire::v1::AnalyzerStatus| {
            e2e::counts::metric(&status.reporter, |metric| metric.name == "reporter_lines_retries_total")
        };
        bench.stack.until("the disk is full", |status| retries(status) > 0).await?;
        ended(load).await?;
        let here = bench.numbered()?.ids.len() as u64;
        ensure!(here > 0 && here < bench.opens, "{here} of {} are there with a full disk", bench.opens);
        bench.kill("shrike-reporter")?;
        disk.resize(256 << 20)?;
        bench.nothing_is_lost("disk full").await?;
        e2e::contract::Contract::new()?.check_file(&bench.file, 50)?;
        // The stack first: it has the file open.
        let Bench { stack, directory, .. } = bench;
        drop(stack);
        drop(disk);
        drop(directory);
        Ok(())
    })
}

fn delivered(status: &wire::v1::AnalyzerStatus) -> u64 {
    Accounting::of(status).map_or(0, |accounting| accounting.counters.delivered.total())
}
