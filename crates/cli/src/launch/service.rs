//! One service: start it, know when it is ready, keep it running, stop it.
//!
//! Invariant: a child never outlives this process. It is killed when its handle is dropped, and it asks the kernel
//! for SIGTERM when the supervisor is gone (`shrike become`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::backoff::{Backoff, MAX_FAILED_STARTS};
use super::identity::Identity;
use super::logs::Voice;
use crate::failure::Failure;

/// Time for the last lines of a service that has ended: something it started may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Time between two looks at whether a service is ready or at its end.
const LOOK: Duration = Duration::from_millis(10);

/// Ahead of what is watched: a workload that takes every processor must not be able to delay what is said of others. The
/// services take next to nothing while nobody floods.
const NICE: i32 = -5;

/// What to start, and how to know that it works.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Name and colour.
    pub(crate) voice: Voice,
    /// When it is stopped.
    pub(crate) stops: Stops,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Its user; `None` = ours.
    pub(crate) identity: Option<Identity>,
    /// The user whose supplementary groups it keeps; `None` = it has none.
    pub(crate) groups_of: Option<String>,
    /// Whether it is in our network, and not in an empty one of its own.
    pub(crate) has_network: bool,
    /// Variables of our environment that it gets, besides the level of its log. Everything else stays here.
    pub(crate) environment: Vec<String>,
    /// Whether its standard output is ours: then it is output, not log.
    pub(crate) owns_stdout: bool,
    /// Level of its log, unless the user set one.
    pub(crate) log_level: &'static str,
    /// When it is ready.
    pub(crate) ready: Ready,
    /// Time to become ready.
    pub(crate) ready_within: Duration,
    /// Time to end after SIGTERM.
    pub(crate) grace: Duration,
    /// What to do when it does not start.
    pub(crate) next: &'static str,
}

/// The order of stopping, so that what was seen reaches its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stops {
    /// The probe: nothing new comes.
    First,
    /// The analyzer: hands over what it holds.
    Second,
    /// The reporter: sends it.
    Third,
    /// Who receives it.
    Last,
}

/// What shows that a service is ready.
#[derive(Debug, Clone)]
pub(crate) enum Ready {
    /// It accepts connections on this socket.
    Socket(PathBuf),
    /// It wrote this file.
    File(PathBuf),
}

/// What the keeper of a service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    KeepRunning,
    Stop,
    Kill,
}

/// A service that was ready and is kept running.
#[derive(Debug)]
pub(crate) struct Service {
    orders: watch::Sender<Order>,
    keeper: JoinHandle<()>,
}

impl Service {
    /// Starts it and waits until it is ready. A later end that cannot be repaired is told to `failures`.
    pub(crate) async fn start(spec: Spec, failures: mpsc::Sender<Failure>) -> Result<Self, Failure> {
        if let Ready::File(path) = &spec.ready {
            // One that an earlier run left would look like readiness.
            if path.exists() {
                std::fs::remove_file(path).map_err(Failure::file("replace", path))?;
            }
        }
        let mut process = spawn(&spec)?;
        let deadline = tokio::time::sleep(spec.ready_within);
        let reason = tokio::select! {
            () = spec.ready.wait() => None,
            reason = process.wait() => Some(reason),
            () = deadline => Some(format!("it was not ready after {}", humantime::format_duration(spec.ready_within))),
        };
        if let Some(reason) = reason {
            end(&mut process, &spec, Order::Kill, None).await;
            return Err(Failure::ServiceStart { service: spec.voice.name, reason, next: spec.next });
        }
        let (orders, ordered) = watch::channel(Order::KeepRunning);
        let keeper = tokio::spawn(keep(spec, process, ordered, failures));
        Ok(Self { orders, keeper })
    }

    /// Asks it to end and waits for that, at most as long as it is granted.
    pub(crate) async fn stop(&mut self) {
        self.orders.send_replace(Order::Stop);
        self.ended().await;
    }

    /// Ends it at once, also when it was asked to stop before.
    pub(crate) async fn kill(&mut self) {
        self.orders.send_replace(Order::Kill);
        self.ended().await;
    }

    async fn ended(&mut self) {
        if !self.keeper.is_finished() {
            // A keeper that panicked has dropped its child, which kills it.
            drop((&mut self.keeper).await);
        }
    }
}

impl Ready {
    async fn wait(&self) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let is_ready = match self {
                Self::Socket(path) => UnixStream::connect(path).await.is_ok(),
                Self::File(path) => path.exists(),
            };
            if is_ready {
                return;
            }
        }
    }
}

/// A child and what it says.
struct Process {
    child: Child,
    lines: JoinSet<()>,
}

