//! The gRPC service on the unix socket. Who may connect is decided before, at its door.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use actix::Recipient;
use bootstrap::socket::Limits;
use tokio::sync::{Mutex, OwnedMutexGuard, broadcast, mpsc, oneshot, watch};
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use wire::v1;
use wire::v1::analyzer_server::{Analyzer, AnalyzerServer};
use wire::v1::probe_client::ProbeClient;

use crate::api::dumps;
use crate::api::status::StatusBoard;
use crate::dumps::{Ask, Finished};
use crate::link::ingest::StartRecord;
use crate::metrics::Metrics;
use crate::output::outbox::Reporter;
use crate::output::subscribers::{Filter, Subscribe};
use crate::stages::dump::Shared;

/// How long a neighbour may take to say how it is; after that its last answer is shown.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// What one user may have open: a call each for some terminals, or several in one connection of a program.
pub const LIMITS: Limits = Limits { connections_per_uid: 12, streams_per_connection: 16 };

/// Largest request: the lists of a filter.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// What the API answers from.
pub struct ApiParts {
    /// Takes subscribers.
    pub subscriptions: Recipient<Subscribe>,
    /// Takes recorders.
    pub pipeline: mpsc::Sender<StartRecord>,
    /// What is known of the neighbours.
    pub board: StatusBoard,
    /// The socket of the probe, which is asked how it is when its reports do not come.
    pub probe: PathBuf,
    /// Asked how it is when somebody asks us.
    pub reporter: Reporter,
    /// What is recorded.
    pub dumps: Dumping,
    /// The counters.
    pub metrics: Metrics,
}

/// What the API needs for dumps.
pub struct Dumping {
    /// Those that run.
    pub running: Shared,
    /// Takes files that are wanted in other formats.
    pub asks: mpsc::Sender<Ask>,
    /// Those that ended.
    pub finished: broadcast::Sender<Arc<Finished>>,
    /// Where they are kept, if they are.
    pub directory: Option<String>,
}

/// The service.
pub struct Api {
    parts: ApiParts,
    probe: AskOnce<PathBuf>,
    reporter: AskOnce<Reporter>,
    started: Instant,
}

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Api {
    /// The service with these parts.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let (probe, reporter) = (AskOnce::new(parts.probe.clone()), AskOnce::new(parts.reporter.clone()));
        Self { parts, probe, reporter, started: Instant::now() }
    }

    /// The service as a server takes it.
    #[must_use]
    pub fn into_server(self) -> AnalyzerServer<Self> {
        AnalyzerServer::new(self).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    /// Brings what is known of the reporter up to date.
    async fn ask_reporter(&self) {
        let board = self.parts.board.clone();
        let ask = async move |mut reporter: OwnedMutexGuard<Reporter>| match tokio::time::timeout(
            ANSWER_TIMEOUT,
            reporter.status(false),
        )
        .await
        {
            Ok(Ok(status)) => board.reporter_reported(status),
            Ok(Err(error)) => board.reporter_failed(&error),
            Err(_elapsed) => tracing::debug!("the reporter did not say how it is in time"),
        };
        self.reporter.ask(ask).await;
    }

    /// The same for the probe, whose reports stand behind batches that wait. A probe that cannot be asked is one whose last
    /// report gets old, which is shown.
    async fn ask_probe(&self) {
        if !self.parts.board.misses_a_report() {
            return;
        }
        let board = self.parts.board.clone();
        let ask = async move |probe: OwnedMutexGuard<PathBuf>| {
            let asked = async {
                let channel = bootstrap::socket::connect(&probe).await.ok()?;
                ProbeClient::new(channel).get_status(v1::StatusRequest {}).await.ok()
            };
            if let Ok(Some(status)) = tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
                board.probe_reported(status.into_inner());
            }
        };
        self.probe.ask(ask).await;
    }
}

/// Somebody who is asked one question at a time: who wants to know meanwhile waits for its answer, so that many who ask at
/// once cost one question, and who asks when there is no question gets one of its own. A question goes on when whoever
/// asked it does not wait for it any more.
struct AskOnce<T> {
    asked: Arc<Mutex<T>>,
    /// Closed once the question has its answer.
    question: std::sync::Mutex<Option<watch::Receiver<()>>>,
}

