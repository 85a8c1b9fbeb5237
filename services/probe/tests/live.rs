//! The real program on the real kernel, in a control group of its own: start, stream, stop.
//!
//! A harness of its own, because libtest cannot find out while it runs that a test has to be skipped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail the test")]

use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use event::{Kind, Ledger, PerKind, ProbeCounters};
use libtest_mimic::{Arguments, Trial};
use probe::selftest::OwnCgroup;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::v1::from_analyzer::Message as Said;
use wire::v1::from_probe::Message as Saying;
use wire::v1::{self, probe_client::ProbeClient};

const PROGRAMS: u64 = 300;

/// Ends the probe if the test does not come to do it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn reason_to_skip() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("not root");
    }
    (!Path::new("/sys/kernel/btf/vmlinux").exists()).then_some("this kernel has no BTF")
}

fn main() {
    let arguments = Arguments::from_args();
    let reason = reason_to_skip();
    let mut trials = Vec::new();
    let mut add = |name: &str, test: fn() -> Pin<Box<dyn Future<Output = ()>>>| {
        if let Some(reason) = reason {
            #[expect(clippy::print_stderr, reason = "a skipped test says why")]
            {
                eprintln!("skipped {name}: {reason}");
            }
        }
        let run = move || {
            tokio::runtime::Runtime::new()?.block_on(test());
            Ok(())
        };
        trials.push(Trial::test(name, run).with_ignored_flag(reason.is_some()));
    };
    add("a_probe_without_any_capability_accounts_for_every_event_until_it_is_stopped", || {
        Box::pin(a_probe_without_any_capability_accounts_for_every_event_until_it_is_stopped())
    });
    add("a_killed_probe_leaves_a_hole_that_the_next_one_reports_until_it_is_acknowledged", || {
        Box::pin(a_killed_probe_leaves_a_hole_that_the_next_one_reports_until_it_is_acknowledged())
    });
    libtest_mimic::run(&arguments, trials).exit();
}

fn start(cgroup: &OwnCgroup, socket: &Path) -> Running {
    let name = cgroup.path().file_name().unwrap().to_str().unwrap();
    let uid = nix::unistd::geteuid().to_string();
    let command = Command::new(env!("CARGO_BIN_EXE_shrike-probe"))
        .args(["--scope", &format!("cgroup=/{name}"), "--allow-uid", &uid, "--socket"])
        .arg(socket)
        .env("SHRIKE_LOG", "warn")
        .spawn();
    Running(command.unwrap())
}

/// A shell that joins the control group and starts many programs.
fn work(cgroup: &OwnCgroup) {
    let script =
        format!("echo $$ > \"$0\"; i=0; while [ $i -lt {PROGRAMS} ]; do /bin/true; i=$((i+1)); done");
    let status =
        Command::new("/bin/sh").args(["-c", &script]).arg(cgroup.procs()).stdin(Stdio::null()).status();
    assert!(status.unwrap().success());
}

