//! The actor that shows events to subscribers. A slow one misses events and is told how many; nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture};
use bootstrap::log_limit::LogLimit;
use event::Host;
use event_json::Names;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use wire::v1;

use super::describe;
use super::filter::Filter;
use crate::context::tags::Directory;
use crate::link::wanted::{Wanted, Who};
use crate::metrics::ApiMetrics;
use crate::output::published::Published;
use crate::output::render::{BatchIds, Renderer};

/// Show these events to whoever wants them.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Publish(pub Arc<Published>);

/// Somebody wants events.
#[derive(Debug, Message)]
#[rtype(result = "Subscription")]
pub struct Subscribe {
    /// Which.
    pub filter: Filter,
    /// With their JSON.
    pub with_json: bool,
}

/// The receiving end of a subscription.
pub type Subscription = mpsc::Receiver<v1::EventMessage>;

/// How many subscribe, for who must not work for nobody.
#[derive(Debug, Clone, Default)]
pub struct Audience(Arc<AtomicUsize>);

impl Audience {
    /// Whether anybody subscribes.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

#[derive(Debug)]
struct Subscriber {
    filter: Filter,
    with_json: bool,
    sender: mpsc::Sender<v1::EventMessage>,
    dropped: u64,
}

/// Writes JSON for those who asked for it, for one host at a time.
struct JsonFor {
    host: Arc<Host>,
    renderer: Renderer,
}

/// The actor.
pub struct SubscriptionManager {
    subscribers: Vec<Subscriber>,
    names: Names,
    json: Option<JsonFor>,
    audience: Audience,
    capacity: usize,
    directory: Directory,
    wanted: Wanted,
    metrics: ApiMetrics,
    drops: LogLimit,
}

impl SubscriptionManager {
    /// Nobody yet; each may be `capacity` events behind.
    #[must_use]
    pub fn new(
        capacity: usize,
        names: Names,
        directory: Directory,
        wanted: Wanted,
        metrics: ApiMetrics,
    ) -> Self {
        let audience = Audience::default();
        Self {
            subscribers: Vec::new(),
            names,
            json: None,
            audience,
            capacity,
            directory,
            wanted,
            metrics,
            drops: LogLimit::default(),
        }
    }

    /// Knows whether anybody subscribes.
    #[must_use]
    pub fn audience(&self) -> Audience {
        self.audience.clone()
    }

    fn publish(&mut self, published: &Published) {
        if self.json.as_ref().is_some_and(|json| *json.host != *published.host) {
            self.json = None;
        }
        let ids = BatchIds::new(published.session, published.seq);
        let before = self.metrics.dropped_slow.get();
        for (index, event) in published.events.iter().enumerate() {
            let container = event.event.task.cgroup.workload.container_id();
            // Made for the first subscriber that wants it.
            let (mut message, mut rendered) = (None, None);
            self.subscribers.retain_mut(|subscriber| {
                if !subscriber.filter.passes(&event.event, &self.directory) {
                    return true;
                }
                let message = message.get_or_insert_with(|| {
                    let tags = container.and_then(|container| self.directory.known(container));
                    describe::message(event, &published.host, tags.as_deref())
                });
                let json = if subscriber.with_json {
                    let rendered = rendered.get_or_insert_with(|| {
                        let json = self.json.get_or_insert_with(|| JsonFor {
                            host: Arc::clone(&published.host),
                            renderer: Renderer::new(&published.host, self.names.clone()),
                        });
                        let mut out = Vec::new();
                        json.renderer.event(&mut out, &ids, index, event);
                        self.metrics.rendered.inc();
                        out
                    });
                    rendered.clone()
                } else {
                    Vec::new()
                };
                subscriber.send(v1::EventMessage { json, ..message.clone() }, &self.metrics)
            });
        }
        let dropped = self.metrics.dropped_slow.get() - before;
        if dropped > 0
            && let Some(suppressed) = self.drops.permit()
        {
            tracing::warn!(dropped, suppressed, "a subscriber is too slow and does not get every event");
        }
        self.show();
    }

