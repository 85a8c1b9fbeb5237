//! Captures and the demo, as a person uses them.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use e2e::StackOptions;
use serde_json::Value;

use crate::accounting::{count_events, name};

pub(crate) fn record_and_replay() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, mut stack) = crate::scoped(StackOptions::default()).await?;
        let capture = stack.scratch().join("run.cap");
        let recorder = Command::new(e2e::binary("shrike")?)
            .args(["record", "--count", "200", "--socket"])
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
        let did: u64 = count_events(&cgroup, 100)?.iter().map(|(_, n)| n).sum();
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
        ensure!(lines.len() >= 200, "{} events were recorded", lines.len());
        for (line, live) in lines.iter().zip(received.iter().map(|entry| entry.json())) {
            let replayed: Value = serde_json::from_str(line)?;
            ensure!(replayed == live, "replayed: {replayed}\nlive: {live}");
        }
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
    let schema = crate::schema()?;
    let mut kinds = std::collections::BTreeSet::new();
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        let mut json: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        event_json::take_envelope(&mut json);
        ensure!(schema.is_valid(&json), "not valid: {json}");
        kinds.insert(name(&json).to_owned());
    }
    ensure!(kinds.len() == 4, "the demo shows every kind, not only {kinds:?}");
    Ok(())
}
