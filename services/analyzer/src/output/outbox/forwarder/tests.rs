use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;

use actix::{Actor, Context, Handler};
use bootstrap::counters::Registry;
use bootstrap::socket::{self, PeerUids};
use event::Kind;
use tempfile::TempDir;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::context::tags::{Directory, Resolve};
use crate::context::workloads::Workloads;
use crate::metrics::Metrics;
use crate::output::outbox::group::{Fixed, Head, Label};

/// Nobody knows any container.
struct Silent;

impl Actor for Silent {
    type Context = Context<Self>;
}

impl Handler<Resolve> for Silent {
    type Result = ();

    fn handle(&mut self, _: Resolve, _: &mut Self::Context) {}
}

/// Where the settled marks of a stream go.
type Marks = mpsc::Sender<Result<v1::Settled, Status>>;

/// A reporter that takes groups and settles nothing.
#[derive(Clone)]
struct Stopped {
    answers: bool,
    /// What the questions how it is said.
    stands: Arc<Mutex<Vec<bool>>>,
    streams: Arc<Mutex<Vec<Marks>>>,
    submitted: mpsc::Sender<(usize, u64)>,
}

#[tonic::async_trait]
impl v1::reporter_server::Reporter for Stopped {
    type SubmitStream = ReceiverStream<Result<v1::Settled, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<v1::PayloadGroup>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let (marks, settled) = mpsc::channel(4);
        let stream = {
            let mut streams = self.streams.lock().unwrap();
            streams.push(marks);
            streams.len()
        };
        let (mut groups, submitted) = (request.into_inner(), self.submitted.clone());
        tokio::spawn(async move {
            while let Ok(Some(group)) = groups.message().await {
                submitted.send((stream, group.number)).await.unwrap();
            }
        });
        Ok(Response::new(ReceiverStream::new(settled)))
    }

    async fn get_status(
        &self,
        request: Request<v1::ReporterStatusRequest>,
    ) -> Result<Response<v1::ServiceStatus>, Status> {
        self.stands.lock().unwrap().push(request.get_ref().stands);
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(v1::ServiceStatus::default()))
    }

    type HandOverStream = ReceiverStream<Result<v1::HandOverRequest, Status>>;

    async fn hand_over(
        &self,
        _: Request<Streaming<v1::HandedOver>>,
    ) -> Result<Response<Self::HandOverStream>, Status> {
        Err(Status::unimplemented("there is no reader of metrics"))
    }
}

struct World {
    outbox: mpsc::Sender<ToOutbox>,
    board: StatusBoard,
    acks: Acks,
    room: Room,
    reporter: Stopped,
    submitted: mpsc::Receiver<(usize, u64)>,
    _dir: TempDir,
}

impl World {
    fn start(answers: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("reporter.sock");
        let (sender, submitted) = mpsc::channel(64);
        let reporter =
            Stopped { answers, stands: Arc::default(), streams: Arc::default(), submitted: sender };
        let room = Room::new(4);
        serve(&path, reporter.clone());
        let metrics = Metrics::new();
        let directory =
            Directory::new(NonZeroUsize::MIN, Duration::from_secs(30), Duration::from_millis(500));
        let (own, messages) = mpsc::channel(64);
        let board = StatusBoard::default();
        let outbox = Outbox::new(OutboxParts {
            queue: Queue::new(1 << 20, Fixed::default(), metrics.outbox.clone()),
            reporter: Reporter::new(path),
            tagger: Tagger::new(Workloads::new(directory, Silent.start().recipient())),
            room: room.clone(),
            board: board.clone(),
            metrics: metrics.outbox,
            own: own.clone(),
        });
        tokio::spawn(outbox.run(messages));
        Self { outbox: own, board, acks: Acks::default(), room, reporter, submitted, _dir: dir }
    }

    async fn batch(&self, seq: u64, container: Option<&str>) {
        let batch = BatchId { probe: 1, seq };
        let mut group = Group::new(Head {
            batch,
            is_urgent: true,
            container: container.map(Arc::from),
            ..Head::default()
        });
        group.add(Label::Event(Kind::Open), 0, |out| out.extend_from_slice(b"{}"));
        let deliver = ToOutbox::Deliver(Box::new(group.finish()));
        let close = ToOutbox::Close { batch, no_taker: PerKind::default() };
        if seq == 1 {
            self.outbox.send(ToOutbox::Begin(1, self.acks.clone())).await.unwrap();
        }
        for message in [ToOutbox::Received { batch, is_new: true }, deliver, close] {
            self.outbox.send(message).await.unwrap();
        }
    }

    fn error(&self) -> String {
        self.board.answer(&Registry::default(), std::time::Instant::now()).reporter_error
    }

