//! Runs the probe: start in the right order, drain until told to stop, end without losing what is left.
//!
//! Start: hooks, control groups, processes, socket, then no more privileges, then threads. Capabilities belong to
//! threads, so all privileged work is done while there is one. The socket exists only from the moment the probe can
//! serve. End: hooks off, rings empty, batches sent and acknowledged (a bounded time), last status.

use std::io::PipeWriter;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bootstrap::confine;
use bootstrap::socket::{Door, PeerUids};
use event::ScopeRule;
use tokio::sync::{oneshot, watch};

use crate::backlog::Backlog;
use crate::backlog::handover::Handover;
use crate::backlog::state::{Keeper, Record, StateError, StateFile};
use crate::bpf::{self, HookReport, Scope, Sensor, SensorConfig, SensorError};
use crate::config::Config;
use crate::context::cgroups::{self, Workloads};
use crate::context::host;
use crate::context::proc_args::ProcArgs;
use crate::context::table::Table;
use crate::flow::batcher::Batcher;
use crate::flow::control::Control;
use crate::flow::drain::{Drain, DrainParts};
use crate::flow::drainer::{Drainer, FLUSH_LIMIT};
use crate::flow::source::{self, KernelSource, Source};
use crate::metrics::{self, Metrics};
use crate::privileges;
use crate::server::about::About;
use crate::server::{self, Published, ServerParts};

