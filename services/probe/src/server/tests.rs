use std::io::Write;
use std::path::PathBuf;

use bootstrap::socket::{PeerUids, bind, connect};
use event::{Kind, Ledger, LossCause, PerKind};
use tonic::Code;
use wire::v1::probe_client::ProbeClient;

use super::*;
use crate::backlog::Backlog;
use crate::backlog::handover::Account;
use crate::context::cgroups::Workloads;
use crate::context::table::Table;
use crate::flow::batcher::Batcher;
use crate::flow::drain::{Drain, DrainParts};
use crate::flow::drainer::Drainer;
use crate::made::{FakeSource, exec, exit, fork, known, open};

/// A probe without a kernel, serving on a socket in a directory of its own.
struct Probe {
    _directory: tempfile::TempDir,
    socket: PathBuf,
    handover: Arc<Handover>,
    metrics: Metrics,
    control: Arc<Control>,
    publish: Option<watch::Sender<Published>>,
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn probe(buffer_bytes: usize, uid: u32) -> Probe {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("probe.sock");
    let listener = bind(&socket, &PeerUids::new([own_uid()])).unwrap();
    let metrics = Metrics::default();
    let registry = metrics.registry();
    let door = Door::new(listener, PeerUids::new([uid]), LIMITS, registry, crate::metrics::REFUSED);
    let table = Table::new(5_000, 8 << 20);
    let handover = Arc::new(Handover::new(Backlog::new(buffer_bytes, None), table, metrics.clone()));
    handover.know(vec![known(1, None, "/bin/init")]);
    let (publish, status) = watch::channel(Published::default());
    let control = Arc::new(Control::new().unwrap());
    let parts = ServerParts {
        host: Host { hostname: "here".to_owned(), ..Host::default() },
        session: 5,
        handover: Arc::clone(&handover),
        control: Arc::clone(&control),
        switchable: vec![Kind::Open],
        status,
        metrics: metrics.clone(),
    };
    tokio::spawn(serve(door, parts, std::future::pending()));
    Probe { _directory: directory, socket, handover, metrics, control, publish: Some(publish) }
}

impl Probe {
    fn refused(&self, why: &str) -> u64 {
        self.metrics.registry().counter(crate::metrics::REFUSED, &[("why", why)]).get()
    }

    fn push(&self, events: Vec<event::Event>) {
        let mut batcher = Batcher::new(usize::MAX, 0);
        events.into_iter().for_each(|event| batcher.push(event));
        batcher.flush();
        self.handover.push(batcher.complete().unwrap());
    }

    /// What the analyzer wants next.
    async fn wanted(&self) -> std::collections::BTreeSet<Kind> {
        loop {
            match self.control.take(u64::MAX) {
                Some(wanted) => return wanted,
                None => tokio::task::yield_now().await,
            }
        }
    }

    async fn settle(&self) {
        let handover = Arc::clone(&self.handover);
        tokio::task::spawn_blocking(move || handover.wait_until_settled(Duration::from_secs(20)))
            .await
            .unwrap();
    }
}

/// The other side.
struct Analyzer {
    say: mpsc::Sender<v1::FromAnalyzer>,
    heard: Streaming<v1::FromProbe>,
}

impl Analyzer {
    async fn connect(socket: &std::path::Path) -> Self {
        Self::connect_with(socket, Self::hello(wire::WIRE_VERSION)).await.unwrap()
    }

    async fn connect_with(socket: &std::path::Path, first: v1::FromAnalyzer) -> Result<Self, Status> {
        let (say, said) = mpsc::channel(64);
        say.send(first).await.unwrap();
        let channel = connect(socket).await.map_err(|error| Status::permission_denied(error.to_string()))?;
        let mut client = ProbeClient::new(channel);
        let heard = client.stream(ReceiverStream::new(said)).await?.into_inner();
        Ok(Self { say, heard })
    }

    fn hello(wire_version: u32) -> v1::FromAnalyzer {
        let hello = v1::AnalyzerHello { wire_version, version: "9.9".to_owned(), instance: 1, wanted: None };
        v1::FromAnalyzer { message: Some(Said::Hello(hello)) }
    }