impl Process {
    /// Waits for its end, and until its last lines are out.
    async fn wait(&mut self) -> String {
        let reason = self.child.wait().await.map_or_else(|error| error.to_string(), ended_with);
        let lines = async { while self.lines.join_next().await.is_some() {} };
        // Late lines still come out; they are only not waited for.
        drop(tokio::time::timeout(LAST_WORDS, lines).await);
        reason
    }
}

fn spawn(spec: &Spec) -> Result<Process, Failure> {
    let own = std::env::current_exe().map_err(Failure::system("find my own program"))?;
    let mut command = Command::new(own);
    command.args(["become", "--parent", &std::process::id().to_string()]);
    if let Some(Identity { uid, gid }) = spec.identity {
        command.args(["--uid", &uid.to_string(), "--gid", &gid.to_string()]);
        if let Some(name) = &spec.groups_of {
            command.arg(format!("--groups-of={name}"));
        }
    }
    if !spec.has_network {
        command.arg("--no-network");
    }
    command.arg(format!("--nice={NICE}"));
    command.arg("--").arg(&spec.program).args(&spec.args);
    command.env_clear();
    command.env("SHRIKE_LOG", std::env::var_os("SHRIKE_LOG").unwrap_or_else(|| spec.log_level.into()));
    command.envs(spec.environment.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    // A group of its own: Ctrl-C in the terminal reaches only us, and we stop the services in order.
    command.process_group(0).kill_on_drop(true).stdin(Stdio::null()).stderr(Stdio::piped());
    command.stdout(if spec.owns_stdout { Stdio::inherit() } else { Stdio::piped() });
    let mut child = command.spawn().map_err(Failure::file("start", &spec.program))?;
    let mut lines = JoinSet::new();
    if let Some(stream) = child.stderr.take() {
        lines.spawn(spec.voice.forward(stream));
    }
    if let Some(stream) = child.stdout.take() {
        lines.spawn(spec.voice.forward(stream));
    }
    Ok(Process { child, lines })
}

async fn keep(
    spec: Spec,
    mut process: Process,
    mut orders: watch::Receiver<Order>,
    failures: mpsc::Sender<Failure>,
) {
    let mut backoff = Backoff::default();
    // Only a service that is ready comes here.
    let mut is_ready = true;
    loop {
        let mut reason = loop {
            tokio::select! {
                reason = process.wait() => break reason,
                () = spec.ready.wait(), if !is_ready => is_ready = true,
                order = next_order(&mut orders) => return end(&mut process, &spec, order, Some(&mut orders)).await,
            }
        };
        // Start again until it starts, and give up when too many starts come to nothing.
        process = loop {
            let Some(pause) = backoff.after_end(Instant::now(), std::mem::take(&mut is_ready)) else {
                let service = spec.voice.name;
                let failure = Failure::ServiceKeepsEnding { service, times: MAX_FAILED_STARTS, reason };
                // The first failure ends everything; a second one has nothing to add.
                drop(failures.try_send(failure));
                return;
            };
            spec.voice.say(&format!("{reason}: starting it again in {}", humantime::format_duration(pause)));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = next_order(&mut orders) => return,
            }
            match spawn(&spec) {
                Ok(process) => break process,
                Err(failure) => reason = failure.to_string(),
            }
        };
    }
}

async fn next_order(orders: &mut watch::Receiver<Order>) -> Order {
    match orders.wait_for(|order| *order != Order::KeepRunning).await {
        Ok(order) => *order,
        // The supervisor is gone without a word.
        Err(_closed) => Order::Kill,
    }
}

/// Ends a child: SIGTERM and its time of grace, then SIGKILL; at once when ordered so meanwhile.
async fn end(process: &mut Process, spec: &Spec, order: Order, orders: Option<&mut watch::Receiver<Order>>) {
    if order == Order::Stop && terminate(&process.child) {
        let killed = async {
            match orders {
                // An error means that nobody can give orders any more.
                Some(orders) => drop(orders.wait_for(|order| *order == Order::Kill).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = process.wait() => return,
            () = killed => {}
            () = tokio::time::sleep(spec.grace) => {
                let grace = humantime::format_duration(spec.grace);
                spec.voice.say(&format!("did not end within {grace}: killing it"));
            }
        }
    }
    // It fails only for a child that has ended already.
    drop(process.child.kill().await);
}

/// Sends SIGTERM; false when the child has ended already.
fn terminate(child: &Child) -> bool {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    pid.is_some_and(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM).is_ok())
}

fn ended_with(status: std::process::ExitStatus) -> String {
    format!("it ended with {status}")
}
