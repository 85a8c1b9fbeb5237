//! A reporter in this process with a mock intake behind it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::counters::Registry;
use mock_intake::{MockIntake, Options, Received};
use reporter::config::{Config, IntakeConfig};
use reporter::{Left, Reporter};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use wire::v1;
use wire::v1::reporter_client::ReporterClient;

const PAYLOADS: &str = "reporter_submit_payloads_total";
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Long enough for a loaded machine; nothing waits this long unless it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Harness {
    pub(crate) dir: TempDir,
    pub(crate) client: ReporterClient<Channel>,
    pub(crate) counters: Registry,
    pub(crate) metrics: Option<SocketAddr>,
    submission: Option<Submission>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Vec<Left>>,
}

pub(crate) async fn intake() -> MockIntake {
    let options = Options { api_key: Some(KEY.to_owned()), ..Options::default() };
    MockIntake::start_with(options).await.unwrap()
}

/// A directory with a key file, and a configuration with tiny waits that sends to `url`.
pub(crate) fn config(url: &str) -> (TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let intake = IntakeConfig {
        url: Some(url.to_owned()),
        api_key_file: Some(key),
        timeout: Duration::from_millis(500),
        batch_wait: Duration::from_secs(1),
        sender_backoff_base: Duration::from_millis(1),
        sender_backoff_max: Duration::from_millis(5),
        ..IntakeConfig::default()
    };
    let config = Config {
        socket: dir.path().join("reporter.sock"),
        drain_timeout: DEADLINE,
        hostname: Some("node-1".to_owned()),
        intake: Some(intake),
        ..Config::default()
    };
    (dir, config)
}

impl Harness {
    pub(crate) async fn start(url: &str, change: impl FnOnce(&mut Config)) -> Self {
        let (dir, mut config) = config(url);
        change(&mut config);
        let socket = config.socket.clone();
        let reporter = Reporter::start(config).unwrap();
        let (counters, metrics) = (reporter.counters(), reporter.metrics_address());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving =
            tokio::spawn(async move { reporter.serve(async { drop(stopped.await) }).await.unwrap() });
        let client = client(&socket).await;
        Self { dir, client, counters, metrics, submission: None, stop, serving }
    }

    /// Submits a group and waits until the reporter has taken it.
    pub(crate) async fn submit(&mut self, payloads: Vec<Payload>) {
        let taken = self.count(PAYLOADS, "") + payloads.len() as u64;
        self.send(payloads).await;
        self.wait_for_count(PAYLOADS, "", taken).await;
    }

    /// Submits a group on the stream of this harness.
    pub(crate) async fn send(&mut self, payloads: Vec<Payload>) {
        if self.submission.is_none() {
            self.submission = Some(Submission::open(&mut self.client).await);
        }
        self.submission.as_mut().unwrap().send(payloads).await;
    }

    /// Breaks the stream, as a sender that dies does.
    pub(crate) fn hang_up(&mut self) {
        self.submission = None;
    }

    /// The stream, where it outlives the harness.
    pub(crate) fn take_submission(&mut self) -> Submission {
        self.submission.take().unwrap()
    }

    /// The next mark.
    pub(crate) async fn mark(&mut self) -> Option<v1::Settled> {
        self.submission.as_mut().unwrap().mark().await.unwrap()
    }

    /// The sum of the counters with this name and, unless it is empty, this label value.
    pub(crate) fn count(&self, name: &str, label: &str) -> u64 {
        count(&self.counters, name, label)
    }