async fn connect(socket: &Path) -> (mpsc::Sender<v1::FromAnalyzer>, tonic::Streaming<v1::FromProbe>) {
    // The socket exists as soon as the probe is ready, and there is nothing else to wait for.
    let channel = loop {
        match bootstrap::socket::connect(socket).await {
            Ok(channel) => break channel,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let (say, said) = mpsc::channel(64);
    let hello = v1::AnalyzerHello {
        wire_version: wire::WIRE_VERSION,
        version: "test".to_owned(),
        ..v1::AnalyzerHello::default()
    };
    say.send(v1::FromAnalyzer { message: Some(Said::Hello(hello)) }).await.unwrap();
    let stream = ProbeClient::new(channel).stream(ReceiverStream::new(said)).await.unwrap();
    (say, stream.into_inner())
}

/// Everything of one run: what was received, and the last status.
async fn run(cgroup: OwnCgroup) -> (PerKind<u64>, ProbeCounters) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("probe.sock");
    let mut probe = start(&cgroup, &socket);
    let (say, mut heard) = connect(&socket).await;
    let capabilities = std::fs::read_to_string(format!("/proc/{}/status", probe.0.id())).unwrap();
    for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
        assert!(capabilities.contains(&format!("{set}:\t0000000000000000")), "{capabilities}");
    }
    let worker = tokio::task::spawn_blocking(move || {
        work(&cgroup);
        cgroup
    });
    let cgroup = worker.await.unwrap();
    let id = nix::unistd::Pid::from_raw(i32::try_from(probe.0.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    let (mut received, mut last) = (PerKind::default(), v1::ProbeStatus::default());
    while let Some(message) = heard.message().await.unwrap() {
        match message.message.unwrap() {
            Saying::Batch(bytes) => {
                let batch = wire::batch::parse(bytes).unwrap();
                let counts = wire::batch::kinds(&batch);
                Kind::ALL.into_iter().for_each(|kind| *received.get_mut(kind) += counts.get(kind));
                let delivered = Ledger { delivered: counts, ..Ledger::default() };
                let ack = v1::Ack { seq: batch.seq, ledger: Some((&delivered).into()) };
                say.send(v1::FromAnalyzer { message: Some(Said::Ack(ack)) }).await.unwrap();
            }
            Saying::Status(status) => last = status,
            Saying::Hello(_) => {}
        }
    }
    assert!(probe.0.wait().unwrap().success(), "SIGTERM is a good end");
    assert!(!socket.exists(), "no socket is left behind");
    drop(cgroup);
    (received, wire::status::counters(&last))
}

async fn a_probe_without_any_capability_accounts_for_every_event_until_it_is_stopped() {
    let cgroup = OwnCgroup::new("probe-live").unwrap();
    let limit = Duration::from_secs(120);
    let (received, counters) = tokio::time::timeout(limit, run(cgroup)).await.unwrap();
    assert_eq!((received.get(Kind::Exec), received.get(Kind::Fork)), (PROGRAMS, PROGRAMS));
    assert_eq!(received.get(Kind::Exit), PROGRAMS + 1, "the programs and the shell");
    assert!(received.get(Kind::Open) >= PROGRAMS, "each opens its libraries");
    assert_eq!((counters.delivered, counters.generated), (received, received));
    assert!(Kind::ALL.into_iter().all(|kind| counters.in_flight(kind) == 0));
}

/// What one connection heard.
#[derive(Default)]
struct Heard {
    batches: Vec<wire::batch::Decoded>,
    status: v1::ProbeStatus,
    /// Status messages since the last batch, the first of a connection apart, which may be an old one.
    ticks: usize,
}

impl Heard {
    fn events(&self) -> impl Iterator<Item = &event::Event> {
        self.batches.iter().flat_map(|batch| &batch.events)
    }
}

/// Listens until there is enough; everything is acknowledged, or nothing.
async fn listen(socket: &Path, acknowledges: bool, is_enough: impl Fn(&Heard) -> bool) -> Heard {
    let (say, mut saying) = connect(socket).await;
    let mut heard = Heard::default();
    let mut is_first = true;
    while !is_enough(&heard) {
        match saying.message().await.unwrap().expect("the probe ended the stream").message.unwrap() {
            Saying::Batch(bytes) => {
                let batch = wire::batch::parse(bytes).unwrap();
                if batch.seq == 0 {
                    continue;
                }
                heard.ticks = 0;
                heard.batches.push(wire::batch::decode(&batch).unwrap());
                if acknowledges {
                    let delivered = Ledger { delivered: wire::batch::kinds(&batch), ..Ledger::default() };
                    let ack = v1::Ack { seq: batch.seq, ledger: Some((&delivered).into()) };
                    say.send(v1::FromAnalyzer { message: Some(Said::Ack(ack)) }).await.unwrap();
                }
            }
            Saying::Status(status) => {
                heard.status = status;
                heard.ticks += usize::from(!std::mem::take(&mut is_first));
            }
            Saying::Hello(_) => {}
        }
    }
    heard
}

/// Three probes in turn, each killed while something of it is not acknowledged.
async fn killed_twice(cgroup: &OwnCgroup) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("probe.sock");
    let mut first = start(cgroup, &socket);
    drop(connect(&socket).await);
    work(cgroup);
    let is_settled = |status: &v1::ProbeStatus| status.backlog.is_some_and(|backlog| backlog.events == 0);
    let settled = listen(&socket, true, |heard| {
        heard.ticks > 0 && is_settled(&heard.status) && !heard.batches.is_empty()
    });
    let settled = settled.await;
    let acknowledged = settled.events().map(|event| event.boot_ns).max().unwrap();
    work(cgroup);
    // The record is written after each status, so it is there when the next one comes.
    let waiting = listen(&socket, false, |heard| heard.ticks > 1 && !heard.batches.is_empty()).await;
    let oldest = waiting.events().map(|event| event.boot_ns).min().unwrap();
    assert!(oldest > acknowledged);
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let killed = probe::context::host::boot_ns();
    let mut from = None;
    for restarts in 1..=2 {
        let mut probe = start(cgroup, &socket);
        let heard = listen(&socket, false, |heard| !heard.batches.is_empty()).await;
        let batch = heard.batches.first().unwrap();
        let [gap] = &batch.news.not_observed[..] else { panic!("one gap, not {batch:?}") };
        assert!(gap.from_ns <= oldest && gap.to_ns > killed, "{gap:?} {oldest} {killed}");
        assert!(gap.from_ns > acknowledged, "{gap:?} begins before {acknowledged}, which was acknowledged");
        assert_eq!((&*gap.reason, heard.status.restarts), ("the probe was killed", restarts));
        assert_eq!(heard.status.not_observed.len(), 1);
        let first_from = *from.get_or_insert(gap.from_ns);
        assert_eq!(gap.from_ns, first_from, "the hole reaches back until somebody knows of it");
        probe.0.kill().unwrap();
        probe.0.wait().unwrap();
    }
}

async fn a_killed_probe_leaves_a_hole_that_the_next_one_reports_until_it_is_acknowledged() {
    let cgroup = OwnCgroup::new("probe-killed").unwrap();
    tokio::time::timeout(Duration::from_secs(120), killed_twice(&cgroup)).await.unwrap();
}
