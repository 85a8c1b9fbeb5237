//! The actor that finds out what containers are, without holding anybody up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use bootstrap::log_limit::LogLimit;
use event::Text;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::Instant;

use super::docker::DockerApi;
use super::runtime::RuntimeApi;
use super::static_file::StaticFile;
use super::{Directory, Tags};
use crate::config::TagsConfig;
use crate::metrics::TagMetrics;
use crate::output::outbox::ToOutbox;

/// First pause before a container that nobody knows yet is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long a container that nobody knows yet is asked for, even if no payload waits that long.
const ASK_FOR: Duration = Duration::from_secs(2);
/// How often the file of tags is looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(2);
/// Questions that may wait for an answer at once, per one that may be under way.
const WAITING_PER_SLOT: usize = 128;

/// Find out what this container is.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Resolve {
    /// Its id.
    pub container: Arc<str>,
    /// The path of its control group.
    pub cgroup: Text,
}

/// Asks the sources, in order: the static file, then the API sockets, Docker's before those of what may run below it.
#[derive(Debug)]
struct Sources {
    file: Option<Mutex<StaticFile>>,
    daemons: Vec<Daemon>,
    slots: Semaphore,
    directory: Directory,
    ask_for: Duration,
    metrics: TagMetrics,
}

/// An API socket, and whether asking it failed the last time.
#[derive(Debug)]
struct Daemon {
    api: DaemonApi,
    is_failing: AtomicBool,
}

/// How a daemon is asked.
#[derive(Debug)]
enum DaemonApi {
    /// HTTP, as Docker Engine and podman serve it.
    Docker(DockerApi),
    /// gRPC, as containerd and CRI-O serve it.
    Runtime(RuntimeApi),
}

impl DaemonApi {
    fn socket(&self) -> &Path {
        match self {
            Self::Docker(api) => api.socket(),
            Self::Runtime(api) => api.socket(),
        }
    }

    async fn container(&self, id: &str) -> Result<Option<Tags>, String> {
        match self {
            Self::Docker(api) => api.container(id).await.map_err(|error| error.to_string()),
            Self::Runtime(api) => api.container(id).await.map_err(|error| bootstrap::cause::told(&error)),
        }
    }
}

/// The actor.
pub struct TagManager {
    sources: Arc<Sources>,
    directory: Directory,
    settled: mpsc::Sender<ToOutbox>,
    waiting: usize,
    max_waiting: usize,
    metrics: TagMetrics,
    drops: LogLimit,
}

impl TagManager {
    /// A resolver that writes what it finds into `directory` and tells `settled`.
    #[must_use]
    pub fn new(
        config: &TagsConfig,
        directory: Directory,
        settled: mpsc::Sender<ToOutbox>,
        metrics: TagMetrics,
    ) -> Self {
        let version = config.docker_api_version.as_deref();
        let docker =
            |socket: &PathBuf| DaemonApi::Docker(DockerApi::new(socket.clone(), version, config.timeout));
        let runtime = |socket: &PathBuf| DaemonApi::Runtime(RuntimeApi::new(socket.clone(), config.timeout));
        let apis = config.docker_sockets.iter().map(docker).chain(config.runtime_sockets.iter().map(runtime));
        let sources = Sources {
            file: config.static_file.clone().map(|path| Mutex::new(StaticFile::new(path))),
            daemons: apis.map(|api| Daemon { api, is_failing: AtomicBool::new(false) }).collect(),
            slots: Semaphore::new(config.max_in_flight.get()),
            directory: directory.clone(),
            ask_for: ASK_FOR.max(config.wait),
            metrics: metrics.clone(),
        };
        let max_waiting = config.max_in_flight.get().saturating_mul(WAITING_PER_SLOT);
        let drops = LogLimit::default();
        Self { sources: Arc::new(sources), directory, settled, waiting: 0, max_waiting, metrics, drops }
    }

    fn settle(&mut self, container: Arc<str>, tags: Option<Tags>) {
        self.waiting -= 1;
        let counter = if tags.is_some() { &self.metrics.resolved } else { &self.metrics.unknown };
        counter.inc();
        self.directory.answer(&container, tags.map(Arc::new), Instant::now());
        if self.settled.try_send(ToOutbox::Tagged(container)).is_err() {
            tracing::debug!("the outbox is busy, it will look the container up when its wait ends");
        }
    }
}

