//! A real probe process for the bench, with a client that takes and acknowledges everything.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use wire::v1;
use wire::v1::from_analyzer::Message as Say;
use wire::v1::from_probe::Message as Hear;

/// A running probe; dropping it ends it.
#[derive(Debug)]
pub struct Probe {
    child: Child,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Probe {
    /// Starts `binary` with its scope on `cgroup` and waits until it serves.
    ///
    /// # Errors
    /// When it ends or is not ready within 30 s.
    pub async fn start(binary: &Path, cgroup: &str) -> anyhow::Result<Self> {
        let mut probe = Self::spawn(binary, cgroup)?;
        let ready = tokio::time::timeout(Duration::from_secs(30), async {
            while bootstrap::socket::connect(&probe.socket).await.is_err() {
                anyhow::ensure!(probe.child.try_wait()?.is_none(), "the probe ended at start");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        });
        ready.await.context("the probe was not ready within 30 s")??;
        Ok(probe)
    }

    fn spawn(binary: &Path, cgroup: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let socket = dir.path().join("probe.sock");
        let uid = nix::unistd::geteuid().to_string();
        let child = Command::new(binary)
            .args(["--scope", &format!("cgroup={cgroup}"), "--allow-uid", &uid, "--socket"])
            .arg(&socket)
            .stdin(Stdio::null())
            .env("SHRIKE_LOG", "warn")
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self { child, socket, _dir: dir })
    }

    /// Receives and acknowledges batches in the background; give [`Link::finish`] the word to stop.
    ///
    /// # Errors
    /// When the probe refuses us.
    pub async fn link(&self) -> anyhow::Result<Link> {
        let channel = bootstrap::socket::connect(&self.socket).await?;
        let mut client = v1::probe_client::ProbeClient::new(channel).max_decoding_message_size(16 << 20);
        let (say, heard) = mpsc::channel(64);
        let hello = v1::AnalyzerHello {
            wire_version: wire::WIRE_VERSION,
            version: "bench".to_owned(),
            ..Default::default()
        };
        say.send(v1::FromAnalyzer { message: Some(Say::Hello(hello)) }).await?;
        let mut stream = client.stream(ReceiverStream::new(heard)).await?.into_inner();
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<u64>();
        let (progress, seen) = watch::channel(Progress::default());
        let task = tokio::spawn(async move {
            let mut taken = Taken::default();
            let mut wanted = None;
            while wanted.is_none_or(|events| taken.events < events) {
                let next = tokio::select! {
                    next = stream.next() => next,
                    events = &mut stopped, if wanted.is_none() => {
                        wanted = Some(events.unwrap_or(0));
                        continue;
                    }
                };
                match next.transpose()?.and_then(|message| message.message) {
                    Some(Hear::Batch(bytes)) => {
                        let batch = wire::batch::parse(bytes)?;
                        // What a ledger leaves out is lost.
                        let kinds = wire::batch::kinds(&batch);
                        let ledger = v1::Ledger { no_taker: Some(kinds.into()), ..v1::Ledger::default() };
                        let ack = v1::Ack { seq: batch.seq, ledger: Some(ledger) };
                        say.send(v1::FromAnalyzer { message: Some(Say::Ack(ack)) }).await?;
                        taken.events += kinds.total();
                        taken.batches.push(batch);
                        progress.send_modify(|seen| seen.events = taken.events);
                    }
                    Some(Hear::Hello(hello)) => taken.host = hello.host.unwrap_or_default(),
                    Some(Hear::Status(status)) => progress.send_modify(|seen| {
                        seen.statuses += 1;
                        seen.lost = lost_in(&status);
                    }),
                    None => break,
                }
            }
            Ok(taken)
        });
        Ok(Link { stop, seen, task })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let ended = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGTERM);
            if ended.is_ok() {
                drop(self.child.wait());
            }
        }
    }
}

/// What a link received.
#[derive(Debug, Default, Clone)]
pub struct Taken {
    /// The host of the probe.
    pub host: v1::Host,
    /// Every batch in order.
    pub batches: Vec<v1::Batch>,
    /// How many events they hold.
    pub events: u64,
}

/// A connected client.
#[derive(Debug)]
pub struct Link {
    stop: tokio::sync::oneshot::Sender<u64>,
    seen: watch::Receiver<Progress>,
    task: tokio::task::JoinHandle<anyhow::Result<Taken>>,
}

/// How far a link is.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    /// Events received.
    events: u64,
    /// Times the probe said how it is.
    statuses: u64,
    /// Events it had lost then, all causes.
    lost: u64,
}

fn lost_in(status: &v1::ProbeStatus) -> u64 {
    status.lost.iter().filter_map(|loss| loss.counts.as_ref()).flat_map(|counts| counts.counts.values()).sum()
}

impl Link {
    /// Waits for the first event.
    ///
    /// # Errors
    /// When the stream broke.
    pub async fn first_event(&mut self) -> anyhow::Result<()> {
        self.seen.wait_for(|seen| seen.events > 0).await.context("the link to the probe broke")?;
        Ok(())
    }

    /// What the probe has lost until now; waits until it says so, which it does every second.
    ///
    /// # Errors
    /// When the stream broke.
    pub async fn lost(&mut self) -> anyhow::Result<u64> {
        // The next one may have been on its way already.
        let wanted = self.seen.borrow().statuses + 2;
        let seen = self.seen.wait_for(|seen| seen.statuses >= wanted).await;
        Ok(seen.context("the link to the probe broke")?.lost)
    }

    /// Goes on until `events` events have arrived, then gives everything received.
    ///
    /// # Errors
    /// When the stream broke.
    pub async fn finish(self, events: u64) -> anyhow::Result<Taken> {
        if self.stop.send(events).is_err() {
            anyhow::bail!("the link to the probe broke");
        }
        self.task.await?
    }
}
