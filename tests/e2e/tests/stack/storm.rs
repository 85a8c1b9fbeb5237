//! Loads that are too much, and everything killed and stopped in the middle of one.

use std::collections::{BTreeMap, HashSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use e2e::contract::Contract;
use e2e::documents::{Follower, Numbered, id_and_number, lines};
use e2e::growth::{Grown, Place};
use e2e::{Stack, StackOptions};
use event::Kind;
use mock_intake::{Fault, Plan};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep_until};
use wire::v1;
use workloads::cgroup::OwnCgroup;

const SECONDS: u64 = 60;
/// What a flood may delay others.
const LATENCY: Duration = Duration::from_secs(1);
const NUMBERED: &[u8] = br#""--numbered",""#;
/// What the paths of numbered opens begin with.
pub(crate) const PREFIX: &[u8] = b"/no/such/file/";
const SERVICES: [&str; 3] = ["shrike-probe", "shrike-analyzer", "shrike-reporter"];

/// Two containers in a cgroup of ours, which is the scope.
pub(crate) struct Containers {
    _base: OwnCgroup,
    pub(crate) loud: OwnCgroup,
    quiet: OwnCgroup,
    pub(crate) scope: String,
}

impl Containers {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let base = format!("shrike-storm-{}", std::process::id());
        let container = |digit: &str| OwnCgroup::new(&format!("{base}/docker-{}.scope", digit.repeat(64)));
        Ok(Self {
            loud: container("a")?,
            quiet: container("b")?,
            scope: format!("cgroup=/{base}"),
            _base: OwnCgroup::new(&base)?,
        })
    }
}

/// A directory in memory, where there is one, that every service may write to.
pub(crate) fn output_directory() -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let directory = tempfile::Builder::new().prefix("shrike-e2e-").tempdir_in(place)?;
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o777))?;
    Ok(directory)
}

pub(crate) fn storm(cgroup: &OwnCgroup, arguments: &[&str]) -> anyhow::Result<Child> {
    let mut command = Command::new(e2e::binary("storm")?);
    command.arg("--cgroup").arg(cgroup.dir()).args(["--uid", "65534"]).args(arguments);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

pub(crate) async fn ended(mut child: Child) -> anyhow::Result<()> {
    let status = tokio::task::spawn_blocking(move || child.wait()).await??;
    ensure!(status.success(), "the load failed: {status}");
    Ok(())
}

/// When each numbered exec happened, and where its line is in the file.
#[derive(Default)]
struct Execs(BTreeMap<u64, (SystemTime, Place)>);

impl Execs {
    fn see(&mut self, line: &[u8], place: &Place) {
        let Some((_, number)) = id_and_number(line, NUMBERED) else { return };
        let json: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let text = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_str);
        // The exit of the same process and its files carry the same arguments.
        if text("/evt/name") != Some("exec") {
            return;
        }
        if let Some(happened) = text("/date").and_then(|date| date.parse::<jiff::Timestamp>().ok()) {
            self.0.entry(number).or_insert_with(|| (happened.into(), place.clone()));
        }
    }

    /// Time from each exec to its line in the file, shortest first.
    fn latencies(&self, grown: &Grown) -> anyhow::Result<Vec<Duration>> {
        let latency = |(happened, place): &(SystemTime, Place)| {
            let reached = grown.reached(place).context("a line that was read is in no sample")?;
            Ok(reached.duration_since(*happened).unwrap_or_default())
        };
        let mut latencies = self.0.values().map(latency).collect::<anyhow::Result<Vec<_>>>()?;
        latencies.sort_unstable();
        Ok(latencies)
    }
}

/// Four threads of opens in one container, one exec a second in another.
pub(crate) fn flood() -> anyhow::Result<()> {
    crate::run(async {
        let containers = Containers::new()?;
        let directory = output_directory()?;
        let file = directory.path().join("events.json");
        let options = StackOptions {
            scope: containers.scope.clone(),
            without_intake: true,
            // Enough files for a reader that is slower than the flood, which is a test on two busy processors.
            reporter_toml: format!("[file]\npath = {file:?}\nmax_bytes = 268435456\nmax_files = 24\n"),
            ..StackOptions::default()
        };
        let mut stack = Stack::start(&options).await?;
        let follower = Follower::<Execs>::start(&file, |seen, line, place| seen.see(line, place))?;
        let (execs, seconds) = (SECONDS.to_string(), SECONDS.to_string());
        let loud = storm(
            &containers.loud,
            &["--threads", "4", "--opens", "18446744073709551615", "--seconds", &seconds],
        )?;
        let quiet = storm(&containers.quiet, &["--execs", &execs])?;
        ended(loud).await?;
        ended(quiet).await?;
        let (accounting, _) = stack.settled(SECONDS).await?;
        let status = stack.status().await?;
        let (execs, growth) = follower.end()?;
        Contract::new()?.check_file(&file, 100)?;

        let missing: Vec<u64> = (0..SECONDS).filter(|number| !execs.0.contains_key(number)).collect();
        ensure!(missing.is_empty(), "execs {missing:?} are not at the output: {accounting:?}");
        let sorted = execs.latencies(&growth.end()?)?;
        let p99 = *sorted.get(sorted.len() * 99 / 100).context("no exec")?;
        report(&format!(
            "flood: {} events generated, {} lost; exec to file: median {:?}, p99 {p99:?}",
            accounting.generated(),
            accounting.lost().total(),
            sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
        ));
        // Not a measurement, which is the business of the bench, but the promise: the flood is not waited for.
        ensure!(p99 <= LATENCY, "p99 from exec to file is {p99:?}, the slowest {:?}", sorted.last());
        ensure!(accounting.lost().total() > 0, "nothing was lost, so this flood proves nothing");
        let probe = status.probe.context("the probe has a status")?;
        let loud = "a".repeat(64);
        for workload in &probe.workloads {
            ensure!(workload.workload == loud, "somebody else than the flood lost events: {workload:?}");
        }
        let by_workload = wire::status::losses(
            &probe.workloads.iter().flat_map(|workload| workload.lost.clone()).collect::<Vec<_>>(),
        );
        ensure!(by_workload == *accounting.losses(), "by workload {by_workload:?}, in all {accounting:?}");
        Ok(())
    })
}