    async fn say_ack(&self, seq: u64, ledger: Option<v1::Ledger>) {
        let ack = v1::Ack { seq, ledger };
        self.say.send(v1::FromAnalyzer { message: Some(Said::Ack(ack)) }).await.unwrap();
    }

    /// Acknowledges this batch as delivered.
    async fn ack(&self, batch: &v1::Batch) {
        let delivered = Ledger { delivered: wire::batch::kinds(batch), ..Ledger::default() };
        self.say_ack(batch.seq, Some((&delivered).into())).await;
    }

    async fn hear(&mut self) -> Result<Option<Saying>, Status> {
        Ok(self.heard.message().await?.and_then(|message| message.message))
    }

    /// The next batch; status messages in between are skipped.
    async fn batch(&mut self) -> v1::Batch {
        loop {
            match self.hear().await.unwrap().unwrap() {
                Saying::Batch(batch) => return wire::batch::parse(batch).unwrap(),
                Saying::Hello(_) | Saying::Status(_) => {}
            }
        }
    }

    /// The error that ends the stream.
    async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.hear().await {
                return status;
            }
        }
    }
}

fn tgids(batch: &v1::Batch) -> Vec<u32> {
    let decoded = wire::batch::decode(batch).unwrap();
    decoded.processes.iter().map(|process| process.task.process.tgid).collect()
}

#[tokio::test]
async fn a_stream_begins_with_hello_status_and_the_known_processes() {
    let probe = probe(1 << 20, own_uid());
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    let Some(Saying::Hello(hello)) = analyzer.hear().await.unwrap() else { panic!("hello is first") };
    assert_eq!((hello.wire_version, hello.session), (wire::WIRE_VERSION, 5));
    assert_eq!(hello.host.unwrap().hostname, "here");
    assert!(matches!(analyzer.hear().await.unwrap(), Some(Saying::Status(_))));
    let processes = analyzer.batch().await;
    assert_eq!((processes.seq, tgids(&processes)), (0, vec![1]));
    probe.push(vec![open(1, 5)]);
    let batch = analyzer.batch().await;
    assert_eq!(wire::batch::decode(&batch).unwrap().events[0].boot_ns, 5);
    analyzer.ack(&batch).await;
    probe.settle().await;
    assert_eq!(probe.handover.account().ledger.delivered.get(Kind::Open), 1);
}

#[tokio::test]
async fn after_a_reconnect_come_the_processes_and_then_what_was_not_acknowledged() {
    let probe = probe(1 << 20, own_uid());
    probe.push(vec![fork(2, 1, 5)]);
    probe.push(vec![exit(2, 6), fork(3, 1, 7)]);
    let mut first = Analyzer::connect(&probe.socket).await;
    assert_eq!(tgids(&first.batch().await), [1]);
    let batch = first.batch().await;
    assert_eq!((batch.seq, first.batch().await.seq), (1, 2));
    first.ack(&batch).await;
    while probe.handover.account().ledger.delivered.get(Kind::Fork) == 0 {
        tokio::task::yield_now().await;
    }
    drop(first);
    let mut second = Analyzer::connect(&probe.socket).await;
    let processes = tgids(&second.batch().await);
    let batch = second.batch().await;
    assert_eq!(batch.seq, 2);
    second.ack(&batch).await;
    probe.settle().await;
    assert_eq!(processes, [1, 2], "as of the first batch that is sent again");
    let mut third = Analyzer::connect(&probe.socket).await;
    assert_eq!(tgids(&third.batch().await), [1, 3]);
}

#[tokio::test]
async fn a_newer_connection_takes_over() {
    let probe = probe(1 << 20, own_uid());
    let mut old = Analyzer::connect(&probe.socket).await;
    old.batch().await;
    let mut new = Analyzer::connect(&probe.socket).await;
    new.batch().await;
    assert_eq!(old.end().await.code(), Code::Aborted);
    probe.push(vec![open(1, 5)]);
    let batch = new.batch().await;
    new.ack(&batch).await;
    probe.settle().await;
    assert_eq!(probe.handover.account().ledger.delivered.get(Kind::Open), 1);
    assert_eq!((probe.metrics.sessions.get(), probe.metrics.replaced.get()), (2, 1));
}

