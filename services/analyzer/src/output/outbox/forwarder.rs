//! The task that tags groups, keeps submitting them until the reporter has settled them, and acknowledges batches.
//!
//! It never waits for one neighbour while another one speaks, and has no timer while nothing waits.

use std::sync::Arc;
use std::time::Duration;

use event::PerKind;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use wire::v1;

use super::acks::Acks;
use super::group::Group;
use super::queue::Queue;
use super::reporter::{Reporter, SubmitError};
use super::room::Room;
use super::stream::{Stream, StreamEvent};
use super::tagger::Tagger;
use super::tracker::{BatchId, Tracker};
use crate::api::status::StatusBoard;
use crate::backoff::Backoff;
use crate::metrics::OutboxMetrics;
use bootstrap::log_limit::LogLimit;

/// A reporter that settles nothing for so long is shown.
const SHOW_STALL: Duration = Duration::from_secs(10);
/// How often a stall is looked at from then on.
const STALL_TICK: Duration = Duration::from_secs(1);
/// A reporter that settles nothing and does not answer for so long gets everything again, on a new stream.
const GIVE_UP: Duration = Duration::from_secs(30);
/// The same for one that answers. An output that is down leaves the mark before.
const GIVE_UP_ON_ANSWERING: Duration = Duration::from_secs(150);
/// How long a reporter may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(2);

/// What the outbox is told.
#[derive(Debug)]
pub enum ToOutbox {
    /// A connection to this probe begins; its acknowledgements go there.
    Begin(u64, Acks),
    /// A batch arrived on it.
    Received {
        /// Which.
        batch: BatchId,
        /// True when it was not seen before: then it is open until it is closed.
        is_new: bool,
    },
    /// A group that the open batch caused.
    Deliver(Box<Group>),
    /// Everything that the batch caused has been delivered here.
    Close {
        /// Which.
        batch: BatchId,
        /// Events of it that nobody takes.
        no_taker: PerKind<u64>,
    },
    /// The question about a container is answered.
    Tagged(Arc<str>),
    /// The reporter answers, or does not.
    Answers(bool),
    /// The service ends: submit what is there, until `within` is over. Answers how many payloads were left.
    Drain {
        /// How long it may take.
        within: Duration,
        /// Gets the answer.
        done: oneshot::Sender<u64>,
    },
}

/// What an [`Outbox`] is made of.
pub struct OutboxParts {
    /// Holds the groups.
    pub queue: Queue,
    /// Takes them.
    pub reporter: Reporter,
    /// Knows tags.
    pub tagger: Tagger,
    /// The room that its groups give back.
    pub room: Room,
    /// Where the connection to the reporter is shown.
    pub board: StatusBoard,
    /// Counters.
    pub metrics: OutboxMetrics,
    /// Where this task hears from itself.
    pub own: mpsc::Sender<ToOutbox>,
}

/// The task.
pub struct Outbox {
    parts: OutboxParts,
    tracker: Tracker,
    acks: Acks,
    stream: Stream,
    opened_at: Instant,
    retry_at: Option<Instant>,
    backoff: Backoff,
    /// Since when something is unsettled and nothing was settled.
    waiting_since: Option<Instant>,
    stall_seen: Instant,
    is_asking: bool,
    answers: bool,
    losses: LogLimit,
    drain: Option<(Instant, oneshot::Sender<u64>)>,
}

impl Outbox {
    /// An outbox with these parts.
    #[must_use]
    pub fn new(parts: OutboxParts) -> Self {
        let now = Instant::now();
        Self {
            stream: Stream::new(parts.reporter.clone()),
            parts,
            tracker: Tracker::default(),
            acks: Acks::default(),
            opened_at: now,
            retry_at: None,
            backoff: Backoff::default(),
            waiting_since: None,
            stall_seen: now,
            is_asking: false,
            answers: false,
            losses: LogLimit::default(),
            drain: None,
        }
    }

