//! What the analyzer talks to, as far as it can tell.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bootstrap::socket::{self, PeerUids};
use event::{Event, Host, KnownProcess};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use wire::batch::News;
use wire::v1;
use wire::v1::from_probe::Message as FromProbe;

const PATIENCE: Duration = Duration::from_secs(20);
/// What a probe says that is asked how it is; its stream never says so.
pub(crate) const UPTIME: u64 = 42;

/// Asks again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

fn listen(path: &Path) -> UnixListenerStream {
    let own = PeerUids::new([std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap())]);
    UnixListenerStream::new(socket::bind(path, &own).unwrap())
}

/// One payload as the fake reporter got it.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) content: String,
    pub(crate) tags: Vec<String>,
    pub(crate) service: String,
}

/// A group, and the stream that it came on.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) stream: usize,
    pub(crate) group: v1::PayloadGroup,
}

impl Received {
    pub(crate) fn payloads(&self) -> Vec<Payload> {
        let group = &self.group;
        assert_eq!(group.length.iter().sum::<u32>() as usize, group.content.len());
        assert_eq!((group.length.len(), group.label.len()), (group.time_ms.len(), group.length.len()));
        assert!(group.tail.is_empty() || group.tail.len() == group.length.len());
        let mut rest = &*group.content;
        let document = |(place, length): (usize, &u32)| {
            let (own, after) = rest.split_at(*length as usize);
            rest = after;
            let tail = group.tail.get(place).and_then(|tail| tail.checked_sub(1));
            let tail = tail.map_or(&[][..], |tail| &group.tails[tail as usize]);
            String::from_utf8([own, tail].concat()).unwrap()
        };
        let text: String = group.length.iter().enumerate().map(document).collect();
        let lines: Vec<&str> = text.split_terminator('\n').collect();
        assert_eq!(lines.len(), group.length.len());
        let payload = |line: &&str| Payload {
            content: (*line).to_owned(),
            tags: group.tags.clone(),
            service: group.service.clone(),
        };
        lines.iter().map(payload).collect()
    }
}

/// A reporter that settles what it gets at once, or when it is told to.
#[derive(Clone)]
pub(crate) struct FakeReporter(Arc<Inbox>);

/// Where the settled marks of a stream go.
type Marks = mpsc::Sender<Result<v1::Settled, Status>>;

/// Where questions for metrics go.
type Asks = mpsc::Sender<Result<v1::HandOverRequest, Status>>;

struct Inbox {
    groups: watch::Sender<Vec<Received>>,
    streams: Mutex<Vec<Option<Marks>>>,
    settles: bool,
    failures: Mutex<u32>,
    answers: bool,
    asks: Mutex<Option<Asks>>,
    handed_over: watch::Sender<v1::HandedOver>,
}

impl FakeReporter {
    /// One that settles every group at once.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::serve(dir, true, 0, true)
    }

    /// One that says `n` times that it is full before it takes anything.
    pub(crate) fn start_failing(dir: &Path, n: u32) -> Self {
        Self::serve(dir, true, n, true)
    }

    /// One that settles when it is told to.
    pub(crate) fn start_holding(dir: &Path) -> Self {
        Self::serve(dir, false, 0, true)
    }

    /// One that takes groups, settles nothing and does not say how it is.
    pub(crate) fn start_hanging(dir: &Path) -> Self {
        Self::serve(dir, false, 0, false)
    }

    fn serve(dir: &Path, settles: bool, failures: u32, answers: bool) -> Self {
        let (groups, streams) = (watch::Sender::new(Vec::new()), Mutex::default());
        let reporter = Self(Arc::new(Inbox {
            groups,
            streams,
            settles,
            failures: Mutex::new(failures),
            answers,
            asks: Mutex::default(),
            handed_over: watch::Sender::default(),
        }));
        let service = v1::reporter_server::ReporterServer::new(reporter.clone());
        let incoming = listen(&dir.join("reporter.sock"));
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        reporter
    }

    pub(crate) async fn wait_for(&self, n: usize) -> Vec<Payload> {
        self.wait_for_groups(&format!("{n} payloads"), |groups| count(groups) >= n).await;
        self.payloads()
    }

    /// What the analyzer says of itself and the probe when it is asked with this number.
    pub(crate) async fn ask_for_metrics(&self, number: u64) -> Vec<v1::Metric> {
        let mut answers = self.0.handed_over.subscribe();
        let asks = eventually("the analyzer to offer metrics", async || self.0.asks.lock().unwrap().clone());
        asks.await.send(Ok(v1::HandOverRequest { number })).await.unwrap();
        let answered = tokio::time::timeout(PATIENCE, answers.wait_for(|answer| answer.number == number));
        answered.await.unwrap().unwrap().metrics.clone()
    }

    pub(crate) async fn wait_for_groups(
        &self,
        what: &str,
        are_there: impl FnMut(&Vec<Received>) -> bool,
    ) -> Vec<Received> {
        let mut groups = self.0.groups.subscribe();
        let waited = tokio::time::timeout(PATIENCE, groups.wait_for(are_there)).await;
        waited
            .unwrap_or_else(|_| panic!("waited in vain for {what}, there are {}", self.received()))
            .unwrap()
            .clone()
    }

    pub(crate) fn payloads(&self) -> Vec<Payload> {
        self.0.groups.borrow().iter().flat_map(Received::payloads).collect()
    }

    pub(crate) fn received(&self) -> usize {
        count(&self.0.groups.borrow())
    }

    /// Settles on the newest stream.
    pub(crate) async fn settle(&self, number: u64, lost: Vec<v1::GroupLoss>) {
        let newest = self.0.streams.lock().unwrap().last().cloned().flatten().unwrap();
        newest.send(Ok(v1::Settled { number, lost })).await.unwrap();
    }

    /// Ends the newest stream.
    pub(crate) fn disconnect(&self) {
        if let Some(newest) = self.0.streams.lock().unwrap().last_mut() {
            *newest = None;
        }
    }
}

