//! The reporter: takes finished payloads into its care and gets them to where they belong.
//!
//! The only service that talks to the outside. It knows nothing of events: a payload is a JSON document with tags.
//! Invariant, for every destination: `payloads = delivered + dropped + pending`, and nothing counts as delivered
//! that the destination did not confirm.

pub mod config;
mod intake;
mod lines;
mod log_limit;
pub mod metrics;
mod payload;
mod queue;
mod rotate;
mod service;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::counters::Registry;
use bootstrap::socket::{PeerUids, SocketError};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;

use config::{Config, InvalidConfig};
use intake::Intake;
use lines::{LineWriter, Sink};
use metrics::{DestinationMetrics, SubmitMetrics};
use queue::Queue;
use rotate::RotatingFile;
use service::Service;

pub use intake::ClientError;
pub use payload::MAX_CONTENT_BYTES;
pub use rotate::FileError;
pub use service::MAX_REQUEST_BYTES;

/// Why the reporter cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The intake cannot be used.
    #[error(transparent)]
    Intake(#[from] ClientError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The socket cannot be served.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A writer thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// A reporter whose outputs are open and whose socket exists.
#[derive(Debug)]
pub struct Reporter {
    socket: PathBuf,
    listener: UnixListener,
    allowed: PeerUids,
    drain_timeout: Duration,
    registry: Registry,
    queue: Arc<Queue>,
    submit_metrics: SubmitMetrics,
    destinations: Vec<Running>,
    stopping: watch::Sender<bool>,
}

/// A destination at work.
#[derive(Debug)]
struct Running {
    name: &'static str,
    metrics: DestinationMetrics,
    /// Ends when the destination has settled everything.
    task: JoinHandle<()>,
}

/// What became of the payloads of one destination, at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// `intake`, `file` or `stdout`.
    pub destination: &'static str,
    /// Payloads that were accepted and could not be delivered before the end; counted as dropped.
    pub payloads: u64,
}

impl Reporter {
    /// Opens the outputs, then the socket: whoever sees the socket can submit.
    ///
    /// Must be called in a multi-threaded tokio runtime: batches are compressed in place.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(mut config: Config) -> Result<Self, StartError> {
        for correction in config.settle()? {
            tracing::warn!("{correction}");
        }
        let own_uid = nix::unistd::geteuid().as_raw();
        let allowed = match config.allowed_uids.as_slice() {
            [] => PeerUids::new([own_uid]),
            uids => PeerUids::new(uids.iter().copied()),
        };
        let registry = Registry::default();
        let submit_metrics = SubmitMetrics::new(&registry);
        let max_bytes = usize::try_from(config.queue_max_bytes).unwrap_or(usize::MAX);
        let queue = Arc::new(Queue::new(max_bytes, submit_metrics.clone()));
        let (stopping, stopped) = watch::channel(false);
        let destinations = open_destinations(&config, &registry, &queue, &stopped)?;
        let listener = bootstrap::socket::bind(&config.socket, &allowed)?;
        Ok(Self {
            socket: config.socket,
            listener,
            allowed,
            drain_timeout: config.drain_timeout,
            registry,
            queue,
            submit_metrics,
            destinations,
            stopping,
        })
    }

    /// The counters, which stay readable after [`Reporter::serve`] has ended.
    #[must_use]
    pub fn counters(&self) -> Registry {
        self.registry.clone()
    }

    /// Serves until `stop` resolves, then accepts nothing more and goes on delivering for at most the drain
    /// timeout. Returns what was left then.
    ///
    /// # Errors
    /// When the socket cannot be served any more.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<Vec<Left>, tonic::transport::Error> {
        let service = Service::new(self.queue.clone(), self.registry, self.submit_metrics);
        let (stopped, has_stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tonic::transport::Server::builder()
            .add_service(service.guarded(self.allowed))
            .serve_with_incoming_shutdown(UnixListenerStream::new(self.listener), async move {
                // The sender only disappears with this function.
                drop(has_stopped.await);
            });
        tokio::pin!(server);
        let is_serving = tokio::select! {
            ended = &mut server => { ended?; false }
            () = stop => true,
        };
        self.queue.close();
        self.stopping.send_replace(true);
        drop(stopped);
        // The socket disappears first: nobody should try a reporter that is going.
        if let Err(error) = std::fs::remove_file(&self.socket) {
            tracing::debug!(%error, "the socket was already removed");
        }
        let deadline = tokio::time::Instant::now() + self.drain_timeout;
        let drained = async {
            let mut left = Vec::new();
            for destination in self.destinations {
                left.push(destination.finish(deadline).await);
            }
            left
        };
        // A client that keeps its connection open must not hold up the end.
        let closed =
            async { if is_serving { tokio::time::timeout_at(deadline, server).await.is_ok() } else { true } };
        let (left, closed) = tokio::join!(drained, closed);
        if !closed {
            tracing::debug!("a client kept its connection open until the end");
        }
        Ok(left)
    }
}

impl Running {
    /// Waits for the destination until `deadline`; what it has not settled by then is counted as dropped.
    async fn finish(mut self, deadline: tokio::time::Instant) -> Left {
        if tokio::time::timeout_at(deadline, &mut self.task).await.is_err() {
            self.task.abort();
            // A cancelled task is what was asked for.
            drop(self.task.await);
        }
        let payloads = self.metrics.pending();
        self.metrics
            .drop_payloads(metrics::DropCause::Shutdown, usize::try_from(payloads).unwrap_or(usize::MAX));
        Left { destination: self.name, payloads }
    }
}

fn open_destinations(
    config: &Config,
    registry: &Registry,
    queue: &Queue,
    stopped: &watch::Receiver<bool>,
) -> Result<Vec<Running>, StartError> {
    let hostname = config.hostname.clone().unwrap_or_else(machine_name);
    let mut running = Vec::new();
    if let Some(intake) = &config.intake {
        let metrics = DestinationMetrics::new(registry, "intake");
        let intake = Intake::new(intake, &hostname, metrics.clone(), registry, stopped.clone())?;
        let groups = queue.add_destination(metrics.clone());
        running.push(Running { name: "intake", metrics, task: tokio::spawn(intake.run(groups)) });
    }
    let file = config
        .file
        .as_ref()
        .map(|file| Ok::<_, FileError>((Sink::File(RotatingFile::open(file)?), file.format)));
    let stdout = config.stdout.map(|stdout| (Sink::Stdout, stdout.format));
    for (name, sink) in [("file", file.transpose()?), ("stdout", stdout)] {
        let Some((sink, format)) = sink else { continue };
        let metrics = DestinationMetrics::new(registry, name);
        let writer =
            LineWriter { sink, format, hostname: hostname.as_str().into(), metrics: metrics.clone() };
        let groups = queue.add_destination(metrics.clone());
        let finished = writer.spawn(name, groups).map_err(StartError::Thread)?;
        // The sender disappears only with its thread, finished or not.
        let task = tokio::spawn(async { drop(finished.await) });
        running.push(Running { name, metrics, task });
    }
    Ok(running)
}

fn machine_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}