/// What happened to a service at which moment of the load.
struct Evil {
    at: Duration,
    service: &'static str,
    /// Stopped for so long; killed when `None`.
    stop: Option<Duration>,
}

/// Two kills and one stop of each service, at random moments of `seconds`.
fn schedule(seconds: u64, state: &mut u64) -> Vec<Evil> {
    let mut random = |bound: u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state % bound
    };
    let mut evils = Vec::new();
    for service in SERVICES {
        for stop in [None, None, Some(())] {
            let at = Duration::from_millis(500 + random(seconds * 1000 - 1000));
            let stop = stop.map(|()| Duration::from_millis(200 + random(1800)));
            evils.push(Evil { at, service, stop });
        }
    }
    evils.sort_by_key(|evil| evil.at);
    evils
}

/// 20 000 numbered opens a second for 30 s, every service killed and stopped, a resolver that hangs, an intake that
/// fails: each of them is at an output, counted as lost, or inside a time that is reported as not observed.
pub(crate) fn chaos() -> anyhow::Result<()> {
    crate::run(async {
        let mut seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() | 1;
        report(&format!("chaos: seed {seed}"));
        let containers = Containers::new()?;
        let directory = output_directory()?;
        let (file, at_intake) = (directory.path().join("events.json"), directory.path().join("intake.json"));
        let resolver = hanging_resolver(directory.path())?;
        let options = StackOptions {
            scope: containers.scope.clone(),
            analyzer_toml: format!("[tags]\ndocker_sockets = [{resolver:?}]\n"),
            intake_toml: "timeout = \"1s\"\nsender_backoff_base = \"50ms\"\nsender_backoff_max = \"200ms\""
                .to_owned(),
            // Every line is kept, because every line is looked for.
            reporter_toml: format!("[file]\npath = {file:?}\nmax_files = 1000\n"),
            intake: mock_intake::Options {
                keep: 2000,
                out: Some(at_intake.clone()),
                ..mock_intake::Options::default()
            },
            check_one_in: 10,
            ..StackOptions::default()
        };
        let mut stack = Stack::start(&options).await?;
        let ticks = directory.path().join("ticks");
        let ticks_path = ticks.to_string_lossy().into_owned();
        std::fs::File::create(&ticks)?;
        let (opens, rate, seconds) = (600_000, 20_000, 30);
        let (opens_text, rate_text) = (u64::to_string(&opens), u64::to_string(&rate));
        let start = Instant::now();
        let load =
            storm(&containers.loud, &["--opens", &opens_text, "--rate", &rate_text, "--ticks", &ticks_path])?;
        let faults = [Fault::status(500), Fault::status(429), Fault::Hang, Fault::Close, Fault::Garbage];
        let mut counted = 0;
        for evil in schedule(seconds, &mut seed) {
            sleep_until(start + evil.at).await;
            stack.intake.fail(Plan::once(faults.clone()));
            counted += do_evil(&stack, &evil).await?;
        }
        ended(load).await?;
        stack.intake.fail(Plan::default());
        let status = settled_again(&mut stack).await?;
        stack.check_documents()?;
        Contract::new()?.check_file(&file, 100)?;
        let accounting = e2e::counts::Accounting::of(&status)?;
        counted += accounting.lost().get(Kind::Open);

        let (mut seen, mut gaps) = (Numbered::default(), Vec::new());
        for path in [&file, &at_intake] {
            lines(path, &mut |line| {
                seen.see(line, PREFIX);
                gaps.extend(reported_gap(line));
            })?;
        }
        let Numbered { ids, lines: lines_seen, conflicts, .. } = seen;
        ensure!(
            conflicts.is_empty(),
            "{} ids are not those of one event: {:?}",
            conflicts.len(),
            conflicts.first()
        );
        let hidden = not_observed(&status, &gaps, &ticks, opens)?;
        let missing: Vec<u64> = (0..opens).filter(|number| !ids.contains_key(number)).collect();
        let unexplained: Vec<u64> =
            missing.iter().copied().filter(|number| !hidden.contains(number)).collect();
        report(&format!(
            "chaos: {opens} opens, {} at an output ({} duplicates by the two outputs and by sending again), {} missing, \
             {} of them not observed, {counted} counted as lost",
            ids.len(),
            lines_seen - ids.len() as u64,
            missing.len(),
            missing.len() - unexplained.len(),
        ));
        ensure!(
            unexplained.len() as u64 <= counted,
            "{} events are gone, {counted} counted as lost; the first: {:?}; {:?}",
            unexplained.len(),
            unexplained.first(),
            gaps,
        );
        // Or a ledger that says too much would excuse whatever is gone.
        ensure!(
            counted <= missing.len() as u64,
            "{counted} are counted as lost and {} are missing: some of the lost are at an output",
            missing.len()
        );
        Ok(())
    })
}

