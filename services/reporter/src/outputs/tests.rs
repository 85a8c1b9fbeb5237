use std::time::Duration;

use bootstrap::counters::Registry;
use tokio::sync::watch;

use super::*;
use crate::config::{FileConfig, IntakeConfig, LineFormat};
use crate::intake::group::tests::message;
use crate::metrics::{DestinationMetrics, DropCause, FileMetrics};
use crate::outputs::http::Intake;
use crate::outputs::lines::LineWriter;
use crate::outputs::lines::rotate::RotatingFile;
use crate::outputs::output::OutputParts;
use bootstrap::log_limit::LogLimit;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// Outputs that a test reads by hand, the watch over them, and one stream.
struct Bench {
    outputs: Arc<Outputs>,
    registry: Registry,
    mark: Arc<Mark>,
    _watch: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn new(list: &[(&'static str, bool, usize)]) -> Self {
        let registry = Registry::default();
        let (shared, labels) = (Arc::new(Shared::new(MINUTE)), Arc::new(Labels::default()));
        let output = |(index, (name, is_reliable, queue_bytes)): (usize, &(&'static str, bool, usize))| {
            let metrics = DestinationMetrics::new(&registry, labels.clone(), name);
            let (is_reliable, queue_bytes, shared) = (*is_reliable, *queue_bytes, shared.clone());
            Arc::new(Output::new(OutputParts {
                index,
                name,
                is_reliable,
                queue_bytes,
                spool: None,
                metrics,
                shared,
            }))
        };
        let list = list.iter().enumerate().map(output).collect();
        let metrics = SubmitMetrics::new(&registry);
        let outputs = Arc::new(Outputs::new(list, shared, labels.clone(), metrics));
        let watched = outputs.clone();
        let watch = tokio::spawn(async move { watched.watch().await });
        let mark = outputs.new_mark();
        Self { outputs, registry, mark, _watch: watch }
    }

    fn output(&self, index: usize) -> Arc<Output> {
        self.outputs.list[index].clone()
    }

    async fn submit(&self, message: v1::PayloadGroup) {
        self.outputs.submit(message, &self.mark).await.unwrap();
    }

    /// Whether a group would be taken now.
    async fn takes(&self, message: v1::PayloadGroup) -> bool {
        // Paused time: this passes at once when nothing else can happen.
        tokio::time::timeout(Duration::from_millis(1), self.submit(message)).await.is_ok()
    }

    /// Takes and delivers the next group of an output.
    async fn deliver(&self, index: usize) -> u64 {
        let group = self.output(index).next().await.unwrap();
        let output = self.output(index);
        output.delivered(&group, 0..group.len());
        output.succeeded();
        u64::from(group.len())
    }

    fn settled(&self) -> Option<u64> {
        self.mark.news().map(|news| {
            assert_eq!(news.lost, []);
            news.number
        })
    }

    fn count(&self, name: &str, labels: &[&str]) -> u64 {
        let samples = self.registry.samples();
        let has_all = |sample: &&bootstrap::counters::Sample| {
            sample.name == name
                && labels.iter().all(|label| sample.labels.iter().any(|(_, value)| value == label))
        };
        samples.iter().filter(has_all).map(|sample| sample.value).sum()
    }
}

const DELIVERED: &str = "reporter_destination_delivered_total";
const DROPPED: &str = "reporter_destination_dropped_total";
const BOTH: [(&str, bool, usize); 2] = [("intake", true, 16 << 20), ("file", true, 16 << 20)];

#[tokio::test(start_paused = true)]
async fn a_group_is_settled_only_when_every_reliable_output_has_it() {
    let bench = Bench::new(&[("intake", true, 1 << 20), ("file", true, 1 << 20), ("stdout", false, 1 << 20)]);
    bench.submit(message(1, &["a", "b"])).await;
    assert_eq!(bench.settled(), None);
    bench.deliver(1).await;
    assert_eq!(bench.settled(), None, "the intake does not have it");
    let group = bench.output(0).next().await.unwrap();
    bench.output(0).delivered(&group, 0..1);
    assert_eq!(bench.settled(), None, "the intake has a part of it");
    bench.output(0).delivered(&group, 1..2);
    assert_eq!(bench.settled(), Some(1), "nobody waits for stdout");
    assert_eq!(bench.settled(), None, "a mark is told once");
}

#[tokio::test(start_paused = true)]
async fn high_overtakes_low_and_the_mark_still_moves_in_order() {
    let bench = Bench::new(&[("file", true, 1 << 20)]);
    let high =
        |number| v1::PayloadGroup { class: v1::PayloadClass::High.into(), ..message(number, &["h"; 2]) };
    bench.submit(message(1, &["l"])).await;
    bench.submit(message(2, &["l"])).await;
    bench.submit(high(3)).await;
    bench.submit(high(4)).await;
    assert_eq!([bench.deliver(0).await, bench.deliver(0).await], [2, 2]);
    assert_eq!(bench.settled(), None, "groups 3 and 4 are settled, 1 is not");
    bench.deliver(0).await;
    assert_eq!(bench.settled(), Some(1));
    bench.deliver(0).await;
    assert_eq!(bench.settled(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn the_order_within_a_class_is_kept() {
    let bench = Bench::new(&[("file", true, 1 << 20)]);
    for number in 1..=20 {
        let n = usize::try_from(number).unwrap();
        let class = if n % 2 == 0 { v1::PayloadClass::High } else { v1::PayloadClass::Low };
        bench.submit(v1::PayloadGroup { class: class.into(), ..message(number, &vec!["x"; n]) }).await;
    }
    let mut sizes = Vec::new();
    for _ in 0..20 {
        sizes.push(bench.deliver(0).await);
    }
    let expected: Vec<u64> = (2..=20).step_by(2).chain((1..20).step_by(2)).collect();
    assert_eq!(sizes, expected);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_stops_reading_while_its_output_is_up() {
    let bench = Bench::new(&[("intake", true, 4000), ("file", true, 1 << 20)]);
    let large = "x".repeat(3000);
    bench.submit(message(1, &[&large])).await;
    assert!(!bench.takes(message(2, &[&large])).await, "the intake has no room");
    let group = bench.output(0).next().await.unwrap();
    assert!(!bench.takes(message(2, &[&large])).await, "what is in its hands counts");
    tokio::time::sleep(10 * MINUTE).await;
    assert!(!bench.takes(message(2, &[&large])).await, "an output that is slow has not failed");
    bench.output(0).delivered(&group, 0..1);
    assert!(bench.takes(message(2, &[&large])).await);
    assert_eq!(bench.count(DROPPED, &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_takes_a_group_of_any_size() {
    let bench = Bench::new(&[("file", true, 10)]);
    assert!(bench.takes(message(1, &["longer than ten bytes"])).await);
    bench.deliver(0).await;
    assert!(bench.takes(message(2, &["longer than ten bytes"])).await);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_down_for_a_minute_leaves_the_mark_and_comes_back() {
    let bench = Bench::new(&BOTH);
    bench.submit(message(1, &["a"])).await;
    bench.deliver(1).await;
    let started = Instant::now();
    let held = bench.output(0).next().await.unwrap();
    bench.output(0).failed();
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!(bench.settled(), None);
    bench.outputs.show();
    assert_eq!(bench.count("reporter_destination_down_seconds", &["intake"]), 59);
    assert_eq!(bench.count("reporter_destination_left_mark_up", &["intake"]), 0);
    bench.mark.moved().await;
    assert_eq!((bench.settled(), started.elapsed()), (Some(1), MINUTE));
    bench.outputs.show();
    assert_eq!(bench.count("reporter_destination_left_mark_up", &["intake"]), 1);
    // While it is away nobody waits for it, and what fits in its queue stays there.
    bench.submit(message(2, &["b"])).await;
    bench.deliver(1).await;
    assert_eq!(bench.settled(), Some(2));
    // It is back: the mark waits for it again.
    bench.output(0).delivered(&held, 0..1);
    bench.output(0).succeeded();
    bench.submit(message(3, &["c"])).await;
    bench.deliver(1).await;
    assert_eq!(bench.settled(), None);
    bench.deliver(0).await;
    bench.deliver(0).await;
    assert_eq!(bench.settled(), Some(3));
    bench.outputs.show();
    assert_eq!(bench.count("reporter_destination_left_mark_up", &["intake"]), 0);
    assert_eq!([bench.count(DELIVERED, &["intake"]), bench.count(DELIVERED, &["file"])], [3, 3]);
    assert_eq!(bench.count(DROPPED, &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_output_counts_as_down_without_ever_failing() {
    let bench = Bench::new(&BOTH);
    bench.submit(message(1, &["a"])).await;
    bench.deliver(1).await;
    let started = Instant::now();
    bench.output(0).began();
    bench.mark.moved().await;
    assert_eq!((bench.settled(), started.elapsed()), (Some(1), MINUTE));
}

#[tokio::test(start_paused = true)]
async fn with_a_backlog_a_dead_output_leaves_the_mark_at_once() {
    let bench = Bench::new(&BOTH);
    bench.output(0).failed();
    let full = |number, percent| v1::PayloadGroup { backlog_percent: percent, ..message(number, &["a"]) };
    bench.submit(full(1, 79)).await;
    bench.deliver(1).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.settled(), None);
    let started = Instant::now();
    bench.submit(full(2, 80)).await;
    bench.deliver(1).await;
    bench.mark.moved().await;
    tokio::task::yield_now().await;
    assert_eq!((bench.settled(), started.elapsed()), (Some(2), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_stands_waits_no_longer_for_a_dead_output_when_another_works() {
    let bench = Bench::new(&BOTH);
    bench.output(0).failed();
    bench.output(1).failed();
    bench.submit(message(1, &["a"])).await;
    bench.outputs.sender_stands();
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!((bench.settled(), bench.count(DROPPED, &[])), (None, 0), "none works");
    let bench = Bench::new(&BOTH);
    bench.output(0).failed();
    bench.submit(message(1, &["a"])).await;
    bench.deliver(1).await;
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(bench.settled(), None);
    let started = Instant::now();
    bench.outputs.sender_stands();
    bench.mark.moved().await;
    assert_eq!((bench.settled(), started.elapsed()), (Some(1), Duration::ZERO));
    assert!(bench.output(0).has_left() && !bench.output(1).has_left());
    assert_eq!(bench.count(DROPPED, &[]), 0, "what its queue holds stays there");
}

#[tokio::test(start_paused = true)]
async fn with_a_backlog_the_last_output_that_works_loses_nothing_by_one_failure() {
    let bench = Bench::new(&BOTH);
    let full = |number| v1::PayloadGroup { backlog_percent: 99, ..message(number, &["a"]) };
    bench.output(0).failed();
    bench.output(1).failed();
    bench.submit(full(1)).await;
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!((bench.settled(), bench.count(DROPPED, &[])), (None, 0));
    // One is back: now the other one is not waited for.
    bench.deliver(1).await;
    bench.mark.moved().await;
    assert_eq!((bench.settled(), bench.count(DROPPED, &[])), (Some(1), 0));
    assert!(bench.output(0).has_left() && !bench.output(1).has_left());
    // It is the last one again, and fails: a minute, and not at once.
    bench.output(1).failed();
    bench.submit(full(2)).await;
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!((bench.settled(), bench.count(DROPPED, &[])), (None, 0));
    bench.deliver(1).await;
    assert_eq!((bench.settled(), bench.count(DROPPED, &[])), (Some(2), 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_only_output_had_when_it_left_is_told_as_lost_once_and_counted_once() {
    let bench = Bench::new(&[("file", true, 4000)]);
    let large = "x".repeat(2000);
    bench.submit(message(1, &[&large])).await;
    let held = bench.output(0).next().await.unwrap();
    bench.submit(message(2, &["b"])).await;
    bench.output(0).failed();
    // It waits for room until the output has left.
    bench.submit(message(3, &[&large])).await;
    let news = bench.mark.news().unwrap();
    let lost: Vec<_> = news.lost.iter().map(|lost| (lost.number, lost.cause.as_str())).collect();
    assert_eq!((news.number, lost), (3, vec![(1, "output_down"), (2, "output_down"), (3, "output_down")]));
    assert_eq!(news.lost[0].counts, [v1::LabelCount { label: "x".to_owned(), payloads: 1 }]);
    assert_eq!(bench.count(DROPPED, &["file", "output_down", "x"]), 3);
    // What it was busy with is late: it was counted as lost.
    bench.output(0).delivered(&held, 0..1);
    bench.output(0).succeeded();
    assert_eq!(bench.count("reporter_destination_late_total", &["file"]), 1);
    assert_eq!(bench.count(DELIVERED, &[]), 0);
    assert_eq!((bench.output(0).metrics().pending(), bench.output(0).queue().bytes()), (0, 0));
    bench.submit(message(4, &["d"])).await;
    bench.deliver(0).await;
    assert_eq!(bench.settled(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn what_one_output_gave_up_is_counted_there_and_told_only_if_nobody_has_it() {
    let bench = Bench::new(&BOTH);
    for number in 1..=2 {
        bench.submit(message(number, &["a"])).await;
        let group = bench.output(0).next().await.unwrap();
        bench.output(0).gave_up(&group, 0..1, DropCause::Status403);
    }
    bench.deliver(1).await;
    assert_eq!(bench.settled(), Some(1));
    let group = bench.output(1).next().await.unwrap();
    bench.output(1).gave_up(&group, 0..1, DropCause::OutputDown);
    assert_eq!(bench.mark.news().unwrap().lost[0].cause, "refused");
    assert_eq!(bench.count(DROPPED, &["intake", "status_403", "x"]), 2);
}

/// The next cause in the order of their list; one that is new does not compile until it has its place here.
fn after(cause: DropCause) -> Option<DropCause> {
    match cause {
        DropCause::Status400 => Some(DropCause::Status401),
        DropCause::Status401 => Some(DropCause::Status403),
        DropCause::Status403 => Some(DropCause::Status413),
        DropCause::Status413 => Some(DropCause::EntryTooLarge),
        DropCause::EntryTooLarge => Some(DropCause::Encoding),
        DropCause::Encoding => Some(DropCause::TooLarge),
        DropCause::TooLarge => Some(DropCause::NotUtf8),
        DropCause::NotUtf8 => Some(DropCause::OutputDown),
        DropCause::OutputDown => Some(DropCause::QueueFull),
        DropCause::QueueFull => Some(DropCause::Shutdown),
        DropCause::Shutdown => Some(DropCause::SpoolFull),
        DropCause::SpoolFull => Some(DropCause::SpoolEvicted),
        DropCause::SpoolEvicted => Some(DropCause::SpoolExpired),
        DropCause::SpoolExpired => Some(DropCause::SpoolDamaged),
        DropCause::SpoolDamaged => None,
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_an_output_drops_has_a_row_and_a_line_in_the_log_that_is_not_repeated_at_once() {
    for cause in std::iter::successors(Some(DropCause::Status400), |cause| after(*cause)) {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        let bench = Bench::new(&[("intake", true, 1 << 20)]);
        for number in [1, 2] {
            bench.submit(message(number, &["a", "b"])).await;
            let group = bench.output(0).next().await.unwrap();
            bench.output(0).gave_up(&group, 0..group.len(), cause);
        }
        assert_eq!(bench.count("reporter_destination_dropped_total", &["intake", cause.name()]), 4);
        let log = log.text();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("lost at an output")).collect();
        let [line] = &lines[..] else { panic!("{cause:?}: {log}") };
        assert!(line.contains(cause.name()) && line.contains("dropped=2"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_not_reliable_drops_and_holds_up_nothing() {
    let bench = Bench::new(&[("stdout", false, 4000), ("file", true, 1 << 20)]);
    let large = "x".repeat(3000);
    for number in 1..=3 {
        assert!(bench.takes(message(number, &[&large])).await);
        bench.deliver(1).await;
        assert_eq!(bench.settled(), Some(number));
    }
    assert_eq!(bench.count(DROPPED, &["stdout", "queue_full"]), 2);
    assert_eq!(bench.output(0).metrics().pending(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_is_given_up_while_it_waits_has_taken_nothing() {
    let bench = Bench::new(&[("file", true, 600)]);
    bench.submit(message(1, &["a"])).await;
    assert!(!bench.takes(message(2, &["b"])).await);
    assert_eq!((bench.mark.next_number(), bench.output(0).metrics().payloads.get()), (2, 1));
    bench.deliver(0).await;
    assert!(bench.takes(message(2, &["b"])).await);
}

/// An intake that refuses connections, with the default limits.
fn dead_intake(bench: &Bench, key: &std::path::Path, stopping: watch::Receiver<bool>) -> Intake {
    std::fs::write(key, "key").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = IntakeConfig { url: Some(url), api_key_file: Some(key.into()), ..IntakeConfig::default() };
    Intake::new(&config, &config.endpoints().unwrap()[0], "h", bench.output(0), &bench.registry, stopping)
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_dead_output_does_not_stop_the_others() {
    let bench = Bench::new(&BOTH);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(dead_intake(&bench, &dir.path().join("key"), stopping.clone()).run());
    let metrics = FileMetrics::new(&bench.registry, "file");
    // A task here and not a thread, for which paused time would not wait.
    let sink = RotatingFile::open(&FileConfig::at(path.clone()), metrics.cut_bytes.clone()).unwrap();
    let (output, errors) = (bench.output(1), LogLimit::default());
    let (format, hostname) = (LineFormat::Event, "h".into());
    let file = tokio::spawn(LineWriter { sink, output, format, hostname, metrics, stopping, errors }.run());

    let line = |n: usize| format!("{{\"n\":{n:05},\"x\":\"{}\"}}", "y".repeat(4000));
    let lines: Vec<String> = (0..40_001).map(line).collect();
    let all = async {
        for (number, lines) in (1..).zip(lines.chunks(100)) {
            let documents: Vec<&str> = lines.iter().map(String::as_str).collect();
            bench.submit(message(number, &documents)).await;
        }
        while bench.mark.unsettled().len() > 1 {
            bench.mark.moved().await;
        }
    };
    // Time that is paused passes at once. Whoever waits for an output that has left would wait for ever.
    tokio::time::timeout(Duration::from_secs(600), all).await.expect("nobody waits for the dead output");
    bench.outputs.close();
    file.await.unwrap();
    assert_eq!(bench.settled(), Some(401));
    let mut written: Vec<String> = Vec::new();
    for file in ["events.1", "events"] {
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        written.extend(text.lines().map(str::to_owned));
    }
    assert!(written == lines, "the file has {} of {}", written.len(), lines.len());
    assert_eq!(bench.count(DELIVERED, &["file"]), 40_001);
    assert_eq!(bench.count(DELIVERED, &["intake"]), 0);
    let lost = bench.count(DROPPED, &["intake", "output_down"]);
    assert!(lost > 35_000, "{lost}");
    assert_eq!(lost + bench.output(0).metrics().pending(), 40_001);
    assert!(bench.output(0).queue().bytes() <= 16 << 20);
}
