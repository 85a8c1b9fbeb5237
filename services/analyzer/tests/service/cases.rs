//! One case per promise of the service.

mod handover;
mod losses;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use analyzer::compose;
use analyzer::config::Config;
use event::{
    Cgroup, Event, Exec, ExitStatus, File, Host, Kind, KnownProcess, Ledger, LossCause, NotObserved, Open,
    PerKind, ProcessKey, Runtime, Strings, Task, What, Workload,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use wire::batch::{Lane, News};
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
    Arc::new(Task { process, tid: tgid, ppid: 1, comm: "sh".into(), cgroup, ..Task::default() })
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
        Event { boot_ns: 100, task: task(20, true), what: What::Fork(task(10, true).process) },
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
        config.tags.runtime_sockets.clear();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let shutdown = async {
                drop(stopped.await);
                "test"
            };
            actix::System::new().block_on(compose::run(config, shutdown)).unwrap();
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

fn check_schema<'a>(documents: impl IntoIterator<Item = &'a str>) {
    let schema = event_json::schema().unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for document in documents {
        let mut json: serde_json::Value = serde_json::from_str(document).unwrap();
        assert!(event_json::take_envelope(&mut json)["event_id"].is_string(), "{json:#}");
        if let Err(error) = validator.validate(&json) {
            panic!("{error}\n{json:#}");
        }
    }
}

fn contents(payloads: &[Payload]) -> impl Iterator<Item = &str> {
    payloads.iter().map(|payload| payload.content.as_str())
}