/// Time for the connections to close after that.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Why the probe does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The kernel side.
    #[error(transparent)]
    Sensor(#[from] SensorError),
    /// No hook at all.
    #[error("no hook could be attached, so there is nothing to watch: run `shrike-probe doctor` to see why")]
    NoHook,
    /// The control group to watch is not there.
    #[error("the control group {path} does not exist in {mounts}: create it before the probe starts")]
    NoSuchCgroup {
        /// As configured.
        path: String,
        /// Where it was looked for.
        mounts: String,
    },
    /// The socket.
    #[error(transparent)]
    Socket(#[from] bootstrap::socket::SocketError),
    /// Giving up privileges.
    #[error(transparent)]
    Privileges(#[from] privileges::PrivilegeError),
    /// The server.
    #[error(transparent)]
    Serve(#[from] server::ServeError),
    /// A system resource.
    #[error("cannot set up {what}: {source}")]
    Setup {
        /// What for.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the probe cannot start, or its server breaks.
pub fn run(config: &Config) -> Result<(), ServiceError> {
    let started_ns = host::boot_ns();
    let metrics = Metrics::default();
    let machine = host::describe();
    let workloads = Workloads::new(hierarchies(), bpf::MAX_CGROUPS, machine.wall_offset_ns);
    let mounts: Vec<_> = workloads.mounts().map(Path::to_owned).collect();
    let sensor = Sensor::load(&sensor_config(config, &workloads)?)?;
    report_hooks(sensor.hooks(), config)?;

    let mut source = KernelSource::new(sensor);
    let snapshot = source.running().unwrap_or_else(|error| {
        tracing::warn!(%error, "processes that run already are not known: their events have no ancestors");
        Vec::new()
    });
    let attached_ns = host::boot_ns();
    let state = StateFile::open(&config.state_file());
    let before = read_state(&state, &metrics);
    let session = host::boot_ns();
    let (record, gap) = Record::begin(before, &machine.boot_id, session, attached_ns);
    if let Ok(file) = &state {
        // Now, because this probe may be killed before it has a thread for that; the thread reports what fails.
        file.write(&record).unwrap_or_default();
    }
    if let Some(gap) = &gap {
        let milliseconds = (gap.to_ns - gap.from_ns) / 1_000_000;
        tracing::warn!(milliseconds, reason = &*gap.reason, "not everything was observed before this start");
    }
    let table = Table::new(config.table.processes.get(), config.table.bytes.get());
    let mut backlog = Backlog::new(config.buffer.bytes.get(), gap.clone());
    backlog.pushed_until(attached_ns);
    let handover = Arc::new(Handover::new(backlog, table, metrics.clone()));
    let mut drain = Drain::new(DrainParts {
        source,
        scope: config.scope.clone(),
        workloads,
        batcher: Batcher::new(
            config.batch.events.get(),
            u64::try_from(config.batch.age.as_nanos()).unwrap_or(u64::MAX),
        ),
        handover: Arc::clone(&handover),
        metrics: metrics.clone(),
    });
    drain.decide_existing();
    let arguments = ProcArgs::new(Path::new("/proc"));
    let known = drain.known_in_scope(snapshot, host::boot_ns(), &mut |process| arguments.complete(process));
    let processes = known.len();
    handover.know(known);
    bpf::give_back();

    let setup = |what| move |source| ServiceError::Setup { what, source };
    // One thread for the server: a single connection does not need more.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(setup("the runtime"))?;
    let uids = PeerUids::new([config.peer(nix::unistd::geteuid().as_raw())]);
    let door = {
        let _entered = runtime.enter();
        let listener = bootstrap::socket::bind(&config.socket, &uids)?;
        Door::new(listener, uids, server::LIMITS, metrics.registry(), metrics::REFUSED)
    };
    let _socket = RemoveSocket(&config.socket);
    let keep = privileges::needed(&machine.kernel);
    let left = privileges::drop_all_but(keep, config.run_as)?;
    tracing::info!(?keep, ?left, "privileges given up");
    confine::enter_and_tell(&privileges::confines(config, mounts))
        .map_err(privileges::PrivilegeError::from)?;

    let (stopped, stop) = std::io::pipe().map_err(setup("the stop pipe"))?;
    let (publish, status) = watch::channel(Published::default());
    let about = About {
        scope: config.scope.to_string(),
        started_ns,
        restarts: record.starts.saturating_sub(1),
        gap,
        wall_offset_ns: machine.wall_offset_ns,
        keeper: keep_state(state, record, &metrics),
        ..About::default()
    };
    let control = Arc::new(Control::new().map_err(setup("the control of the drain thread"))?);
    let switchable = drain.source().switchable();
    let drainer = Drainer::new(drain, Arc::clone(&handover), about, Arc::clone(&control), publish);
    let drainer = thread::Builder::new()
        .name("drain".to_owned())
        .spawn(move || drainer.run(&stopped))
        .map_err(setup("the drain thread"))?;
    // The drain thread publishes its first status before it waits for anything.
    let parts = ServerParts { host: machine, session, handover, control, switchable, status, metrics };
    let socket = config.socket.display();
    tracing::info!(%socket, scope = %config.scope, processes, "ready");
    bootstrap::readiness::ready();
    let served = runtime.block_on(until_stopped(door, parts, stop));
    if drainer.join().is_err() {
        tracing::error!("the drain thread ended with a panic");
    }
    tracing::info!("stopped");
    served
}

/// Serves until a signal comes, then gives the drain thread and the connections the time they need to end well.
async fn until_stopped(door: Door, parts: ServerParts, stop: PipeWriter) -> Result<(), ServiceError> {
    let mut status = parts.status.clone();
    let (close, closed) = oneshot::channel::<()>();
    let mut server = tokio::spawn(server::serve(door, parts, async move { drop(closed.await) }));
    let signal = tokio::select! {
        ended = &mut server => return ended.map_or(Ok(()), |served| served.map_err(ServiceError::from)),
        signal = bootstrap::shutdown::requested() => signal,
    };
    let signal = signal.map_err(|source| ServiceError::Setup { what: "signal handlers", source })?;
    tracing::info!(signal, "stopping: hooks off, then what is left goes to the analyzer");
    bootstrap::readiness::stopping();
    drop(stop);
    let last = status.wait_for(|published| published.is_last);
    if tokio::time::timeout(FLUSH_LIMIT + CLOSE_LIMIT, last).await.is_err() {
        tracing::warn!("the drain loop did not end in time");
    }
    drop(close);
    if tokio::time::timeout(CLOSE_LIMIT, &mut server).await.is_err() {
        server.abort();
    }
    Ok(())
}

/// What the probe before left behind. Without it nothing is known about the time before this start.
fn read_state(state: &Result<StateFile, StateError>, metrics: &Metrics) -> Option<Record> {
    let error = match state.as_ref().map(StateFile::read) {
        Ok(Ok(before)) => return before,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    metrics.state_damaged.inc();
    tracing::warn!(error, "it is not known whether something was not observed before this start");
    None
}

/// Keeps the state from now on. The probe works without that as well.
fn keep_state(state: Result<StateFile, StateError>, record: Record, metrics: &Metrics) -> Option<Keeper> {
    let file = state.ok()?;
    Keeper::start(file, record, metrics.state_unwritten.clone())
        .inspect_err(|error| tracing::warn!(%error, "the state of the probe is not kept"))
        .ok()
}

/// The control group hierarchies that the kernel side looks at.
fn hierarchies() -> Vec<cgroups::Hierarchy> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let legacy = bpf::v1_hierarchies();
    let mut found = cgroups::find(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    found.retain(|hierarchy| hierarchy.number == 0 || legacy.iter().any(|used| used.id == hierarchy.number));
    if found.is_empty() {
        tracing::warn!("no cgroup file system is mounted: containers that run already cannot be told apart");
    }
    found
}

fn sensor_config(config: &Config, workloads: &Workloads) -> Result<SensorConfig, ServiceError> {
    let scope = match &config.scope {
        ScopeRule::Containers | ScopeRule::Services => Scope::Containers,
        ScopeRule::Host => Scope::Host,
        ScopeRule::Cgroup(path) => {
            let ids = workloads.subtree(path);
            if ids.is_empty() {
                let mounts: Vec<_> = workloads.mounts().map(|mount| mount.display().to_string()).collect();
                return Err(ServiceError::NoSuchCgroup { path: path.clone(), mounts: mounts.join(", ") });
            }
            Scope::Cgroup { ids }
        }
    };
    Ok(SensorConfig {
        scope,
        never_drop_bytes: config.rings.never_drop_bytes.get(),
        strings_bytes: config.rings.strings_bytes.get(),
        bulk_bytes: config.rings.bulk_bytes.get(),
        kinds: config.kinds.as_slice().to_vec(),
    })
}

fn report_hooks(hooks: &[HookReport], config: &Config) -> Result<(), ServiceError> {
    for hook in hooks {
        match &hook.error {
            None => tracing::info!(kind = hook.kind, attach = hook.attach, "hook attached"),
            Some(error) => tracing::warn!(kind = hook.kind, attach = hook.attach, error, "hook not attached"),
        }
    }
    let kinds = config.kinds.as_slice();
    let uncovered = source::uncovered(hooks, kinds);
    if uncovered.len() == kinds.len() {
        return Err(ServiceError::NoHook);
    }
    for kind in uncovered {
        tracing::warn!(kind = kind.name(), "no hook serves this kind: such events will be missing");
    }
    Ok(())
}

/// Removes the socket at the end, so that nobody takes a dead one for a probe. Who became somebody else may not be able to:
/// see `run_as`.
struct RemoveSocket<'a>(&'a Path);

impl Drop for RemoveSocket<'_> {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(self.0) {
            tracing::debug!(%error, "the socket could not be removed; the next start replaces it");
        }
    }
}
