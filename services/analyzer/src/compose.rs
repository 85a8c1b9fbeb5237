//! Starts the parts, connects them, and ends them in the order in which nothing is lost.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, Context};
use bootstrap::socket::{self, Door, PeerUids, SocketError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::api::status::StatusBoard;
use crate::api::{self, Api, ApiParts, Dumping};
use crate::config::{Config, NamesConfig, OutputEvents, ScrubError};
use crate::context::tags::{Directory, TagManager};
use crate::context::workloads::Workloads;
use crate::dumps::{Ask, DumpManager, DumpManagerParts, Store};
use crate::link::connection::{Phase, ProbeLink};
use crate::link::ingest::{Ingest, Outlets};
use crate::link::wanted::{Wanted, Who};
use crate::metrics::{self, Metrics};
use crate::output::handover::Handover;
use crate::output::outbox::{Fixed, Outbox, OutboxParts, Queue, Reporter, Room, Tagger, ToOutbox};
use crate::output::subscribers::{Recorders, SubscriptionManager};
use crate::stages;
use crate::stages::dump::{DumpInsert, DumpMark, Dumps, Parcel, Shared};
use crate::stages::pipeline::Pipeline;

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
}

/// Requests of the API that may wait for the pipeline.
const REQUESTS: usize = 16;
/// Dumps that may wait to be written; more wait in the stages.
const PARCELS: usize = 4;
/// Dumps that a reader of the stream may be behind.
const FINISHED: usize = 8;
/// How long the end of the service may take to write the dumps that ran.
const STOP_DUMPS: Duration = Duration::from_secs(5);

/// Runs the analyzer inside an actix system until `shutdown` resolves.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config, shutdown: impl Future<Output = &'static str>) -> Result<(), RunError> {
    let metrics = Metrics::new();
    let board = StatusBoard::default();
    let tags = &config.tags;
    let directory = Directory::new(tags.cache_entries, tags.retry, tags.wait);
    let reporter = Reporter::new(config.sockets.reporter.clone());
    let allowed = allowed_uids(&config.sockets.api_uids);
    let listener = socket::bind(&config.sockets.api, &allowed)?;
    let door = Door::new(listener, allowed, api::LIMITS, &metrics.registry, metrics::REFUSED);
    let names = names(&config.names);

    // What waits for the network and answers questions shares this thread. Rendering has one, and so has what is
    // done for subscribers: neither may delay an acknowledgement.
    let (to_outbox, outbox_messages) = mpsc::channel(config.queues.outbox.get());
    let tags = TagManager::new(tags, directory.clone(), to_outbox.clone(), metrics.tags.clone());
    let tags = TagManager::create(|ctx| {
        ctx.set_mailbox_capacity(config.queues.tags.get());
        tags
    });
    let workloads = Workloads::new(directory.clone(), tags.recipient());
    let fixed = Fixed { tags: config.outbox.tags.clone(), service: config.outbox.service.clone() };
    let room = Room::new(config.outbox.max_bytes.get());
    let outbox = Outbox::new(OutboxParts {
        queue: Queue::new(config.outbox.max_waiting_bytes.get(), fixed, metrics.outbox.clone()),
        reporter: reporter.clone(),
        tagger: Tagger::new(workloads.clone()),
        room: room.clone(),
        board: board.clone(),
        metrics: metrics.outbox.clone(),
        own: to_outbox.clone(),
    });
    tokio::spawn(outbox.run(outbox_messages));

    let per_subscriber = config.queues.per_subscriber.get();
    let wanted = Wanted::default();
    wanted.set(Who::Config, config.kinds.always.clone());
    if config.output.events == OutputEvents::All {
        wanted.set(Who::Outputs, wire::control::everything());
    }
    let subscriptions = SubscriptionManager::new(
        per_subscriber,
        names.clone(),
        directory,
        wanted.clone(),
        metrics.api.clone(),
    );
    let audience = subscriptions.audience();
    let subscriptions = start(subscriptions, config.queues.subscriptions.get());

    let dumping = start_dumping(&config, workloads.clone(), &metrics);
    let mut stages = stages::configured(config.internal_monitoring, metrics.events.clone());
    stages.dump_mark = Some(Box::new(DumpMark(dumping.running.clone())));
    stages.dump_insert = Some(Box::new(DumpInsert::new(dumping.running.clone(), dumping.parcels.clone())));
    let ingest = Ingest::new(
        Pipeline::new(config.tree, config.scrub.scrubber()?, stages),
        names,
        Outlets {
            outbox: to_outbox.clone(),
            room,
            subscriptions: subscriptions.clone().recipient(),
            audience,
            wanted: wanted.clone(),
        },
        workloads,
        Recorders::new(config.queues.per_recorder.get(), wanted.clone(), metrics.api.clone()),
        metrics.clone(),
        &config,
    );
    let (to_ingest, from_link) = mpsc::channel(config.queues.pipeline.get());
    let (requests, api_requests) = mpsc::channel(REQUESTS);
    Arbiter::new().spawn(ingest.run(from_link, api_requests));

    let handover =
        Handover { reporter: reporter.clone(), board: board.clone(), registry: metrics.registry.clone() };
    tokio::spawn(handover.run());
    let api = Api::new(ApiParts {
        subscriptions: subscriptions.recipient(),
        pipeline: requests,
        board: board.clone(),
        probe: config.sockets.probe.clone(),
        reporter,
        dumps: dumping.api(),
        metrics,
    });
    let server =
        tokio::spawn(socket::server(api::LIMITS).add_service(api.into_server()).serve_with_incoming(door));
    let (phase, phases) = watch::channel(Phase::Running);
    let link = ProbeLink {
        socket: config.sockets.probe.clone(),
        ingest: to_ingest,
        instance: rand::random::<u64>() | 1,
        wanted,
        board,
    };
    let link = tokio::spawn(link.run(phases));
    tracing::info!(version = bootstrap::VERSION, api = %config.sockets.api.display(), "analyzer started");
    bootstrap::readiness::ready();

    let reason = shutdown.await;
    tracing::info!(reason, "ending: no new events, sending what is there");
    bootstrap::readiness::stopping();
    phase.send_replace(Phase::Draining);
    let left = drain(&to_outbox, config.outbox.drain).await;
    if left > 0 {
        tracing::warn!(
            payloads = left,
            "the reporter did not settle everything in time; the probe sends it again"
        );
    }
    phase.send_replace(Phase::Ending);
    end_link(link).await;
    dumping.end().await;
    server.abort();
    remove_socket(&config.sockets.api);
    Ok(())
}

