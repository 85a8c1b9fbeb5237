use std::sync::atomic::{AtomicBool, Ordering};

use bootstrap::counters::Registry;
use tempfile::TempDir;
use wire::v1;

use super::*;
use crate::intake::group::tests::message;
use crate::intake::mark::Mark;
use crate::metrics::{DestinationMetrics, SubmitMetrics};
use crate::outputs::Outputs;
use crate::outputs::output::{OutputParts, Shared};
use crate::spool::log::Found;
use crate::spool::store::Disk;

/// Long enough for a loaded machine; nothing waits this long unless it fails.
const DEADLINE: Duration = Duration::from_secs(60);
const DROPPED: &str = "reporter_destination_dropped_total";
const FAILURES: &str = "reporter_spool_failures_total";

/// A directory that can be told that its disk is full, or that it does not commit.
#[derive(Debug)]
struct Faulty {
    disk: Disk,
    is_full: Arc<AtomicBool>,
    is_broken: Arc<AtomicBool>,
}

impl Store for Faulty {
    fn kept(&self, class: Class) -> Range<u64> {
        self.disk.kept(class)
    }

    fn append(&mut self, class: Class, n: u32, accepted_ms: i64, body: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.append(class, n, accepted_ms, body)
    }

    fn commit(&mut self, delivered: [u64; 2]) -> io::Result<()> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.disk.commit(delivered)
    }

    fn read(&mut self, class: Class, range: Range<u64>) -> io::Result<Found> {
        self.disk.read(class, range)
    }

    fn oldest(&self, class: Class, range: &Range<u64>) -> Option<Extent> {
        self.disk.oldest(class, range)
    }

    fn evict(&mut self, class: Class, first: u64) -> io::Result<()> {
        self.disk.evict(class, first)
    }

    fn bytes(&self) -> u64 {
        self.disk.bytes()
    }
}

/// An output with a spool that a test reads by hand, and one stream to it.
struct Bench {
    dir: TempDir,
    output: Arc<Output>,
    outputs: Arc<Outputs>,
    registry: Registry,
    mark: Arc<Mark>,
    is_full: Arc<AtomicBool>,
    is_broken: Arc<AtomicBool>,
    spool: Arc<Spool>,
    keeper: JoinHandle<()>,
    sent: u64,
}

impl Bench {
    fn new(queue_bytes: usize, change: impl FnOnce(&mut SpoolConfig)) -> Self {
        Self::at(tempfile::tempdir().unwrap(), queue_bytes, change)
    }

    fn at(dir: TempDir, queue_bytes: usize, change: impl FnOnce(&mut SpoolConfig)) -> Self {
        let mut config = SpoolConfig::at(dir.path().to_owned());
        config.sync_every = Duration::ZERO;
        change(&mut config);
        let registry = Registry::default();
        let (shared, labels) = (Arc::new(Shared::new(Duration::from_secs(600))), Arc::<Labels>::default());
        let spool = Arc::<Spool>::default();
        let output = Arc::new(Output::new(OutputParts {
            index: 0,
            name: "intake",
            is_reliable: true,
            queue_bytes,
            spool: Some(spool.clone()),
            metrics: DestinationMetrics::new(&registry, labels.clone(), "intake"),
            shared: shared.clone(),
        }));
        let metrics = SubmitMetrics::new(&registry);
        let outputs = Arc::new(Outputs::new(vec![output.clone()], shared, labels.clone(), metrics));
        let (is_full, is_broken) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let disk = Disk::open(dir.path(), "intake").unwrap();
        let keeper = Keeper {
            store: Faulty { disk, is_full: is_full.clone(), is_broken: is_broken.clone() },
            spool: spool.clone(),
            output: output.clone(),
            labels,
            config,
            metrics: SpoolMetrics::new(&registry, "intake"),
            logs: Logs::default(),
        };
        let keeper = keeper.start().unwrap();
        let mark = outputs.new_mark();
        Self { dir, output, outputs, registry, mark, is_full, is_broken, spool, keeper, sent: 0 }
    }

    /// Submits a group of two documents, the first of which is `name`.
    async fn submit(&mut self, class: v1::PayloadClass, name: &str, bytes: usize) {
        assert!(self.takes(class, name, bytes).await, "{name} is not taken");
    }

