//! The task that waits for the tags of dumps that ended, writes them, and shows them to who listens.
//!
//! It never holds up the stages: what it has no room for waits there, bounded. Disk is touched on a thread of its own, one
//! thing after the other. Invariant: a dump that ended is written or counted as failed, whatever became of its tags.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bootstrap::log_limit::LogLimit;
use dump::Format;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

use super::keeper::{Keeper, Resume};
use super::store::Store;
use crate::context::tags::Lookup;
use crate::context::workloads::Workloads;
use crate::metrics::DumpMetrics;
use crate::stages::dump::Parcel;

/// How often the tags that dumps wait for are looked up.
const LOOK: Duration = Duration::from_secs(1);

/// A dump that ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its name.
    pub name: String,
    /// Its image and version, as far as they are known.
    pub selector: (String, String),
    /// The JSON that goes with it.
    pub header: Vec<u8>,
    /// The `.protobuf`.
    pub data: Vec<u8>,
}

/// A file of the directory that is wanted in other formats.
#[derive(Debug)]
pub struct Ask {
    /// Its name.
    pub file: String,
    /// The formats.
    pub formats: Vec<Format>,
    /// Whether they are packed.
    pub is_packed: bool,
    /// Takes the paths that were written, or why not.
    pub answer: oneshot::Sender<Transcoded>,
}

/// What came of it: each file with its format, or why there is none.
pub type Transcoded = Result<Vec<(Format, String)>, String>;

/// What the task is made of.
pub struct DumpManagerParts {
    /// The directory, if it can be used.
    pub store: Option<Store>,
    /// Knows the tags of containers.
    pub workloads: Workloads,
    /// Who listens.
    pub finished: broadcast::Sender<Arc<Finished>>,
    /// How long a dump waits for tags.
    pub wait: Duration,
    /// Tags of every dump.
    pub tags: Vec<String>,
    /// Name of the distribution of the host.
    pub distribution: String,
    /// Counters.
    pub metrics: DumpMetrics,
}

/// The task.
pub struct DumpManager {
    keeper: Arc<Mutex<Keeper>>,
    workloads: Workloads,
    finished: broadcast::Sender<Arc<Finished>>,
    wait: Duration,
    metrics: DumpMetrics,
    waiting: Vec<(Instant, Parcel)>,
}

impl DumpManager {
    /// The task with these parts.
    #[must_use]
    pub fn new(parts: DumpManagerParts) -> Self {
        let DumpManagerParts { store, workloads, finished, wait, tags, distribution, metrics } = parts;
        let keeper =
            Keeper { store, tags, distribution, metrics: metrics.clone(), limit: LogLimit::default() };
        Self { keeper: Arc::new(Mutex::new(keeper)), workloads, finished, wait, metrics, waiting: Vec::new() }
    }

    /// Works until the stages are gone and what they handed over is written. Begins with what a killed analyzer left.
    pub async fn run(mut self, mut parcels: mpsc::Receiver<Parcel>, mut asks: mpsc::Receiver<Ask>) {
        self.on_disk(Keeper::recover).await;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                parcel = parcels.recv() => match parcel {
                    Some(parcel) => self.take(parcel).await,
                    None => break,
                },
                Some(Ask { file, formats, is_packed, answer }) = asks.recv() => {
                    let written = self.on_disk(move |keeper| keeper.transcode(&file, &formats, is_packed)).await;
                    // Who asked may have left.
                    drop(answer.send(written.unwrap_or_else(|| Err("the analyzer is ending".to_owned()))));
                }
                _ = look.tick(), if !self.waiting.is_empty() => self.look(Instant::now()).await,
            }
        }
        for (_, parcel) in std::mem::take(&mut self.waiting) {
            self.write(parcel).await;
        }
    }

    async fn take(&mut self, mut parcel: Parcel) {
        let is_hopeless = self.tag(&mut parcel) && parcel.is_awaited;
        if !parcel.is_end {
            self.on_disk(move |keeper| keeper.copy(parcel, Resume::Killed)).await;
        } else if parcel.untagged().is_some() && !parcel.tree.is_empty() && !is_hopeless {
            let copy = parcel.clone();
            self.on_disk(move |keeper| keeper.copy(copy, Resume::Ended)).await;
            self.waiting.push((Instant::now() + self.wait, parcel));
        } else {
            self.write(parcel).await;
        }
    }

    /// Adds the tags if they are known by now, and asks for them else. True when nobody knew the container.
    fn tag(&self, parcel: &mut Parcel) -> bool {
        let Some(cgroup) = parcel.untagged() else { return false };
        let Some(container) = cgroup.workload.container_id() else { return false };
        match self.workloads.look_up(container, &cgroup.path, Instant::now()) {
            Lookup::Known(tags) => {
                parcel.tags = Some(tags);
                false
            }
            Lookup::Asked { .. } | Lookup::MustAsk { .. } => false,
            Lookup::Absent { .. } => true,
        }
    }

    /// Writes what has its tags, and what has waited long enough.
    async fn look(&mut self, now: Instant) {
        let mut still = Vec::new();
        for (until, mut parcel) in std::mem::take(&mut self.waiting) {
            let is_hopeless = self.tag(&mut parcel) && parcel.is_awaited;
            if parcel.untagged().is_some() && now < until && !is_hopeless {
                still.push((until, parcel));
            } else {
                self.write(parcel).await;
            }
        }
        self.waiting = still;
    }

    async fn write(&mut self, parcel: Parcel) {
        if parcel.untagged().is_some() && !parcel.tree.is_empty() {
            self.metrics.untagged.inc();
        }
        let has_listeners = self.finished.receiver_count() > 0;
        let finished = self.on_disk(move |keeper| keeper.finish(parcel, has_listeners)).await.flatten();
        if let Some(finished) = finished {
            // Whoever listened may have left.
            drop(self.finished.send(Arc::new(finished)));
        }
    }

    /// Does something that blocks, on a thread for that. `None` when the runtime ends.
    async fn on_disk<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Keeper) -> R + Send + 'static,
    ) -> Option<R> {
        let keeper = Arc::clone(&self.keeper);
        let done = tokio::task::spawn_blocking(move || {
            act(&mut keeper.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.ok()
    }
}

#[cfg(test)]
mod tests;
