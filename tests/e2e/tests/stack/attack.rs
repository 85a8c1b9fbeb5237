//! A hostile local user at the sockets: nothing is lost, nothing restarts, nothing grows, and others are served.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::{Stack, StackOptions};
use prost::Message;
use serde_json::{Map, Value};
use wire::v1;

use crate::accounting::{count_events, total};

const PROBE: &str = "probe_server_refused_total";
const API: &str = "analyzer_api_refused_total";
const INTAKE: &str = "reporter_socket_refused_total";
const SERVICES: [&str; 3] = ["shrike-probe", "shrike-analyzer", "shrike-reporter"];
/// Nobody's uid.
const STRANGER: u32 = 12_345;
/// Of somebody who may use the API.
const GUEST: u32 = 12_346;
/// Of each of the three attacks; together they are a quarter of a minute.
const SECONDS: u64 = 5;
/// What is measured in the services is a page here and there.
const SAMPLE: Duration = Duration::from_millis(50);
/// A status within this time is being served; the machine is busy with the attack itself.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn attack() -> anyhow::Result<()> {
    crate::run(async {
        let options = StackOptions { api_uids: vec![GUEST], ..StackOptions::default() };
        let (cgroup, mut stack) = crate::scoped(options).await?;
        let cgroup = Arc::new(cgroup);
        let run = stack.run_dir();
        let [probe, api, intake] =
            ["probe.sock", "analyzer/api.sock", "reporter/intake.sock"].map(|name| run.join(name));
        let first = total(&count_events(&cgroup, 2_000)?);
        stack.settled(first).await?;
        let before = processes(&stack)?;
        let idle = memory(&before)?;

        let analyzer = stack.uid_of("shrike-analyzer")?;
        let attacks = [
            Attack {
                uid: STRANGER,
                call: "/shrike.v1.Analyzer/GetStatus",
                message: String::new(),
                sockets: vec![probe.clone(), api.clone(), intake.clone()],
                refused: &[(API, "uid")],
            },
            Attack {
                uid: GUEST,
                call: "/shrike.v1.Analyzer/Subscribe",
                message: String::new(),
                sockets: vec![api.clone()],
                refused: &[(API, "limit")],
            },
            Attack {
                uid: analyzer,
                call: "/shrike.v1.Probe/Stream",
                message: hello(),
                sockets: vec![probe, intake],
                refused: &[(PROBE, "limit"), (PROBE, "taken"), (INTAKE, "limit")],
            },
        ];
        let mut most = idle.clone();
        let mut did = first;
        for attack in attacks {
            let (uid, refused) = (attack.uid, attack.refused);
            let status = stack.status().await?;
            let (refused_before, sessions) = (all_refused(&status), sessions_of(&status));
            let attack = tokio::task::spawn_blocking(move || attack.run());
            let inside = Arc::clone(&cgroup);
            let load = tokio::task::spawn_blocking(move || count_events(&inside, 1_000));
            let mut samples = 0;
            while !attack.is_finished() {
                for (service, bytes) in memory(&before)? {
                    let most = most.entry(service).or_default();
                    *most = bytes.max(*most);
                }
                let status = tokio::time::timeout(PATIENCE, stack.status()).await;
                status.with_context(|| format!("no status during the attack of uid {uid}"))??;
                samples += 1;
                tokio::time::sleep(SAMPLE).await;
            }
            ensure!(samples > 10, "the attack of uid {uid} was looked at {samples} times");
            did += total(&load.await??);
            let tally = attack.await??;
            report(&format!("uid {uid}: {tally:?}"));
            // Each protection was at work, or it was not this attack that found nothing to do.
            let status = stack.status().await?;
            for key in refused {
                let count = |all: &Refused| all.get(key).copied().unwrap_or_default();
                let (now, before) = (count(&all_refused(&status)), count(&refused_before));
                ensure!(now > before, "{key:?} refused nothing during the attack of uid {uid}: {tally:?}");
            }
            ensure!(sessions_of(&status) == sessions, "uid {uid} took the place of the analyzer");
            if uid == STRANGER {
                let got_in = |socket: &Value| socket["connected"].as_u64().unwrap_or_default();
                let open: Vec<_> = tally.iter().filter(|(_, socket)| got_in(socket) > 0).collect();
                let [(socket, _)] = &open[..] else { anyhow::bail!("a stranger gets to {open:?}") };
                ensure!(socket.ends_with("api.sock"), "a stranger gets to {socket}");
            }
        }
        report(&format!("idle {idle:?}, most {most:?} bytes"));
        did += total(&count_events(&cgroup, 1_000)?);
        let (accounting, received) = stack.settled(did).await?;
        ensure!(received.len() as u64 == did, "{} of {did} arrived: {accounting:?}", received.len());
        ensure!(accounting.lost().total() == 0, "events were lost: {accounting:?}");
        let after = processes(&stack)?;
        ensure!(before == after, "a service was restarted: {before:?} became {after:?}");
        for (service, idle) in &idle {
            let most = most.get(service).copied().unwrap_or(u64::MAX);
            ensure!(most < 2 * idle, "{service} grew from {idle} to {most} bytes");
        }
        Ok(())
    })
}

