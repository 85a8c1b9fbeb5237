//! One case per promise of the service.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use analyzer::config::Config;
use analyzer::supervisor;
use event::{
    Cgroup, Event, Exec, ExitStatus, File, Host, KnownProcess, Open, ProcessKey, Runtime, Strings, Task,
    What, Workload,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use wire::v1;
use wire::v1::analyzer_client::AnalyzerClient;

use crate::fakes::{self, FakeProbe, FakeReporter, Payload};

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn host() -> Host {
    Host {
        boot_id: "boot".into(),
        hostname: "h".into(),
        kernel: "6.1".into(),
        wall_offset_ns: 1_700_000_000_000_000_000,
    }
}

fn task(tgid: u32, is_contained: bool) -> Arc<Task> {
    let id = CONTAINER.into();
    let container = Workload::Container { id, runtime: Runtime::Docker, pod_uid: None };
    let workload = if is_contained { container } else { Workload::Host };
    let cgroup = Arc::new(Cgroup { path: "/docker/x".into(), workload, ..Cgroup::default() });
    let process = ProcessKey { start_ns: u64::from(tgid), tgid };
    Arc::new(Task { process, tid: tgid, comm: "sh".into(), cgroup, ..Task::default() })
}

fn program(args: &[&str]) -> Arc<Exec> {
    let executable = Arc::new(File { path: "/bin/sh".into(), inode: 7, ..File::default() });
    let items = args.iter().map(|argument| (*argument).into()).collect();
    Arc::new(Exec { executable, args: Strings { items, truncated: false }, ..Exec::default() })
}

fn open(boot_ns: u64, is_contained: bool) -> Event {
    let file = Arc::new(File { path: format!("/f{boot_ns}").as_str().into(), inode: 9, ..File::default() });
    Event {
        boot_ns,
        task: task(10, is_contained),
        what: What::Open(Open { file, flags: 0, mode: 0, retval: 3 }),
    }
}

fn lifecycle() -> Vec<Event> {
    vec![
        Event { boot_ns: 100, task: task(20, true), what: What::Fork { parent: task(10, true).process } },
        Event {
            boot_ns: 200,
            task: task(20, true),
            what: What::Exec(program(&["mysql", "--password", "hunter2"])),
        },
        Event { boot_ns: 300, task: task(20, true), what: What::Exit(ExitStatus::Exited(1)) },
    ]
}

fn opens(range: std::ops::Range<u64>, is_contained: bool) -> Vec<Event> {
    range.map(|boot_ns| open(boot_ns, is_contained)).collect()
}

fn known() -> KnownProcess {
    KnownProcess { task: task(10, true), parent: None, exec_ns: 50, exec: Some(program(&["sh"])) }
}

/// The service in an actix system of its own thread; it ends with [`Service::stop`].
struct Service {
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Service {
    fn start(dir: &Path, settings: &str) -> Self {
        let mut config: Config = toml::from_str(settings).unwrap();
        config.sockets.probe = dir.join("probe.sock");
        config.sockets.reporter = dir.join("reporter.sock");
        config.sockets.api = dir.join("analyzer.sock");
        if config.tags.docker_sockets.iter().any(|socket| socket.starts_with("/run")) {
            config.tags.docker_sockets = vec![dir.join("docker.sock")];
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let shutdown = async {
                drop(stopped.await);
                "test"
            };
            actix::System::new().block_on(supervisor::run(config, shutdown)).unwrap();
        });
        Self { stop, thread }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::task::spawn_blocking(|| self.thread.join()).await.unwrap().unwrap();
    }
}

async fn client(dir: &Path) -> AnalyzerClient<tonic::transport::Channel> {
    let path = dir.join("analyzer.sock");
    fakes::eventually("the API to answer", async || {
        bootstrap::socket::connect(&path).await.ok().map(AnalyzerClient::new)
    })
    .await
}

async fn metric(dir: &Path, name: &str) -> u64 {
    let status = client(dir).await.get_status(v1::StatusRequest {}).await.unwrap().into_inner();
    let metrics = status.analyzer.unwrap().metrics;
    metrics.iter().filter(|metric| metric.name == name).map(|metric| metric.value).sum()
}

fn check_schema(payloads: &[Payload]) {
    let schema: serde_json::Value = serde_json::from_str(event_json::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for payload in payloads {
        let json: serde_json::Value = serde_json::from_slice(&payload.content).unwrap();
        if let Err(error) = validator.validate(&json) {
            panic!("{error}\n{json:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_become_labelled_payloads_and_every_batch_is_acknowledged() {
    let dir = TempDir::new().unwrap();
    fakes::docker(&dir.path().join("docker.sock"), "reg:5000/team/web:1.2");
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "");
    probe.send(lifecycle());
    probe.send(opens(1000..1500, true));
    let payloads = reporter.wait_for(503).await;
    probe.wait_for_ack(2).await;
    check_schema(&payloads);
    for payload in &payloads {
        assert!(payload.tags.contains(&format!("container_id:{CONTAINER}")), "{:?}", payload.tags);
        assert!(payload.tags.contains(&"image_name:reg:5000/team/web".to_owned()), "{:?}", payload.tags);
        assert!(payload.tags.contains(&"image_tag:1.2".to_owned()));
        assert_eq!(payload.service, "web");
    }
    let all: Vec<String> =
        payloads.iter().map(|payload| String::from_utf8_lossy(&payload.content).into_owned()).collect();
    assert!(all.iter().all(|json| !json.contains("hunter2")));
    let files: Vec<usize> = (1000..1500)
        .map(|n| all.iter().position(|json| json.contains(&format!("\"/f{n}\""))).unwrap())
        .collect();
    assert!(files.is_sorted(), "payloads of a container keep their order");
    assert_eq!(metric(dir.path(), "analyzer_outbox_unlabelled_total").await, 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reporter_that_comes_late_and_fails_gets_everything_once_the_labels_are_given_up() {
    let dir = TempDir::new().unwrap();
    let probe = FakeProbe::start(dir.path(), host(), vec![]);
    let service = Service::start(dir.path(), "[tags]\nwait = '100ms'\ndocker_sockets = []\n");
    probe.send(opens(0..200, true));
    probe.send(opens(200..400, false));
    probe.wait_for_ack(2).await;
    let reporter = FakeReporter::start_failing(dir.path(), 3);
    let payloads = reporter.wait_for(400).await;
    assert_eq!(payloads.len(), 400);
    assert_eq!(metric(dir.path(), "analyzer_outbox_unlabelled_total").await, 200);
    assert_eq!(metric(dir.path(), "analyzer_outbox_dropped_total").await, 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_sent_again_after_a_reconnect_are_delivered_once() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[tags]\ndocker_sockets = []\nwait = '10ms'\n");
    probe.send(opens(0..100, false));
    probe.wait_for_ack(1).await;
    probe.disconnect();
    probe.resend_from(1);
    probe.send(opens(100..150, false));
    probe.wait_for_ack(2).await;
    reporter.wait_for(150).await;
    service.stop().await;
    assert_eq!(reporter.received(), 150);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_service_sends_what_still_waits_for_labels() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![]);
    let service = Service::start(dir.path(), "[tags]\nwait = '1h'\n");
    probe.send(opens(0..50, true));
    probe.wait_for_ack(1).await;
    assert_eq!(reporter.received(), 0);
    service.stop().await;
    assert_eq!(reporter.received(), 50);
    assert!(!dir.path().join("analyzer.sock").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_see_matching_events_with_words_and_json() {
    let dir = TempDir::new().unwrap();
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[outbox]\ndrain = '10ms'\n");
    let request = v1::SubscribeRequest { kinds: vec!["exec".into()], with_json: true, ..Default::default() };
    let mut stream = client(dir.path()).await.subscribe(request).await.unwrap().into_inner();
    probe.send(lifecycle());
    let message =
        tokio::time::timeout(Duration::from_secs(20), stream.message()).await.unwrap().unwrap().unwrap();
    assert_eq!((message.kind.as_str(), message.pid, message.path.as_str()), ("exec", 20, "/bin/sh"));
    assert_eq!(message.detail, "mysql --password ********");
    assert_eq!(message.time_ns, 1_700_000_000_000_000_200);
    check_schema(&[Payload { content: message.json.into(), ..Default::default() }]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_replays_to_the_same_bytes_every_time_and_with_the_lineage_from_before_it() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(
        dir.path(),
        "[tags]\ndocker_sockets = []\nwait = '10ms'\n[names]\npasswd = ''\ngroup = ''\n",
    );
    // The record must begin after the table was taken in.
    probe.send(vec![open(60, false)]);
    probe.wait_for_ack(1).await;
    let mut stream = client(dir.path()).await.record(v1::RecordRequest {}).await.unwrap().into_inner();
    probe.send(lifecycle());
    probe.send(opens(1000..1020, true));
    let path = dir.path().join("x.capture");
    let mut writer = None;
    let mut last_seq = 0;
    while last_seq < 3 {
        let message = tokio::time::timeout(Duration::from_secs(20), stream.message()).await.unwrap();
        match message.unwrap().unwrap().message.unwrap() {
            v1::from_probe::Message::Hello(hello) => {
                writer = Some(capture::Writer::create(&path, &hello).unwrap());
            }
            v1::from_probe::Message::Batch(bytes) => {
                let batch = wire::batch::parse(bytes).unwrap();
                last_seq = batch.seq;
                writer.as_mut().unwrap().write_batch(batch).unwrap();
            }
            v1::from_probe::Message::Status(status) => writer.as_mut().unwrap().write_status(status).unwrap(),
        }
    }
    writer.unwrap().finish().unwrap();
    let reported = reporter.wait_for(24).await;
    service.stop().await;

    let replay = |format| {
        let mut out = Vec::new();
        analyzer::replay::replay(&path, &Config::default(), format, &mut out).unwrap();
        out
    };
    let json = replay(analyzer::replay::Format::Json);
    assert_eq!(json, replay(analyzer::replay::Format::Json));
    let lines: Vec<&str> = std::str::from_utf8(&json).unwrap().lines().collect();
    assert_eq!(lines.len(), 23);
    let exec = |lines: &[String]| {
        let exec = lines.iter().find(|json| json.contains(r#""name":"exec""#)).unwrap();
        serde_json::from_str::<serde_json::Value>(exec).unwrap()
    };
    let reported: Vec<String> =
        reported.iter().map(|payload| String::from_utf8_lossy(&payload.content).into_owned()).collect();
    let replayed: Vec<String> = lines.iter().map(ToString::to_string).collect();
    assert_eq!(exec(&replayed)["process"]["executable"], exec(&reported)["process"]["executable"]);
    assert_eq!(exec(&replayed)["process"]["ancestors"].as_array().unwrap().len(), 2);
    let text = replay(analyzer::replay::Format::Line);
    assert!(String::from_utf8_lossy(&text).contains("2023-11-14T22:13:20.000000Z exec      20 sh"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_refuses_us_is_shown_in_the_status() {
    let dir = TempDir::new().unwrap();
    let _probe = FakeProbe::start_refusing(dir.path(), "uid 7 may not use this socket");
    let service = Service::start(dir.path(), "[outbox]\ndrain = '10ms'\n");
    fakes::eventually("the refusal in the status", async || {
        let status = client(dir.path()).await.get_status(v1::StatusRequest {}).await.unwrap().into_inner();
        (status.probe_error.contains("uid 7 may not use") && !status.probe_connected).then_some(())
    })
    .await;
    service.stop().await;
}

#[test]
fn a_damaged_capture_prints_what_can_be_read_and_is_an_error() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.capture");
    let mut writer = capture::Writer::create(&path, &wire::status::hello(&host(), "test")).unwrap();
    writer.write_batch(wire::batch::encode(1, &[known()], &[])).unwrap();
    writer.write_batch(wire::batch::encode(1, &[], &lifecycle())).unwrap();
    writer.write_batch(wire::batch::encode(2, &[], &opens(500..600, true))).unwrap();
    writer.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_shrike-analyzer"))
        .args(["replay", "--json"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(!run.status.success());
    assert_eq!(String::from_utf8_lossy(&run.stdout).lines().count(), 3);
    let error = String::from_utf8_lossy(&run.stderr);
    assert!(error.contains("x.capture"), "{error}");
}

#[test]
fn the_service_refuses_to_run_as_root_unless_told_to() {
    if std::fs::read_to_string("/proc/self/status").unwrap().contains("CapEff:\t0000000000000000") {
        return;
    }
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_shrike-analyzer")).output().unwrap();
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("--allow-root"));
}
