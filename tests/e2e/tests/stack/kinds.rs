//! Kinds that are attached and detached while the probe runs, because somebody takes them or nobody does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use e2e::counts::Accounting;
use e2e::{Stack, StackOptions};
use event::{Kind, PerKind, Ring};
use tokio::sync::watch;
use wire::v1;
use wire::v1::analyzer_client::AnalyzerClient;

use crate::accounting::count_events;

/// Of each process event in a round of the load.
const N: u64 = 300;
const SWITCHES: usize = 2;
/// Observed whether or not anybody takes them.
const ALWAYS: [Kind; 2] = [Kind::Bind, Kind::Connect];

/// A subscriber comes and goes while a workload does something of every kind.
pub(crate) fn switched_under_load() -> anyhow::Result<()> {
    crate::run(async {
        let options = StackOptions {
            analyzer_toml: "[output]\nevents = \"matched\"\n[kinds]\nalways = [\"bind\", \"connect\"]\n"
                .to_owned(),
            ..StackOptions::default()
        };
        let (cgroup, mut stack) = crate::scoped(options).await?;
        stack.until("what nobody takes is detached", |status| are_on(status, false)).await?;
        let capabilities = effective_capabilities(&stack)?;
        ensure!(capabilities.bytes().all(|digit| digit == b'0'), "the probe holds {capabilities}");

        let stop = Arc::new(AtomicBool::new(false));
        let (rounds, mut done) = watch::channel(0_u64);
        let load = {
            let stop = Arc::clone(&stop);
            tokio::task::spawn_blocking(move || {
                let mut did = PerKind::<u64>::default();
                while !stop.load(Ordering::Relaxed) {
                    for (kind, n) in count_events(&cgroup, N)? {
                        *did.get_mut(kind) += n;
                    }
                    rounds.send_modify(|rounds| *rounds += 1);
                }
                anyhow::Ok((did, cgroup))
            })
        };
        for _ in 0..SWITCHES {
            let subscription = subscribe(&stack).await?;
            stack.until("what a subscriber takes is attached", |status| are_on(status, true)).await?;
            whole_round(&mut done).await?;
            drop(subscription);
            stack
                .until("it is detached when the subscriber has left", |status| are_on(status, false))
                .await?;
            whole_round(&mut done).await?;
        }
        stop.store(true, Ordering::Relaxed);
        let (did, _cgroup) = load.await??;
        check(&mut stack, &did, *done.borrow()).await?;

        // Another analyzer says what it wants at once.
        let subscription = subscribe(&stack).await?;
        stack.until("attached once more", |status| are_on(status, true)).await?;
        kill(&stack, "shrike-analyzer")?;
        let restarted = |status: &v1::AnalyzerStatus| {
            status.probe.as_ref().is_some_and(|probe| probe.analyzer_restarts == 1) && are_on(status, false)
        };
        stack.until("another analyzer wants what its own subscribers want", restarted).await?;
        drop(subscription);
        Ok(())
    })
}

/// Exactly what was observed all the time is there, nothing of it is lost, and of the others what was observed.
async fn check(stack: &mut Stack, did: &PerKind<u64>, rounds: u64) -> anyhow::Result<()> {
    let is_always = |kind: Kind| kind.ring() == Ring::NeverDrop || ALWAYS.contains(&kind);
    let all_there = |status: &v1::AnalyzerStatus| {
        Accounting::of(status).is_ok_and(|accounting| {
            let seen = |kind: Kind| accounting.counters.generated.get(kind) >= did.get(kind);
            accounting.is_settled() && Kind::ALL.into_iter().filter(|kind| is_always(*kind)).all(seen)
        })
    };
    let status = stack.until("everything is accounted for", all_there).await?;
    let accounting = Accounting::of(&status)?;
    ensure!(accounting.lost().total() == 0, "lost: {accounting:?}");
    for kind in Kind::ALL {
        let (n, seen) = (did.get(kind), accounting.counters.generated.get(kind));
        let name = kind.name();
        // At least a whole round was observed, and at least one was not, for each time the subscriber came and went.
        let least = n / rounds * SWITCHES as u64;
        let is_right = if is_always(kind) { seen == n } else { seen >= least && seen <= n - least };
        ensure!(
            is_right,
            "{name}: the workload did {n} in {rounds} rounds, the hooks saw {seen}: {accounting:?}"
        );
        let judged = accounting.counters.no_taker.get(kind);
        ensure!(judged == seen, "{name}: {judged} of {seen} were judged: {accounting:?}");
    }
    // Each time that was not observed is told at its beginning and at its end.
    let told: Vec<_> = stack.intake.received().iter().map(|entry| entry.json()).collect();
    let told = told.iter().filter(|json| {
        json.pointer("/agent/rule_id").and_then(|id| id.as_str()) == Some("kinds_not_observed")
    });
    let (ended, begun): (Vec<_>, Vec<_>) = told.partition(|json| json.get("to").is_some());
    ensure!(ended.len() >= SWITCHES && begun.len() > SWITCHES, "told: {begun:?} {ended:?}");
    stack.check_documents()
}

/// Waits until the load has begun and ended a round.
async fn whole_round(done: &mut watch::Receiver<u64>) -> anyhow::Result<()> {
    let now = *done.borrow_and_update();
    let waited = tokio::time::timeout(e2e::stack::DEADLINE, done.wait_for(|done| *done >= now + 2)).await;
    waited.context("the load does not go on")?.context("the load failed").map(drop)
}

async fn subscribe(stack: &Stack) -> anyhow::Result<tonic::Streaming<v1::EventMessage>> {
    let optional = Kind::ALL.into_iter().filter(|kind| kind.ring() == Ring::Bulk && !ALWAYS.contains(kind));
    let kinds = wire::control::names(optional);
    let channel = bootstrap::socket::connect(&stack.api()).await?;
    let request = v1::SubscribeRequest { kinds, ..v1::SubscribeRequest::default() };
    Ok(AnalyzerClient::new(channel).subscribe(request).await?.into_inner())
}

/// Whether every kind that can be switched, and is not always observed, is attached or is not; what is always observed is.
fn are_on(status: &v1::AnalyzerStatus, is_on: bool) -> bool {
    let hook =
        |kind: Kind| status.probe.iter().flat_map(|probe| &probe.hooks).find(|hook| hook.kind == kind.name());
    let is_right = |kind: Kind| {
        let wanted = is_on || kind.ring() == Ring::NeverDrop || ALWAYS.contains(&kind);
        hook(kind).is_some_and(|hook| hook.active == wanted && (hook.unwanted_since_ns == 0) == wanted)
    };
    Kind::ALL.into_iter().all(is_right)
}

fn kill(stack: &Stack, service: &str) -> anyhow::Result<()> {
    let pid = *stack.pids_of(service)?.first().with_context(|| format!("{service} does not run"))?;
    Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)?)
}

fn effective_capabilities(stack: &Stack) -> anyhow::Result<String> {
    let pid = *stack.pids_of("shrike-probe")?.first().context("no probe")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).context("no CapEff")?;
    Ok(held.trim().to_owned())
}
