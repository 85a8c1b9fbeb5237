//! Opens the outputs and the socket, and ends them in the order in which nothing is lost.

use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::confine;
use bootstrap::counters::Registry;
use bootstrap::log_limit::LogLimit;
use bootstrap::socket::{self, Door, PeerUids, SocketError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Endpoint, IntakeConfig, InvalidConfig, LineFormat, SpoolConfig};
use crate::intake::labels::{LabelId, Labels};
use crate::intake::service::{self, Service};
use crate::intake::stream::Phase;
use crate::metrics::spool::SpoolMetrics;
use crate::metrics::{self, DestinationMetrics, FileMetrics, SubmitMetrics};
use crate::outputs::Outputs;
use crate::outputs::http::{self, ClientError, Intake};
use crate::outputs::lines::rotate::{FileError, RotatingFile};
use crate::outputs::lines::{LineWriter, Sink, Stdout};
use crate::outputs::output::{Output, OutputParts, Shared};
use crate::spool::Spool;
use crate::spool::keeper::{self, Keeper};
use crate::spool::store::Disk;

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
    submit_metrics: SubmitMetrics,
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
    pub fn start(mut config: Config) -> Result<Self, StartError> {
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
        let watched = outputs.clone();
        Ok(Self {
            socket: config.socket,
            door,
            drain_timeout: config.drain_timeout,
            registry,
            outputs,
            submit_metrics,
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

    /// Serves until `stop` resolves, then reads nothing more and goes on delivering for at most the drain timeout.
    /// The senders get their last marks before their streams end. Returns what was left.
    ///
    /// # Errors
    /// When the socket cannot be served any more.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<Vec<Left>, tonic::transport::Error> {
        let (phases, phase) = watch::channel(Phase::Running);
        let service = Service::new(self.outputs.clone(), self.registry, self.submit_metrics, phase);
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

/// The outputs that are being opened, and what they need.
struct Opening<'a> {
    config: &'a Config,
    hostname: String,
    registry: Registry,
    labels: Arc<Labels>,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
    abandoned: watch::Receiver<bool>,
    running: Vec<Running>,
}

impl Opening<'_> {
    fn open(&mut self) -> Result<(), StartError> {
        let config = self.config;
        if let Some(intake) = &config.intake {
            for setting in intake.without_effect() {
                tracing::warn!(
                    setting,
                    "has no effect: events of this product go over HTTP; a proxy is set with `proxy`"
                );
            }
            for endpoint in intake.endpoints()? {
                tracing::info!(destination = endpoint.name, "{}", http::status_line(intake, &endpoint));
                self.open_intake(intake, &endpoint)?;
            }
        }
        if let Some(file) = &config.file {
            let output = self.output("file", file.reliable, file.queue_bytes, None);
            let metrics = FileMetrics::new(&self.registry, "file");
            let sink = RotatingFile::open(file, metrics.cut_bytes.clone())?;
            self.write_lines(sink, file.format, output, metrics)?;
        }
        if let Some(stdout) = &config.stdout {
            let output = self.output("stdout", stdout.reliable, stdout.queue_bytes, None);
            let metrics = FileMetrics::new(&self.registry, "stdout");
            let sink = Stdout::new().map_err(StartError::Stdout)?;
            self.write_lines(sink, stdout.format, output, metrics)?;
        }
        Ok(())
    }

    fn open_intake(&mut self, config: &IntakeConfig, endpoint: &Endpoint) -> Result<(), StartError> {
        let kept = self.config.spool.as_ref().filter(|_| endpoint.is_reliable);
        let spool = kept.map(|_| Arc::<Spool>::default());
        let output = self.output(endpoint.name, endpoint.is_reliable, config.queue_bytes, spool.clone());
        let stopped = self.stopped.clone();
        let intake = Intake::new(config, endpoint, &self.hostname, output.clone(), &self.registry, stopped)?;
        let spool = match (kept, spool) {
            (Some(kept), Some(spool)) => Some(self.keep(&output, spool, kept)?),
            _ => None,
        };
        self.running.push(Running { output, task: tokio::spawn(intake.run()), spool });
        Ok(())
    }

    /// Starts what keeps on disk what this output has not delivered.
    fn keep(
        &self,
        output: &Arc<Output>,
        spool: Arc<Spool>,
        config: &SpoolConfig,
    ) -> Result<(Arc<Spool>, std::thread::JoinHandle<()>), StartError> {
        let store =
            Disk::open(&config.path, output.name()).map_err(|error| unusable(config.path.clone(), error))?;
        let keeper = Keeper {
            store,
            spool: spool.clone(),
            output: output.clone(),
            labels: self.labels.clone(),
            config: config.clone(),
            metrics: SpoolMetrics::new(&self.registry, output.name()),
            logs: keeper::Logs::default(),
        };
        Ok((spool, keeper.start().map_err(StartError::Thread)?))
    }

    fn output(
        &self,
        name: &'static str,
        is_reliable: bool,
        queue_bytes: u64,
        spool: Option<Arc<Spool>>,
    ) -> Arc<Output> {
        Arc::new(Output::new(OutputParts {
            index: self.running.len(),
            name,
            is_reliable,
            queue_bytes: usize::try_from(queue_bytes).unwrap_or(usize::MAX),
            spool,
            metrics: DestinationMetrics::new(&self.registry, self.labels.clone(), name),
            shared: self.shared.clone(),
        }))
    }

    fn write_lines(
        &mut self,
        sink: impl Sink,
        format: LineFormat,
        output: Arc<Output>,
        metrics: FileMetrics,
    ) -> Result<(), StartError> {
        let writer = LineWriter {
            sink,
            output: output.clone(),
            format,
            hostname: self.hostname.as_str().into(),
            metrics,
            stopping: self.stopped.clone(),
            errors: LogLimit::default(),
        };
        let finished = writer.spawn(self.abandoned.clone()).map_err(StartError::Thread)?;
        // The sender disappears only with its thread, finished or not.
        let task = tokio::spawn(async { drop(finished.await) });
        self.running.push(Running { output, task, spool: None });
        Ok(())
    }
}

fn machine_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}