impl<T: Send + 'static> AskOnce<T> {
    fn new(asked: T) -> Self {
        Self { asked: Arc::new(Mutex::new(asked)), question: std::sync::Mutex::default() }
    }

    async fn ask<Q>(&self, ask: impl FnOnce(OwnedMutexGuard<T>) -> Q + Send + 'static)
    where
        Q: Future<Output = ()> + Send + 'static,
    {
        let mut answered = {
            let mut question = self.question.lock().unwrap_or_else(PoisonError::into_inner);
            match &*question {
                Some(open) if open.has_changed().is_ok() => open.clone(),
                _ => {
                    let (open, answered) = watch::channel(());
                    let asked = Arc::clone(&self.asked);
                    tokio::spawn(async move {
                        ask(asked.lock_owned().await).await;
                        drop(open);
                    });
                    question.insert(answered).clone()
                }
            }
        };
        // Nothing is ever sent: it is closed.
        answered.changed().await.unwrap_or_default();
    }
}

#[tonic::async_trait]
impl Analyzer for Api {
    type SubscribeStream = BoxStream<v1::EventMessage>;
    type RecordStream = BoxStream<v1::FromProbe>;
    type GetActivityDumpStreamStream = BoxStream<v1::ActivityDumpStreamMessage>;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let request = request.into_inner();
        let filter =
            Filter::from_request(&request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let subscribe = Subscribe { filter, with_json: request.with_json };
        let receiver = self.parts.subscriptions.send(subscribe).await.map_err(|_ended| ended())?;
        let remark = self.parts.board.missing(&request.kinds);
        let remark = remark.map(|remark| v1::EventMessage { remark, ..v1::EventMessage::default() });
        let events = tokio_stream::iter(remark).chain(ReceiverStream::new(receiver));
        Ok(Response::new(Box::pin(events.map(Ok))))
    }