    async fn settle(&self, number: u64) {
        let newest = self.reporter.streams.lock().unwrap().last().cloned().unwrap();
        newest.send(Ok(v1::Settled { number, lost: Vec::new() })).await.unwrap();
    }
}

fn serve(path: &Path, reporter: Stopped) {
    let own = PeerUids::new([nix::unistd::geteuid().as_raw()]);
    let incoming = UnixListenerStream::new(socket::bind(path, &own).unwrap());
    let service = v1::reporter_server::ReporterServer::new(reporter);
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
}

/// Runs with a clock that moves when everybody waits for it.
fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(async {
        tokio::time::pause();
        // Something that never comes fails the test; the clock passes this as soon as nothing else happens.
        tokio::time::timeout(Duration::from_secs(600), test).await.unwrap();
    });
}

#[test]
fn a_reporter_that_settles_nothing_is_shown_after_ten_seconds_and_gets_everything_again_after_thirty() {
    run(async {
        let mut world = World::start(false);
        let began = Instant::now();
        world.batch(1, None).await;
        assert_eq!(world.submitted.recv().await, Some((1, 1)));
        tokio::time::sleep_until(began + Duration::from_millis(9_500)).await;
        assert_eq!(world.error(), "");
        tokio::time::sleep_until(began + Duration::from_millis(12_800)).await;
        assert_eq!(world.error(), "no progress for 12 s: is it stopped?");
        assert_eq!(world.submitted.recv().await, Some((2, 1)), "again, on a new stream");
        let again = began.elapsed();
        assert!(again >= GIVE_UP && again < GIVE_UP + Duration::from_secs(3), "{again:?}");
        world.settle(1).await;
        assert_eq!(world.acks.next().await.seq, 1);
        assert_eq!(world.error(), "");
    });
}

#[test]
fn a_reporter_that_answers_while_an_output_of_it_is_down_is_not_given_up() {
    run(async {
        let mut world = World::start(true);
        let began = Instant::now();
        world.batch(1, None).await;
        assert_eq!(world.submitted.recv().await, Some((1, 1)));
        tokio::time::sleep_until(began + Duration::from_secs(60)).await;
        assert!(world.error().contains("although it answers"), "{}", world.error());
        assert_eq!(world.reporter.streams.lock().unwrap().len(), 1);
        world.settle(1).await;
        assert_eq!(world.acks.next().await.seq, 1);
    });
}

#[test]
fn a_reporter_is_told_when_nothing_settles_and_a_batch_waits_for_room() {
    run(async {
        let mut world = World::start(true);
        let began = Instant::now();
        world.batch(1, None).await;
        assert_eq!(world.submitted.recv().await, Some((1, 1)));
        tokio::time::sleep_until(began + Duration::from_secs(12)).await;
        let stands = || std::mem::take(&mut *world.reporter.stands.lock().unwrap());
        let asked = stands();
        assert!(!asked.is_empty() && !asked.contains(&true), "there is room: {asked:?}");
        let held = world.room.take(true, 3).await;
        let room = world.room.clone();
        tokio::spawn(async move { room.take(true, 1).await });
        tokio::time::sleep_until(began + Duration::from_secs(15)).await;
        assert_eq!(stands().last(), Some(&true));
        drop(held);
        tokio::time::sleep_until(began + Duration::from_secs(18)).await;
        assert_eq!(stands().last(), Some(&false));
    });
}

#[test]
fn payloads_of_a_container_that_nobody_knows_leave_after_half_a_second_and_from_then_on_at_once() {
    run(async {
        let mut world = World::start(true);
        let began = Instant::now();
        world.batch(1, Some("c")).await;
        assert_eq!(world.submitted.recv().await, Some((1, 1)));
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(500) && waited < Duration::from_millis(520), "{waited:?}");
        world.batch(2, Some("c")).await;
        assert_eq!(world.submitted.recv().await, Some((1, 2)));
        assert!(began.elapsed() < waited + Duration::from_millis(20), "{:?}", began.elapsed());
    });
}

#[test]
fn there_is_no_timer_while_nothing_waits() {
    run(async {
        let mut world = World::start(true);
        world.batch(1, None).await;
        world.submitted.recv().await;
        world.settle(1).await;
        world.acks.next().await;
        let messages = mpsc::channel(1);
        let metrics = Metrics::new();
        let directory = Directory::new(NonZeroUsize::MIN, Duration::ZERO, Duration::ZERO);
        let idle = Outbox::new(OutboxParts {
            queue: Queue::new(1, Fixed::default(), metrics.outbox.clone()),
            reporter: Reporter::new("/nonexistent".into()),
            tagger: Tagger::new(Workloads::new(directory, Silent.start().recipient())),
            room: Room::new(1),
            board: StatusBoard::default(),
            metrics: metrics.outbox,
            own: messages.0,
        });
        assert_eq!(idle.next_timer(), None);
    });
}