fn count(groups: &[Received]) -> usize {
    groups.iter().map(|received| received.group.length.len()).sum()
}

#[tonic::async_trait]
impl v1::reporter_server::Reporter for FakeReporter {
    type SubmitStream = ReceiverStream<Result<v1::Settled, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<v1::PayloadGroup>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        {
            let mut failures = self.0.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(Status::resource_exhausted("full"));
            }
        }
        let (marks, settled) = mpsc::channel(16);
        let stream = {
            let mut streams = self.0.streams.lock().unwrap();
            streams.push(Some(marks));
            streams.len() - 1
        };
        let (inbox, mut groups) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(group)) = groups.message().await {
                let number = group.number;
                inbox.groups.send_modify(|all| all.push(Received { stream, group }));
                if inbox.settles {
                    let marks = inbox.streams.lock().unwrap().get(stream).cloned().flatten();
                    let mark = v1::Settled { number, lost: Vec::new() };
                    if let Some(marks) = marks
                        && marks.send(Ok(mark)).await.is_err()
                    {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(settled)))
    }

    type HandOverStream = ReceiverStream<Result<v1::HandOverRequest, Status>>;

    async fn hand_over(
        &self,
        request: Request<Streaming<v1::HandedOver>>,
    ) -> Result<Response<Self::HandOverStream>, Status> {
        let (asks, questions) = mpsc::channel(1);
        *self.0.asks.lock().unwrap() = Some(asks);
        let (inbox, mut answers) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(answer)) = answers.message().await {
                inbox.handed_over.send_replace(answer);
            }
        });
        Ok(Response::new(ReceiverStream::new(questions)))
    }

    async fn get_status(
        &self,
        _: Request<v1::ReporterStatusRequest>,
    ) -> Result<Response<v1::ServiceStatus>, Status> {
        if !self.0.answers {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(v1::ServiceStatus { service: "reporter".into(), ..Default::default() }))
    }
}

/// A probe that keeps every batch and sends it to whoever connects, from a number it can be told.
#[derive(Clone)]
pub(crate) struct FakeProbe(Arc<Outbox>);

struct Outbox {
    host: Host,
    table: Vec<KnownProcess>,
    refusal: Option<String>,
    batches: watch::Sender<Vec<v1::Batch>>,
    acked: watch::Sender<(u64, event::Ledger)>,
    next: Mutex<usize>,
    connections: watch::Sender<u64>,
    instances: Mutex<Vec<u64>>,
    wanted: watch::Sender<Vec<Vec<String>>>,
}

impl FakeProbe {
    pub(crate) fn start(dir: &Path, host: Host, table: Vec<KnownProcess>) -> Self {
        Self::serve(dir, host, table, None)
    }

    pub(crate) fn start_refusing(dir: &Path, message: &str) -> Self {
        Self::serve(dir, Host::default(), Vec::new(), Some(message.to_owned()))
    }

    fn serve(dir: &Path, host: Host, table: Vec<KnownProcess>, refusal: Option<String>) -> Self {
        let probe = Self(Arc::new(Outbox {
            host,
            table,
            refusal,
            batches: watch::Sender::new(Vec::new()),
            acked: watch::Sender::default(),
            next: Mutex::new(0),
            connections: watch::Sender::new(0),
            instances: Mutex::default(),
            wanted: watch::Sender::default(),
        }));
        let service = v1::probe_server::ProbeServer::new(probe.clone());
        let incoming = listen(&dir.join("probe.sock"));
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        probe
    }

    pub(crate) fn send(&self, events: Vec<Event>) {
        self.send_with(events, &News::default());
    }

    pub(crate) fn send_with(&self, events: Vec<Event>, news: &News) {
        self.0.batches.send_modify(|batches| {
            let mut batch = wire::batch::encode(batches.len() as u64 + 1, &[], &events);
            wire::batch::set_news(&mut batch, news);
            batches.push(batch);
        });
    }

