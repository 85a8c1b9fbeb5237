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
use wire::v1;
use wire::v1::from_probe::Message as FromProbe;

const PATIENCE: Duration = Duration::from_secs(20);

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

/// One payload as the reporter got it.
#[derive(Clone, Default)]
pub(crate) struct Payload {
    pub(crate) content: bytes::Bytes,
    pub(crate) tags: Vec<String>,
    pub(crate) service: String,
}

#[derive(Clone)]
pub(crate) struct FakeReporter(Arc<Inbox>);

struct Inbox {
    payloads: watch::Sender<Vec<Payload>>,
    failures: Mutex<u32>,
}

impl FakeReporter {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_failing(dir, 0)
    }

    /// A reporter that says `n` times that it is full before it takes anything.
    pub(crate) fn start_failing(dir: &Path, n: u32) -> Self {
        let inbox = Inbox { payloads: watch::Sender::new(Vec::new()), failures: Mutex::new(n) };
        let reporter = Self(Arc::new(inbox));
        let service = v1::reporter_server::ReporterServer::new(reporter.clone());
        let incoming = listen(&dir.join("reporter.sock"));
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        reporter
    }

    pub(crate) async fn wait_for(&self, n: usize) -> Vec<Payload> {
        let mut payloads = self.0.payloads.subscribe();
        let wait = payloads.wait_for(|payloads| payloads.len() >= n);
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("{} of {n} payloads arrived", self.received())).unwrap().clone()
    }

    pub(crate) fn received(&self) -> usize {
        self.0.payloads.borrow().len()
    }
}

#[tonic::async_trait]
impl v1::reporter_server::Reporter for FakeReporter {
    type SubmitStream = Pin<Box<dyn Stream<Item = Result<v1::Settled, Status>> + Send>>;

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
        let inbox = self.0.clone();
        let settled = request.into_inner().map(move |group| {
            let group = group?;
            let mut content = group.content.clone();
            let new = group.length.iter().map(|length| {
                let line = content.split_to(*length as usize);
                let content = line.slice(..line.len() - 1);
                Payload { content, tags: group.tags.clone(), service: group.service.clone() }
            });
            let new: Vec<_> = new.collect();
            inbox.payloads.send_modify(|payloads| payloads.extend(new));
            Ok(v1::Settled { number: group.number, lost: Vec::new() })
        });
        Ok(Response::new(Box::pin(settled)))
    }

    async fn get_status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::ServiceStatus>, Status> {
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
    acked: watch::Sender<u64>,
    next: Mutex<usize>,
    connections: watch::Sender<u64>,
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
            acked: watch::Sender::new(0),
            next: Mutex::new(0),
            connections: watch::Sender::new(0),
        }));
        let service = v1::probe_server::ProbeServer::new(probe.clone());
        let incoming = listen(&dir.join("probe.sock"));
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        probe
    }

    pub(crate) fn send(&self, events: Vec<Event>) {
        self.0.batches.send_modify(|batches| {
            batches.push(wire::batch::encode(batches.len() as u64 + 1, &[], &events));
        });
    }

    /// Ends the stream of now.
    pub(crate) fn disconnect(&self) {
        self.0.connections.send_modify(|number| *number += 1);
    }

    /// The next stream begins with this batch, acknowledged or not.
    pub(crate) fn resend_from(&self, seq: usize) {
        *self.0.next.lock().unwrap() = seq - 1;
    }

    pub(crate) async fn wait_for_ack(&self, seq: u64) {
        let mut acked = self.0.acked.subscribe();
        let wait = acked.wait_for(|acked| *acked >= seq);
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("batch {seq} was not acknowledged")).unwrap();
    }

    async fn stream_to(self, sender: mpsc::Sender<Result<v1::FromProbe, Status>>) {
        let send = async |message| sender.send(Ok(v1::FromProbe { message: Some(message) })).await.is_ok();
        let mut hello = wire::status::hello(&self.0.host, "fake");
        hello.session = 77;
        send(FromProbe::Hello(hello)).await;
        if !self.0.table.is_empty() {
            send(wire::batch::message(&wire::batch::encode(0, &self.0.table, &[]))).await;
        }
        send(FromProbe::Status(v1::ProbeStatus::default())).await;
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
                if let Some(v1::from_analyzer::Message::Ack(ack)) = message.message {
                    probe.0.acked.send_modify(|acked| *acked = ack.seq.max(*acked));
                }
            }
        });
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(self.clone().stream_to(sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
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
                format!(r#"{{"Id":"{id}","Name":"/web-1","Config":{{"Image":"{image}","Labels":{{}}}}}}"#);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
}
