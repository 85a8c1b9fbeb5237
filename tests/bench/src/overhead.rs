//! What the probe adds to system calls, in randomised blocks, beside no probe and an optional peer.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use workloads::cgroup::OwnCgroup;

use crate::child::Operation;
use crate::probe::Probe;

/// Who watches while an operation is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Nobody: the floor.
    Nothing,
    /// Our probe, scope on the cgroup of the bench.
    InScope,
    /// Our probe, scope on another cgroup.
    OutOfScope,
    /// The program in `PEER_SCAP_OPEN`.
    Peer,
}

/// How the overhead is measured.
#[derive(Debug)]
pub struct Plan {
    /// The `shrike-probe` to measure.
    pub probe: PathBuf,
    /// The peer's program, if any.
    pub peer: Option<PathBuf>,
    /// How many blocks; every variant runs once in each.
    pub blocks: usize,
    /// How long one operation is repeated.
    pub time: Duration,
}

/// Nanoseconds per operation of every variant, one value per block.
#[derive(Debug)]
pub struct Measured {
    /// What was repeated.
    pub operation: Operation,
    /// Per variant, the values of all blocks in order.
    pub variants: Vec<(Variant, Vec<f64>)>,
}

/// Runs the plan.
///
/// # Errors
/// Without root, or when the probe does not start.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Measured>> {
    let own = OwnCgroup::new(&format!("shrike-bench-{}", std::process::id()))?;
    let other = OwnCgroup::new(&format!("shrike-bench-other-{}", std::process::id()))?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("opened");
    std::fs::write(&file, "x")?;
    let mut variants = vec![Variant::Nothing, Variant::InScope, Variant::OutOfScope];
    if plan.peer.is_some() {
        variants.push(Variant::Peer);
    }
    let mut measured: Vec<Measured> = Operation::ALL
        .into_iter()
        .map(|operation| Measured {
            operation,
            variants: variants.iter().map(|variant| (*variant, Vec::new())).collect(),
        })
        .collect();
    for block in 0..plan.blocks {
        // Every variant takes every place in the order equally often, so drift of the machine hits all alike.
        let order = variants.iter().cycle().skip(block % variants.len()).take(variants.len());
        for variant in order {
            let _watcher = Watcher::start(*variant, plan, own.path(), other.path()).await?;
            for measured in &mut measured {
                let ns = one(measured.operation, &file, plan.time, &own).await?;
                let values = measured.variants.iter_mut().find(|(known, _)| known == variant);
                values.context("every variant has a row")?.1.push(ns);
            }
        }
    }
    Ok(measured)
}

async fn one(operation: Operation, file: &Path, time: Duration, cgroup: &OwnCgroup) -> anyhow::Result<f64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["child", operation.name(), &time.as_millis().to_string()])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    cgroup.add(child.id())?;
    child.stdin.take().context("stdin is piped")?.write_all(b"g")?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    anyhow::ensure!(output.status.success(), "the measured process failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

enum Watcher {
    Nothing,
    Probe { _link: crate::probe::Link, _probe: Probe },
    Peer(Child),
}

impl Watcher {
    async fn start(variant: Variant, plan: &Plan, own: &str, other: &str) -> anyhow::Result<Self> {
        Ok(match variant {
            Variant::Nothing => Self::Nothing,
            Variant::InScope | Variant::OutOfScope => {
                let scope = if variant == Variant::InScope { own } else { other };
                let probe = Probe::start(&plan.probe, scope).await?;
                Self::Probe { _link: probe.link().await?, _probe: probe }
            }
            Variant::Peer => {
                let path = plan.peer.as_ref().context("a peer is measured only when it is set")?;
                let peer = Command::new(path)
                    .args(["--modern_bpf", "--num_events", "1000000000"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .with_context(|| format!("cannot start the peer {}", path.display()))?;
                // It says nothing when it is attached; its own start takes about a second.
                tokio::time::sleep(Duration::from_secs(3)).await;
                Self::Peer(peer)
            }
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Self::Peer(peer) = self
            && peer.kill().is_ok()
        {
            drop(peer.wait());
        }
    }
}

impl Measured {
    /// The median of a variant, in nanoseconds per operation.
    #[must_use]
    pub fn median(&self, variant: Variant) -> Option<f64> {
        self.variants
            .iter()
            .find(|(known, _)| *known == variant)
            .and_then(|(_, values)| median(values.clone()))
    }

    /// Median over the blocks of (variant − nothing) and of variant ÷ nothing, each inside its block.
    #[must_use]
    pub fn added(&self, variant: Variant) -> Option<(f64, f64)> {
        let values =
            |wanted| self.variants.iter().find(|(known, _)| *known == wanted).map(|(_, values)| values);
        let (floor, with) = (values(Variant::Nothing)?, values(variant)?);
        let pairs = || floor.iter().zip(with);
        Some((
            median(pairs().map(|(floor, with)| with - floor).collect())?,
            median(pairs().map(|(floor, with)| with / floor).collect())?,
        ))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
