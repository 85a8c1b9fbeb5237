//! A logs intake over HTTP as a destination: payloads to batches, batches to requests.
//!
//! Two tasks with a channel of one batch between them: while one batch is on its way, the next is filled, and then
//! nothing more is taken from the queue, which fills and holds back the senders. So memory is bounded by the queue
//! and `batch_max_concurrent_send` + 2 bodies. A body is at most a quarter of the queue, so that the queue is never
//! full of what waits for a batch to be filled.

mod answer;
mod backoff;
mod batch;
mod client;
mod compress;
pub(crate) mod config;
mod deliver;
pub(crate) mod endpoint;
mod entry;
mod names;
mod trim;

use std::sync::{Arc, Mutex};

use bootstrap::counters::Registry;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::intake::group::now_ms;
use crate::metrics::IntakeMetrics;
use crate::outputs::output::Output;
use backoff::{Backoff, Policy};
use batch::{Batch, Batcher, Limits};
use bootstrap::log_limit::LogLimit;
use config::{CompressionKind, IntakeConfig};
use deliver::Delivery;
use endpoint::Endpoint;

pub use client::ClientError;
pub(crate) use entry::EntryForm;

/// An intake that is ready to be run.
#[derive(Debug)]
pub(crate) struct Intake {
    batcher: Batcher,
    hostname: Box<str>,
    delivery: Arc<Delivery>,
    max_in_flight: usize,
}

impl Intake {
    pub(crate) fn new(
        config: &IntakeConfig,
        endpoint: &Endpoint,
        hostname: &str,
        output: Arc<Output>,
        registry: &Registry,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, ClientError> {
        let limits = Limits {
            max_entries: config.batch_max_size,
            max_bytes: config.batch_max_content_size.min(config.max_batch_bytes()),
            max_wait: config.batch_wait,
        };
        let delivery = Delivery {
            client: client::Client::new(config, endpoint)?,
            compression: compress::Compression::new(config),
            backoff: Mutex::new(Backoff::new(Policy::new(config))),
            intake_metrics: IntakeMetrics::new(registry, output.name()),
            output,
            stopping,
            retries: LogLimit::default(),
            ids: deliver::BatchIds::default(),
        };
        Ok(Self {
            batcher: Batcher::new(limits),
            hostname: hostname.into(),
            delivery: Arc::new(delivery),
            max_in_flight: config.batch_max_concurrent_send.max(1),
        })
    }

    /// Runs until the output's queue ends and everything is delivered or given up.
    pub(crate) async fn run(self) {
        let (batches, filled) = mpsc::channel(1);
        let (output, metrics) = (self.delivery.output.clone(), self.delivery.intake_metrics.clone());
        tokio::join!(
            collect(&output, self.batcher, &self.hostname, &metrics, batches),
            deliver::run(self.delivery, filled, self.max_in_flight),
        );
    }
}

/// What is sent where, and whether each intake answers: a line for people, and what is wrong.
///
/// # Errors
/// When the configuration cannot be used.
pub async fn check(config: &IntakeConfig) -> Result<Vec<(String, Option<String>)>, ClientError> {
    let mut answers = Vec::new();
    for endpoint in config.endpoints()? {
        let line = status_line(config, &endpoint);
        let client::Outcome { verdict, detail } = client::Client::new(config, &endpoint)?.check().await;
        answers.push((line, (verdict != answer::Verdict::Delivered).then_some(detail)));
    }
    Ok(answers)
}

/// What an endpoint does, in a line.
pub(crate) fn status_line(config: &IntakeConfig, endpoint: &Endpoint) -> String {
    endpoint.status_line(config.compression_kind != CompressionKind::None)
}

/// Fills batches from groups, and passes each on when it is full or old enough.
async fn collect(
    output: &Output,
    mut batcher: Batcher,
    hostname: &str,
    metrics: &IntakeMetrics,
    batches: mpsc::Sender<Batch>,
) {
    loop {
        let deadline = batcher.deadline();
        let group = tokio::select! {
            group = output.next() => match group {
                Some(group) => group,
                None => break,
            },
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                if let Some(batch) = batcher.take()
                    && batches.send(batch).await.is_err()
                {
                    return;
                }
                continue;
            }
        };
        let mut form = EntryForm::new(&group, hostname);
        for place in group.fit_runs().flatten() {
            match batcher.push((&group, place), &mut form, now_ms(), Instant::now()) {
                Ok(complete) => {
                    for batch in complete.into_iter().flatten() {
                        if batches.send(batch).await.is_err() {
                            return;
                        }
                    }
                }
                Err(cause) => output.gave_up(&group, place..place + 1, cause),
            }
            metrics.note_trimmed(output.name(), batcher.take_trimmed());
        }
    }
    if let Some(rest) = batcher.take() {
        // Delivery ends only after this channel.
        drop(batches.send(rest).await);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
