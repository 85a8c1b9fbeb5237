//! The actor around the pipeline: batches of the probe in, dispatched events out to everybody who takes them.
//!
//! The probe link and this actor wait for each other, and this actor for the outbox, so that the probe's buffer is
//! the only place where events of a slow analyzer are dropped, and where they are counted.

use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AtomicResponse, Context, Handler, Message, Recipient, WrapFuture};
use event::{Event, Host, Kind, KnownProcess};
use tokio::sync::mpsc;
use tonic::Status;
use wire::v1;
use wire::v1::from_probe::Message as FromProbe;

use crate::api::{Publish, Recorders};
use crate::dispatch::Dispatched;
use crate::metrics::Metrics;
use crate::outbox::Deliver;
use crate::pipeline::{Pipeline, Renderer};

/// Dispatched events of one batch, with their JSON.
#[derive(Debug)]
pub struct Published {
    /// Where they happened.
    pub host: Arc<Host>,
    /// The events, in order.
    pub events: Vec<Dispatched>,
}

/// A stream of the probe begins.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Begin(pub v1::ProbeHello);

/// One batch of the probe. Answered when it is safe to acknowledge it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ingest(pub v1::Batch);

/// What the probe says of itself.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ProbeReport(pub v1::ProbeStatus);

/// Record the stream from here on: hello, the processes known now, then every batch, scrubbed.
#[derive(Debug, Message)]
#[rtype(result = "mpsc::Receiver<Result<v1::FromProbe, Status>>")]
pub struct StartRecord;

/// Who gets the events.
pub struct Outlets {
    /// Takes every event to the reporter.
    pub outbox: Recipient<Deliver>,
    /// Shows events to subscribers.
    pub subscriptions: Recipient<Publish>,
}

/// The actor.
pub struct PipelineManager {
    pipeline: Pipeline,
    renderer: Renderer,
    names: event_json::Names,
    outlets: Outlets,
    recorders: Recorders,
    lifecycle_lost: u64,
    metrics: Metrics,
}

impl PipelineManager {
    /// An actor around this pipeline.
    #[must_use]
    pub fn new(
        pipeline: Pipeline,
        names: event_json::Names,
        outlets: Outlets,
        recorders: Recorders,
        metrics: Metrics,
    ) -> Self {
        let renderer = Renderer::new(pipeline.host(), names.clone());
        Self { pipeline, renderer, names, outlets, recorders, lifecycle_lost: 0, metrics }
    }

    fn ingest(&mut self, batch: &v1::Batch) -> Option<Arc<Published>> {
        self.metrics.link.batches.inc();
        let decoded = match wire::batch::decode(batch) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.metrics.link.undecodable.inc();
                self.pipeline.note_loss();
                tracing::error!(%error, seq = batch.seq, "dropped a batch that cannot be decoded");
                return None;
            }
        };
        let mut processed = self.pipeline.process(decoded);
        if processed.is_repeated {
            self.metrics.link.repeated.inc();
            return None;
        }
        self.metrics.link.missing.add(processed.missing);
        self.metrics.tree.show(&self.pipeline.tree_stats());
        self.renderer.render(&mut processed.events);
        if !self.recorders.is_empty() {
            self.record(processed.seq, &processed.processes, &processed.events);
        }
        if processed.events.is_empty() {
            return None;
        }
        Some(Arc::new(Published { host: Arc::clone(self.pipeline.host()), events: processed.events }))
    }

    fn record(&mut self, seq: u64, processes: &[KnownProcess], events: &[Dispatched]) {
        let events: Vec<Event> = events.iter().map(|event| event.event.clone()).collect();
        self.recorders.send(&wire::batch::message(&wire::batch::encode(seq, processes, &events)));
    }
}

impl Actor for PipelineManager {
    type Context = Context<Self>;
}

impl Handler<Begin> for PipelineManager {
    type Result = ();

    fn handle(&mut self, Begin(hello): Begin, _: &mut Self::Context) {
        self.metrics.link.connected.inc();
        let host: Host = hello.host.clone().unwrap_or_default().into();
        self.renderer = Renderer::new(&host, self.names.clone());
        self.pipeline.begin(host, hello.session);
        self.recorders.begin(hello);
    }
}

impl Handler<Ingest> for PipelineManager {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Ingest(batch): Ingest, _: &mut Self::Context) -> Self::Result {
        let published = self.ingest(&batch);
        if let Some(published) = published.clone()
            && self.outlets.subscriptions.try_send(Publish(published)).is_err()
        {
            self.metrics.api.dropped_batches.inc();
        }
        let outbox = self.outlets.outbox.clone();
        let deliver = async move {
            match published {
                Some(published) => outbox.send(Deliver(published)).await,
                None => Ok(()),
            }
        };
        AtomicResponse::new(Box::pin(deliver.into_actor(self).map(|sent, _, _| {
            if let Err(error) = sent {
                tracing::error!(%error, "the outbox has ended, events do not reach the reporter");
            }
        })))
    }
}

impl Handler<ProbeReport> for PipelineManager {
    type Result = ();

    fn handle(&mut self, ProbeReport(status): ProbeReport, _: &mut Self::Context) {
        match wire::status::counters(&status) {
            Ok(counters) => {
                let kinds = [Kind::Exec, Kind::Fork, Kind::Exit];
                let lost = kinds.map(|kind| counters.lost.by_kind().get(kind)).into_iter().sum();
                if lost != self.lifecycle_lost {
                    self.lifecycle_lost = lost;
                    self.pipeline.note_loss();
                }
            }
            Err(error) => tracing::warn!(%error, "the probe's counters cannot be read"),
        }
        self.recorders.send(&FromProbe::Status(status));
    }
}

impl Handler<StartRecord> for PipelineManager {
    type Result = actix::MessageResult<StartRecord>;

    fn handle(&mut self, StartRecord: StartRecord, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(self.recorders.start(&self.pipeline.known()))
    }
}
