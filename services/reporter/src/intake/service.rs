//! The gRPC side: what senders are told. Who may connect is decided before, at the door of the socket.

use std::sync::Arc;
use std::time::Instant;

use bootstrap::counters::Registry;
use bootstrap::log_limit::LogLimit;
use bootstrap::socket::Limits;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::v1;
use wire::v1::reporter_server::{Reporter, ReporterServer};

use crate::intake::documents::MAX_GROUP_BYTES;
use crate::intake::handover::{self, Neighbour};
use crate::intake::stream::{Phase, Stream};
use crate::metrics::SubmitMetrics;
use crate::outputs::Outputs;

/// An analyzer submits on one connection and asks for the status on another.
pub(crate) const LIMITS: Limits = Limits { connections_per_uid: 8, streams_per_connection: 4 };

pub(crate) struct Service {
    outputs: Arc<Outputs>,
    neighbour: Arc<Neighbour>,
    registry: Registry,
    metrics: SubmitMetrics,
    phase: watch::Receiver<Phase>,
    refusals: Arc<LogLimit>,
    started: Instant,
}

impl Service {
    pub(crate) fn new(
        outputs: Arc<Outputs>,
        neighbour: Arc<Neighbour>,
        registry: Registry,
        metrics: SubmitMetrics,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            outputs,
            neighbour,
            registry,
            metrics,
            phase,
            refusals: Arc::default(),
            started: Instant::now(),
        }
    }

    /// The service as a server takes it.
    pub(crate) fn into_server(self) -> ReporterServer<Self> {
        ReporterServer::new(self).max_decoding_message_size(MAX_GROUP_BYTES)
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

    type HandOverStream = ReceiverStream<Result<v1::HandOverRequest, Status>>;

    async fn hand_over(
        &self,
        request: Request<Streaming<v1::HandedOver>>,
    ) -> Result<Response<Self::HandOverStream>, Status> {
        let (asks, receiver) = mpsc::channel(handover::QUESTIONS);
        let questions = self.neighbour.take();
        tokio::spawn(handover::run(questions, asks, request.into_inner(), self.phase.clone()));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_status(
        &self,
        request: Request<v1::ReporterStatusRequest>,
    ) -> Result<Response<v1::ServiceStatus>, Status> {
        if request.get_ref().stands {
            self.outputs.sender_stands();
        }
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