/// The ids of payloads.
fn ids(payloads: &[Payload]) -> Vec<String> {
    let id = |document: &str| {
        let json: serde_json::Value = serde_json::from_str(document).unwrap();
        json["agent"]["event_id"].as_str().unwrap().to_owned()
    };
    contents(payloads).map(id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_become_tagged_payloads_and_every_batch_is_acknowledged() {
    let dir = TempDir::new().unwrap();
    fakes::docker(&dir.path().join("docker.sock"), "reg:5000/team/web:1.2");
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "");
    probe.send(lifecycle());
    probe.send(opens(1000..1500, true));
    let payloads = reporter.wait_for(503).await;
    probe.wait_for_ack(2).await;
    check_schema(contents(&payloads));
    for payload in &payloads {
        assert!(payload.tags.contains(&format!("container_id:{CONTAINER}")), "{:?}", payload.tags);
        assert!(payload.tags.contains(&"image_name:reg:5000/team/web".to_owned()), "{:?}", payload.tags);
        assert!(payload.tags.contains(&"image_tag:1.2".to_owned()));
        assert_eq!(payload.service, "web");
    }
    let all: Vec<&str> = contents(&payloads).collect();
    assert!(all.iter().all(|json| !json.contains("hunter2")));
    let files: Vec<usize> = (1000..1500)
        .map(|n| all.iter().position(|json| json.contains(&format!("\"/f{n}\""))).unwrap())
        .collect();
    assert!(files.is_sorted(), "payloads of a container keep their order");
    let groups = reporter.wait_for_groups("all", |groups| !groups.is_empty()).await;
    let parts =
        groups.iter().flat_map(|received| received.group.tails.iter().chain([&received.group.content]));
    let sent: usize = parts.map(|part| part.len()).sum();
    let written_out: usize = all.iter().map(|json| json.len()).sum();
    assert!(sent < written_out * 2 / 3, "{sent} of {written_out} bytes: what documents share is sent once");
    assert_eq!(metric(dir.path(), "analyzer_outbox_untagged_total").await, 0);
    let (_, ledger) = probe.acked();
    let expected = PerKind::from([(Kind::Exec, 1), (Kind::Fork, 1), (Kind::Exit, 1), (Kind::Open, 500)]);
    assert_eq!((ledger.delivered, ledger.by_kind()), (expected, expected));
    assert!(probe.instances().iter().all(|instance| *instance != 0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reporter_that_comes_late_and_fails_gets_everything_once_the_tags_are_given_up() {
    let dir = TempDir::new().unwrap();
    let probe = FakeProbe::start(dir.path(), host(), vec![]);
    let service = Service::start(dir.path(), "[tags]\nwait = '100ms'\ndocker_sockets = []\n");
    probe.send(opens(0..200, true));
    probe.send(opens(200..400, false));
    fakes::eventually("the analyzer to hold them", async || {
        (metric(dir.path(), "analyzer_outbox_payloads").await == 400).then_some(())
    })
    .await;
    assert_eq!(probe.acked().0, 0, "nothing is acknowledged that no output has");
    let reporter = FakeReporter::start_failing(dir.path(), 3);
    let payloads = reporter.wait_for(400).await;
    probe.wait_for_ack(2).await;
    assert_eq!(payloads.len(), 400);
    assert_eq!(metric(dir.path(), "analyzer_outbox_untagged_total").await, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_outcome_is_pending_when_the_probe_link_breaks_is_not_processed_again() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start_holding(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "");
    probe.send(opens(0..100, false));
    reporter.wait_for(100).await;
    probe.disconnect();
    fakes::eventually("the batch to be sent again", async || {
        (metric(dir.path(), "analyzer_link_repeated_batches_total").await == 1).then_some(())
    })
    .await;
    assert_eq!(probe.acked().0, 0);
    reporter.settle(1, Vec::new()).await;
    probe.wait_for_ack(1).await;
    assert_eq!((probe.acked().1.delivered, reporter.received()), (PerKind::from([(Kind::Open, 100)]), 100));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_reporter_did_not_settle_is_submitted_again_on_the_next_stream_with_the_same_ids() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start_holding(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "");
    for n in 0..3 {
        probe.send(opens(n * 10..n * 10 + 10, false));
    }
    let first = reporter.wait_for(30).await;
    reporter.settle(1, Vec::new()).await;
    probe.wait_for_ack(1).await;
    reporter.disconnect();
    let all = reporter.wait_for_groups("everything again", |groups| groups.len() >= 5).await;
    let again: Vec<Payload> =
        all.iter().filter(|group| group.stream == 1).flat_map(|group| group.payloads()).collect();
    assert_eq!(ids(&again), ids(&first)[10..]);
    assert_eq!(all.iter().map(|group| group.group.number).collect::<Vec<_>>(), [1, 2, 3, 1, 2]);
    assert_eq!(probe.acked().0, 1);
    let lost = v1::GroupLoss {
        number: 2,
        cause: "output_down".into(),
        counts: vec![v1::LabelCount { label: "open".into(), payloads: 4 }],
    };
    reporter.settle(2, vec![lost]).await;
    probe.wait_for_ack(3).await;
    let (_, ledger) = probe.acked();
    assert_eq!(ledger.delivered, PerKind::from([(Kind::Open, 26)]));
    assert_eq!(ledger.lost.of(LossCause::OutputDown), &PerKind::from([(Kind::Open, 4)]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_outbox_stops_reading_and_nothing_is_dropped() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start_holding(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[outbox]\nmax_bytes = 100000\ngroup_bytes = 20000\n");
    for n in 0..1000 {
        probe.send(opens(n * 20..n * 20 + 20, false));
    }
    fakes::eventually("the outbox to be full", async || {
        (metric(dir.path(), "analyzer_outbox_bytes").await > 60_000).then_some(())
    })
    .await;
    let mut settled = 0;
    while settled < 1000 {
        let groups = reporter.wait_for_groups("more", |groups| groups.len() > settled).await;
        assert!(metric(dir.path(), "analyzer_outbox_bytes").await <= 100_000);
        let read = metric(dir.path(), "analyzer_link_batches_total").await;
        assert!(read < groups.len() as u64 + 50, "{read} batches were read, {} groups came", groups.len());
        settled = groups.len();
        reporter.settle(settled as u64, Vec::new()).await;
    }
    probe.wait_for_ack(1000).await;
    assert_eq!(
        (probe.acked().1.delivered, reporter.received()),
        (PerKind::from([(Kind::Open, 20_000)]), 20_000)
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_resolver_delays_a_container_once_and_others_not_at_all() {
    let dir = TempDir::new().unwrap();
    fakes::hanging_docker(&dir.path().join("docker.sock"));
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[tags]\ntimeout = '1h'\n");
    probe.send(opens(0..10, true));
    probe.send(opens(10..20, false));
    reporter.wait_for(10).await;
    assert!(contents(&reporter.payloads()).all(|json| !json.contains(CONTAINER)), "the host's come first");
    reporter.wait_for(20).await;
    // From here on nothing waits: what is submitted was not held up, however long the answer takes.
    for n in 2..12 {
        probe.send(opens(n * 10..n * 10 + 10, true));
        probe.wait_for_ack(n + 1).await;
    }
    assert_eq!(metric(dir.path(), "analyzer_outbox_untagged_total").await, 110);
    assert_eq!(probe.acked().1.delivered, PerKind::from([(Kind::Open, 120)]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_lane_overtakes_the_flood_lane() {
    let dir = TempDir::new().unwrap();
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "");
    for n in 0..5 {
        probe.send_with(opens(n * 10..n * 10 + 10, false), &News { lane: Lane::Flood, ..News::default() });
    }
    probe.send(vec![open(900, false)]);
    fakes::eventually("the analyzer to hold them", async || {
        (metric(dir.path(), "analyzer_outbox_payloads").await == 51).then_some(())
    })
    .await;
    let reporter = FakeReporter::start(dir.path());
    reporter.wait_for(51).await;
    let groups = reporter.wait_for_groups("all", |groups| groups.len() == 6).await;
    let first = &groups[0].group;
    assert_eq!((first.class(), first.length.len()), (v1::PayloadClass::High, 1));
    assert!(groups[1..].iter().all(|group| group.group.class() == v1::PayloadClass::Low));
    probe.wait_for_ack(6).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_matched_events_nothing_is_rendered_and_a_subscriber_gets_its_own() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[output]\nevents = 'matched'\n");
    probe.send(opens(0..100, false));
    probe.wait_for_ack(1).await;
    assert_eq!(probe.acked().1, Ledger { no_taker: PerKind::from([(Kind::Open, 100)]), ..Ledger::default() });
    let request = v1::SubscribeRequest { kinds: vec!["exec".into()], with_json: true, ..Default::default() };
    let mut stream = client(dir.path()).await.subscribe(request).await.unwrap().into_inner();
    probe.send(lifecycle());
    let message =
        tokio::time::timeout(Duration::from_secs(20), stream.message()).await.unwrap().unwrap().unwrap();
    check_schema([str::from_utf8(&message.json).unwrap()]);
    probe.wait_for_ack(2).await;
    assert_eq!(metric(dir.path(), "analyzer_api_rendered_total").await, 1, "only what passes the filter");
    assert_eq!((reporter.received(), metric(dir.path(), "analyzer_outbox_accepted_total").await), (0, 0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_probe_is_asked_for_what_somebody_takes_at_the_start_of_a_stream_and_whenever_that_changes() {
    let dir = TempDir::new().unwrap();
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[output]\nevents = 'matched'\n[kinds]\nalways = ['bind']\n");
    probe.wait_for_wish(&["bind"]).await;
    let request = v1::SubscribeRequest { kinds: vec!["open".into(), "exec".into()], ..Default::default() };
    let subscription = client(dir.path()).await.subscribe(request).await.unwrap();
    probe.wait_for_wish(&["exec", "open", "bind"]).await;
    probe.disconnect();
    fakes::eventually("a second stream", async || (probe.instances().len() > 1).then_some(())).await;
    probe.wait_for_wish(&["exec", "open", "bind"]).await;
    // Nothing happens that could tell that the subscriber has left.
    drop(subscription);
    probe.wait_for_wish(&["bind"]).await;
    let recording = client(dir.path()).await.record(v1::RecordRequest {}).await.unwrap();
    let all: Vec<&str> = wire::control::everything().into_iter().map(Kind::name).collect();
    probe.wait_for_wish(&all).await;
    drop(recording);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_nobody_observed_is_a_custom_event_that_is_settled_with_its_batch() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start_holding(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[output]\nevents = 'matched'\n");
    let gap = NotObserved { from_ns: 5, to_ns: 9, reason: "the probe was killed".into() };
    probe.send_with(opens(0..3, false), &News { not_observed: vec![gap], ..News::default() });
    let payloads = reporter.wait_for(1).await;
    assert!(payloads[0].content.starts_with(r#"{"agent":{"event_id":"4d-1-3","rule_id":"not_observed"}"#));
    assert!(payloads[0].tags.contains(&"rule_id:not_observed".to_owned()));
    assert_eq!(probe.acked().0, 0);
    let counts = vec![v1::LabelCount { label: "custom".into(), payloads: 1 }];
    reporter.settle(1, vec![v1::GroupLoss { number: 1, cause: "refused".into(), counts }]).await;
    probe.wait_for_ack(1).await;
    assert_eq!(probe.acked().1, Ledger { no_taker: PerKind::from([(Kind::Open, 3)]), ..Ledger::default() });
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_decoded_is_acknowledged_with_an_empty_ledger_and_the_rest_goes_on() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "");
    let mut damaged = wire::batch::encode(0, &[], &opens(0..10, false));
    damaged.events.as_mut().unwrap().kinds[0].columns[0].values.pop();
    probe.send_raw(damaged);
    let mut newer = wire::batch::encode(0, &[], &opens(10..20, false));
    let table = newer.events.as_mut().unwrap();
    table.kind[9] = 99;
    // Its fields are in a table that this version does not read.
    for column in &mut table.kinds[0].columns {
        column.values.pop();
    }
    probe.send_raw(newer);
    probe.wait_for_ack(2).await;
    assert_eq!(probe.acked().1, Ledger { delivered: PerKind::from([(Kind::Open, 9)]), ..Ledger::default() });
    assert_eq!(reporter.received(), 9);
    assert_eq!(metric(dir.path(), "analyzer_link_undecodable_batches_total").await, 1);
    assert_eq!(metric(dir.path(), "analyzer_link_unknown_kinds_total").await, 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_answers_while_the_reporter_hangs() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start_hanging(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[outbox]\nmax_bytes = 10000\ndrain = '10ms'\n");
    for n in 0..10 {
        probe.send(opens(n * 20..n * 20 + 20, false));
    }
    reporter.wait_for(1).await;
    let asked = std::time::Instant::now();
    metric(dir.path(), "analyzer_outbox_payloads").await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_the_probe_is_new_while_nothing_is_read_from_it() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start_hanging(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[outbox]\nmax_bytes = 10000\ndrain = '10ms'\n");
    for n in 0..10 {
        probe.send(opens(n * 20..n * 20 + 20, false));
    }
    reporter.wait_for(1).await;
    fakes::eventually("a status that the probe did not send by itself", async || {
        let status = client(dir.path()).await.get_status(v1::StatusRequest {}).await.unwrap().into_inner();
        status.probe.is_some_and(|probe| probe.uptime_seconds == fakes::UPTIME).then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_service_sends_what_still_waits_for_tags() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![]);
    let service = Service::start(dir.path(), "[tags]\nwait = '1h'\n");
    probe.send(opens(0..50, true));
    fakes::eventually("the analyzer to hold them", async || {
        (metric(dir.path(), "analyzer_outbox_payloads").await == 50).then_some(())
    })
    .await;
    assert_eq!(reporter.received(), 0);
    service.stop().await;
    assert_eq!((reporter.received(), probe.acked().0), (50, 1), "and the probe is told");
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
    check_schema([str::from_utf8(&message.json).unwrap()]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_asks_for_what_the_probe_leaves_out_is_told_before_anything_else() {
    let dir = TempDir::new().unwrap();
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "[outbox]\ndrain = '10ms'\n");
    fakes::eventually("a report of the probe", async || {
        let status = client(dir.path()).await.get_status(v1::StatusRequest {}).await.unwrap().into_inner();
        status.probe.filter(|probe| !probe.hooks.is_empty()).map(drop)
    })
    .await;
    let request =
        v1::SubscribeRequest { kinds: vec!["exec".into(), "bind".into()], ..v1::SubscribeRequest::default() };
    let mut stream = client(dir.path()).await.subscribe(request).await.unwrap().into_inner();
    probe.send(lifecycle());
    let mut next = async || {
        tokio::time::timeout(Duration::from_secs(20), stream.message()).await.unwrap().unwrap().unwrap()
    };
    let told = next().await;
    assert!(told.remark.contains("bind") && !told.remark.contains("exec"), "{}", told.remark);
    assert_eq!((next().await.kind.as_str(), told.kind.as_str()), ("exec", ""));
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
    let gap = NotObserved { from_ns: 5, to_ns: 9, reason: "killed".into() };
    let news = News { lane: Lane::Flood, not_observed: vec![gap], ..News::default() };
    probe.send_with(opens(1000..1020, true), &news);
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
    let reported = reporter.wait_for(25).await;
    service.stop().await;

    let replay = |format| {
        let mut out = Vec::new();
        analyzer::replay::replay(&path, &Config::default(), format, &mut out).unwrap();
        out
    };
    let json = replay(analyzer::replay::Format::Json);
    assert_eq!(json, replay(analyzer::replay::Format::Json));
    let lines: Vec<&str> = std::str::from_utf8(&json).unwrap().lines().collect();
    let live: Vec<&str> = contents(&reported).skip(1).collect();
    assert_eq!(lines.iter().collect::<HashSet<_>>(), live.iter().collect::<HashSet<_>>());
    assert_eq!(lines.len(), 24);
    check_schema(lines.iter().copied().filter(|line| !line.contains("not_observed")));
    let exec = lines.iter().find(|json| json.contains(r#""name":"exec""#)).unwrap();
    let exec: serde_json::Value = serde_json::from_str(exec).unwrap();
    assert_eq!(exec["process"]["ancestors"].as_array().unwrap().len(), 2);
    let text = replay(analyzer::replay::Format::Line);
    assert!(String::from_utf8_lossy(&text).contains("2023-11-14T22:13:20.000000Z exec      20 sh"));
    let bytes = replay(analyzer::replay::Format::Messages { with_json: true });
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        messages.push(<v1::EventMessage as prost::Message>::decode_length_delimited(&mut rest).unwrap());
    }
    assert_eq!(messages.len(), 23, "without what the system says of itself");
    let exec = messages.iter().find(|message| message.kind == "exec").unwrap();
    assert!(lines.contains(&std::str::from_utf8(&exec.json).unwrap()));
    assert_eq!(exec.ppid, 1);
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
    writer.write_batch(wire::batch::encode(0, &[known()], &[])).unwrap();
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
