//! Opens the outputs and the socket, and ends them in the order in which nothing is lost.

mod opening;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::confine;
use bootstrap::counters::Registry;
use bootstrap::socket::{self, Door, PeerUids, SocketError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, InvalidConfig, MetricsConfig};
use crate::exposition::{self, Exposition};
use crate::intake::handover::Neighbour;
use crate::intake::labels::LabelId;
use crate::intake::service::{self, Service};
use crate::intake::stream::Phase;
use crate::metrics::{self, SubmitMetrics};
use crate::outputs::Outputs;
use crate::outputs::http::ClientError;
use crate::outputs::lines::rotate::FileError;
use crate::outputs::output::{Output, Shared};
use crate::spool::Spool;
use opening::Opening;

/// What a sender may have on its way before the reporter reads it: enough for a large group.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// Fewer and larger pieces of a message than the 16 KiB of the standard.
const FRAME_BYTES: u32 = 256 << 10;
/// After the time to drain, for the last marks to reach their senders.
const LAST_MARK: Duration = Duration::from_secs(1);

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
    /// The spool cannot be used.
    #[error("cannot use the spool in {path}: {source}; may uid {uid} write there?")]
    Spool {
        /// Its directory.
        path: PathBuf,
        /// Who the reporter is.
        uid: u32,
        /// The cause.
        source: std::io::Error,
    },
    /// The port of the metrics cannot be had.
    #[error("metrics.listen: cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// Standard output is closed.
    #[error("cannot use standard output: {0}")]
    Stdout(#[source] std::io::Error),
}

/// Does what a confined reporter may not do any more: makes the directory of the spool, and finds out where the file really
/// is if its path is a link, because that is where it is made and rotated.
///
/// # Errors
/// When the directory is not there and cannot be made.
pub fn prepare(config: &mut Config) -> Result<(), StartError> {
    if let Some(file) = &mut config.file {
        // Also one that leads to nothing yet.
        if let Ok(target) = std::fs::read_link(&file.path) {
            let target = confine::directory_of(&file.path).join(target);
            file.path = std::fs::canonicalize(&file.path).unwrap_or(target);
        }
    }
    // Also when this was done before.
    let Some(spool) = config.spool.as_ref().filter(|spool| !spool.path.is_dir()) else { return Ok(()) };
    match std::fs::DirBuilder::new().mode(0o700).create(&spool.path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(unusable(spool.path.clone(), error))
        }
        _ => Ok(()),
    }
}

/// Binds the port at which the metrics can be read, if there is to be one: a confined reporter may bind none.
///
/// # Errors
/// When the address cannot be used.
pub fn listen(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let Some(metrics) = config.metrics else { return Ok(None) };
    metrics.check()?;
    let address = metrics.listen;
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map(Some).map_err(|source| StartError::Listen { address, source })
}

fn unusable(path: PathBuf, source: std::io::Error) -> StartError {
    StartError::Spool { path, uid: nix::unistd::geteuid().as_raw(), source }
}

/// A reporter whose outputs are open and whose socket exists.
#[derive(Debug)]
pub struct Reporter {
    socket: PathBuf,
    door: Door,
    drain_timeout: Duration,
    registry: Registry,
    outputs: Arc<Outputs>,
    neighbour: Arc<Neighbour>,
    submit_metrics: SubmitMetrics,
    /// Answers those who read the metrics.
    exposition: Option<(SocketAddr, JoinHandle<()>)>,
    destinations: Vec<Running>,
    /// Lets outputs that are down for too long leave the mark.
    watch: JoinHandle<()>,
    stopping: watch::Sender<bool>,
    abandoned: watch::Sender<bool>,
}

/// A destination at work.
#[derive(Debug)]
struct Running {
    output: Arc<Output>,
    /// Ends when the destination has settled everything.
    task: JoinHandle<()>,
    spool: Option<(Arc<Spool>, std::thread::JoinHandle<()>)>,
}

/// What became of the payloads of one destination, at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// `intake`, `file` or `stdout`.
    pub destination: &'static str,
    /// Payloads that were accepted and could not be delivered before the end; counted as dropped.
    pub payloads: u64,
    /// Payloads that are in its spool and are sent after the next start.
    pub spooled: u64,
}

