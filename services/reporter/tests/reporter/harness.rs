//! A reporter in this process with a mock intake behind it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::counters::Registry;
use mock_intake::{MockIntake, Options, Received};
use reporter::config::{Config, IntakeConfig};
use reporter::{Left, Reporter};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use wire::v1;
use wire::v1::reporter_client::ReporterClient;

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Long enough for a loaded machine; nothing waits this long unless it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Harness {
    pub(crate) dir: TempDir,
    pub(crate) client: ReporterClient<Channel>,
    pub(crate) counters: Registry,
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
        let counters = reporter.counters();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving =
            tokio::spawn(async move { reporter.serve(async { drop(stopped.await) }).await.unwrap() });
        let client = client(&socket).await;
        Self { dir, client, counters, stop, serving }
    }

    pub(crate) async fn submit(&mut self, payloads: Vec<v1::Payload>) {
        let n = payloads.len() as u64;
        let reply = self.client.submit(v1::SubmitRequest { payloads }).await.unwrap();
        assert_eq!(reply.into_inner().accepted, n);
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
        drop(self.client);
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

pub(crate) fn payload(n: u64) -> v1::Payload {
    v1::Payload {
        content: format!("{{\"n\":{n}}}").into(),
        tags: vec!["image_name:shop".to_owned(), "image_tag:1.0".to_owned()],
        service: "shop".to_owned(),
        time_ms: now_ms() - 1000,
    }
}

pub(crate) fn payloads(numbers: std::ops::Range<u64>) -> Vec<v1::Payload> {
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
