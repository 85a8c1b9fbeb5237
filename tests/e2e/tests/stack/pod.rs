//! The pod of the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, ensure};
use e2e::container::{Image, remove};
use e2e::counts::Accounting;
use e2e::pod::{Pod, PodOptions};
use mock_intake::{MockIntake, Received};
use workloads::cgroup::OwnCgroup;

/// runc's own init, the shell, and two programs.
const EXITS: usize = 4;

pub(crate) fn killed_one_after_another() -> anyhow::Result<()> {
    crate::run(async {
        let name = format!("shrike-e2e-pod-{}", std::process::id());
        let image = Image::import(&name, "1.0")?;
        let parent = OwnCgroup::new(&name)?;
        let intake = MockIntake::start().await?;
        // By its name, which the reporter looks up itself.
        let url = format!("http://localhost:{}", intake.address().port());
        let pod = Pod::start(&PodOptions { scope: format!("cgroup={}", parent.path()), intake: url }).await?;
        pod.check_profiles()?;
        check_contexts(&pod)?;
        // As the readiness probe of the manifest does.
        pod.shrike(&["status"])?;

        let beside = |suffix: &str| -> anyhow::Result<String> {
            let id = image.run(
                &format!("{name}-{suffix}"),
                parent.path(),
                "cat /etc/motd; /bin/true; /bin/true",
            )?;
            remove(&id)?;
            Ok(id)
        };
        let first = beside("first")?;
        arrived(&pod, &intake, &first).await?;
        for victim in ["reporter", "analyzer"] {
            pod.kill(victim).await?;
            let id = beside(victim)?;
            let accounting =
                arrived(&pod, &intake, &id).await.with_context(|| format!("the {victim} was killed"))?;
            ensure!(accounting.lost().total() == 0, "the {victim} was killed: {accounting:?}");
            let different: BTreeSet<_> = events(&intake).iter().filter_map(|entry| id_of(entry)).collect();
            ensure!(
                different.len() as u64 == accounting.generated(),
                "{} different events arrived: {accounting:?}",
                different.len()
            );
        }
        pod.kill("probe").await?;
        let status = pod
            .until("the next probe says what was missed", |status| {
                status.probe_connected && status.probe.as_ref().is_some_and(|probe| probe.restarts == 1)
            })
            .await?;
        let missed = &status.probe.context("no report of the probe")?.not_observed;
        ensure!(!missed.is_empty(), "a killed probe leaves no gap");
        let accounting = arrived(&pod, &intake, &beside("probe")?).await?;
        ensure!(accounting.lost().total() == 0, "the probe was killed: {accounting:?}");
        let contract = e2e::contract::Contract::new()?;
        intake.received().iter().try_for_each(|entry| contract.check(&entry.message))
    })
}

/// Waits until everything that a container did is at the intake, and nothing is on its way.
async fn arrived(pod: &Pod, intake: &MockIntake, container: &str) -> anyhow::Result<Accounting> {
    let exits = |received: &[Arc<Received>]| {
        let ours = received.iter().map(|entry| entry.json()).filter(|json| {
            json.pointer("/container/id").is_some_and(|id| *id == container)
                && crate::accounting::name(json) == "exit"
        });
        ours.count() >= EXITS
    };
    intake.wait_for(e2e::stack::DEADLINE, exits).await.context("events of a container are missing")?;
    let settled = pod
        .until("everything generated is accounted for", |status| {
            Accounting::of(status).is_ok_and(|accounting| accounting.is_settled())
        })
        .await?;
    Accounting::of(&settled)
}

fn events(intake: &MockIntake) -> Vec<Arc<Received>> {
    let is_event = |entry: &Arc<Received>| {
        entry.json().get("agent").is_none_or(|agent| !e2e::contract::is_custom(agent))
    };
    intake.received().into_iter().filter(is_event).collect()
}

fn id_of(entry: &Received) -> Option<String> {
    e2e::documents::event_id(entry.message.as_bytes())
}

/// What the services were given is what `deploy/needs.toml` says, and what they have once they run is nothing of it.
fn check_contexts(pod: &Pod) -> anyhow::Result<()> {
    let wanted = BTreeMap::from([
        ("probe", 0),
        ("analyzer", e2e::stack::ANALYZER_UID),
        ("reporter", e2e::pod::REPORTER_UID),
    ]);
    for (service, uid) in wanted {
        let given = pod.inspect(service, "{{.BoundingCaps}} {{.HostConfig.ReadonlyRootfs}}")?;
        let expected = if service == "probe" {
            "[CAP_BPF CAP_CHOWN CAP_DAC_READ_SEARCH CAP_PERFMON CAP_SETPCAP CAP_SYS_PTRACE] true"
        } else {
            "[] true"
        };
        ensure!(given == expected, "the {service} was given {given}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", pod.pid_of(service)?))?;
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
        };
        let uids: BTreeSet<&str> = field("Uid:").split_whitespace().collect();
        ensure!(uids == BTreeSet::from([uid.to_string().as_str()]), "the {service} has the uids {uids:?}");
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapBnd:", "CapAmb:"] {
            let held = field(set);
            ensure!(!held.is_empty() && held.bytes().all(|digit| digit == b'0'), "{service}: {set} {held}");
        }
        ensure!(field("NoNewPrivs:") == "1" && field("Seccomp:") == "2", "the {service} is not confined");
        // That of the container, and the two that it confines itself with.
        ensure!(field("Seccomp_filters:") == "3", "{service}: {} filters", field("Seccomp_filters:"));
    }
    Ok(())
}