impl Reporter {
    /// Opens the outputs, then the socket: whoever sees the socket can submit.
    ///
    /// Must be called in a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: Config) -> Result<Self, StartError> {
        let listener = listen(&config)?;
        Self::start_on(config, listener)
    }

    /// [`Reporter::start`] with what [`listen`] gave.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_on(mut config: Config, metrics_listener: Option<TcpListener>) -> Result<Self, StartError> {
        for correction in config.settle()? {
            tracing::warn!("{correction}");
        }
        prepare(&mut config)?;
        let own_uid = nix::unistd::geteuid().as_raw();
        let allowed = match config.allowed_uids.as_slice() {
            [] => PeerUids::new([own_uid]),
            uids => PeerUids::new(uids.iter().copied()),
        };
        let registry = Registry::default();
        let submit_metrics = SubmitMetrics::new(&registry);
        let (stopping, stopped) = watch::channel(false);
        let (abandoned, is_abandoned) = watch::channel(false);
        let mut opening = Opening {
            config: &config,
            hostname: config.hostname.clone().unwrap_or_else(machine_name),
            registry: registry.clone(),
            labels: Arc::default(),
            shared: Arc::new(Shared::new(config.leave_after)),
            stopped,
            abandoned: is_abandoned,
            running: Vec::new(),
        };
        opening.open()?;
        let Opening { labels, shared, running: destinations, .. } = opening;
        let list = destinations.iter().map(|running| running.output.clone()).collect();
        let outputs = Arc::new(Outputs::new(list, shared, labels, submit_metrics.clone()));
        let listener = socket::bind(&config.socket, &allowed)?;
        let door = Door::new(listener, allowed, service::LIMITS, &registry, metrics::REFUSED);
        let neighbour = Arc::<Neighbour>::default();
        let exposition = metrics_listener.map(|listener| {
            let page = Exposition::new(&registry, outputs.clone(), neighbour.clone());
            serve_metrics(listener, page, config.metrics)
        });
        let watched = outputs.clone();
        Ok(Self {
            socket: config.socket,
            door,
            drain_timeout: config.drain_timeout,
            registry,
            outputs,
            neighbour,
            submit_metrics,
            exposition: exposition.transpose()?,
            destinations,
            watch: tokio::spawn(async move { watched.watch().await }),
            stopping,
            abandoned,
        })
    }

    /// The counters, which stay readable after [`Reporter::serve`] has ended.
    #[must_use]
    pub fn counters(&self) -> Registry {
        self.registry.clone()
    }

    /// Where the metrics can be read.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.exposition.as_ref().map(|(address, _)| *address)
    }

    /// Serves until `stop` resolves, then reads nothing more and goes on delivering for at most the drain timeout.
    /// The senders get their last marks before their streams end. Returns what was left.
    ///
    /// # Errors
    /// When the socket cannot be served any more.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<Vec<Left>, tonic::transport::Error> {
        let (phases, phase) = watch::channel(Phase::Running);
        let service =
            Service::new(self.outputs.clone(), self.neighbour, self.registry, self.submit_metrics, phase);
        let (stopped, has_stopped) = tokio::sync::oneshot::channel::<()>();
        let server = socket::server(service::LIMITS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(2 * STREAM_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .add_service(service.into_server())
            .serve_with_incoming_shutdown(self.door, async move {
                // The sender only disappears with this function.
                drop(has_stopped.await);
            });
        tokio::pin!(server);
        let is_serving = tokio::select! {
            ended = &mut server => { ended?; false }
            () = stop => true,
        };
        phases.send_replace(Phase::Draining);
        self.outputs.close();
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
            self.abandoned.send_replace(true);
            phases.send_replace(Phase::Drained);
            left
        };
        // A client that keeps its connection open must not hold up the end.
        let closed = async {
            if is_serving {
                tokio::time::timeout_at(deadline + LAST_MARK, server).await.is_ok()
            } else {
                true
            }
        };
        let (left, closed) = tokio::join!(drained, closed);
        if !closed {
            tracing::debug!("a client kept its connection open until the end");
        }
        self.watch.abort();
        if let Some((_, exposition)) = self.exposition {
            exposition.abort();
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
        if let Some((spool, keeper)) = self.spool {
            spool.end();
            // It ends with what it is doing; a panic of it was printed, and the hook ends the process.
            drop(tokio::task::spawn_blocking(move || keeper.join()).await);
        }
        let spooled = self.output.spooled();
        let payloads = self.output.metrics().pending().saturating_sub(spooled);
        if payloads > 0 {
            let cause = metrics::DropCause::Shutdown;
            self.output.metrics().drop_payloads(cause, &[(LabelId::OTHER, payloads)]);
        }
        Left { destination: self.output.name(), payloads, spooled }
    }
}

fn serve_metrics(
    listener: TcpListener,
    page: Exposition,
    config: Option<MetricsConfig>,
) -> Result<(SocketAddr, JoinHandle<()>), StartError> {
    let asked = config.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |config| config.listen);
    let unusable = |source| StartError::Listen { address: asked, source };
    let listener = tokio::net::TcpListener::from_std(listener).map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    tracing::info!("metrics are at http://{address}{}", exposition::PATH);
    Ok((address, tokio::spawn(exposition::serve(listener, Arc::new(page)))))
}

fn machine_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}
