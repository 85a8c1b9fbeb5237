//! Asks the analyzer for its metrics and those of the probe, when somebody reads them here.
//!
//! Invariants: the newest sender is asked, as it is the one that lives; who asks waits for a bounded time and holds up
//! nobody; a sender's stream ends as soon as the reporter stops, so that it does not hold up the end.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tonic::{Status, Streaming};
use wire::v1;

use crate::intake::stream::Phase;

/// How long a sender may take to answer. Prometheus gives a scrape ten seconds.
const ANSWER: Duration = Duration::from_secs(2);
/// Questions that may wait for a sender.
pub(crate) const QUESTIONS: usize = 4;

type Question = oneshot::Sender<Vec<v1::Metric>>;

/// The sender that is asked, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Neighbour(Mutex<Option<mpsc::Sender<Question>>>);

impl Neighbour {
    /// A sender that came: it is asked from now on, and no other one. Returns the questions for it.
    pub(crate) fn take(&self) -> mpsc::Receiver<Question> {
        let (asked, questions) = mpsc::channel(QUESTIONS);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        questions
    }

    /// What the sender says now; `None` when there is none or it does not answer in time.
    pub(crate) async fn ask(&self) -> Option<Vec<v1::Metric>> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (question, answer) = oneshot::channel();
        asked.try_send(question).ok()?;
        tokio::time::timeout(ANSWER, answer).await.ok()?.ok()
    }
}

/// Brings questions to a sender and its answers back, until one of the three ends.
pub(crate) async fn run(
    mut questions: mpsc::Receiver<Question>,
    asks: mpsc::Sender<Result<v1::HandOverRequest, Status>>,
    mut answers: Streaming<v1::HandedOver>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut number = 0;
    let mut open: VecDeque<(u64, Question)> = VecDeque::new();
    loop {
        tokio::select! {
            question = questions.recv() => {
                let Some(question) = question else { return };
                // A sender that does not read what it was asked before is not asked again.
                number += 1;
                if asks.try_send(Ok(v1::HandOverRequest { number })).is_ok() {
                    open.push_back((number, question));
                }
                // Who gave up does not wait.
                open.retain(|(_, question)| !question.is_closed());
            }
            answer = answers.message() => match answer {
                Ok(Some(answer)) => {
                    let place = open.iter().position(|(number, _)| *number == answer.number);
                    // Who asked may have given up; then nobody needs it.
                    if let Some((_, question)) = place.and_then(|place| open.remove(place)) {
                        drop(question.send(answer.metrics));
                    }
                }
                Ok(None) | Err(_) => return,
            },
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        }
    }
}
