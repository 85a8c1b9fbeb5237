//! The real program on the real kernel, in a control group of its own: start, stream, stop.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use event::{Kind, PerKind, ProbeCounters};
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
    let hello =
        v1::AnalyzerHello { wire_version: wire::WIRE_VERSION, version: "test".to_owned(), instance: 0 };
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
                let ack = v1::Ack { seq: batch.seq, ledger: None };
                say.send(v1::FromAnalyzer { message: Some(Said::Ack(ack)) }).await.unwrap();
            }
            Saying::Status(status) => last = status,
            Saying::Hello(_) => {}
        }
    }
    assert!(probe.0.wait().unwrap().success(), "SIGTERM is a good end");
    assert!(!socket.exists(), "no socket is left behind");
    drop(cgroup);
    (received, wire::status::counters(&last).unwrap())
}

#[tokio::test]
async fn a_probe_without_any_capability_accounts_for_every_event_until_it_is_stopped() {
    if let Some(reason) = reason_to_skip() {
        println!("skipped: {reason}");
        return;
    }
    let cgroup = OwnCgroup::new("probe-live").unwrap();
    let limit = Duration::from_secs(120);
    let (received, counters) = tokio::time::timeout(limit, run(cgroup)).await.unwrap();
    assert_eq!((received.get(Kind::Exec), received.get(Kind::Fork)), (PROGRAMS, PROGRAMS));
    assert_eq!(received.get(Kind::Exit), PROGRAMS + 1, "the programs and the shell");
    assert!(received.get(Kind::Open) >= PROGRAMS, "each opens its libraries");
    assert_eq!((counters.delivered, counters.generated), (received, received));
    assert!(Kind::ALL.into_iter().all(|kind| counters.in_flight(kind) == 0));
}
