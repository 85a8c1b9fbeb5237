//! The actor that labels payloads and keeps submitting them until the reporter has them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, ResponseFuture, WrapFuture,
};
use tokio::sync::oneshot;

use super::labeller::Labeller;
use super::queue::Queue;
use super::reporter::{Reporter, SubmitError};
use crate::backoff::Backoff;
use crate::ingest::Published;
use crate::labels::{Directory, Labelled, Resolve};
use crate::status::StatusBoard;

/// How often waiting payloads are looked at, when nothing else happens.
const TICK: Duration = Duration::from_millis(100);

/// Take these events to the reporter.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Arc<Published>);

/// The service ends: submit what is there, until `within` is over. Answers how many payloads were left.
#[derive(Debug, Message)]
#[rtype(result = "u64")]
pub struct Drain {
    /// How long it may take.
    pub within: Duration,
}

/// What an [`OutboxManager`] is made of.
pub struct OutboxParts {
    /// Holds the payloads.
    pub queue: Queue,
    /// Takes them.
    pub reporter: Reporter,
    /// What is known of containers.
    pub directory: Directory,
    /// Where the connection to the reporter is shown.
    pub board: StatusBoard,
}

/// The actor.
pub struct OutboxManager {
    parts: OutboxParts,
    labeller: Labeller,
    backoff: Backoff,
    is_submitting: bool,
    drained: Option<oneshot::Sender<u64>>,
}

/// Ask here for the labels of containers. Until this arrives payloads go unlabelled.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct UseResolver(pub Recipient<Resolve>);

impl OutboxManager {
    /// An outbox with these parts.
    #[must_use]
    pub fn new(parts: OutboxParts) -> Self {
        let labeller = Labeller::new(parts.directory.clone());
        Self { parts, labeller, backoff: Backoff::default(), is_submitting: false, drained: None }
    }

    fn submit_next(&mut self, ctx: &mut Context<Self>) {
        self.parts.queue.show();
        if self.is_submitting {
            return;
        }
        let batch = self.parts.queue.next_batch();
        if batch.is_empty() {
            if self.parts.queue.is_empty()
                && let Some(drained) = self.drained.take()
            {
                answer(drained, 0);
            }
            return;
        }
        self.is_submitting = true;
        let mut reporter = self.parts.reporter.clone();
        let submit = async move { (reporter.submit(batch).await, reporter) };
        ctx.spawn(submit.into_actor(self).map(|(result, reporter), outbox, ctx| {
            outbox.parts.reporter = reporter;
            outbox.finish(result, ctx);
        }));
    }

    fn finish(&mut self, result: Result<(), SubmitError>, ctx: &mut Context<Self>) {
        match result {
            Ok(()) => {
                self.parts.queue.acknowledge();
                self.backoff.reset();
                self.parts.board.reporter_reached();
            }
            Err(error) if error.is_retriable() => {
                self.parts.board.reporter_failed(&error);
                self.parts.queue.retry();
                // Nothing is submitted until the pause is over.
                let pause = self.backoff.pause();
                ctx.run_later(pause, |outbox, ctx| {
                    outbox.is_submitting = false;
                    outbox.submit_next(ctx);
                });
                return;
            }
            Err(error) => {
                self.parts.board.reporter_failed(&error);
                self.parts.queue.refuse();
            }
        }
        self.is_submitting = false;
        self.submit_next(ctx);
    }
}

impl Actor for OutboxManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |outbox, ctx| {
            let directory = outbox.parts.directory.clone();
            outbox.parts.queue.expire(Instant::now(), |container| directory.known(container));
            outbox.submit_next(ctx);
        });
    }
}

impl Handler<UseResolver> for OutboxManager {
    type Result = ();

    fn handle(&mut self, UseResolver(resolver): UseResolver, _: &mut Self::Context) {
        self.labeller.ask_at(resolver);
    }
}

impl Handler<Deliver> for OutboxManager {
    type Result = ();

    fn handle(&mut self, Deliver(published): Deliver, ctx: &mut Self::Context) {
        let now = Instant::now();
        for event in &published.events {
            let (payload, readiness) = self.labeller.payload(event, published.host.wall_offset_ns, now);
            self.parts.queue.push(payload, readiness, now);
        }
        self.submit_next(ctx);
    }
}

impl Handler<Labelled> for OutboxManager {
    type Result = ();

    fn handle(&mut self, Labelled { container }: Labelled, ctx: &mut Self::Context) {
        let labels = self.parts.directory.known(&container);
        self.parts.queue.settle(&container, labels);
        self.submit_next(ctx);
    }
}

impl Handler<Drain> for OutboxManager {
    type Result = ResponseFuture<u64>;

    fn handle(&mut self, Drain { within }: Drain, ctx: &mut Self::Context) -> Self::Result {
        self.parts.queue.release_all();
        let (sender, drained) = oneshot::channel();
        self.drained = Some(sender);
        ctx.run_later(within, |outbox, _| {
            let left = outbox.parts.queue.give_up();
            if let Some(drained) = outbox.drained.take() {
                answer(drained, left);
            }
        });
        self.submit_next(ctx);
        Box::pin(async move { drained.await.unwrap_or(0) })
    }
}

/// The supervisor may have stopped waiting; then nobody needs the answer.
fn answer(drained: oneshot::Sender<u64>, left: u64) {
    if drained.send(left).is_err() {
        tracing::debug!(left, "nobody waits for the drain");
    }
}