/// Connects to the probe for us, so that the probe sees another process.
const RELAY: &str = "
import socket, sys, threading
front = socket.socket(socket.AF_UNIX); front.bind(sys.argv[2]); front.listen()
print('ready', flush=True)
near, _ = front.accept()
far = socket.socket(socket.AF_UNIX); far.connect(sys.argv[1])
def copy(a, b):
    while data := a.recv(65536): b.sendall(data)
threading.Thread(target=copy, args=(near, far), daemon=True).start()
copy(far, near)
";

struct Relay {
    child: std::process::Child,
    socket: PathBuf,
}

impl Relay {
    fn to(probe: &Probe, name: &str) -> Self {
        use std::io::BufRead;
        let socket = probe.socket.with_file_name(name);
        let mut command = std::process::Command::new("python3");
        command.args(["-c", RELAY]).arg(&probe.socket).arg(&socket).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, socket }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn the_status_is_told_to_who_asks_while_a_stream_is_not_read() {
    let probe = probe(64 << 20, own_uid());
    let analyzer = Analyzer::connect(&probe.socket).await;
    // Far more than its windows hold.
    for _ in 0..100 {
        probe.push((0..200).map(|number| exec(number, 5, &"/x".repeat(100))).collect());
    }
    let status = v1::ProbeStatus { uptime_seconds: 42, ..v1::ProbeStatus::default() };
    probe.publish.as_ref().unwrap().send_replace(Published { status, is_last: false });
    let mut client = ProbeClient::new(connect(&probe.socket).await.unwrap());
    let answer = client.get_status(v1::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((answer.uptime_seconds, probe.metrics.replaced.get()), (42, 0));
    drop(analyzer);
}

#[tokio::test]
async fn another_process_of_the_same_user_does_not_take_over_from_a_living_analyzer() {
    let probe = probe(1 << 20, own_uid());
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    analyzer.batch().await;
    let relay = Relay::to(&probe, "relay");
    let mut thief = Analyzer::connect(&relay.socket).await;
    let status = thief.end().await;
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(status.message().contains("is connected and alive"), "{status}");
    assert_eq!((probe.refused("taken"), probe.metrics.replaced.get()), (1, 0));
    // The living one has lost nothing, and the place is free when it goes.
    probe.push(vec![open(1, 5)]);
    let batch = analyzer.batch().await;
    analyzer.ack(&batch).await;
    probe.settle().await;
    drop(analyzer);
    for attempt in 0.. {
        let relay = Relay::to(&probe, &format!("relay-{attempt}"));
        let mut next = Analyzer::connect(&relay.socket).await;
        match next.hear().await {
            Ok(_) => break,
            // The probe has not noticed yet.
            Err(status) => assert_eq!(status.code(), Code::AlreadyExists),
        }
    }
}

#[tokio::test]
async fn an_analyzer_of_another_wire_version_is_told_which_release_to_install() {
    let probe = probe(1 << 20, own_uid());
    let mut analyzer = Analyzer::connect_with(&probe.socket, Analyzer::hello(77)).await.unwrap();
    let status = analyzer.end().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("77") && status.message().contains("same release"), "{status}");
    assert_eq!(probe.metrics.refused_protocol.get(), 1);
}

#[tokio::test]
async fn what_does_not_follow_the_protocol_ends_only_its_own_stream() {
    let probe = probe(1 << 20, own_uid());
    let ack = |seq| v1::FromAnalyzer { message: Some(Said::Ack(v1::Ack { seq, ledger: None })) };
    let mut no_hello = Analyzer::connect_with(&probe.socket, ack(0)).await.unwrap();
    assert_eq!(no_hello.end().await.code(), Code::InvalidArgument);
    let mut from_the_future = Analyzer::connect(&probe.socket).await;
    from_the_future.batch().await;
    from_the_future.say_ack(9, None).await;
    let status = from_the_future.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("batch 9"), "{status}");
    let mut twice = Analyzer::connect(&probe.socket).await;
    twice.batch().await;
    twice.say.send(Analyzer::hello(wire::WIRE_VERSION)).await.unwrap();
    assert_eq!(twice.end().await.code(), Code::InvalidArgument);
    Analyzer::connect(&probe.socket).await.batch().await;
}