    async fn record(&self, _: Request<v1::RecordRequest>) -> Result<Response<Self::RecordStream>, Status> {
        let (answer, recording) = oneshot::channel();
        self.parts.pipeline.send(StartRecord(answer)).await.map_err(|_ended| ended())?;
        let receiver = recording.await.map_err(|_ended| ended())?;
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_status(
        &self,
        _: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::AnalyzerStatus>, Status> {
        tokio::join!(self.ask_reporter(), self.ask_probe());
        Ok(Response::new(self.parts.board.answer(&self.parts.metrics.registry, self.started)))
    }

    async fn dump_activity(
        &self,
        request: Request<v1::ActivityDumpParams>,
    ) -> Result<Response<v1::ActivityDumpMessage>, Status> {
        let dumping = &self.parts.dumps;
        let message = match dumps::request(request.into_inner(), dumping.directory.as_deref()) {
            Err(error) => dumps::refused(error),
            Ok(wanted) => dumping.running.with(|running| match running.request(wanted) {
                Ok(info) => dumps::message(&info, running.host()),
                Err(error) => dumps::refused(error.to_string()),
            }),
        };
        Ok(Response::new(message))
    }

    async fn list_activity_dumps(
        &self,
        _: Request<v1::ActivityDumpListParams>,
    ) -> Result<Response<v1::ActivityDumpListMessage>, Status> {
        let dumps =
            self.parts.dumps.running.with(|running| {
                running.list().iter().map(|info| dumps::message(info, running.host())).collect()
            });
        Ok(Response::new(v1::ActivityDumpListMessage { dumps, error: String::new() }))
    }

    async fn stop_activity_dump(
        &self,
        request: Request<v1::ActivityDumpStopParams>,
    ) -> Result<Response<v1::ActivityDumpStopMessage>, Status> {
        let stopped = dumps::which(request.into_inner()).and_then(|which| {
            let stopped = self.parts.dumps.running.with(|running| running.stop(&which));
            stopped.map_err(|error| error.to_string())
        });
        Ok(Response::new(v1::ActivityDumpStopMessage { error: stopped.err().unwrap_or_default() }))
    }

    async fn transcoding_request(
        &self,
        request: Request<v1::TranscodingRequestParams>,
    ) -> Result<Response<v1::TranscodingRequestMessage>, Status> {
        let v1::TranscodingRequestParams { activity_dump_file: file, storage } = request.into_inner();
        let dumping = &self.parts.dumps;
        let refused = |error| Ok(Response::new(v1::TranscodingRequestMessage { error, storage: Vec::new() }));
        let (formats, is_packed) =
            match dumps::storage(storage.unwrap_or_default(), dumping.directory.as_deref()) {
                Ok(storage) => storage,
                Err(error) => return refused(error),
            };
        let (answer, written) = oneshot::channel();
        dumping.asks.send(Ask { file, formats, is_packed, answer }).await.map_err(|_ended| ended())?;
        match written.await.map_err(|_ended| ended())? {
            Err(error) => refused(error),
            Ok(written) => {
                let storage = written.into_iter().map(|(format, file)| v1::StorageRequestMessage {
                    r#type: "local_storage".to_owned(),
                    format: format.name().to_owned(),
                    compression: is_packed,
                    file,
                });
                let storage = storage.collect();
                Ok(Response::new(v1::TranscodingRequestMessage { error: String::new(), storage }))
            }
        }
    }

    async fn get_activity_dump_stream(
        &self,
        _: Request<v1::ActivityDumpStreamParams>,
    ) -> Result<Response<Self::GetActivityDumpStreamStream>, Status> {
        let dropped = self.parts.metrics.dumps.dropped.clone();
        let finished = BroadcastStream::new(self.parts.dumps.finished.subscribe());
        let messages = finished.map(move |finished| {
            Ok(match finished {
                Ok(finished) => v1::ActivityDumpStreamMessage {
                    selector: Some(v1::WorkloadSelectorMessage {
                        name: finished.selector.0.clone(),
                        tag: finished.selector.1.clone(),
                    }),
                    header: finished.header.clone(),
                    data: finished.data.clone(),
                    name: finished.name.clone(),
                    missed: 0,
                },
                Err(BroadcastStreamRecvError::Lagged(missed)) => {
                    dropped.add(missed);
                    v1::ActivityDumpStreamMessage { missed, ..v1::ActivityDumpStreamMessage::default() }
                }
            })
        });
        Ok(Response::new(Box::pin(messages)))
    }
}

fn ended() -> Status {
    Status::unavailable("the analyzer is ending")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    type Questions = OwnedMutexGuard<usize>;

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_cost_one_question() {
        let (neighbour, (answer, wait)) = (Arc::new(AskOnce::new(0)), oneshot::channel::<()>());
        let first = {
            let neighbour = Arc::clone(&neighbour);
            tokio::spawn(async move {
                neighbour
                    .ask(async move |mut questions: Questions| {
                        *questions += 1;
                        wait.await.unwrap();
                    })
                    .await;
            })
        };
        while neighbour.asked.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (0..10)
            .map(|_| {
                let neighbour = Arc::clone(&neighbour);
                tokio::spawn(async move {
                    neighbour.ask(async |mut questions: Questions| *questions += 1).await;
                })
            })
            .collect();
        // They all run as far as they can before this goes on.
        tokio::task::yield_now().await;
        assert!(others.iter().all(|other| !other.is_finished()), "they have an answer that nobody gave");
        answer.send(()).unwrap();
        first.await.unwrap();
        for other in others {
            other.await.unwrap();
        }
        assert_eq!(*neighbour.asked.lock().await, 1);
    }

    #[tokio::test]
    async fn who_asks_again_and_again_gets_new_answers_however_many_do() {
        let neighbour = Arc::new(AskOnce::new(0));
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let neighbour = Arc::clone(&neighbour);
                tokio::spawn(async move {
                    for _ in 0..5 {
                        let ask = async |mut questions: Questions| {
                            // Others ask meanwhile.
                            tokio::task::yield_now().await;
                            *questions += 1;
                        };
                        neighbour.ask(ask).await;
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        let questions = *neighbour.asked.lock().await;
        assert!(questions >= 5, "each answer but the first is that of an earlier question: {questions}");
    }

    #[tokio::test]
    async fn a_question_goes_on_when_whoever_asked_it_went_away() {
        let (neighbour, (answer, wait)) = (Arc::new(AskOnce::new(())), oneshot::channel::<()>());
        let answers = Arc::new(AtomicUsize::new(0));
        let first = {
            let (neighbour, answers) = (Arc::clone(&neighbour), Arc::clone(&answers));
            tokio::spawn(async move {
                neighbour
                    .ask(async move |_asked: OwnedMutexGuard<()>| {
                        wait.await.unwrap();
                        answers.fetch_add(1, Ordering::Relaxed);
                    })
                    .await;
            })
        };
        while neighbour.asked.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let second = {
            let neighbour = Arc::clone(&neighbour);
            tokio::spawn(async move { neighbour.ask(async |_asked: OwnedMutexGuard<()>| {}).await })
        };
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "the question of the first is still open");
        answer.send(()).unwrap();
        second.await.unwrap();
        assert_eq!(answers.load(Ordering::Relaxed), 1);
    }
}