    /// Works until nobody can tell it anything any more.
    pub async fn run(mut self, mut messages: mpsc::Receiver<ToOutbox>) {
        loop {
            self.submit();
            let wants_room = self.parts.queue.has_ready();
            let timer = self.next_timer();
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                event = self.stream.event(wants_room) => self.happened(event),
                () = tokio::time::sleep_until(timer.unwrap_or(far)), if timer.is_some() => self.tick(),
            }
            while let Ok(message) = messages.try_recv() {
                self.take(message);
            }
            if let Some(settled) = self.tracker.due() {
                self.acks.put(settled);
            }
            self.parts
                .metrics
                .unsettled_batches
                .set(u64::try_from(self.tracker.unsettled()).unwrap_or(u64::MAX));
            self.parts.queue.show();
        }
    }

    fn take(&mut self, message: ToOutbox) {
        match message {
            ToOutbox::Begin(probe, acks) => {
                self.tracker.begin(probe);
                self.acks = acks;
            }
            ToOutbox::Received { batch, is_new } => {
                self.tracker.receive(batch.seq);
                if is_new {
                    self.tracker.open(batch.seq);
                }
            }
            ToOutbox::Deliver(group) => {
                self.tracker.add_group(group.head().batch);
                let readiness = self.parts.tagger.readiness(&group, Instant::now());
                self.parts.queue.push(*group, readiness);
                if self.drain.is_some() {
                    self.parts.queue.release_all();
                }
            }
            ToOutbox::Close { batch, no_taker } => self.tracker.close(batch, &no_taker),
            ToOutbox::Tagged(container) => {
                let tags = self.parts.tagger.directory().known(&container);
                self.parts.queue.settle_container(&container, tags.as_ref());
            }
            ToOutbox::Answers(answers) => {
                self.is_asking = false;
                self.answers = answers;
                self.show_stall();
            }
            ToOutbox::Drain { within, done } => {
                self.parts.queue.release_all();
                self.drain = Some((Instant::now() + within, done));
                self.end_drain();
            }
        }
    }

    /// Moves what can leave into the stream.
    fn submit(&mut self) {
        if !self.parts.queue.has_ready() {
            return;
        }
        if self.stream.is_closed() {
            if self.retry_at.is_some_and(|retry_at| retry_at > Instant::now()) {
                return;
            }
            self.retry_at = None;
            self.opened_at = Instant::now();
            self.parts.metrics.streams.inc();
            self.stream.open();
        }
        while self.stream.has_room()
            && let Some(group) = self.parts.queue.submit()
        {
            self.waiting_since.get_or_insert_with(Instant::now);
            self.stream.send(group);
        }
    }

    fn happened(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Room => {}
            StreamEvent::Opened => self.parts.board.reporter_connected(),
            StreamEvent::Settled(mark) => self.settled(mark),
            StreamEvent::Failed(error) => self.failed(&error),
        }
    }

    fn settled(&mut self, mark: v1::Settled) {
        let groups = match self.parts.queue.settle(mark.number) {
            Ok(groups) => groups,
            Err(wrong) => return self.failed(&wrong.into()),
        };
        if groups.is_empty() {
            return;
        }
        self.backoff.reset();
        self.answers = true;
        self.waiting_since = self.parts.queue.has_unsettled().then(Instant::now);
        self.parts.board.reporter_settled();
        for (number, group) in groups {
            let losses = mark.lost.iter().filter(|loss| loss.number == number);
            let (delivered, lost) = group.outcome(losses);
            let n: u64 = lost.iter().map(|(_, counts)| counts.total()).sum();
            if n > 0 {
                self.parts.metrics.lost.add(n);
                if let Some(suppressed) = self.losses.permit() {
                    let causes: Vec<&str> = lost.iter().map(|(cause, _)| cause.name()).collect();
                    tracing::warn!(events = n, ?causes, suppressed, "no output has these events");
                }
            }
            self.tracker.settle(group.head().batch, &delivered, &lost);
        }
        self.end_drain();
    }

    fn failed(&mut self, error: &SubmitError) {
        self.parts.board.reporter_failed(error);
        self.stream.close();
        self.parts.queue.begin_again();
        self.retry_at = Some(Instant::now() + self.backoff.pause());
    }

    fn next_timer(&self) -> Option<Instant> {
        let retry = self.retry_at.filter(|_| self.parts.queue.has_ready());
        let is_waiting = !self.stream.is_closed() && self.parts.queue.has_unsettled();
        let stall = self.waiting_since.filter(|_| is_waiting);
        let stall = stall.map(|since| (since + SHOW_STALL).max(self.stall_seen + STALL_TICK));
        let drain = self.drain.as_ref().map(|(until, _)| *until);
        [self.parts.queue.deadline(), retry, stall, drain].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let directory = self.parts.tagger.directory().clone();
        self.parts.queue.expire(now, |container| directory.known(container));
        self.watch_progress(now);
        if let Some((_, done)) = self.drain.take_if(|(until, _)| *until <= now) {
            answer(done, self.parts.queue.payloads());
        }
    }

    fn watch_progress(&mut self, now: Instant) {
        let Some(since) = self.waiting_since.filter(|_| !self.stream.is_closed()) else { return };
        if now < since + SHOW_STALL || now < self.stall_seen + STALL_TICK {
            return;
        }
        self.stall_seen = now;
        self.ask();
        self.show_stall();
        let limit = if self.answers { GIVE_UP_ON_ANSWERING } else { GIVE_UP };
        if now >= self.opened_at.max(since) + limit {
            self.failed(&self.stall(now - since));
        }
    }

    fn show_stall(&self) {
        let stalled =
            self.waiting_since.map(|since| since.elapsed()).filter(|stalled| *stalled >= SHOW_STALL);
        if let Some(stalled) = stalled {
            self.parts.board.reporter_failed(&self.stall(stalled));
        }
    }

    fn stall(&self, stalled: Duration) -> SubmitError {
        if self.answers { SubmitError::OutputStalled(stalled) } else { SubmitError::Stalled(stalled) }
    }

    /// Finds out whether the reporter is there at all, and lets it know when everything stands; the answer comes as a message.
    fn ask(&mut self) {
        if std::mem::replace(&mut self.is_asking, true) {
            return;
        }
        let (mut reporter, own) = (self.parts.reporter.clone(), self.parts.own.clone());
        let stands = self.parts.room.is_wanted();
        tokio::spawn(async move {
            let answered = tokio::time::timeout(ANSWER, reporter.status(stands)).await;
            // When the task has ended, nobody asks.
            drop(own.send(ToOutbox::Answers(matches!(answered, Ok(Ok(_))))).await);
        });
    }

    fn end_drain(&mut self) {
        if self.parts.queue.is_empty()
            && let Some((_, done)) = self.drain.take()
        {
            answer(done, 0);
        }
    }
}

/// The supervisor may have stopped waiting; then nobody needs the answer.
fn answer(done: oneshot::Sender<u64>, left: u64) {
    if done.send(left).is_err() {
        tracing::debug!(left, "nobody waits for the drain");
    }
}

#[cfg(test)]
mod tests;