    /// The same, if there is room soon.
    async fn takes(&mut self, class: v1::PayloadClass, name: &str, bytes: usize) -> bool {
        let filler = "x".repeat(bytes);
        let labels = vec![name.chars().take_while(|c| c.is_alphabetic()).collect()];
        let message =
            v1::PayloadGroup { class: class.into(), labels, ..message(self.sent + 1, &[name, &filler]) };
        let soon = Duration::from_millis(if self.is_full.load(Ordering::SeqCst) { 300 } else { 60_000 });
        let is_taken = tokio::time::timeout(soon, self.outputs.submit(message, &self.mark)).await.is_ok();
        self.sent += u64::from(is_taken);
        is_taken
    }

    async fn settled(&self, number: u64) {
        let mut settled = 0;
        while settled < number {
            match self.mark.news() {
                Some(news) => settled = news.number,
                None => tokio::time::timeout(DEADLINE, self.mark.moved()).await.unwrap(),
            }
        }
        assert_eq!(settled, number);
    }

    /// Takes and delivers the next group; its first document.
    async fn deliver(&self) -> String {
        let group = tokio::time::timeout(DEADLINE, self.output.next()).await.unwrap().unwrap();
        let name = String::from_utf8(group.documents().parts(0)[0].to_vec()).unwrap();
        self.output.delivered(&group, 0..group.len());
        self.output.succeeded();
        name
    }

    fn count(&self, name: &str, label: &str) -> u64 {
        let samples = self.registry.samples();
        let is_wanted = |sample: &&bootstrap::counters::Sample| {
            sample.name == name && (label.is_empty() || sample.labels.iter().any(|(_, value)| value == label))
        };
        samples.iter().filter(is_wanted).map(|sample| sample.value).sum()
    }

