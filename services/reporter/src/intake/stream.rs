//! One stream of a sender: groups are read while there is room for them, marks are told when they move.
//!
//! Invariant: a mark is told only for what is settled, and the last one before the stream ends; what is not settled
//! then is the sender's.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};
use wire::v1;

use crate::intake::invalid::InvalidGroup;
use crate::intake::mark::Mark;
use crate::metrics::SubmitMetrics;
use crate::outputs::Outputs;
use bootstrap::log_limit::LogLimit;

/// How far the reporter is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It takes groups.
    Running,
    /// It takes no more, and delivers what it has.
    Draining,
    /// Nothing more will settle.
    Drained,
}

/// What a stream works with.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) outputs: Arc<Outputs>,
    pub(crate) metrics: SubmitMetrics,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) refusals: Arc<LogLimit>,
}

/// Why the groups of a stream have come to an end.
enum End {
    /// The sender has no more, or is gone.
    Sender,
    /// The reporter takes no more.
    Stopping,
    Invalid(InvalidGroup),
}

impl Stream {
    /// Serves the stream until it ends.
    pub(crate) async fn run(
        self,
        mut groups: Streaming<v1::PayloadGroup>,
        marks: mpsc::Sender<Result<v1::Settled, Status>>,
    ) {
        let mark = self.outputs.new_mark();
        tokio::select! {
            // Nobody is there to be told anything; what was taken is delivered all the same.
            () = marks.closed() => {}
            () = self.serve(&mut groups, &mark, &marks) => {}
        }
        self.outputs.stream_ended();
    }

    async fn serve(
        &self,
        groups: &mut Streaming<v1::PayloadGroup>,
        mark: &Arc<Mark>,
        marks: &mpsc::Sender<Result<v1::Settled, Status>>,
    ) {
        let mut phase = self.phase.clone();
        let mut reading = std::pin::pin!(self.read(groups, mark));
        let mut end = None;
        loop {
            tokio::select! {
                ended = &mut reading, if end.is_none() => end = Some(ended),
                () = mark.moved() => {}
                () = reached(&mut phase, Phase::Drained) => {
                    tell(mark, marks).await;
                    return;
                }
            }
            if !tell(mark, marks).await {
                return;
            }
            match &end {
                Some(End::Invalid(invalid)) => {
                    // Nobody who is gone needs the reason.
                    drop(marks.send(Err(Status::invalid_argument(invalid.to_string()))).await);
                    return;
                }
                Some(End::Sender | End::Stopping) if mark.is_done() => return,
                Some(_) | None => {}
            }
        }
    }

    /// Takes groups one after the other: while one waits for room, the next is not read.
    async fn read(&self, groups: &mut Streaming<v1::PayloadGroup>, mark: &Arc<Mark>) -> End {
        let mut phase = self.phase.clone();
        let reading = async {
            loop {
                match groups.message().await {
                    Ok(Some(group)) => {
                        if let Err(invalid) = self.outputs.submit(group, mark).await {
                            self.refuse(&invalid);
                            return End::Invalid(invalid);
                        }
                    }
                    Ok(None) => return End::Sender,
                    Err(status) => {
                        tracing::debug!(%status, "a stream of payloads broke");
                        return End::Sender;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Draining) => End::Stopping,
            end = reading => end,
        }
    }

    fn refuse(&self, invalid: &InvalidGroup) {
        self.metrics.refused.inc();
        if let Some(suppressed) = self.refusals.permit() {
            tracing::warn!(reason = %invalid, suppressed, "refused a group and ended its stream");
        }
    }
}

/// Waits until the reporter is this far with its end, or gone.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    drop(phase.wait_for(|phase| *phase >= wanted).await);
}

/// Tells the sender where the mark is, if it has moved; false when the sender is gone.
async fn tell(mark: &Mark, marks: &mpsc::Sender<Result<v1::Settled, Status>>) -> bool {
    // The slot comes first, so that a slow reader gets one mark for all that settles meanwhile.
    let Ok(slot) = marks.reserve().await else { return false };
    if let Some(news) = mark.news() {
        slot.send(Ok(news));
    }
    true
}