    /// Sends this under the next number.
    pub(crate) fn send_raw(&self, batch: v1::Batch) {
        self.0
            .batches
            .send_modify(|batches| batches.push(v1::Batch { seq: batches.len() as u64 + 1, ..batch }));
    }

    /// The newest batch that was acknowledged, and the sum of the ledgers.
    pub(crate) fn acked(&self) -> (u64, event::Ledger) {
        *self.0.acked.borrow()
    }

    /// What the analyzers that connected said of themselves.
    pub(crate) fn instances(&self) -> Vec<u64> {
        self.0.instances.lock().unwrap().clone()
    }

    /// What the analyzer wanted last, once it wants that.
    pub(crate) async fn wait_for_wish(&self, kinds: &[&str]) {
        let mut wanted = self.0.wanted.subscribe();
        let wait = wanted.wait_for(|all| all.last().is_some_and(|last| last == kinds));
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{kinds:?} is not wanted: {:?}", self.0.wanted.borrow());
    }

    /// Ends the stream of now.
    pub(crate) fn disconnect(&self) {
        self.0.connections.send_modify(|number| *number += 1);
    }

    pub(crate) async fn wait_for_ack(&self, seq: u64) {
        let mut acked = self.0.acked.subscribe();
        let wait = acked.wait_for(|(acked, _)| *acked >= seq);
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("batch {seq} was not acknowledged")).unwrap();
    }

    async fn stream_to(self, sender: mpsc::Sender<Result<v1::FromProbe, Status>>) {
        let send = async |message| sender.send(Ok(v1::FromProbe { message: Some(message) })).await.is_ok();
        // What is not acknowledged is sent again.
        *self.0.next.lock().unwrap() = usize::try_from(self.acked().0).unwrap();
        let mut hello = wire::status::hello(&self.0.host, "fake");
        hello.session = 77;
        hello.switchable = vec!["open".into()];
        send(FromProbe::Hello(hello)).await;
        send(wire::batch::message(&wire::batch::encode(0, &self.0.table, &[]))).await;
        let hook = |kind: &str| v1::Hook { kind: kind.to_owned(), active: true, ..v1::Hook::default() };
        let hooks = OBSERVED.map(hook).into();
        send(FromProbe::Status(v1::ProbeStatus { hooks, ..v1::ProbeStatus::default() })).await;
        let mut ended = self.0.connections.subscribe();
        let mut batches = self.0.batches.subscribe();
        loop {
            let next = {
                let mut next = self.0.next.lock().unwrap();
                let batch = batches.borrow_and_update().get(*next).cloned();
                *next += usize::from(batch.is_some());
                batch
            };
            match next {
                Some(batch) => {
                    if !send(wire::batch::message(&batch)).await {
                        return;
                    }
                }
                None => tokio::select! {
                    _ = ended.changed() => return,
                    _ = batches.changed() => {}
                },
            }
        }
    }
}

/// The kinds that the configuration of the probe names.
const OBSERVED: [&str; 4] = ["exec", "fork", "exit", "open"];

#[tonic::async_trait]
impl v1::probe_server::Probe for FakeProbe {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<v1::FromProbe, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<v1::FromAnalyzer>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        if let Some(message) = &self.0.refusal {
            return Err(Status::permission_denied(message));
        }
        let mut requests = request.into_inner();
        let probe = self.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = requests.next().await {
                match message.message.unwrap() {
                    v1::from_analyzer::Message::Ack(ack) => probe.0.acked.send_modify(|(acked, sum)| {
                        assert!(ack.seq > *acked, "{} after {acked}", ack.seq);
                        *acked = ack.seq;
                        sum.add(&wire::status::ledger(&ack.ledger.unwrap()));
                    }),
                    v1::from_analyzer::Message::Hello(hello) => {
                        probe.0.instances.lock().unwrap().push(hello.instance);
                        probe.0.wanted.send_modify(|all| all.push(hello.wanted.unwrap().kinds));
                    }
                    v1::from_analyzer::Message::Wanted(wanted) => {
                        probe.0.wanted.send_modify(|all| all.push(wanted.kinds));
                    }
                }
            }
        });
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(self.clone().stream_to(sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::ProbeStatus>, Status> {
        Ok(Response::new(v1::ProbeStatus { uptime_seconds: UPTIME, ..v1::ProbeStatus::default() }))
    }
}

/// A Docker API that takes questions and never answers.
pub(crate) fn hanging_docker(path: &Path) {
    let listener = tokio::net::UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
}

/// A Docker API that says every container runs this image.
pub(crate) fn docker(path: &Path, image: &'static str) {
    let listener = tokio::net::UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let n = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..n]).into_owned();
            let id = request.split('/').nth(2).unwrap_or_default();
            let body =
                format!(r#"{{"Id":"{id}","Name":"/web-1","Config":{{"Image":"{image}","Tags":{{}}}}}}"#);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
}
