//! The task around the pipeline: batches of the probe in, dispatched events out to everybody who takes them.
//!
//! While the outbox has no room, no batch is taken, so that the probe's backlog is the only place where events of a
//! slow analyzer are dropped, and where they are counted. Requests of the API are answered meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::Recipient;
use bytes::Bytes;
use event::{Event, Host, PerKind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::Status;
use wire::batch::{Decoded, Lane, News};
use wire::v1;
use wire::v1::from_probe::Message as FromProbe;

use crate::config::{Config, OutputEvents};
use crate::context::workloads::Workloads;
use crate::link::wanted::{Wanted, Who};
use crate::metrics::Metrics;
use crate::output::outbox::{Acks, BatchId, Room, ToOutbox};
use crate::output::payloads::Payloads;
use crate::output::published::Published;
use crate::output::render::Renderer;
use crate::output::subscribers::{Audience, Publish, Recorders};
use crate::stages::pipeline::{Pipeline, Processed};
use bootstrap::log_limit::LogLimit;

/// What the link to the probe brings.
#[derive(Debug)]
pub enum FromLink {
    /// A connection begins; acknowledgements go there.
    Begin(v1::ProbeHello, Acks),
    /// An encoded batch.
    Batch(Bytes),
    /// What the probe says of itself.
    Report(Box<v1::ProbeStatus>),
}

/// Messages of a recording.
pub type Recording = mpsc::Receiver<Result<v1::FromProbe, Status>>;

/// Record the stream from here on: hello, the processes known now, then every batch, scrubbed.
#[derive(Debug)]
pub struct StartRecord(pub oneshot::Sender<Recording>);

/// Who gets the events.
pub struct Outlets {
    /// Takes payloads to the reporter.
    pub outbox: mpsc::Sender<ToOutbox>,
    /// Bytes that the outbox has room for.
    pub room: Room,
    /// Shows events to subscribers.
    pub subscriptions: Recipient<Publish>,
    /// Whether there are subscribers.
    pub audience: Audience,
    /// Takes what the stages want observed.
    pub wanted: Wanted,
}

/// The outbox has ended.
struct Ended;

/// How long nothing has to come before the stages are told how late it is.
const QUIET: Duration = Duration::from_secs(1);

/// The task.
pub struct Ingest {
    pipeline: Pipeline,
    renderer: Renderer,
    names: event_json::Names,
    outlets: Outlets,
    recorders: Recorders,
    workloads: Workloads,
    metrics: Metrics,
    limits: LogLimits,
    events: OutputEvents,
    group_bytes: usize,
    max_bytes: usize,
    session: u64,
    /// Which of the probes seen so far this is.
    probe: u64,
    work: VecDeque<Work>,
    /// What is handed over next.
    next: Option<ToOutbox>,
    /// When something came last.
    last_came: Instant,
}

#[derive(Default)]
struct LogLimits {
    undecodable: LogLimit,
    unknown_kinds: LogLimit,
    lost: LogLimit,
    missing: LogLimit,
    unpublished: LogLimit,
}

/// What is to be done before the next batch is taken.
enum Work {
    Tell(ToOutbox),
    Render(Payloads),
}

impl Ingest {
    /// A task around this pipeline.
    #[must_use]
    pub fn new(
        pipeline: Pipeline,
        names: event_json::Names,
        outlets: Outlets,
        workloads: Workloads,
        recorders: Recorders,
        metrics: Metrics,
        config: &Config,
    ) -> Self {
        outlets.wanted.set(Who::Stages, pipeline.wanted());
        Self {
            renderer: Renderer::new(pipeline.host(), names.clone()),
            pipeline,
            names,
            outlets,
            recorders,
            workloads,
            metrics,
            limits: LogLimits::default(),
            events: config.output.events,
            group_bytes: config.outbox.group_bytes.get(),
            max_bytes: config.outbox.max_bytes.get(),
            session: 0,
            probe: 0,
            work: VecDeque::new(),
            next: None,
            last_came: Instant::now(),
        }
    }

    /// Works until the link or the outbox has ended.
    pub async fn run(
        mut self,
        mut link: mpsc::Receiver<FromLink>,
        mut requests: mpsc::Receiver<StartRecord>,
    ) {
        let mut look = interval(QUIET);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_busy = self.next.is_some() || !self.work.is_empty();
            tokio::select! {
                biased;
                Some(StartRecord(answer)) = requests.recv() => {
                    // Who asked may have left.
                    drop(answer.send(self.recorders.start(&self.pipeline.known())));
                }
                handed_over = self.hand_over(), if is_busy => if handed_over.is_err() {
                    tracing::error!("the outbox has ended, events do not reach the reporter");
                    return;
                },
                message = link.recv(), if !is_busy => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                // What waits in the link comes first, so here nothing does.
                _ = look.tick(), if !is_busy => if self.last_came.elapsed() >= QUIET {
                    self.quiet();
                },
            }
        }
    }

    /// Hands one thing over to the outbox, as soon as there is room. May be dropped at any time.
    async fn hand_over(&mut self) -> Result<(), Ended> {
        if self.next.is_none() {
            self.next = self.next_work();
        }
        let Some(next) = &self.next else { return Ok(()) };
        let room = if let ToOutbox::Deliver(group) = next {
            // A group that is larger than its part of the outbox goes when that is empty.
            let bytes = group.bytes().min(self.max_bytes / 4);
            Some(self.outlets.room.take(group.is_urgent(), bytes).await.ok_or(Ended)?)
        } else {
            None
        };
        let place = self.outlets.outbox.reserve().await.map_err(|_ended| Ended)?;
        match (self.next.take(), room) {
            (Some(ToOutbox::Deliver(group)), Some(room)) => {
                place.send(ToOutbox::Deliver(Box::new(group.with_room(room))));
            }
            (Some(message), _) => place.send(message),
            (None, _) => {}
        }
        Ok(())
    }

    fn next_work(&mut self) -> Option<ToOutbox> {
        loop {
            let group = match self.work.front_mut()? {
                Work::Render(payloads) => payloads.next(&mut self.renderer, self.group_bytes),
                Work::Tell(_) => None,
            };
            if let Some(group) = group {
                return Some(ToOutbox::Deliver(Box::new(group)));
            }
            if let Some(Work::Tell(message)) = self.work.pop_front() {
                return Some(message);
            }
        }
    }

    /// Tells the stages how late it is.
    fn quiet(&mut self) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let offset = self.pipeline.host().wall_offset_ns;
        let wall = nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let now_ns = wall.saturating_add_signed(offset.saturating_neg());
        self.pipeline.quiet(nanos(self.last_came.elapsed()), now_ns);
        self.outlets.wanted.set(Who::Stages, self.pipeline.wanted());
    }

    fn take(&mut self, message: FromLink) {
        self.last_came = Instant::now();
        match message {
            FromLink::Begin(hello, acks) => self.begin(hello, acks),
            FromLink::Batch(bytes) => self.batch(bytes),
            FromLink::Report(status) => self.recorders.send(&FromProbe::Status(*status)),
        }
    }

    fn begin(&mut self, hello: v1::ProbeHello, acks: Acks) {
        self.metrics.link.connected.inc();
        let host: Host = hello.host.clone().unwrap_or_default().into();
        if host != **self.pipeline.host() {
            self.renderer = Renderer::new(&host, self.names.clone());
        }
        if !self.pipeline.begin(host, hello.session) {
            self.probe += 1;
            self.metrics.link.probes.inc();
        }
        self.session = hello.session;
        self.work.push_back(Work::Tell(ToOutbox::Begin(self.probe, acks)));
        self.recorders.begin(hello);
        // Whoever waits for the clock need not wait for the first event.
        self.quiet();
    }

    fn batch(&mut self, bytes: Bytes) {
        self.metrics.link.batches.inc();
        let seq = wire::batch::number(&bytes);
        match wire::batch::parse(bytes).and_then(|batch| wire::batch::decode(&batch)) {
            Ok(decoded) => self.decoded(decoded),
            Err(error) => {
                self.metrics.link.undecodable.inc();
                if let Some(suppressed) = self.limits.undecodable.permit() {
                    tracing::error!(%error, seq, suppressed, "dropped a batch that cannot be decoded");
                }
                // The probe counts what no ledger accounts for.
                let (is_repeated, missing) = self.pipeline.pass(seq);
                self.missing(missing, seq);
                self.tell(seq, is_repeated, |_| ());
            }
        }
    }

    fn decoded(&mut self, decoded: Decoded) {
        self.told(&decoded);
        let (lane, backlog_percent) = (decoded.news.lane, decoded.news.backlog_percent);
        let Self { pipeline, workloads, .. } = self;
        let processed = pipeline.process_with(decoded, |cgroup| workloads.tags(cgroup));
        if processed.is_repeated {
            self.metrics.link.repeated.inc();
            return self.tell(processed.seq, true, |_| ());
        }
        self.missing(processed.missing, processed.seq);
        self.metrics.tree.show(&self.pipeline.tree_stats());
        self.outlets.wanted.set(Who::Stages, self.pipeline.wanted());
        if !self.recorders.is_empty() {
            self.record(&processed);
        }
        let published = self.publish(processed);
        self.tell(published.seq, false, |ingest| {
            let takes_events = ingest.events == OutputEvents::All;
            let mut no_taker = PerKind::default();
            if !takes_events {
                for event in published.events.iter().enumerate().filter_map(published.untaken()) {
                    *no_taker.get_mut(event.event.kind()) += 1;
                }
            }
            let batch = BatchId { probe: ingest.probe, seq: published.seq };
            let payloads = Payloads::new(published, batch, takes_events, lane == Lane::Main, backlog_percent);
            ingest.work.push_back(Work::Render(payloads));
            no_taker
        });
    }

    /// Counts batches that never came, which only a defect of the probe can cause.
    fn missing(&self, batches: u64, before_seq: u64) {
        self.metrics.link.missing.add(batches);
        if batches > 0
            && let Some(suppressed) = self.limits.missing.permit()
        {
            tracing::error!(batches, before_seq, suppressed, "batches of the probe are missing");
        }
    }

    /// Counts what a batch says beside its events.
    fn told(&self, decoded: &Decoded) {
        let News { lost, not_observed, .. } = &decoded.news;
        let link = &self.metrics.link;
        link.unknown_kinds.add(decoded.unknown_kinds);
        if decoded.unknown_kinds > 0
            && let Some(suppressed) = self.limits.unknown_kinds.permit()
        {
            let events = decoded.unknown_kinds;
            tracing::warn!(events, suppressed, "skipped events of kinds that this version does not know");
        }
        link.not_observed.add(u64::try_from(not_observed.len()).unwrap_or(u64::MAX));
        let n: u64 = lost.iter().map(|loss| loss.counts.total()).sum();
        link.lost.add(n);
        if n > 0
            && let Some(first) = lost.first()
            && let Some(suppressed) = self.limits.lost.permit()
        {
            let (workload, cause) = (&*first.workload, first.cause.name());
            tracing::warn!(events = n, workload, cause, suppressed, "the probe had to drop events");
        }
    }

    /// Tells the outbox of a batch; `work` names what it causes.
    fn tell<T: Into<NoTaker>>(&mut self, seq: u64, is_repeated: bool, work: impl FnOnce(&mut Self) -> T) {
        let batch = BatchId { probe: self.probe, seq };
        let is_numbered = seq != 0;
        if is_numbered {
            self.work.push_back(Work::Tell(ToOutbox::Received { batch, is_new: !is_repeated }));
        }
        let NoTaker(no_taker) = work(self).into();
        if is_numbered && !is_repeated {
            self.work.push_back(Work::Tell(ToOutbox::Close { batch, no_taker }));
        }
    }

    fn publish(&self, processed: Processed) -> Arc<Published> {
        let published = Arc::new(Published {
            host: Arc::clone(self.pipeline.host()),
            session: self.session,
            seq: processed.seq,
            events: processed.events,
            emitted: processed.emitted,
            custom: processed.custom,
        });
        if self.outlets.audience.is_there()
            && self.outlets.subscriptions.try_send(Publish(Arc::clone(&published))).is_err()
        {
            self.metrics.api.dropped_batches.inc();
            if let Some(suppressed) = self.limits.unpublished.permit() {
                tracing::warn!(
                    suppressed,
                    "subscribers do not get a batch: showing events is slower than they come"
                );
            }
        }
        published
    }

    fn record(&mut self, processed: &Processed) {
        let events: Vec<Event> = processed.events.iter().map(|event| event.event.clone()).collect();
        let mut batch = wire::batch::encode(processed.seq, &processed.processes, &events);
        wire::batch::set_news(&mut batch, &processed.news);
        self.recorders.send(&wire::batch::message(&batch));
    }
}

/// Events of a batch that nobody takes.
struct NoTaker(PerKind<u64>);

impl From<()> for NoTaker {
    fn from((): ()) -> Self {
        Self(PerKind::default())
    }
}

impl From<PerKind<u64>> for NoTaker {
    fn from(counts: PerKind<u64>) -> Self {
        Self(counts)
    }
}
