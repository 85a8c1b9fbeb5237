use std::collections::VecDeque;
use std::sync::Mutex;

use bootstrap::counters::Registry;

use super::*;
use crate::intake::group::tests::{group_for, message, output};
use crate::metrics::DropCause;
use crate::outputs::output::Shared;

/// Takes as many bytes as it is told with each write, then fails; everything once it has been told nothing more.
struct Faulty {
    room: VecDeque<usize>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Sink for Faulty {
    fn write(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
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
        let (group, _) = group_for(std::slice::from_ref(&self.output), message(1, documents));
        self.output.metrics().payloads.add(documents.len() as u64);
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