    async fn wait_for(&self, name: &str, label: &str, least: u64) {
        let reached = async {
            while self.count(name, label) < least {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, reached).await;
        assert!(waited.is_ok(), "{name} {label}: {:#?}", self.registry.samples());
    }

    /// Ends as the reporter does; what is left in the spool, and the directory.
    fn end(self) -> (u64, TempDir) {
        self.spool.end();
        self.keeper.join().unwrap();
        (self.output.spooled(), self.dir)
    }
}

use v1::PayloadClass::{High, Low};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_settled_when_the_spool_has_it_and_not_before() {
    let mut bench = Bench::new(1 << 20, |_| {});
    bench.is_broken.store(true, Ordering::SeqCst);
    bench.submit(Low, "a", 10).await;
    bench.wait_for(FAILURES, "", 1).await;
    assert_eq!(bench.mark.news(), None, "it was written and not committed");
    bench.is_broken.store(false, Ordering::SeqCst);
    bench.settled(1).await;
    assert_eq!(bench.output.spooled(), 2, "nobody has delivered it");
    assert_eq!(bench.deliver().await, "a");
    assert_eq!((bench.output.spooled(), bench.output.metrics().pending()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_memory_does_not_hold_comes_back_from_disk_in_its_order() {
    let mut bench = Bench::new(40_000, |_| {});
    for n in 0..200 {
        let class = if n % 4 == 0 { High } else { Low };
        bench.submit(class, &format!("n{n}"), 3000).await;
    }
    bench.settled(200).await;
    assert!(bench.output.queue().bytes() <= 60_000, "{}", bench.output.queue().bytes());
    assert_eq!(bench.output.spooled(), 400);
    let mut names = Vec::new();
    for _ in 0..200 {
        names.push(bench.deliver().await);
    }
    let of = |is_high: bool| (0..200).filter(move |n| (n % 4 == 0) == is_high).map(|n| format!("n{n}"));
    assert_eq!(names, of(true).chain(of(false)).collect::<Vec<_>>());
    assert!(bench.count("reporter_spool_loaded_total", "") > 300);
    assert_eq!((bench.output.spooled(), bench.output.metrics().pending()), (0, 0));
    let (left, dir) = bench.end();
    assert_eq!(left, 0);
    let bench = Bench::at(dir, 40_000, |_| {});
    assert_eq!(bench.output.spooled(), 0, "everything was noted as delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_up_what_was_not_delivered_and_nothing_else() {
    let mut bench = Bench::new(40_000, |_| {});
    for n in 0..60 {
        bench.submit(Low, &format!("n{n}"), 3000).await;
    }
    bench.submit(High, "first", 10).await;
    bench.settled(61).await;
    assert_eq!(bench.deliver().await, "first");
    for n in 0..25 {
        assert_eq!(bench.deliver().await, format!("n{n}"));
    }
    let (left, dir) = bench.end();
    assert_eq!(left, 70);
    let mut bench = Bench::at(dir, 40_000, |_| {});
    assert_eq!((bench.count("reporter_spool_resumed_total", ""), bench.output.spooled()), (70, 70));
    bench.submit(Low, "n60", 3000).await;
    for n in 25..61 {
        assert_eq!(bench.deliver().await, format!("n{n}"));
    }
    assert_eq!((bench.output.spooled(), bench.output.metrics().pending()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_memory_until_it_has_room_again() {
    let mut bench = Bench::new(40_000, |_| {});
    bench.is_full.store(true, Ordering::SeqCst);
    let mut n = 0;
    while bench.takes(Low, &format!("n{n}"), 3000).await {
        n += 1;
    }
    assert!((5..14).contains(&n), "{n} groups of 3 kB in a memory of 40 kB");
    assert_eq!(bench.mark.news(), None);
    bench.wait_for("reporter_spool_memory_up", "", 1).await;
    assert_eq!(bench.deliver().await, "n0");
    bench.is_full.store(false, Ordering::SeqCst);
    for n in n..n + 20 {
        bench.submit(Low, &format!("n{n}"), 3000).await;
    }
    bench.settled(n + 20).await;
    assert_eq!(bench.count("reporter_spool_memory_up", ""), 0);
    for n in 1..n + 20 {
        assert_eq!(bench.deliver().await, format!("n{n}"));
    }
    assert_eq!((bench.count(DROPPED, ""), bench.output.metrics().pending()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_takes_nothing_low_and_what_is_high_pushes_low_out() {
    let mut bench = Bench::new(2 << 20, |config| config.max_bytes = 16 << 20);
    let mut low = 0;
    while !bench.spool.is_full() {
        if !tokio::time::timeout(DEADLINE, bench.takes(Low, &format!("low{low}"), 200_000)).await.unwrap() {
            break;
        }
        low += 1;
    }
    assert!((60..110).contains(&low), "{low} groups of 200 kB in 16 MiB");
    assert_eq!(bench.count(DROPPED, ""), 0, "what is not taken waits");
    for n in 0..30 {
        bench.submit(High, &format!("high{n}"), 200_000).await;
    }
    bench.wait_for("reporter_spool_written_total", "", 2 * (low + 30) - 40).await;
    let evicted = bench.count(DROPPED, "spool_evicted");
    assert!(evicted > 0 && evicted == bench.count(DROPPED, "low"), "{evicted}");
    assert_eq!(bench.count(DROPPED, ""), evicted);
    for n in 0..30 {
        assert_eq!(bench.deliver().await, format!("high{n}"));
    }
    let mut delivered = 0;
    while bench.output.metrics().pending() > 0 {
        assert!(bench.deliver().await.starts_with("low"));
        delivered += 2;
    }
    assert_eq!(delivered + evicted, 2 * low);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_spool_for_too_long_is_given_up_and_counted_by_label() {
    let mut bench = Bench::new(40_000, |_| {});
    for n in 0..60 {
        bench.submit(Low, &format!("old{n}"), 3000).await;
    }
    bench.settled(60).await;
    let (left, dir) = bench.end();
    assert_eq!(left, 120);
    let bench = Bench::at(dir, 40_000, |config| config.max_age = Duration::from_millis(1));
    bench.wait_for(DROPPED, "spool_expired", 120).await;
    assert_eq!(bench.count(DROPPED, "old"), 120);
    assert_eq!((bench.output.spooled(), bench.output.metrics().pending()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_damaged_is_counted_to_the_payload_and_the_rest_arrives() {
    let mut bench = Bench::new(40_000, |_| {});
    for n in 0..60 {
        bench.submit(Low, &format!("n{n}"), 3000).await;
    }
    bench.settled(60).await;
    let (_, dir) = bench.end();
    let is_segment = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "segment");
    let path = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).find(is_segment).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // In the message of one record, in the header of another, and the end is missing.
    let record = bytes.len() / 60;
    bytes[10 * record + 500] ^= 1;
    let header = bytes.windows(4).enumerate().filter(|(_, four)| *four == b"\xffSh\xfe").nth(20).unwrap().0;
    bytes[header + 9] ^= 4;
    bytes.truncate(58 * record + 300);
    std::fs::write(&path, bytes).unwrap();
    let bench = Bench::at(dir, 40_000, |_| {});
    let mut names = Vec::new();
    while bench.output.metrics().pending() > 0 {
        let next = tokio::time::timeout(Duration::from_secs(1), bench.output.next()).await;
        let Ok(Some(group)) = next else { continue };
        names.push(String::from_utf8(group.documents().parts(0)[0].to_vec()).unwrap());
        bench.output.delivered(&group, 0..group.len());
    }
    assert_eq!(names.len(), 56);
    assert_eq!(bench.count(DROPPED, "spool_damaged"), 8);
    assert_eq!(bench.output.spooled(), 0);
}
