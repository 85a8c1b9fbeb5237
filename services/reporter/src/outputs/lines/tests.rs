use std::collections::VecDeque;
use std::sync::Mutex;

use bootstrap::counters::Registry;

use wire::v1;

use super::*;
use crate::intake::documents::tests::with_tails;
use crate::intake::group::tests::{group_for, message, output};
use crate::metrics::DropCause;
use crate::outputs::lines::pieces::tests::bytes;
use crate::outputs::output::Shared;

/// Takes as many bytes as it is told with each write, then fails; everything once it has been told nothing more.
struct Faulty {
    room: VecDeque<usize>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Sink for Faulty {
    fn write(&mut self, lines: &Lines<'_>, from: usize) -> (usize, Option<io::Error>) {
        let lines = bytes(lines, from);
        let room = self.room.pop_front();
        let n = room.unwrap_or(lines.len()).min(lines.len());
        self.written.lock().unwrap().extend_from_slice(&lines[..n]);
        (n, room.map(|_| io::ErrorKind::StorageFull.into()))
    }
}

struct Bench {
    output: Arc<Output>,
    registry: Registry,
    written: Arc<Mutex<Vec<u8>>>,
    stop: watch::Sender<bool>,
    writer: tokio::task::JoinHandle<()>,
}

fn writer(format: LineFormat, room: &[usize]) -> Bench {
    let registry = Registry::default();
    let output = output(0, "file", &registry, &Arc::new(Shared::new(Duration::from_secs(60))));
    let written = Arc::new(Mutex::new(Vec::new()));
    let (stop, stopping) = watch::channel(false);
    let writer = LineWriter {
        sink: Faulty { room: room.iter().copied().collect(), written: written.clone() },
        output: output.clone(),
        format,
        hostname: "h".into(),
        metrics: FileMetrics::new(&registry, "file"),
        stopping,
        errors: LogLimit::default(),
    };
    Bench { output, registry, written, stop, writer: tokio::spawn(writer.run()) }
}

impl Bench {
    fn push(&self, documents: &[&str]) -> Arc<Group> {
        self.push_message(message(1, documents))
    }

    fn push_message(&self, message: v1::PayloadGroup) -> Arc<Group> {
        let (group, _) = group_for(std::slice::from_ref(&self.output), message);
        self.output.metrics().payloads.add(u64::from(group.len()));
        self.output.offer(&group, true);
        group
    }

    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        self.registry.samples().iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_kept_and_written_later_from_where_it_stopped() {
    for format in [LineFormat::Event, LineFormat::Intake] {
        let whole = writer(format, &[]);
        whole.push(&["one", "two", "three"]);
        whole.output.queue().close();
        whole.writer.await.unwrap();
        let expected = String::from_utf8(whole.written.lock().unwrap().clone()).unwrap();

        let bench = writer(format, &[0, 6, 0, 0, 5]);
        bench.push(&["one", "two", "three"]);
        bench.output.queue().close();
        let text = bench.written.clone();
        let (registry, output) = (bench.registry.clone(), bench.output.clone());
        bench.writer.await.unwrap();
        assert_eq!(String::from_utf8(text.lock().unwrap().clone()).unwrap(), expected);
        assert_eq!(output.metrics().pending(), 0);
        let retries = registry.counter("reporter_lines_retries_total", &[("destination", "file")]);
        assert_eq!(retries.get(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn documents_with_shared_tails_are_the_same_lines_wherever_a_write_stops() {
    let time_ms = vec![now_ms() - 1000; 4];
    let whole =
        || v1::PayloadGroup { time_ms: time_ms.clone(), ..message(1, &["one", "two", "three", "four"]) };
    let parted = || v1::PayloadGroup {
        time_ms: time_ms.clone(),
        ..with_tails(&[(b"on", 1), (b"two\n", 0), (b"thre", 1), (b"f", 2)], &[b"e\n", b"our\n"])
    };
    for format in [LineFormat::Event, LineFormat::Intake] {
        let bench = writer(format, &[]);
        bench.push_message(whole());
        bench.output.queue().close();
        bench.writer.await.unwrap();
        let expected = bench.written.lock().unwrap().clone();
        for stop in 0..expected.len() {
            let bench = writer(format, &[stop, 0]);
            bench.push_message(parted());
            bench.output.queue().close();
            let (written, output) = (bench.written.clone(), bench.output.clone());
            bench.writer.await.unwrap();
            assert_eq!(*written.lock().unwrap(), expected);
            assert_eq!(output.metrics().pending(), 0);
        }
    }
    let bench = writer(LineFormat::Event, &[3, 1, 4, 0, 0]);
    bench.push_message(parted());
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!((bench.text().as_str(), bench.output.metrics().pending()), ("one\n", 3));
    tokio::time::sleep(Duration::from_millis(210)).await;
    assert_eq!((bench.text().as_str(), bench.output.metrics().pending()), ("one\ntwo\n", 2));
}

#[tokio::test(start_paused = true)]
async fn a_document_is_delivered_when_its_whole_line_is_written() {
    let bench = writer(LineFormat::Event, &[6, 0, 0, 0, 0, 0, 0, 0, 0]);
    bench.push(&["one", "two", "three"]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(bench.text(), "one\ntw");
    assert_eq!(
        (bench.count("reporter_destination_delivered_total"), bench.output.metrics().pending()),
        (1, 2)
    );
    assert!(bench.output.leaves_at(false).is_some(), "it is down");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.text(), "one\ntwo\nthree\n");
    assert!(bench.output.leaves_at(false).is_none(), "it is back");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_the_next_attempt() {
    let bench = writer(LineFormat::Event, &[0, 0, 0, 0, 0, 0]);
    bench.push(&["one"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = tokio::time::Instant::now();
    bench.stop.send_replace(true);
    let written = bench.written.clone();
    bench.output.queue().close();
    bench.writer.await.unwrap();
    assert_eq!(*written.lock().unwrap(), b"one\n");
    assert!(before.elapsed() <= LONGEST_WAIT, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_written_off_is_not_written() {
    let bench = writer(LineFormat::Event, &[]);
    let group = bench.push(&["void"]);
    bench.output.gave_up(&group, 0..1, DropCause::OutputDown);
    bench.push(&["next"]);
    bench.output.queue().close();
    let written = bench.written.clone();
    bench.writer.await.unwrap();
    assert_eq!(*written.lock().unwrap(), b"next\n");
}
