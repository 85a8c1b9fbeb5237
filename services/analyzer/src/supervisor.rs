//! Starts the parts, connects them, and ends them in the order in which nothing is lost.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, Context};
use bootstrap::socket::{self, PeerUids, SocketError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use wire::v1::analyzer_server::AnalyzerServer;

use crate::api::{Api, ApiParts, Recorders, SubscriptionManager};
use crate::config::{Config, NamesConfig, ScrubError};
use crate::dispatch::{KindMonitor, Stages};
use crate::ingest::{Outlets, PipelineManager};
use crate::labels::{Directory, LabelManager};
use crate::metrics::Metrics;
use crate::outbox::{Drain, OutboxManager, OutboxParts, Queue, Reporter, UseResolver};
use crate::pipeline::Pipeline;
use crate::probe_link::{Inlets, ProbeLink};
use crate::status::StatusBoard;

/// How long the link may take to hand over the batch it holds when the service ends.
const STOP_LINK: Duration = Duration::from_secs(3);

/// Why the analyzer does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The API socket cannot be served.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A word to scrub cannot be used.
    #[error(transparent)]
    Scrub(#[from] ScrubError),
    /// A part ended while it was being started.
    #[error("a part of the analyzer ended while it was started: {0}")]
    Start(#[from] actix::MailboxError),
}

/// Mailbox capacities, all of them. A batch holds up to 1024 events.
struct Capacities {
    /// Batches; the link waits for room, so the probe keeps what does not fit.
    pipeline: usize,
    /// Batches; the pipeline waits for room.
    outbox: usize,
    /// Batches; over it a batch is not shown to subscribers, and counted.
    subscriptions: usize,
    /// Questions; over it a container stays unlabelled for now, and is counted.
    labels: usize,
}

/// Runs the analyzer inside an actix system until `shutdown` resolves.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config, shutdown: impl Future<Output = &'static str>) -> Result<(), RunError> {
    let metrics = Metrics::new();
    let board = StatusBoard::default();
    let directory = Directory::new(config.tags.cache_entries, config.tags.retry);
    let reporter = Reporter::new(config.sockets.reporter.clone(), &config.outbox);
    let capacities = Capacities {
        pipeline: config.queues.pipeline.get(),
        outbox: config.queues.outbox.get(),
        subscriptions: config.queues.subscriptions.get(),
        labels: config.queues.labels.get(),
    };
    let allowed = allowed_uids(&config.sockets.api_uids);
    let listener = socket::bind(&config.sockets.api, &allowed)?;

    let stages =
        Stages { monitors: vec![Box::new(KindMonitor(metrics.events.clone()))], ..Stages::default() };
    let pipeline = Pipeline::new(config.tree, config.scrub.scrubber()?, stages);

    let outbox = OutboxManager::new(OutboxParts {
        queue: Queue::new(&config.outbox, config.tags.wait, metrics.outbox.clone()),
        reporter: reporter.clone(),
        directory: directory.clone(),
        board: board.clone(),
    });
    let outbox = start(outbox, capacities.outbox);
    let labels = LabelManager::new(
        &config.tags,
        directory.clone(),
        outbox.clone().recipient(),
        metrics.labels.clone(),
    );
    let labels = start(labels, capacities.labels);
    outbox.send(UseResolver(labels.recipient())).await?;
    let subscriptions =
        SubscriptionManager::new(config.queues.per_subscriber.get(), directory, metrics.api.clone());
    let subscriptions = start(subscriptions, capacities.subscriptions);
    let pipeline = PipelineManager::new(
        pipeline,
        names(&config.names),
        Outlets { outbox: outbox.clone().recipient(), subscriptions: subscriptions.clone().recipient() },
        Recorders::new(config.queues.per_recorder.get(), metrics.api.clone()),
        metrics.clone(),
    );
    let pipeline = start(pipeline, capacities.pipeline);

    let api = Api::new(ApiParts {
        allowed,
        subscriptions: subscriptions.recipient(),
        pipeline: pipeline.clone().recipient(),
        board: board.clone(),
        reporter,
        metrics,
    });
    let server = tokio::spawn(
        Server::builder()
            .add_service(AnalyzerServer::new(api))
            .serve_with_incoming(UnixListenerStream::new(listener)),
    );
    let (stop, stopped) = watch::channel(false);
    let link = ProbeLink {
        socket: config.sockets.probe.clone(),
        inlets: Inlets {
            begin: pipeline.clone().recipient(),
            ingest: pipeline.clone().recipient(),
            report: pipeline.recipient(),
        },
        board,
    };
    let link = tokio::spawn(link.run(stopped));
    tracing::info!(version = bootstrap::VERSION, api = %config.sockets.api.display(), "analyzer started");
    bootstrap::readiness::ready();

    let reason = shutdown.await;
    tracing::info!(reason, "ending: no new events, sending what is there");
    bootstrap::readiness::stopping();
    stop.send_replace(true);
    end_link(link).await;
    let left = outbox.send(Drain { within: config.outbox.drain }).await?;
    if left > 0 {
        tracing::warn!(payloads = left, "the reporter did not take everything in time, the rest is dropped");
    }
    server.abort();
    remove_socket(&config.sockets.api);
    Ok(())
}

/// Each actor has a thread of its own, so that none delays another.
fn start<A: Actor<Context = Context<A>> + Send>(actor: A, capacity: usize) -> Addr<A> {
    A::start_in_arbiter(&Arbiter::new().handle(), move |ctx| {
        ctx.set_mailbox_capacity(capacity);
        actor
    })
}

async fn end_link(link: JoinHandle<()>) {
    let abort = link.abort_handle();
    if tokio::time::timeout(STOP_LINK, link).await.is_err() {
        tracing::warn!("the probe link did not end in time; its last batch will be sent again");
        abort.abort();
    }
}

/// Root and our own user may always call: root could anyway, and our own user runs us.
fn allowed_uids(configured: &[u32]) -> PeerUids {
    let own = nix::unistd::geteuid().as_raw();
    PeerUids::new(configured.iter().copied().chain([0, own]))
}

fn names(config: &NamesConfig) -> event_json::Names {
    let read = |path: &Path| {
        if path.as_os_str().is_empty() {
            return Vec::new();
        }
        std::fs::read(path).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "users and groups stay without names");
            Vec::new()
        })
    };
    event_json::Names::parse(&read(&config.passwd), &read(&config.group))
}

fn remove_socket(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "the socket stays behind");
    }
}