/// Refused connections, by counter and why.
type Refused = BTreeMap<(&'static str, &'static str), u64>;

struct Attack {
    uid: u32,
    call: &'static str,
    /// The first message of the call, in hexadecimal.
    message: String,
    sockets: Vec<PathBuf>,
    /// What must have refused something.
    refused: &'static [(&'static str, &'static str)],
}

impl Attack {
    /// What it got, by socket.
    fn run(&self) -> anyhow::Result<Map<String, Value>> {
        let Self { uid, call, message, sockets, .. } = self;
        let mut command = Command::new(e2e::binary("attack-sockets")?);
        command.args(["--seconds", &SECONDS.to_string(), "--uid", &uid.to_string()]);
        command.args(["--call", call, "--message", message]).args(sockets);
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "the attack failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// What an analyzer says first, in hexadecimal.
fn hello() -> String {
    let hello = v1::AnalyzerHello { wire_version: wire::WIRE_VERSION, ..v1::AnalyzerHello::default() };
    let message = Some(v1::from_analyzer::Message::Hello(hello));
    let bytes = v1::FromAnalyzer { message }.encode_to_vec();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn all_refused(status: &v1::AnalyzerStatus) -> Refused {
    let of = |metrics: &[v1::Metric], name: &'static str, why: &'static str| {
        let is_it = |metric: &&v1::Metric| {
            metric.name == name && metric.labels.get("why").is_some_and(|label| label == why)
        };
        ((name, why), metrics.iter().filter(is_it).map(|metric| metric.value).sum())
    };
    let probe = status.probe.as_ref().map_or(&[][..], |probe| &probe.metrics);
    let [analyzer, reporter] = [&status.analyzer, &status.reporter]
        .map(|service| service.as_ref().map_or(&[][..], |service| &service.metrics));
    Refused::from([
        of(probe, PROBE, "limit"),
        of(probe, PROBE, "taken"),
        of(analyzer, API, "uid"),
        of(analyzer, API, "limit"),
        of(reporter, INTAKE, "limit"),
    ])
}

/// How often an analyzer took its place at the probe.
fn sessions_of(status: &v1::AnalyzerStatus) -> u64 {
    let metrics = status.probe.iter().flat_map(|probe| &probe.metrics);
    metrics.filter(|metric| metric.name == "probe_server_sessions_total").map(|metric| metric.value).sum()
}

fn processes(stack: &Stack) -> anyhow::Result<BTreeMap<&'static str, i32>> {
    let one = |service| -> anyhow::Result<(&'static str, i32)> {
        let [pid] = stack.pids_of(service)?.try_into().ok().with_context(|| format!("one {service} runs"))?;
        Ok((service, pid))
    };
    SERVICES.into_iter().map(one).collect()
}

/// Resident memory of each, in bytes.
fn memory(processes: &BTreeMap<&'static str, i32>) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let of = |(service, pid): (&&'static str, &i32)| -> anyhow::Result<(&'static str, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("{service} is gone"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok((*service, line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024))
    };
    processes.iter().map(of).collect()
}

#[expect(clippy::print_stderr, reason = "the numbers of a test are worth seeing")]
fn report(text: &str) {
    eprintln!("attack: {text}");
}