impl Actor for TagManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.sources.file.is_none() {
            return;
        }
        ctx.run_interval(FILE_INTERVAL, |manager, ctx| {
            let sources = Arc::clone(&manager.sources);
            ctx.spawn(async move { sources.refresh_file().await }.into_actor(manager));
        });
    }
}

impl Handler<Resolve> for TagManager {
    type Result = ();

    fn handle(&mut self, Resolve { container, cgroup }: Resolve, ctx: &mut Self::Context) {
        if self.waiting >= self.max_waiting {
            self.metrics.dropped.inc();
            if let Some(suppressed) = self.drops.permit() {
                let waiting = self.waiting;
                tracing::warn!(
                    waiting,
                    suppressed,
                    "too many containers wait for their tags, one is not asked for"
                );
            }
            self.directory.forget(&container);
            return;
        }
        self.waiting += 1;
        let (sources, asked) = (Arc::clone(&self.sources), Arc::clone(&container));
        let answer = async move { sources.find(&asked, &cgroup.to_lossy()).await };
        ctx.spawn(answer.into_actor(self).map(move |tags, manager, _| manager.settle(container, tags)));
    }
}

impl Sources {
    /// Asks until somebody knows the container or it was asked for long enough: a runtime may tell of a container a moment
    /// after its first process ran.
    async fn find(&self, container: &str, cgroup: &str) -> Option<Tags> {
        let deadline = Instant::now() + self.ask_for;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(tags) = self.ask_once(container, cgroup).await {
                return Some(tags);
            }
            let next = Instant::now() + pause;
            if next >= deadline {
                return None;
            }
            tokio::time::sleep_until(next).await;
            pause *= 2;
        }
    }

    async fn ask_once(&self, container: &str, cgroup: &str) -> Option<Tags> {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok()?;
        self.refresh_file().await;
        if let Some(file) = &self.file
            && let Some(tags) = file.lock().await.look_up(container, cgroup)
        {
            return Some(tags);
        }
        if !is_askable(container) {
            return None;
        }
        for Daemon { api, is_failing } in &self.daemons {
            // One that may not be looked for is asked, so that the missing permission is told.
            if matches!(api.socket().try_exists(), Ok(false)) {
                continue;
            }
            let answer = api.container(container).await;
            let has_failed_before = is_failing.swap(answer.is_err(), Ordering::Relaxed);
            match answer {
                Ok(Some(tags)) => return Some(tags),
                Ok(None) => {}
                Err(error) => {
                    self.metrics.failed.inc();
                    if !has_failed_before {
                        let socket = api.socket().display();
                        tracing::warn!(%error, %socket, "cannot look containers up, events go without image names");
                    }
                }
            }
        }
        None
    }

    /// Reads the file of tags if it has changed; what was answered before is asked for again then.
    async fn refresh_file(&self) {
        let Some(file) = &self.file else { return };
        match file.lock().await.refresh().await {
            Ok(true) => self.directory.forget_answers(),
            Ok(false) => {}
            Err(error) => {
                self.metrics.failed.inc();
                tracing::warn!(%error, "the file of tags is not used as it is");
            }
        }
    }
}

/// Whether an id may be put into a request path: it comes from a control group name, which anybody may choose.
fn is_askable(container: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&container.len()) && container.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn a_socket_that_cannot_be_looked_for_is_a_failure_and_an_absent_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let metrics = Metrics::new().tags;
        let daemon = |below: &str| Daemon {
            api: DaemonApi::Docker(DockerApi::new(dir.path().join(below), None, Duration::from_secs(1))),
            is_failing: AtomicBool::new(false),
        };
        let sources = Sources {
            file: None,
            // Nothing can be below a file, which is as much an error as a directory that may not be searched.
            daemons: vec![daemon("absent"), daemon("file/socket")],
            slots: Semaphore::new(1),
            directory: Directory::new(std::num::NonZeroUsize::MIN, Duration::ZERO, Duration::ZERO),
            ask_for: Duration::ZERO,
            metrics: metrics.clone(),
        };
        assert_eq!(sources.ask_once("c0ffee", "/docker/c0ffee").await, None);
        let failing: Vec<bool> =
            sources.daemons.iter().map(|daemon| daemon.is_failing.load(Ordering::Relaxed)).collect();
        assert_eq!((failing, metrics.failed.get()), (vec![false, true], 1));
    }
}
