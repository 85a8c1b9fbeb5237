//! Whoever watches while system calls are measured, from start to what it lost.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::empty_hook::EmptyHook;
use crate::options::Options;
use crate::overhead::Variant;
use crate::probe::{Link, Probe};
use crate::programs::{Programs, Taker};
use crate::stack::Stack;

/// The builds that are measured.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// This one.
    pub ours: &'a Programs,
    /// The one in `BASELINE_BIN`.
    pub baseline: Option<&'a Programs>,
}

/// A running watcher.
#[derive(Debug)]
pub enum Watcher {
    /// Nobody.
    Nothing,
    /// The empty program.
    EmptyHook(EmptyHook),
    /// A probe and its client.
    Probe(Link, Probe),
    /// All services.
    Stack(Stack),
    /// The peer.
    Peer(Peer),
}

impl Watcher {
    /// Starts a watcher and waits until it watches.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(
        variant: Variant,
        options: &Options,
        Watched { ours, baseline }: Watched<'_>,
        own: &str,
        other: &str,
    ) -> anyhow::Result<Self> {
        Ok(match variant {
            Variant::Nothing => Self::Nothing,
            Variant::EmptyHook => Self::EmptyHook(EmptyHook::attach()?),
            Variant::OutOfScope | Variant::Probe => {
                let scope = if variant == Variant::Probe { own } else { other };
                let probe = Probe::start(&ours.program("shrike-probe")?, scope).await?;
                Self::Probe(probe.link().await?, probe)
            }
            Variant::Stack => Self::Stack(Stack::start(ours, own, Taker::File, None).await?),
            Variant::Kinds => {
                let ours = ours.clone().with_kinds(&options.kinds);
                Self::Stack(Stack::start(&ours, own, Taker::File, None).await?)
            }
            Variant::Baseline => {
                let baseline = baseline.context("a version is measured beside only when it is set")?;
                Self::Stack(Stack::start(baseline, own, Taker::File, None).await?)
            }
            Variant::Peer => {
                let program = options.peer.as_ref().context("a peer is measured only when it is set")?;
                Self::Peer(Peer::start(program, &options.peer_args).await?)
            }
        })
    }

    /// Ends it; gives how many events it lost.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn finish(self) -> anyhow::Result<u64> {
        Ok(match self {
            Self::Nothing | Self::EmptyHook(_) => 0,
            Self::Probe(mut link, _probe) => link.lost().await?,
            Self::Stack(stack) => {
                // The probe says every second how it is, so an older word may be of before the end.
                tokio::time::sleep(Duration::from_millis(1200)).await;
                let tally = stack.settled(0).await?;
                stack.stop()?;
                tally.lost
            }
            Self::Peer(peer) => peer.finish()?,
        })
    }
}

/// The peer's process. It prints its counters when it is interrupted.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    dir: tempfile::TempDir,
}

impl Peer {
    async fn start(program: &PathBuf, args: &[String]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(dir.path().join("said"))?)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start the peer {}", program.display()))?;
        let mut peer = Self { child, dir };
        let mut before = 0;
        // It says nothing when it is attached, and attaches one program after the other.
        for _ in 0..150 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            ensure!(peer.child.try_wait()?.is_none(), "the peer ended: {}", peer.said()?);
            let attached = links_of(peer.child.id())?;
            if attached > 0 && attached == before {
                return Ok(peer);
            }
            before = attached;
        }
        anyhow::bail!("the peer {} attached nothing within 30 s", program.display())
    }

    fn said(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.dir.path().join("said"))?).into_owned())
    }

    fn finish(mut self) -> anyhow::Result<u64> {
        nix::sys::signal::kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.child.wait()?;
        drops_in(&self.said()?).context("the peer did not say what it dropped")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        crate::stack::end(&mut self.child).unwrap_or_default();
    }
}

/// The line `[1] n_drops: 0` of its counters.
fn drops_in(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("] n_drops: "));
    line.and_then(|(_, number)| number.trim().parse().ok())
}

/// Programs that a process has attached.
fn links_of(pid: u32) -> anyhow::Result<usize> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fdinfo"))?;
    let is_link = |path: PathBuf| std::fs::read_to_string(path).is_ok_and(|info| info.contains("link_type"));
    Ok(files.filter(|file| file.as_ref().is_ok_and(|file| is_link(file.path()))).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_counters_of_the_peer_the_sum_of_its_drops_is_taken() {
        let said = "[1] n_evts: 642\n[1] n_drops_buffer_total: 5\n[1] n_drops: 7\n[128] n_drops_cpu_0: 7\n";
        assert_eq!(drops_in(said), Some(7));
        assert_eq!(drops_in("nothing"), None);
    }
}
