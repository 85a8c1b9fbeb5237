//! The gRPC side: who may submit, and what they are told.

use std::sync::Arc;
use std::time::Instant;

use bootstrap::counters::{Counter, Registry};
use bootstrap::socket::PeerUids;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};
use wire::v1;
use wire::v1::reporter_server::{Reporter, ReporterServer};

use crate::metrics::SubmitMetrics;
use crate::outputs::Outputs;
use crate::stream::{Phase, Stream};
use bootstrap::log_limit::LogLimit;

/// Largest group as a message; senders keep theirs under it.
pub const MAX_GROUP_BYTES: usize = 16 << 20;

pub(crate) struct Service {
    outputs: Arc<Outputs>,
    registry: Registry,
    metrics: SubmitMetrics,
    phase: watch::Receiver<Phase>,
    refusals: Arc<LogLimit>,
    started: Instant,
}

impl Service {
    pub(crate) fn new(
        outputs: Arc<Outputs>,
        registry: Registry,
        metrics: SubmitMetrics,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self { outputs, registry, metrics, phase, refusals: Arc::default(), started: Instant::now() }
    }

    /// The service behind a check of the peer that happens before the body of a call is read.
    pub(crate) fn guarded(self, allowed: PeerUids) -> InterceptedService<ReporterServer<Self>, Gate> {
        let gate =
            Gate { allowed, denied: self.metrics.denied.clone(), log_limit: Arc::new(LogLimit::default()) };
        InterceptedService::new(ReporterServer::new(self).max_decoding_message_size(MAX_GROUP_BYTES), gate)
    }
}

/// Refuses calls from a uid that may not use the socket.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    allowed: PeerUids,
    denied: Counter,
    log_limit: Arc<LogLimit>,
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match self.allowed.check(&request) {
            Ok(_uid) => Ok(request),
            Err(status) => {
                self.denied.inc();
                if let Some(suppressed) = self.log_limit.permit() {
                    tracing::warn!(reason = status.message(), suppressed, "refused a call");
                }
                Err(status)
            }
        }
    }
}

#[tonic::async_trait]
impl Reporter for Service {
    type SubmitStream = ReceiverStream<Result<v1::Settled, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<v1::PayloadGroup>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        if *self.phase.borrow() != Phase::Running {
            return Err(Status::unavailable("the reporter is stopping: submit to it when it is back"));
        }
        let stream = Stream {
            outputs: self.outputs.clone(),
            metrics: self.metrics.clone(),
            phase: self.phase.clone(),
            refusals: self.refusals.clone(),
        };
        // One slot: marks that settle while the sender does not read become one.
        let (marks, receiver) = mpsc::channel(1);
        tokio::spawn(stream.run(request.into_inner(), marks));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::ServiceStatus>, Status> {
        self.outputs.show();
        let metric = |sample: bootstrap::counters::Sample| v1::Metric {
            name: sample.name.to_owned(),
            labels: sample.labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            value: sample.value,
        };
        Ok(Response::new(v1::ServiceStatus {
            service: "reporter".to_owned(),
            version: bootstrap::VERSION.to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            metrics: self.registry.samples().into_iter().map(metric).collect(),
        }))
    }
}
