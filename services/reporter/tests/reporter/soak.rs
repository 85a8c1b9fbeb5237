//! Everything that can go wrong, in one run: every acknowledged payload arrives, and what arrives twice can be told by its id.
//!
//! `SHRIKE_SOAK_EVENTS` (default 60 000) and `SHRIKE_SOAK_SEED` make it longer or other. Without root there is no small disk
//! to fill, and that fault is left out.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::{DEADLINE, KEY, Payload, Submission, client, now_ms};
use crate::process::{command, start_in};
use mock_intake::{Fault, MockIntake, Options, Plan};
use tempfile::TempDir;
use tokio::process::Child;
use tokio::sync::watch;
use wire::v1;

/// Payloads in one group.
const GROUP: u64 = 50;
/// Groups that the sender keeps until they are settled, as the analyzer does.
const UNSETTLED: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    KillReporter,
    KillIntake,
    Errors,
    Hang,
    Resets,
    LostAnswers,
    Throttle,
    TooLarge,
    FullDisk,
}

const ACTS: [Act; 9] = [
    Act::KillReporter,
    Act::KillIntake,
    Act::Errors,
    Act::Hang,
    Act::Resets,
    Act::LostAnswers,
    Act::Throttle,
    Act::TooLarge,
    Act::FullDisk,
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Sends numbered payloads until all are settled, over however many connections that takes.
struct Sender {
    socket: PathBuf,
    total: u64,
    /// Changes with each reporter that is ready.
    ready: watch::Receiver<u32>,
    acked: watch::Sender<u64>,
    lost: Arc<AtomicU64>,
}

impl Sender {
    async fn run(mut self) {
        let mut next = 0;
        let mut unsettled: VecDeque<Range<u64>> = VecDeque::new();
        while *self.acked.borrow() < self.total {
            self.connection(&mut next, &mut unsettled).await;
            if *self.acked.borrow() < self.total {
                // It broke: there is another reporter, or will be.
                drop(tokio::time::timeout(Duration::from_secs(1), self.ready.changed()).await);
            }
        }
    }

    /// One connection, until it breaks or everything is settled.
    async fn connection(&self, next: &mut u64, unsettled: &mut VecDeque<Range<u64>>) {
        let Ok(channel) = bootstrap::socket::connect(&self.socket).await else { return };
        let mut client = v1::reporter_client::ReporterClient::new(channel);
        let Ok(mut submission) = Submission::try_open(&mut client).await else { return };
        let mut settled = 0;
        let mut to_send: VecDeque<Range<u64>> = unsettled.iter().cloned().collect();
        loop {
            if to_send.is_empty() && *next < self.total && unsettled.len() < UNSETTLED {
                let range = *next..(*next + GROUP).min(self.total);
                *next = range.end;
                unsettled.push_back(range.clone());
                to_send.push_back(range);
            }
            let group = to_send.front().cloned().map(|range| range.map(event).collect::<Vec<_>>());
            let mark = {
                let (groups, marks) = submission.halves();
                tokio::select! {
                    biased;
                    mark = marks.message() => Some(mark),
                    permit = groups.reserve(), if group.is_some() => {
                        if permit.is_err() {
                            return;
                        }
                        None
                    }
                }
            };
            match mark {
                None => {
                    to_send.pop_front();
                    submission.send(group.unwrap_or_default()).await;
                }
                Some(Ok(Some(mark))) => {
                    self.note(&mark, &mut settled, unsettled);
                    if *self.acked.borrow() == self.total {
                        return;
                    }
                }
                Some(_) => return,
            }
        }
    }

    fn note(&self, mark: &v1::Settled, settled: &mut u64, unsettled: &mut VecDeque<Range<u64>>) {
        for _ in *settled..mark.number {
            let range = unsettled.pop_front().unwrap();
            self.acked.send_modify(|acked| *acked += range.end - range.start);
        }
        *settled = mark.number;
        let lost = mark.lost.iter().flat_map(|lost| &lost.counts).map(|count| count.payloads).sum();
        self.lost.fetch_add(lost, Ordering::SeqCst);
    }
}

fn event(n: u64) -> Payload {
    let padding = "x".repeat(200 + usize::try_from(n % 400).unwrap());
    Payload {
        content: format!("{{\"agent\":{{\"event_id\":\"soak-{n}\"}},\"n\":{n},\"x\":\"{padding}\"}}"),
        tags: vec!["image_name:soak".to_owned()],
        service: "soak".to_owned(),
        time_ms: now_ms(),
    }
}

/// The processes, and what is done to them.
struct Chaos {
    dir: TempDir,
    config: String,
    url: String,
    address: SocketAddr,
    reporter: Child,
    intake: Option<MockIntake>,
    ready: watch::Sender<u32>,
    has_small_disk: bool,
    batches: BTreeMap<String, usize>,
    kills: u64,
}

impl Chaos {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool");
        std::fs::create_dir(&spool).unwrap();
        let has_small_disk = mount(&spool);
        let intake = Self::open_intake(dir.path(), ([127, 0, 0, 1], 0).into()).await;
        let (url, address) = (intake.url(), intake.address());
        let config = format!(
            "[spool]\npath = {spool:?}\nsync_every = '20ms'\n[intake]\nbatch_max_size = 200\nbatch_wait = '1s'\n\
             timeout = '500ms'\nqueue_bytes = 4194304\nsender_backoff_base = '1ms'\nsender_backoff_max = '5ms'\n"
        );
        let options = ["--intake-url", &url, "--api-key-file", "key", "--allow-root"];
        let reporter = start_in(dir.path(), quiet(), &config, &options);
        let (ready, intake) = (watch::Sender::new(1), Some(intake));
        let batches = BTreeMap::new();
        Self { dir, config, url, address, reporter, intake, ready, has_small_disk, batches, kills: 0 }
    }

    async fn open_intake(dir: &Path, listen: SocketAddr) -> MockIntake {
        let options =
            Options { listen, api_key: Some(KEY.to_owned()), keep: 1000, out: Some(dir.join("arrived")) };
        let started = async {
            // The one before may still have the address for a moment.
            loop {
                match MockIntake::start_with(options.clone()).await {
                    Ok(intake) => return intake,
                    Err(_address_in_use) => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(DEADLINE, started).await.expect("the address of the intake is not free again")
    }

    fn fail(&self, fault: Fault, n: usize) {
        self.intake.as_ref().unwrap().fail(Plan::once(std::iter::repeat_n(fault, n)));
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::KillReporter => {
                self.reporter.kill().await.unwrap();
                self.kills += 1;
                let options = ["--intake-url", &self.url, "--api-key-file", "key", "--allow-root"];
                self.reporter = start_in(self.dir.path(), quiet(), &self.config, &options);
                self.ready.send_modify(|n| *n += 1);
            }
            Act::KillIntake => {
                self.note_batches();
                self.intake = None;
                self.intake = Some(Self::open_intake(self.dir.path(), self.address).await);
            }
            Act::Errors => self.fail(Fault::status(503), 20),
            Act::Hang => self.fail(Fault::Hang, 2),
            Act::Resets => self.fail(Fault::Close, 10),
            Act::LostAnswers => self.fail(Fault::TakeAndClose, 3),
            Act::Throttle => self.fail(Fault::Status { code: 429, retry_after: Some("1".to_owned()) }, 1),
            Act::TooLarge => self.fail(Fault::status(413), 2),
            Act::FullDisk if self.has_small_disk => {
                let filler = self.dir.path().join("spool/filler");
                if std::fs::remove_file(&filler).is_err() {
                    // As much as there is room for.
                    drop(std::fs::write(&filler, vec![1; 64 << 20]));
                }
            }
            Act::FullDisk => {}
        }
    }

    /// One id, one body.
    fn note_batches(&mut self) {
        for request in self.intake.as_ref().unwrap().requests() {
            let id = request.headers["shrike-batch-id"].to_str().unwrap().to_owned();
            let bytes = *self.batches.entry(id.clone()).or_insert(request.wire_bytes);
            assert_eq!(bytes, request.wire_bytes, "{id}");
        }
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if self.has_small_disk {
            let spool = self.dir.path().join("spool");
            drop(std::process::Command::new("umount").args(["--lazy"]).arg(spool).status());
        }
    }
}

fn quiet() -> tokio::process::Command {
    let mut command = command();
    command
        .env("SHRIKE_LOG", "error")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    command
}

/// A disk of 32 MiB there, if this user may have one.
fn mount(path: &Path) -> bool {
    let options = ["-t", "tmpfs", "-o", "size=32m", "shrike-soak"];
    let done = std::process::Command::new("mount").args(options).arg(path).output();
    done.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_payload_arrives_whatever_is_killed_refused_reset_or_full() {
    let (total, seed) = (setting("SHRIKE_SOAK_EVENTS", 60_000), setting("SHRIKE_SOAK_SEED", 7));
    let mut chaos = Chaos::start().await;
    let (acked, mut progress) = watch::channel(0);
    let lost = Arc::new(AtomicU64::new(0));
    let socket = chaos.dir.path().join("reporter.sock");
    let (ready, told) = (chaos.ready.subscribe(), lost.clone());
    let sender = tokio::spawn(Sender { socket: socket.clone(), total, ready, acked, lost: told }.run());
    let steps = (total / 500).max(36);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for step in 1..steps {
        let due = total * step / steps;
        let reached = progress.wait_for(|acked| *acked >= due);
        tokio::time::timeout(DEADLINE, reached).await.expect("nothing moves").unwrap();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let n = ACTS.len() as u64;
        // Each of them at least once, and then any.
        let pick = if step <= n { step - 1 } else { state % n };
        chaos.act(ACTS[usize::try_from(pick).unwrap()]).await;
    }
    drop(std::fs::remove_file(chaos.dir.path().join("spool/filler")));
    tokio::time::timeout(DEADLINE, sender).await.expect("not everything is acknowledged").unwrap();

    // What was acknowledged and is not there yet is in the spool.
    let mut client = client(&socket).await;
    let drained = async {
        loop {
            let status = client.get_status(v1::ReporterStatusRequest::default()).await.unwrap().into_inner();
            let sum = |name: &str| -> u64 {
                status.metrics.iter().filter(|metric| metric.name == name).map(|metric| metric.value).sum()
            };
            let done =
                sum("reporter_destination_delivered_total") + sum("reporter_destination_dropped_total");
            if sum("reporter_destination_payloads_total") == done {
                let is_drop = |metric: &&v1::Metric| metric.name == "reporter_destination_dropped_total";
                let drops: Vec<_> = status.metrics.iter().filter(is_drop).collect();
                return (sum("reporter_destination_dropped_total"), format!("{drops:?}"));
            }
        }
    };
    let (dropped, causes) = tokio::time::timeout(DEADLINE, drained).await.expect("the spool is not emptied");
    chaos.note_batches();

    let mut arrived = vec![0_u32; usize::try_from(total).unwrap()];
    let text = std::fs::read_to_string(chaos.dir.path().join("arrived")).unwrap();
    for line in text.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let n = entry["message"]["n"].as_u64().unwrap();
        assert_eq!(entry["message"]["agent"]["event_id"], format!("soak-{n}"), "told by its id");
        arrived[usize::try_from(n).unwrap()] += 1;
    }
    let missing = arrived.iter().filter(|times| **times == 0).count();
    let twice: u64 = arrived.iter().map(|times| u64::from(times.saturating_sub(1))).sum();
    println!(
        "{total} payloads, {steps} faults, {} kills, small disk {}: {missing} missing, {twice} came again, {dropped} dropped, \
         {} told as lost, {} batches",
        chaos.kills,
        chaos.has_small_disk,
        lost.load(Ordering::SeqCst),
        chaos.batches.len()
    );
    assert_eq!((missing, dropped, lost.load(Ordering::SeqCst)), (0, 0, 0), "{causes}");
    // Each fault can repeat what was under way: in memory, that is not yet noted as delivered.
    let under_way = 4 * (4 << 20) / 250 + UNSETTLED as u64 * GROUP;
    assert!(twice <= (steps + chaos.kills) * under_way, "{twice}");
}
