//! Exactness: what the workload counted is what the intake has.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use e2e::StackOptions;
use event::{Kind, PerKind, Ring};
use serde_json::Value;
use workloads::cgroup::OwnCgroup;

const N: u64 = 10_000;
/// Of each kind that has no number of its own.
const ROUNDS: &str = "100";

pub(crate) fn every_event_is_delivered_or_counted() -> anyhow::Result<()> {
    crate::run(async {
        // Fifty thousand documents: every tenth is checked against the schema.
        let options = StackOptions { check_one_in: 10, ..StackOptions::default() };
        let (cgroup, mut stack) = crate::scoped(options).await?;
        let did = count_events(&cgroup, N)?;
        let (accounting, received) = stack.settled(total(&did)).await?;
        let arrived = arrived(&received);
        for (kind, n) in &did {
            // The identity holds by `settled`; here: what the hooks saw is what the workload did, and what arrived
            // is that less what is counted as lost.
            let of = |counts: &PerKind<u64>| counts.get(*kind);
            let (generated, lost) = (of(&accounting.counters.generated), of(&accounting.lost()));
            let delivered = of(&accounting.counters.delivered);
            let name = kind.name();
            ensure!(
                generated == *n,
                "{name}: the workload did {n}, the hooks saw {generated}: {accounting:?}"
            );
            ensure!(
                delivered + lost == *n && of(&arrived) == delivered,
                "{name}: did {n}, arrived {}, delivered {delivered}, lost {lost}: {accounting:?}",
                of(&arrived)
            );
            ensure!(
                lost == 0 || kind.ring() == Ring::Bulk,
                "{lost} {name} events lost from the never-drop ring"
            );
        }
        Ok(())
    })
}

pub(crate) fn nothing_is_lost_when_the_analyzer_is_killed() -> anyhow::Result<()> {
    kill_under_load("shrike-analyzer")
}

pub(crate) fn nothing_is_lost_when_the_reporter_is_killed() -> anyhow::Result<()> {
    kill_under_load("shrike-reporter")
}

/// Kills a service again and again while events are on their way: each arrives, perhaps twice, under one id.
fn kill_under_load(service: &'static str) -> anyhow::Result<()> {
    crate::run(async {
        let options = StackOptions { check_one_in: 10, ..StackOptions::default() };
        let (cgroup, mut stack) = crate::scoped(options).await?;
        let load = tokio::task::spawn_blocking(move || count_events(&cgroup, N).map(|did| (did, cgroup)));
        for wanted in [500, 5_000, 20_000] {
            stack
                .intake
                .wait_for(e2e::stack::DEADLINE, |received| received.len() >= wanted)
                .await
                .context("the load does not arrive")?;
            if let Some(pid) = stack.pids_of(service)?.first() {
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL)?;
            }
        }
        let (did, _cgroup) = load.await??;
        let (accounting, received) = stack.settled(total(&did)).await?;
        let mut ids: HashMap<String, String> = HashMap::new();
        for entry in &received {
            let id = e2e::documents::event_id(entry.message.as_bytes()).context("no event id")?;
            let before = ids.insert(id.clone(), what_happened(&entry.json()));
            let now = ids.get(&id);
            ensure!(
                before.is_none() || before.as_ref() == now,
                "two events have the id {id}: {before:?}, {now:?}"
            );
        }
        let lost = accounting.lost().total();
        ensure!(
            ids.len() as u64 + lost == total(&did) && lost == 0,
            "{} different events arrived of {did:?}: {accounting:?}",
            ids.len()
        );
        // The processes that lived across the restart are known from the probe's table: nobody lost its executable.
        for entry in &received {
            let json = entry.json();
            ensure!(json.pointer("/process/executable/path").is_some(), "no executable: {json}");
        }
        Ok(())
    })
}

/// Runs the counting workload in `cgroup`; gives what it says it did, per kind.
pub(crate) fn count_events(cgroup: &OwnCgroup, n: u64) -> anyhow::Result<Vec<(Kind, u64)>> {
    let directory = tempfile::tempdir()?;
    let n = n.to_string();
    // The shell joins the cgroup and then becomes the workload, whose exec is therefore seen. The shell opens
    // cgroup.procs before it is inside.
    let output = Command::new("/bin/sh")
        .args(["-c", "echo 0 > \"$0\"/cgroup.procs && exec \"$@\""])
        .arg(cgroup.dir())
        .arg(e2e::binary("count-events")?)
        .args(["--execs", &n, "--forks", &n, "--opens", &n, "--rounds", ROUNDS, "--directory"])
        .arg(directory.path().canonicalize()?)
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the workload failed: {}", String::from_utf8_lossy(&output.stderr));
    let did: Value = serde_json::from_str(&text)?;
    ensure!(
        did.get("exact") == Some(&Value::Bool(true)),
        "count-events is linked dynamically, so it opens more than it counts: `make test`"
    );
    let count = |kind: Kind| {
        let key = match kind.name() {
            "exec" => "execs",
            "fork" => "forks",
            "exit" => "exits",
            "open" => "opens",
            other => other,
        };
        let n = did.get(key).and_then(Value::as_u64).with_context(|| format!("no {key} in {did}"))?;
        ensure!(n > 0, "tests/workloads/src/kinds.rs makes no event of kind {}: {did}", kind.name());
        Ok((kind, n))
    };
    Kind::ALL.into_iter().map(count).collect()
}

pub(crate) fn name(json: &Value) -> &str {
    json.pointer("/evt/name").and_then(Value::as_str).unwrap_or_default()
}

/// What makes two documents the same event. What is known of a process's past may differ: an analyzer that was killed
/// knows it from the probe's table.
fn what_happened(json: &Value) -> String {
    let part = |pointer| json.pointer(pointer).cloned().unwrap_or_default().to_string();
    ["/evt/name", "/date", "/process/pid", "/process/executable/path", "/file/path"].map(part).join(" ")
}

/// How many events of each kind are among these.
fn arrived(received: &[std::sync::Arc<mock_intake::Received>]) -> PerKind<u64> {
    let mut counts = PerKind::default();
    for entry in received {
        if let Some(kind) = Kind::from_name(name(&entry.json())) {
            *counts.get_mut(kind) += 1;
        }
    }
    counts
}

/// The sum of what a workload did.
pub(crate) fn total(did: &[(Kind, u64)]) -> u64 {
    did.iter().map(|(_, n)| n).sum()
}
