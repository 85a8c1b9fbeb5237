//! Answers the reporter whenever somebody reads its metrics: it serves those of all services, and this one has no network.
//!
//! One stream for as long as both live. Nothing is sent, and no timer runs, between two questions.

use std::time::{Duration, Instant};

use bootstrap::counters::Registry;
use tokio::sync::mpsc;
use tonic::{Code, Status};
use wire::v1;

use crate::api::metrics::flatten;
use crate::api::status::StatusBoard;
use crate::output::outbox::{Reporter, SubmitError};

/// Until a reporter that is not there is tried again. Metrics that come late are missing in no ledger.
const AWAY: Duration = Duration::from_secs(5);
/// The same for one that is older than this question.
const UNABLE: Duration = Duration::from_secs(60);

/// What answers.
pub struct Handover {
    /// Asks.
    pub reporter: Reporter,
    /// What is known of the probe.
    pub board: StatusBoard,
    /// The own counters.
    pub registry: Registry,
}

impl Handover {
    /// Answers until it is dropped.
    pub async fn run(self) {
        let started = Instant::now();
        loop {
            let pause = match self.answer(started).await {
                Ok(()) => AWAY,
                Err(error) => {
                    tracing::debug!(%error, "the reporter does not ask for metrics");
                    let is_unable = matches!(&error, SubmitError::Refused(status) if status.code() == Code::Unimplemented);
                    if is_unable { UNABLE } else { AWAY }
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn answer(&self, started: Instant) -> Result<(), SubmitError> {
        let (answers, sent) = mpsc::channel(1);
        let mut questions = self.reporter.hand_over(sent).await?;
        let refused = |status: Status| SubmitError::Refused(Box::new(status));
        while let Some(question) = questions.message().await.map_err(refused)? {
            let status = self.board.answer(&self.registry, started);
            let metrics = flatten(status, self.board.report_age());
            if answers.send(v1::HandedOver { number: question.number, metrics }).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
