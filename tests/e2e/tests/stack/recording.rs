//! Captures and the demo, as a person uses them.

use std::collections::{BTreeSet, HashMap};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use e2e::StackOptions;
use e2e::contract::Contract;
use e2e::documents::event_id;
use event::Kind;
use serde_json::Value;

use workloads::cgroup::OwnCgroup;

use crate::accounting::{count_events, name, total};

/// Of each process event that is recorded.
const N: u64 = 20;

pub(crate) fn record_and_replay() -> anyhow::Result<()> {
    crate::run(async {
        // How many events it is, so that the recording ends with the last one and not with the part that comes first.
        let elsewhere = OwnCgroup::new(&format!("shrike-e2e-unseen-{}", std::process::id()))?;
        let all = total(&count_events(&elsewhere, N)?);
        let (cgroup, mut stack) = crate::scoped(StackOptions::default()).await?;
        let capture = stack.scratch().join("run.cap");
        let recorder = Command::new(e2e::binary("shrike")?)
            .args(["record", "--count", &all.to_string(), "--socket"])
            .arg(stack.api())
            .arg(&capture)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        stack
            .until("the recorder is connected", |status| {
                e2e::counts::metric(&status.analyzer, |metric| metric.name == "analyzer_api_recorders") > 0
            })
            .await?;
        let did = total(&count_events(&cgroup, N)?);
        ensure!(did == all, "the workload did {did} things and {all} before");
        let (_, received) = stack.settled(did).await?;
        let recorded = recorder.wait_with_output()?;
        ensure!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
        let replay = || -> anyhow::Result<Vec<u8>> {
            let output = Command::new(e2e::binary("shrike")?)
                .args(["replay", "--json"])
                .arg(&capture)
                .stdin(Stdio::null())
                .output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Ok(output.stdout)
        };
        let first = replay()?;
        ensure!(first == replay()?, "two replays differ");
        let lines: Vec<&str> = std::str::from_utf8(&first)?.lines().collect();
        ensure!(lines.len() == received.len(), "{} of {} events were recorded", lines.len(), received.len());
        let live: HashMap<_, _> =
            received.iter().map(|entry| (event_id(entry.message.as_bytes()), &*entry.message)).collect();
        let mut kinds = BTreeSet::new();
        for line in lines {
            kinds.insert(name(&serde_json::from_str(line)?).to_owned());
            let same = live.get(&event_id(line.as_bytes()));
            ensure!(same == Some(&line), "replayed: {line}\nlive: {same:?}");
        }
        let missing: Vec<&str> =
            Kind::ALL.map(Kind::name).into_iter().filter(|name| !kinds.contains(*name)).collect();
        ensure!(missing.is_empty(), "no event of these kinds was recorded and replayed: {missing:?}");
        Ok(())
    })
}

pub(crate) fn demo_json() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(e2e::binary("shrike")?)
        .args(["demo", "--json", "--run-dir"])
        .arg(dir.path().join("run"))
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let contract = Contract::new()?;
    let mut kinds = BTreeSet::new();
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        let json: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        contract.check(line)?;
        kinds.insert(name(&json).to_owned());
    }
    // No program that every machine has listens somewhere and ends at once.
    let shown = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Bind);
    let missing: Vec<&str> = shown.map(Kind::name).filter(|name| !kinds.contains(*name)).collect();
    ensure!(missing.is_empty(), "the demo shows every kind but bind, not {missing:?}");
    Ok(())
}