#[tokio::test]
async fn another_uid_is_refused_before_a_byte_is_read_told_why_and_counted() {
    let probe = probe(1 << 20, own_uid() + 1);
    let refusal =
        Analyzer::connect_with(&probe.socket, Analyzer::hello(wire::WIRE_VERSION)).await.err().unwrap();
    assert_eq!(refusal.code(), Code::PermissionDenied);
    assert!(refusal.message().contains(&format!("uid {} may not use this socket", own_uid())), "{refusal}");
    assert_eq!((probe.refused("uid"), probe.metrics.sessions.get()), (1, 0));
}

#[tokio::test]
async fn random_bytes_on_the_socket_do_no_harm() {
    let probe = probe(1 << 20, own_uid());
    let mut state = 1_u64;
    for length in [1_usize, 3, 24, 100, 5_000] {
        let mut noise = std::os::unix::net::UnixStream::connect(&probe.socket).unwrap();
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                u8::try_from(state >> 56).unwrap()
            })
            .collect();
        noise.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        // The probe may have hung up already.
        noise.write_all(&bytes).ok();
    }
    let hello = || Analyzer::hello(wire::WIRE_VERSION);
    let mut analyzer = loop {
        // Until the probe has noticed that the noise is over, it counts as too many connections.
        if let Ok(analyzer) = Analyzer::connect_with(&probe.socket, hello()).await {
            break analyzer;
        }
    };
    analyzer.batch().await;
}

#[tokio::test]
async fn an_analyzer_that_does_not_answer_costs_counted_events_and_nothing_else() {
    let probe = probe(20_000, own_uid());
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    analyzer.batch().await;
    for time in 0..2_000 {
        probe.push(vec![open(1, time), fork(2, 1, time), exit(2, time)]);
    }
    let account = probe.handover.account();
    assert_eq!(account.ledger, Ledger::default());
    assert!(account.dropped.get(Kind::Open) > 1_000, "{account:?}");
    let mut got = PerKind::default();
    while got.total() + account.dropped.total() < 6_000 {
        let batch = analyzer.batch().await;
        got += &wire::batch::kinds(&batch);
        analyzer.ack(&batch).await;
    }
    probe.settle().await;
    let Account { ledger: Ledger { delivered, .. }, dropped: lost, .. } = probe.handover.account();
    assert_eq!(delivered, got);
    for kind in [Kind::Open, Kind::Fork, Kind::Exit] {
        assert_eq!(delivered.get(kind) + lost.get(kind), 2_000, "{}", kind.name());
    }
}