/// What records and writes dumps.
struct DumpParts {
    running: Shared,
    parcels: mpsc::Sender<Parcel>,
    asks: mpsc::Sender<Ask>,
    finished: broadcast::Sender<std::sync::Arc<crate::dumps::Finished>>,
    directory: Option<String>,
    manager: JoinHandle<()>,
}

fn start_dumping(config: &Config, workloads: Workloads, metrics: &Metrics) -> DumpParts {
    let settings = &config.activity_dump;
    let store = Store::open(&settings.local_storage);
    if let Err(error) = &store {
        tracing::info!(%error, "dumps are not kept: a request is answered by the stream alone, and none begins by itself");
    }
    let store = store.ok();
    let directory = store.as_ref().map(|_| settings.local_storage.output_directory.display().to_string());
    let running = Shared::new(Dumps::new(settings.clone(), store.is_some(), metrics.dumps.clone()));
    let (parcels, from_stages) = mpsc::channel(PARCELS);
    let (asks, from_api) = mpsc::channel(REQUESTS);
    let (finished, _) = broadcast::channel(FINISHED);
    let service = config.outbox.service.iter().map(|service| format!("service:{service}"));
    let manager = DumpManager::new(DumpManagerParts {
        store,
        workloads,
        finished: finished.clone(),
        wait: settings.tags_resolution_period,
        tags: config.outbox.tags.iter().cloned().chain(service).collect(),
        distribution: distribution(),
        metrics: metrics.dumps.clone(),
    });
    let manager = tokio::spawn(manager.run(from_stages, from_api));
    DumpParts { running, parcels, asks, finished, directory, manager }
}

impl DumpParts {
    fn api(&self) -> Dumping {
        Dumping {
            running: self.running.clone(),
            asks: self.asks.clone(),
            finished: self.finished.clone(),
            directory: self.directory.clone(),
        }
    }

    /// Ends every dump, and waits until what there is of it is written. The stages are gone by then, or go soon.
    async fn end(self) {
        let Self { running, parcels, manager, .. } = self;
        running.with(|running| running.end_all(dump::Partial::Ending));
        let written = async {
            while let Some(parcel) = running.with(Dumps::next_parcel) {
                if parcels.send(parcel).await.is_err() {
                    break;
                }
            }
            drop(parcels);
            manager.await
        };
        if tokio::time::timeout(STOP_DUMPS, written).await.is_err() {
            tracing::warn!(
                "not every dump could be written in time; copies of them are finished at the next start"
            );
        }
    }
}

/// What the host calls itself, where its files can be seen.
fn distribution() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or_default().trim_matches('"').to_owned()
}

/// Lets the outbox submit what is there, and gives how many payloads were left.
async fn drain(outbox: &mpsc::Sender<ToOutbox>, within: Duration) -> u64 {
    let (done, drained) = oneshot::channel();
    if outbox.send(ToOutbox::Drain { within, done }).await.is_err() {
        return 0;
    }
    drained.await.unwrap_or(0)
}

/// Starts an actor with a thread of its own.
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