/// Stops or kills. Gives the opens that a probe that is killed had counted as lost: its counters end with it.
async fn do_evil(stack: &Stack, evil: &Evil) -> anyhow::Result<u64> {
    // While a service is being restarted there is nothing to kill.
    let Some(pid) = stack.pids_of(evil.service)?.first().copied().map(Pid::from_raw) else { return Ok(0) };
    report(&format!("chaos: {:?} {} {:?}", evil.at, evil.service, evil.stop));
    if let Some(stop) = evil.stop {
        kill(pid, Signal::SIGSTOP)?;
        tokio::time::sleep(stop).await;
        kill(pid, Signal::SIGCONT)?;
        return Ok(0);
    }
    let mut counted = 0;
    if evil.service == "shrike-probe" {
        let status = tokio::time::timeout(Duration::from_secs(1), stack.status()).await;
        if let Ok(Ok(status)) = status {
            counted = e2e::counts::Accounting::of(&status)?.lost().get(Kind::Open);
        }
    }
    kill(pid, Signal::SIGKILL)?;
    Ok(counted)
}

/// Waits until everything stands again and nothing is on its way.
pub(crate) async fn settled_again(stack: &mut Stack) -> anyhow::Result<v1::AnalyzerStatus> {
    stack
        .until("everything stands again, and nothing is on its way", |status| {
            let accounting = e2e::counts::Accounting::of(status);
            let waits = status
                .probe
                .as_ref()
                .and_then(|probe| probe.backlog)
                .is_some_and(|backlog| backlog.events > 0);
            status.probe_connected
                && status.reporter_connected
                && !waits
                && accounting.is_ok_and(|accounting| accounting.is_settled())
        })
        .await
}

/// A time that nobody observed, from the document that says so; nanoseconds since the epoch.
pub(crate) fn reported_gap(line: &[u8]) -> Option<(i128, i128)> {
    memchr::memmem::find(line, br#""rule_id":"not_observed""#)?;
    let json: serde_json::Value = serde_json::from_slice(line).ok()?;
    // In the intake's own file the document is inside of another one.
    let document = json.get("message").unwrap_or(&json);
    let time = |key| document.get(key)?.as_str()?.parse::<jiff::Timestamp>().ok();
    Some((time("from")?.as_nanosecond(), time("to")?.as_nanosecond()))
}

/// The numbers that were opened while nobody observed.
pub(crate) fn not_observed(
    status: &v1::AnalyzerStatus,
    gaps: &[(i128, i128)],
    ticks: &Path,
    opens: u64,
) -> anyhow::Result<HashSet<u64>> {
    let offset = status.host.as_ref().context("the host is known")?.wall_offset_ns;
    let text = std::fs::read_to_string(ticks)?;
    let mut times: Vec<(u64, i64)> = Vec::new();
    for line in text.lines() {
        let (number, boot_ns) = line.split_once(' ').context("a tick has two numbers")?;
        times.push((number.parse()?, boot_ns.parse::<i64>()?.saturating_add(offset)));
    }
    times.push((opens, i64::MAX));
    let mut hidden = HashSet::new();
    for pair in times.windows(2) {
        let [(first, from), (next, to)] = *pair else { continue };
        if gaps.iter().any(|(start, end)| i128::from(from) <= *end && i128::from(to) >= *start) {
            hidden.extend(first..next);
        }
    }
    Ok(hidden)
}

/// A runtime that takes connections and never answers.
pub(crate) fn hanging_resolver(directory: &Path) -> anyhow::Result<PathBuf> {
    let path = directory.join("docker.sock");
    let listener = tokio::net::UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    Ok(path)
}

#[expect(clippy::print_stderr, reason = "what a load measured is shown with its test")]
fn report(text: &str) {
    eprintln!("{text}");
}
