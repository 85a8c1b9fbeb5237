//! A logs intake over HTTP as a destination: payloads to batches, batches to requests.
//!
//! Two tasks with a channel of one batch between them: while one batch is on its way, the next is filled, and then
//! nothing more is taken from the queue, which fills and refuses. So memory is bounded by the queue and
//! `batch_max_concurrent_send` + 2 bodies.

mod answer;
mod backoff;
mod batch;
mod client;
mod compress;
pub(crate) mod config;
mod deliver;
mod entry;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bootstrap::counters::Registry;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::log_limit::LogLimit;
use crate::metrics::{DestinationMetrics, IntakeMetrics};
use crate::payload::{Group, Payload, now_ms};
use backoff::{Backoff, Policy};
use batch::{Batch, Batcher, Limits};
use config::IntakeConfig;
use deliver::Delivery;

pub use client::ClientError;
pub(crate) use entry::append as append_entry;

/// An intake that is ready to be run.
#[derive(Debug)]
pub(crate) struct Intake {
    batcher: Batcher,
    delivery: Arc<Delivery>,
    max_in_flight: usize,
}

impl Intake {
    pub(crate) fn new(
        config: &IntakeConfig,
        hostname: &str,
        metrics: DestinationMetrics,
        registry: &Registry,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, ClientError> {
        let limits = Limits {
            max_entries: config.batch_max_size,
            max_bytes: config.batch_max_content_size,
            max_wait: config.batch_wait,
        };
        let delivery = Delivery {
            client: client::Client::new(config)?,
            compression: compress::Compression::new(config),
            backoff: Mutex::new(Backoff::new(Policy::new(config))),
            metrics,
            intake_metrics: IntakeMetrics::new(registry),
            stopping,
            is_failing: AtomicBool::new(false),
            retries: LogLimit::default(),
            refusals: LogLimit::default(),
        };
        Ok(Self {
            batcher: Batcher::new(limits, hostname),
            delivery: Arc::new(delivery),
            max_in_flight: config.batch_max_concurrent_send.max(1),
        })
    }

    /// Runs until `groups` ends and everything is delivered or given up.
    pub(crate) async fn run(self, groups: mpsc::Receiver<Group>) {
        let (batches, filled) = mpsc::channel(1);
        let metrics = self.delivery.metrics.clone();
        tokio::join!(
            collect(groups, self.batcher, batches, metrics),
            deliver::run(self.delivery, filled, self.max_in_flight),
        );
    }
}

/// Fills batches from payloads, and passes each on when it is full or old enough.
async fn collect(
    mut groups: mpsc::Receiver<Group>,
    mut batcher: Batcher,
    batches: mpsc::Sender<Batch>,
    metrics: DestinationMetrics,
) {
    let too_large = LogLimit::default();
    loop {
        let deadline = batcher.deadline();
        let complete = tokio::select! {
            group = groups.recv() => match group {
                Some(group) => add(&mut batcher, &group, &metrics, &too_large),
                None => break,
            },
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                batcher.take().into_iter().collect()
            }
        };
        for batch in complete {
            if batches.send(batch).await.is_err() {
                return;
            }
        }
    }
    if let Some(rest) = batcher.take() {
        // Delivery ends only after this channel.
        drop(batches.send(rest).await);
    }
}

fn add(
    batcher: &mut Batcher,
    group: &[Arc<Payload>],
    metrics: &DestinationMetrics,
    too_large: &LogLimit,
) -> Vec<Batch> {
    let (now_ms, now) = (now_ms(), Instant::now());
    let mut complete = Vec::new();
    for payload in group {
        match batcher.push(payload.clone(), now_ms, now) {
            Ok(batches) => complete.extend(batches.into_iter().flatten()),
            Err(cause) => {
                metrics.drop_payloads(cause, 1);
                if let Some(suppressed) = too_large.permit() {
                    let bytes = payload.content.len();
                    tracing::warn!(cause = cause.name(), bytes, suppressed, "dropped a payload");
                }
            }
        }
    }
    complete
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