    /// Forgets who has left, also when nothing comes that it could be told by.
    fn forget(&mut self) {
        self.subscribers.retain(|subscriber| !subscriber.sender.is_closed());
        self.show();
    }

    fn show(&self) {
        let wanted = self.subscribers.iter().flat_map(|subscriber| subscriber.filter.kinds());
        self.wanted.set(Who::Subscribers, wanted.collect());
        self.audience.0.store(self.subscribers.len(), Ordering::Relaxed);
        self.metrics.subscribers.set(u64::try_from(self.subscribers.len()).unwrap_or(u64::MAX));
    }
}

impl Subscriber {
    /// Sends a message if there is room; false when the subscriber has left.
    fn send(&mut self, mut message: v1::EventMessage, metrics: &ApiMetrics) -> bool {
        message.dropped_before = self.dropped;
        match self.sender.try_send(message) {
            Ok(()) => {
                self.dropped = 0;
                true
            }
            Err(TrySendError::Full(_)) => {
                self.dropped += 1;
                metrics.dropped_slow.inc();
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

impl Actor for SubscriptionManager {
    type Context = Context<Self>;
}

impl Handler<Publish> for SubscriptionManager {
    type Result = ();

    fn handle(&mut self, Publish(published): Publish, _: &mut Self::Context) {
        self.publish(&published);
    }
}

impl Handler<Subscribe> for SubscriptionManager {
    type Result = MessageResult<Subscribe>;

    fn handle(
        &mut self,
        Subscribe { filter, with_json }: Subscribe,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let (sender, receiver) = mpsc::channel(self.capacity);
        let leaves = sender.clone();
        let left = async move { leaves.closed().await };
        ctx.spawn(left.into_actor(self).map(|(), manager, _| manager.forget()));
        self.subscribers.push(Subscriber { filter, with_json, sender, dropped: 0 });
        self.show();
        MessageResult(receiver)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use event::{Event, ExitStatus, Kind, What};

    use super::*;
    use crate::metrics::Metrics;
    use crate::stages::dispatch::{Dispatched, Marks};
    use process_tree::{Limits, Tree};

    fn published(numbers: std::ops::Range<u64>) -> Published {
        let event = Event { boot_ns: 1, task: Arc::default(), what: What::Exit(ExitStatus::Exited(3)) };
        let run = Tree::new(Limits::default()).apply(&event);
        let dispatched = |number| Dispatched {
            number,
            event: event.clone(),
            run: Arc::clone(&run),
            tags: None,
            marks: Marks::default(),
        };
        Published { events: numbers.map(dispatched).collect(), ..Published::default() }
    }

    #[test]
    fn a_slow_subscriber_is_told_how_many_events_it_missed() {
        let metrics = Metrics::new().api;
        let directory = Directory::new(NonZeroUsize::MIN, Duration::from_secs(1), Duration::ZERO);
        let wanted = Wanted::default();
        let mut manager =
            SubscriptionManager::new(2, Names::default(), directory, wanted.clone(), metrics.clone());
        let (sender, mut receiver) = mpsc::channel(2);
        let filter = Filter::from_request(&v1::SubscribeRequest {
            kinds: vec!["exit".into()],
            ..v1::SubscribeRequest::default()
        })
        .unwrap();
        manager.subscribers.push(Subscriber { filter, with_json: true, sender, dropped: 0 });
        manager.publish(&published(1..6));
        assert_eq!(wanted.watch().borrow().union(), [Kind::Exit].into());
        assert_eq!(metrics.dropped_slow.get(), 3);
        assert_eq!(receiver.try_recv().unwrap().seq, 1);
        manager.publish(&published(6..7));
        assert!(receiver.try_recv().unwrap().json.starts_with(br#"{"agent":{"event_id":"0-0-1"},"#));
        let after = receiver.try_recv().unwrap();
        assert_eq!((after.seq, after.dropped_before, after.detail.as_str()), (6, 3, "exited 3"));
        drop(receiver);
        manager.publish(&published(7..8));
        assert_eq!(metrics.subscribers.get(), 0);
        assert!(wanted.watch().borrow().union().is_empty());
    }
}