#[tokio::test]
async fn many_processes_come_in_several_messages_and_all_of_them() {
    let probe = probe(1 << 20, own_uid());
    probe.handover.know((2..4_000).map(|tgid| known(tgid, Some(1), &"/long".repeat(60))).collect());
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    probe.push(vec![open(1, 5)]);
    let (mut messages, mut processes) = (0, Vec::new());
    loop {
        let batch = analyzer.batch().await;
        if batch.seq > 0 {
            break;
        }
        messages += 1;
        processes.extend(tgids(&batch));
    }
    assert!(messages > 1, "{messages}");
    assert_eq!(processes, (1..4_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_last_status_accounts_for_every_event_and_the_stream_ends_well() {
    let mut probe = probe(1 << 20, own_uid());
    let source = FakeSource::default();
    let drain = Drain::new(DrainParts {
        source: source.clone(),
        scope: "host".parse().unwrap(),
        workloads: Workloads::new(Vec::new(), 10, 0),
        batcher: Batcher::new(64, 20_000_000),
        handover: Arc::clone(&probe.handover),
        metrics: probe.metrics.clone(),
    });
    let publish = probe.publish.take().unwrap();
    let about = about::About { scope: "host".to_owned(), ..Default::default() };
    let drainer =
        Drainer::new(drain, Arc::clone(&probe.handover), about, Arc::clone(&probe.control), publish);
    let (stopped, stop) = std::io::pipe().unwrap();
    let thread = std::thread::spawn(move || drainer.run(&stopped));
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    let now = crate::context::host::boot_ns();
    for number in 0..1_000 {
        source.see(open(1, now + number));
        source.see(exit(2, now + number));
    }
    let (mut stop, mut got, mut last) = (Some(stop), 0, v1::ProbeStatus::default());
    while let Some(heard) = analyzer.hear().await.unwrap() {
        match heard {
            Saying::Batch(bytes) => {
                let batch = wire::batch::parse(bytes).unwrap();
                got += wire::batch::kinds(&batch).total();
                analyzer.ack(&batch).await;
                // Stopped in the middle of the work: the rest must come all the same.
                drop(stop.take());
            }
            Saying::Status(status) => last = status,
            Saying::Hello(_) => {}
        }
    }
    thread.join().unwrap();
    let counters = wire::status::counters(&last);
    assert_eq!((got, counters.generated.total(), counters.delivered.total()), (2_000, 2_000, 2_000));
    assert!(Kind::ALL.into_iter().all(|kind| counters.in_flight(kind) == 0));
    assert_eq!(last.scope, "host");
}

#[tokio::test]
async fn an_acknowledgement_says_what_became_of_the_events() {
    let probe = probe(1 << 20, own_uid());
    probe.push(vec![open(1, 5), open(1, 6), open(1, 7), fork(2, 1, 8)]);
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    analyzer.batch().await;
    let seq = analyzer.batch().await.seq;
    let opens = |count| Some(PerKind::from([(Kind::Open, count)]).into());
    let lost = v1::Loss { cause: "refused".to_owned(), counts: opens(1) };
    let ledger = v1::Ledger { delivered: opens(1), no_taker: opens(1), lost: vec![lost] };
    analyzer.say_ack(seq, Some(ledger)).await;
    probe.settle().await;
    let ledger = probe.handover.account().ledger;
    let got = [ledger.delivered, ledger.no_taker].map(|counts| counts.get(Kind::Open));
    assert_eq!((got, ledger.lost.of(LossCause::Refused).get(Kind::Open)), ([1, 1], 1));
    assert_eq!(ledger.lost.of(LossCause::Undecodable).get(Kind::Fork), 1, "the ledger does not speak of it");
}

#[tokio::test]
async fn what_a_ledger_says_is_lost_for_a_cause_that_only_the_analyzer_knows_is_lost() {
    let probe = probe(1 << 20, own_uid());
    probe.push(vec![open(1, 5)]);
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    analyzer.batch().await;
    let seq = analyzer.batch().await.seq;
    let counts = PerKind::from([(Kind::Open, 1)]);
    let lost = v1::Loss { cause: "gremlins".to_owned(), counts: Some(counts.into()) };
    analyzer.say_ack(seq, Some(v1::Ledger { lost: vec![lost], ..Default::default() })).await;
    probe.settle().await;
    assert_eq!(probe.handover.account().ledger.lost.of(LossCause::Unknown), &counts);
}

#[tokio::test]
async fn a_probe_without_processes_says_so_in_a_batch_without_a_number() {
    let probe = probe(1 << 20, own_uid());
    probe.push(vec![exit(1, 5)]);
    let mut first = Analyzer::connect(&probe.socket).await;
    first.batch().await;
    let batch = first.batch().await;
    first.ack(&batch).await;
    probe.settle().await;
    let mut second = Analyzer::connect(&probe.socket).await;
    let opening = second.batch().await;
    assert_eq!((opening.seq, tgids(&opening)), (0, vec![]));
    probe.push(vec![open(1, 6)]);
    assert_eq!(second.batch().await.seq, 2);
}

#[tokio::test]
async fn another_analyzer_is_told_from_the_same_one_that_reconnects() {
    let probe = probe(1 << 20, own_uid());
    for (instance, restarts) in [(7, 0), (7, 0), (0, 0), (8, 1), (8, 1), (9, 2)] {
        let hello = v1::AnalyzerHello { wire_version: wire::WIRE_VERSION, instance, ..Default::default() };
        let first = v1::FromAnalyzer { message: Some(Said::Hello(hello)) };
        Analyzer::connect_with(&probe.socket, first).await.unwrap().batch().await;
        assert_eq!(probe.handover.account().analyzer_restarts, restarts, "{instance}");
    }
}

/// One exec of a quiet workload behind megabytes of opens, with an analyzer that reads and acknowledges slowly.
#[tokio::test]
async fn an_exec_overtakes_the_flood_that_waits() {
    let probe = probe(64 << 20, own_uid());
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    analyzer.batch().await;
    for number in 0..400_u64 {
        let opens = (0..512_u32).map(|open_number| {
            let file = event::File { path: format!("/{number}/{open_number}").into(), ..Default::default() };
            let open = event::Open { file: Arc::new(file), flags: 0, mode: 0, retval: 3 };
            event::Event { what: event::What::Open(open), ..crate::made::open(1, number) }
        });
        let mut batcher = Batcher::new(usize::MAX, 0);
        opens.for_each(|event| batcher.push(event));
        batcher.flush();
        while let Some(complete) = batcher.complete() {
            probe
                .handover
                .push(crate::flow::batcher::Complete { lane: wire::batch::Lane::Flood, ..complete });
        }
    }
    let first = analyzer.batch().await;
    probe.push(vec![exit(2, 1_000)]);
    let (mut before, mut batch) = (0, first);
    while wire::batch::kinds(&batch).get(Kind::Exit) == 0 {
        before += 1;
        batch = analyzer.batch().await;
    }
    assert!(before < 200, "{before} batches of the flood came before the exit");
}

#[tokio::test]
async fn what_the_analyzer_wants_arrives_and_a_replaced_connection_wants_nothing() {
    let probe = probe(1 << 20, own_uid());
    let wanted = |kinds: &[Kind]| v1::Wanted { kinds: wire::control::names(kinds.iter().copied()) };
    let hello = |wanted| v1::AnalyzerHello { wire_version: wire::WIRE_VERSION, wanted, ..Default::default() };
    let first = |wanted| v1::FromAnalyzer { message: Some(Said::Hello(hello(wanted))) };
    let say = |kinds| v1::FromAnalyzer { message: Some(Said::Wanted(wanted(kinds))) };

    let mut old = Analyzer::connect_with(&probe.socket, first(Some(wanted(&[Kind::Open])))).await.unwrap();
    let Some(Saying::Hello(hello)) = old.hear().await.unwrap() else { panic!("hello is first") };
    assert_eq!(hello.switchable, ["open"]);
    old.batch().await;
    assert_eq!(probe.control.take(u64::MAX), Some([Kind::Open].into()));
    assert_eq!(probe.control.take(u64::MAX), None, "it is taken once");
    old.say.send(say(&[Kind::Bind, Kind::Exec])).await.unwrap();
    assert_eq!(probe.wanted().await, [Kind::Bind, Kind::Exec].into());

    let (replaced, newest) = (probe.handover.connect(0).0, probe.handover.connect(0).0);
    probe.control.begin(replaced, [Kind::Bind].into());
    probe.control.begin(newest, [Kind::Fork].into());
    probe.control.want(replaced, [Kind::Rename].into());
    assert_eq!(probe.control.take(u64::MAX), Some([Kind::Fork].into()));

    Analyzer::connect_with(&probe.socket, first(None)).await.unwrap().batch().await;
    assert_eq!(probe.control.take(u64::MAX), Some(Kind::ALL.into()), "who says nothing gets everything");
}

#[tokio::test]
async fn acknowledgements_do_not_wait_behind_what_is_wanted() {
    let probe = probe(1 << 20, own_uid());
    probe.push(vec![open(1, 5)]);
    let mut analyzer = Analyzer::connect(&probe.socket).await;
    analyzer.batch().await;
    let batch = analyzer.batch().await;
    for number in 0..1_000 {
        let kinds = if number % 2 == 0 { Vec::new() } else { vec!["open".to_owned()] };
        let wanted = Said::Wanted(v1::Wanted { kinds });
        analyzer.say.send(v1::FromAnalyzer { message: Some(wanted) }).await.unwrap();
    }
    analyzer.ack(&batch).await;
    probe.settle().await;
    assert_eq!(probe.handover.account().waiting.total(), 0);
    assert_eq!(probe.wanted().await, [Kind::Open].into());
}
