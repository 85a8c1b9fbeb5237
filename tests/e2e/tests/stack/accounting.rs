//! Exactness: what the workload counted is what the intake has.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use e2e::StackOptions;
use serde_json::Value;
use workloads::cgroup::OwnCgroup;

const N: u64 = 10_000;

pub(crate) fn every_event_is_delivered_or_counted() -> anyhow::Result<()> {
    crate::run(async {
        // Room for all of them, so that a machine that compresses slowly still shows the exact numbers.
        let analyzer_toml = "[outbox]\nmax_bytes = 536870912".to_owned();
        let options = StackOptions { analyzer_toml, ..StackOptions::default() };
        let (cgroup, mut stack) = crate::scoped(options).await?;
        let did = count_events(&cgroup, N)?;
        let (accounting, received) = stack.settled(did.iter().map(|(_, n)| n).sum()).await?;
        ensure!(accounting.dropped_later == 0, "{accounting:?}");
        for (kind, n) in &did {
            let of_kind = received.iter().filter(|entry| name(&entry.json()) == *kind).count();
            // The identity holds by `settled`; here: what the hooks saw is what the workload did, and what arrived
            // is that less what is counted as lost.
            let (generated, lost) = match kind.as_str() {
                "exec" => (accounting.generated.exec, accounting.lost.exec),
                "fork" => (accounting.generated.fork, accounting.lost.fork),
                "exit" => (accounting.generated.exit, accounting.lost.exit),
                _ => (accounting.generated.open, accounting.lost.open),
            };
            ensure!(
                generated == *n,
                "{kind}: the workload did {n}, the hooks saw {generated}: {accounting:?}"
            );
            ensure!(
                of_kind as u64 + lost == *n,
                "{kind}: did {n}, arrived {of_kind}, lost {lost}: {accounting:?}"
            );
            ensure!(lost == 0 || *kind == "open", "{lost} {kind} events lost from the never-drop ring");
        }
        validate_all(&received)
    })
}

pub(crate) fn nothing_is_lost_when_the_analyzer_is_killed() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, mut stack) = crate::scoped(StackOptions::default()).await?;
        let first = count_events(&cgroup, 100)?;
        let total: u64 = first.iter().map(|(_, n)| n).sum();
        stack.settled(total).await?;
        let [analyzer] = stack.pids_of("shrike-analyzer")?.try_into().ok().context("one analyzer runs")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(analyzer), nix::sys::signal::Signal::SIGKILL)?;
        let second = count_events(&cgroup, 100)?;
        let both = total + second.iter().map(|(_, n)| n).sum::<u64>();
        // The counters of the new analyzer start at zero, so the intake is what is compared.
        let received =
            stack.intake.wait_for(e2e::stack::DEADLINE, |received| received.len() as u64 >= both).await?;
        ensure!(received.len() as u64 == both, "{} events arrived of {both}", received.len());
        let status = stack.until("the new analyzer is connected", |status| status.probe_connected).await?;
        let accounting = e2e::counts::Accounting::of(&status);
        ensure!(accounting.lost.total() == 0, "lost: {accounting:?}");
        // The processes that lived across the restart are known from the probe's table: nobody lost its executable.
        for entry in &received {
            let json = entry.json();
            ensure!(json.pointer("/process/executable/path").is_some(), "no executable: {json}");
        }
        Ok(())
    })
}

/// Runs the counting workload in `cgroup`; gives what it says it did, per kind.
pub(crate) fn count_events(cgroup: &OwnCgroup, n: u64) -> anyhow::Result<Vec<(String, u64)>> {
    let n = n.to_string();
    // The shell joins the cgroup and then becomes the workload, whose exec is therefore seen. The shell opens
    // cgroup.procs before it is inside.
    let output = Command::new("/bin/sh")
        .args(["-c", "echo 0 > \"$0\"/cgroup.procs && exec \"$@\""])
        .arg(cgroup.dir())
        .arg(e2e::static_binary("count-events")?)
        .args(["--execs", &n, "--forks", &n, "--opens", &n])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the workload failed: {}", String::from_utf8_lossy(&output.stderr));
    let did: Value = serde_json::from_str(&text)?;
    ensure!(
        did.get("exact") == Some(&Value::Bool(true)),
        "count-events is linked dynamically, so it opens more than it counts: `make test`"
    );
    [("exec", "execs"), ("fork", "forks"), ("exit", "exits"), ("open", "opens")]
        .into_iter()
        .map(|(kind, key)| {
            Ok((
                kind.to_owned(),
                did.get(key).and_then(Value::as_u64).with_context(|| format!("no {key} in {did}"))?,
            ))
        })
        .collect()
}

pub(crate) fn name(json: &Value) -> &str {
    json.pointer("/evt/name").and_then(Value::as_str).unwrap_or_default()
}

/// Every document the intake received is valid.
pub(crate) fn validate_all(received: &[std::sync::Arc<mock_intake::Received>]) -> anyhow::Result<()> {
    let schema = crate::schema()?;
    for entry in received {
        let mut json = entry.json();
        if !event_json::take_envelope(&mut json)["rule_id"].is_null() {
            // A custom event is not one of a workload.
            continue;
        }
        if let Err(error) = schema.validate(&json) {
            anyhow::bail!("not valid: {error} at {}: {json}", error.instance_path());
        }
    }
    Ok(())
}