    /// Waits until a counter reaches `least`.
    pub(crate) async fn wait_for_count(&self, name: &str, label: &str, least: u64) {
        let reached = async {
            while self.count(name, label) < least {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, reached).await;
        assert!(waited.is_ok(), "{name} {label}: {:#?}", self.counters.samples());
    }

    /// Stops, drains, and returns the counters and what was left.
    pub(crate) async fn stop(self) -> (Registry, Vec<Left>) {
        drop(self.stop);
        let left = tokio::time::timeout(DEADLINE, self.serving).await.unwrap().unwrap();
        (self.counters, left)
    }
}

pub(crate) async fn client(socket: &Path) -> ReporterClient<Channel> {
    ReporterClient::new(bootstrap::socket::connect(socket).await.unwrap())
}

pub(crate) fn count(counters: &Registry, name: &str, label: &str) -> u64 {
    let samples = counters.samples();
    let wanted = samples
        .iter()
        .filter(|sample| sample.name == name)
        .filter(|sample| label.is_empty() || sample.labels.iter().any(|(_, value)| value == label));
    wanted.map(|sample| sample.value).sum()
}

/// A stream of groups.
pub(crate) struct Submission {
    groups: mpsc::Sender<v1::PayloadGroup>,
    marks: Streaming<v1::Settled>,
    number: u64,
}

impl Submission {
    pub(crate) async fn open(client: &mut ReporterClient<Channel>) -> Self {
        Self::try_open(client).await.unwrap()
    }

    pub(crate) async fn try_open(client: &mut ReporterClient<Channel>) -> Result<Self, Status> {
        let (groups, receiver) = mpsc::channel(1);
        let marks = client.submit(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { groups, marks, number: 0 })
    }

    pub(crate) async fn send(&mut self, payloads: Vec<Payload>) {
        self.number += 1;
        self.send_group(group(self.number, payloads)).await;
    }

    pub(crate) async fn send_group(&self, group: v1::PayloadGroup) {
        // The reporter may have ended the stream; the marks say why.
        drop(self.groups.send(group).await);
    }

    /// Where groups go and marks come from, each for itself.
    pub(crate) fn halves(&mut self) -> (&mpsc::Sender<v1::PayloadGroup>, &mut Streaming<v1::Settled>) {
        (&self.groups, &mut self.marks)
    }

    pub(crate) async fn mark(&mut self) -> Result<Option<v1::Settled>, Status> {
        tokio::time::timeout(DEADLINE, self.marks.message()).await.unwrap()
    }

    /// Marks until this group is settled, and all that was lost.
    pub(crate) async fn wait_for(&mut self, number: u64) -> Vec<v1::GroupLoss> {
        let mut lost = Vec::new();
        loop {
            let mark = self.mark().await.unwrap().unwrap();
            lost.extend(mark.lost.iter().cloned());
            assert!(mark.number <= number, "{mark:?}");
            if mark.number == number {
                return lost;
            }
        }
    }
}

impl Submission {
    /// Says that nothing more comes.
    pub(crate) fn finish(self) -> Streaming<v1::Settled> {
        self.marks
    }
}

#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) content: String,
    pub(crate) tags: Vec<String>,
    pub(crate) service: String,
    pub(crate) time_ms: i64,
}

pub(crate) fn group(number: u64, payloads: Vec<Payload>) -> v1::PayloadGroup {
    let first = payloads[0].clone();
    let lines: Vec<String> = payloads.iter().map(|payload| format!("{}\n", payload.content)).collect();
    v1::PayloadGroup {
        number,
        class: v1::PayloadClass::Low.into(),
        content: lines.concat().into(),
        length: lines.iter().map(|line| u32::try_from(line.len()).unwrap()).collect(),
        time_ms: payloads.iter().map(|payload| payload.time_ms).collect(),
        tags: first.tags,
        service: first.service,
        labels: vec!["open".to_owned()],
        label: vec![0; lines.len()].into(),
        ..Default::default()
    }
}

pub(crate) fn payload(n: u64) -> Payload {
    Payload {
        content: format!("{{\"n\":{n}}}"),
        tags: vec!["image_name:shop".to_owned(), "image_tag:1.0".to_owned()],
        service: "shop".to_owned(),
        time_ms: now_ms() - 1000,
    }
}

pub(crate) fn payloads(numbers: std::ops::Range<u64>) -> Vec<Payload> {
    numbers.map(payload).collect()
}

/// The numbers of the payloads that arrived, in their order.
pub(crate) fn numbers(received: &[Arc<Received>]) -> Vec<u64> {
    received.iter().map(|entry| entry.json()["n"].as_u64().unwrap()).collect()
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
