//! Gets each batch to the intake, or counts it as given up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::Verdict;
use super::backoff::Backoff;
use super::batch::Batch;
use super::client::{Client, Outcome};
use super::compress::Compression;
use crate::metrics::{DropCause, IntakeMetrics, RetryCause};
use crate::outputs::output::Output;
use bootstrap::log_limit::LogLimit;

/// What delivering needs; shared by the requests in flight.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) client: Client,
    pub(crate) compression: Compression,
    pub(crate) backoff: Mutex<Backoff>,
    pub(crate) output: Arc<Output>,
    pub(crate) intake_metrics: IntakeMetrics,
    /// Becomes true when the reporter is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) retries: LogLimit,
    pub(crate) ids: BatchIds,
}

/// Gives each batch an id that no other batch has, of this process or another one.
#[derive(Debug)]
pub(crate) struct BatchIds {
    run: u64,
    given: AtomicU64,
}

impl Default for BatchIds {
    fn default() -> Self {
        Self { run: rand::random(), given: AtomicU64::new(0) }
    }
}

impl BatchIds {
    fn next(&self) -> String {
        format!("{:016x}-{}", self.run, self.given.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Delivers batches, up to `max_in_flight` at a time, until there are no more.
pub(crate) async fn run(delivery: Arc<Delivery>, mut batches: mpsc::Receiver<Batch>, max_in_flight: usize) {
    let slots = Arc::new(Semaphore::new(max_in_flight));
    let mut in_flight = JoinSet::new();
    // The slot comes first: a batch that cannot be sent yet stays in the channel and holds back the one behind.
    while let Ok(slot) = slots.clone().acquire_owned().await {
        let Some(batch) = batches.recv().await else { break };
        while in_flight.try_join_next().is_some() {}
        let delivery = delivery.clone();
        in_flight.spawn(async move {
            delivery.deliver(batch).await;
            drop(slot);
        });
    }
    while in_flight.join_next().await.is_some() {}
}

impl Delivery {
    /// Delivers one batch; the intake finding it too large makes two of it, down to single payloads.
    async fn deliver(&self, batch: Batch) {
        let mut waiting = vec![batch];
        while let Some(mut batch) = waiting.pop() {
            let body = batch.take_body();
            match self.settle(&batch, &body).await {
                Ok(()) => {
                    for (group, run) in batch.runs() {
                        self.output.delivered(group, run);
                    }
                }
                Err(DropCause::Status413) => {
                    batch.put_body(body);
                    match batch.halves() {
                        Ok((first, second)) => {
                            self.intake_metrics.splits.inc();
                            waiting.extend([second, first]);
                        }
                        Err(single) => self.give_up(DropCause::Status413, &single),
                    }
                }
                Err(cause) => self.give_up(cause, &batch),
            }
        }
    }

    fn give_up(&self, cause: DropCause, batch: &Batch) {
        for (group, run) in batch.runs() {
            self.output.gave_up(group, run, cause);
        }
    }

    /// Sends a batch until the intake has it or refuses it for good.
    async fn settle(&self, batch: &Batch, plain: &Bytes) -> Result<(), DropCause> {
        let body = self.compress(plain.clone()).await?;
        let id = self.ids.next();
        let mut has_tried_while_stopping = false;
        loop {
            if !self.wait(&mut has_tried_while_stopping).await {
                continue;
            }
            self.intake_metrics.requests.inc();
            let encoding = self.compression.header();
            let Outcome { verdict, detail } =
                self.client.post(body.clone(), encoding, &id, batch.last_accepted_ms()).await;
            match verdict {
                Verdict::Delivered => {
                    self.answered();
                    self.intake_metrics.raw_bytes.add(plain.len() as u64);
                    self.intake_metrics.sent_bytes.add(body.len() as u64);
                    return Ok(());
                }
                Verdict::Refused(DropCause::Status401 | DropCause::Status403) if self.client.renew_key() => {}
                Verdict::Refused(cause) => {
                    self.answered();
                    return Err(cause);
                }
                Verdict::Retry(cause, after) => self.failed(cause, after, &detail),
            }
        }
    }

    /// Compression takes long enough to hold up everything else, so it has a thread while there is something to do.
    async fn compress(&self, body: Bytes) -> Result<Bytes, DropCause> {
        let compression = self.compression;
        let compressed = tokio::task::spawn_blocking(move || compression.compress(body)).await;
        compressed.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|error| {
            tracing::error!(%error, "cannot compress a batch");
            DropCause::Encoding
        })
    }

    /// Waits as the back-off says. A stop ends the wait, and every batch gets one attempt at once after it: there
    /// may not be time for another. False: the wait was cut short, ask again.
    async fn wait(&self, has_tried_while_stopping: &mut bool) -> bool {
        let mut stopping = self.stopping.clone();
        if *stopping.borrow() && !*has_tried_while_stopping {
            *has_tried_while_stopping = true;
            return true;
        }
        let wait = self.backoff().wait(Instant::now(), rand::random());
        if wait.is_zero() {
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            Ok(_) = stopping.wait_for(|stopping| *stopping), if !*has_tried_while_stopping => false,
        }
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        let mut backoff = self.backoff();
        backoff.settled();
        self.intake_metrics.backoff_errors.set(u64::from(backoff.errors()));
        drop(backoff);
        self.output.succeeded();
    }

    fn failed(&self, cause: RetryCause, after: Option<Duration>, detail: &str) {
        self.intake_metrics.retry(cause);
        let mut backoff = self.backoff();
        backoff.failed(after, Instant::now());
        let errors = backoff.errors();
        drop(backoff);
        self.intake_metrics.backoff_errors.set(u64::from(errors));
        self.output.failed();
        if let Some(suppressed) = self.retries.permit() {
            let cause = cause.name();
            tracing::warn!(
                cause,
                detail,
                errors,
                suppressed,
                "the intake did not take a batch, trying again"
            );
        }
    }
}
