//! The gRPC side: who may submit, and what they are told.

use std::sync::Arc;
use std::time::Instant;

use bootstrap::counters::{Counter, Registry};
use bootstrap::socket::PeerUids;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};
use wire::v1;
use wire::v1::reporter_server::{Reporter, ReporterServer};

use crate::log_limit::LogLimit;
use crate::metrics::SubmitMetrics;
use crate::queue::{Queue, Refused};

/// Largest submit request; senders keep theirs under it.
pub const MAX_REQUEST_BYTES: usize = 16 << 20;

pub(crate) struct Service {
    queue: Arc<Queue>,
    registry: Registry,
    metrics: SubmitMetrics,
    started: Instant,
}

impl Service {
    pub(crate) fn new(queue: Arc<Queue>, registry: Registry, metrics: SubmitMetrics) -> Self {
        Self { queue, registry, metrics, started: Instant::now() }
    }

    /// The service behind a check of the peer that happens before the body of a call is read.
    pub(crate) fn guarded(self, allowed: PeerUids) -> InterceptedService<ReporterServer<Self>, Gate> {
        let gate =
            Gate { allowed, denied: self.metrics.denied.clone(), log_limit: Arc::new(LogLimit::default()) };
        InterceptedService::new(ReporterServer::new(self).max_decoding_message_size(MAX_REQUEST_BYTES), gate)
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
    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitReply>, Status> {
        let payloads = request.into_inner().payloads;
        let accepted = payloads.len() as u64;
        match self.queue.submit(payloads) {
            Ok(()) => Ok(Response::new(v1::SubmitReply { accepted })),
            Err(refused @ Refused::Full { .. }) => Err(Status::resource_exhausted(refused.to_string())),
            Err(refused @ Refused::Stopping) => Err(Status::unavailable(refused.to_string())),
        }
    }

    async fn get_status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::ServiceStatus>, Status> {
        self.metrics.queue_bytes.set(self.queue.bytes() as u64);
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
