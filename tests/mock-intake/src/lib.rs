//! A logs intake on this machine that enforces the documented limits and can fail on demand.
//!
//! For tests (in their process: [`MockIntake`]) and for `shrike run` and `shrike demo` (as the process
//! `mock-intake`). It listens on loopback only and keeps what it receives in memory. It is not a model of a real
//! intake's storage, only of its contract with a sender.

pub mod check;
mod fault;
mod garble;
mod server;
mod store;

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use check::Received;
pub use fault::{Fault, Plan};
pub use store::{NotSeen, Request, Stats};

/// How to run an intake.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen: a loopback address. Default `127.0.0.1:0`, any free port.
    pub listen: SocketAddr,
    /// The only key that is accepted; without one, any key is.
    pub api_key: Option<String>,
    /// Entries kept in memory (and as many requests); older ones are forgotten. Default 200 000.
    pub keep: usize,
    /// File to which every entry is appended as one line, `{"ddtags":…,"message":…}`.
    pub out: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 0).into(), api_key: None, keep: 200_000, out: None }
    }
}

/// Why an intake cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not on loopback.
    #[error("{0} is not a loopback address: a mock must not be reachable from elsewhere, use 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The output file cannot be written.
    #[error("cannot write {path}: {source}")]
    Out {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// A running intake; it stops when this is dropped.
#[derive(Debug)]
pub struct MockIntake {
    address: SocketAddr,
    intake: Arc<server::Intake>,
    task: JoinHandle<()>,
}

impl MockIntake {
    /// Starts one on a free port that accepts any key.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start() -> Result<Self, StartError> {
        Self::start_with(Options::default()).await
    }

    /// Starts one.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_with(options: Options) -> Result<Self, StartError> {
        let Options { listen, api_key, keep, out } = options;
        if !listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(listen));
        }
        let out = out
            .map(|path| match OpenOptions::new().create(true).append(true).open(&path) {
                Ok(file) => Ok(file),
                Err(source) => Err(StartError::Out { path, source }),
            })
            .transpose()?;
        let failed = |source| StartError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let intake = Arc::new(server::Intake { store: store::Store::new(keep, out), api_key });
        let task = tokio::spawn(server::serve(listener, intake.clone()));
        Ok(Self { address, intake, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a reporter is given as its intake: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Decides what the next requests get.
    pub fn fail(&self, plan: Plan) {
        self.intake.store.set_plan(plan);
    }

    /// Every kept entry, in the order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Arc<Received>> {
        self.intake.store.received()
    }

    /// Every kept request, in the order of arrival; refused and failed ones too.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.intake.store.requests()
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.intake.store.stats()
    }

    /// Waits until the entries meet `condition`, and returns them.
    ///
    /// # Errors
    /// [`NotSeen`] after `deadline`.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        condition: impl Fn(&[Arc<Received>]) -> bool,
    ) -> Result<Vec<Arc<Received>>, NotSeen> {
        let met = |received: &[Arc<Received>], _: &[Request]| condition(received).then(|| received.to_vec());
        self.intake.store.wait_for(deadline, met).await
    }

    /// Waits until the requests meet `condition`, and returns them.
    ///
    /// # Errors
    /// [`NotSeen`] after `deadline`.
    pub async fn wait_for_requests(
        &self,
        deadline: Duration,
        condition: impl Fn(&[Request]) -> bool,
    ) -> Result<Vec<Request>, NotSeen> {
        let met = |_: &[Arc<Received>], requests: &[Request]| condition(requests).then(|| requests.to_vec());
        self.intake.store.wait_for(deadline, met).await
    }

    /// Runs until the server ends, which it does only with the process.
    pub async fn run(mut self) {
        // The task never ends by itself; a join error would mean that it panicked, and a panic was printed.
        drop((&mut self.task).await);
    }
}

impl Drop for MockIntake {
    fn drop(&mut self) {
        self.task.abort();
    }
}
