//! A hostile local user at the sockets: nothing is lost, nothing restarts, nothing grows, and others are served.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::{Stack, StackOptions};

use crate::accounting::{count_events, total};

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
        let run = stack.run_dir();
        let [probe, api, intake] =
            ["probe.sock", "analyzer/api.sock", "reporter/intake.sock"].map(|name| run.join(name));
        let first = total(&count_events(&cgroup, 2_000)?);
        stack.settled(first).await?;
        let before = processes(&stack)?;
        let idle = memory(&before)?;

        let analyzer = stack.uid_of("shrike-analyzer")?;
        let attacks = [
            (STRANGER, "/shrike.v1.Analyzer/GetStatus", vec![probe.clone(), api.clone(), intake.clone()]),
            (GUEST, "/shrike.v1.Analyzer/Subscribe", vec![api.clone()]),
            (analyzer, "/shrike.v1.Probe/Stream", vec![probe, intake]),
        ];
        let mut most = idle.clone();
        let mut did = first;
        for (uid, call, sockets) in attacks {
            let attack = tokio::task::spawn_blocking(move || attack_from(uid, call, &sockets));
            did += total(&count_events(&cgroup, 1_000)?);
            while !attack.is_finished() {
                for (service, bytes) in memory(&before)? {
                    let most = most.entry(service).or_default();
                    *most = bytes.max(*most);
                }
                let status = tokio::time::timeout(PATIENCE, stack.status()).await;
                status.with_context(|| format!("no status during the attack of uid {uid}"))??;
                tokio::time::sleep(SAMPLE).await;
            }
            let tally = attack.await??;
            ensure!(tally.contains("\"connected\""), "uid {uid} attacked nothing: {tally}");
            report(&format!("uid {uid}: {tally}"));
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

fn attack_from(uid: u32, call: &str, sockets: &[PathBuf]) -> anyhow::Result<String> {
    let mut command = Command::new(e2e::binary("attack-sockets")?);
    command.args(["--seconds", &SECONDS.to_string(), "--uid", &uid.to_string(), "--call", call]);
    let output = command.args(sockets).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "the attack failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
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
