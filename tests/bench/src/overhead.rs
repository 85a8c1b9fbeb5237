//! What the probe adds to system calls, in blocks whose order rotates, beside no probe, an empty hook and a peer.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use workloads::cgroup::OwnCgroup;

use crate::child::{self, Operation};
use crate::options::Options;
use crate::programs::Programs;
use crate::spread::Spread;
use crate::watcher::{Watched, Watcher};

/// Who watches while an operation is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Nobody: the floor of the machine.
    Nothing,
    /// A program that does nothing, at our hook: the floor of any hook.
    EmptyHook,
    /// Our probe, scope on another cgroup.
    OutOfScope,
    /// Our probe, scope on the cgroup of the bench, and a client that only acknowledges.
    Probe,
    /// The same with all three services, every event to a file.
    Stack,
    /// The same with the kinds in `KINDS` alone.
    Kinds,
    /// All services of the version in `BASELINE_BIN`, the same way.
    Baseline,
    /// The program in `PEER_SCAP_OPEN`.
    Peer,
}

impl Variant {
    /// Each, in the order of the report.
    pub const ALL: [Self; 8] = [
        Self::Nothing,
        Self::EmptyHook,
        Self::OutOfScope,
        Self::Probe,
        Self::Stack,
        Self::Kinds,
        Self::Baseline,
        Self::Peer,
    ];

    /// Those that everything needed is there for.
    fn chosen(options: &Options) -> Vec<Self> {
        let is_chosen = |variant: &Self| match variant {
            Self::Kinds => !options.kinds.is_empty(),
            Self::Baseline => options.baseline.is_some(),
            Self::Peer => options.peer.is_some(),
            Self::Nothing | Self::EmptyHook | Self::OutOfScope | Self::Probe | Self::Stack => true,
        };
        Self::ALL.into_iter().filter(is_chosen).collect()
    }

    /// In the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing attached",
            Self::EmptyHook => "empty hook",
            Self::OutOfScope => "ours, out of scope",
            Self::Probe => "ours, in scope, probe alone",
            Self::Stack => "ours, in scope, whole stack",
            Self::Kinds => "ours, KINDS alone, whole stack",
            Self::Baseline => "first version, whole stack",
            Self::Peer => "peer, same system calls",
        }
    }
}

/// One variant of one operation.
#[derive(Debug)]
pub struct Cell {
    /// Who watched.
    pub variant: Variant,
    /// What was repeated.
    pub operation: Operation,
    /// Nanoseconds per operation, one value per block.
    pub ns: Vec<f64>,
}

/// Everything measured.
#[derive(Debug, Default)]
pub struct Measured {
    cells: Vec<Cell>,
    /// Events that each variant lost meanwhile, over all blocks.
    lost: Vec<(Variant, u64)>,
}

/// Runs all variants `blocks` times.
///
/// # Errors
/// Without root, or when a watcher does not start.
pub async fn measure(
    options: &Options,
    ours: &Programs,
    baseline: Option<&Programs>,
    blocks: usize,
) -> anyhow::Result<Measured> {
    let own = OwnCgroup::new(&format!("shrike-bench-{}", std::process::id()))?;
    let other = OwnCgroup::new(&format!("shrike-bench-other-{}", std::process::id()))?;
    let files = tempfile::tempdir()?;
    child::make_files(files.path())?;
    let variants = Variant::chosen(options);
    let programs = Watched { ours, baseline };
    let mut measured = Measured::default();
    for block in 0..blocks {
        // Every variant takes every place in the order equally often, so drift of the machine hits all alike.
        for variant in variants.iter().cycle().skip(block % variants.len()).take(variants.len()) {
            let watcher = Watcher::start(*variant, options, programs, own.path(), other.path()).await;
            let watcher = watcher.with_context(|| format!("cannot start: {}", variant.name()))?;
            for operation in Operation::ALL {
                let ns = one(operation, files.path(), &own).await?;
                measured.add(*variant, operation, ns);
            }
            let lost = watcher.finish().await.with_context(|| format!("cannot stop: {}", variant.name()))?;
            measured.lost.push((*variant, lost));
        }
    }
    Ok(measured)
}

async fn one(operation: Operation, files: &Path, cgroup: &OwnCgroup) -> anyhow::Result<f64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["child", operation.name()])
        .arg(files)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    cgroup.add(child.id())?;
    child.stdin.take().context("stdin is piped")?.write_all(b"g")?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    anyhow::ensure!(output.status.success(), "the measured process failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

impl Measured {
    fn add(&mut self, variant: Variant, operation: Operation, ns: f64) {
        let is_it = |cell: &&mut Cell| cell.variant == variant && cell.operation == operation;
        match self.cells.iter_mut().find(is_it) {
            Some(cell) => cell.ns.push(ns),
            None => self.cells.push(Cell { variant, operation, ns: vec![ns] }),
        }
    }

    fn values(&self, operation: Operation, variant: Variant) -> Option<&[f64]> {
        let is_it = |cell: &&Cell| cell.variant == variant && cell.operation == operation;
        self.cells.iter().find(is_it).map(|cell| cell.ns.as_slice())
    }

    /// Nanoseconds per operation.
    #[must_use]
    pub fn spread(&self, operation: Operation, variant: Variant) -> Option<Spread> {
        Spread::of(self.values(operation, variant)?.to_vec())
    }

    /// What a variant added to nothing attached, in nanoseconds; each difference inside its block.
    #[must_use]
    pub fn added(&self, operation: Operation, variant: Variant) -> Option<Spread> {
        let nothing = self.values(operation, Variant::Nothing)?;
        Spread::of_differences(self.values(operation, variant)?, nothing)
    }

    /// How many times as long an operation takes, each ratio inside its block.
    #[must_use]
    pub fn times(&self, operation: Operation, variant: Variant) -> Option<Spread> {
        Spread::of_ratios(self.values(operation, variant)?, self.values(operation, Variant::Nothing)?)
    }

    /// What a variant lost in all blocks.
    #[must_use]
    pub fn lost(&self, variant: Variant) -> u64 {
        self.lost.iter().filter(|(known, _)| *known == variant).map(|(_, lost)| lost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_the_difference_inside_a_block() {
        let mut measured = Measured::default();
        for (nothing, with) in [(10.0, 15.0), (100.0, 105.0)] {
            measured.add(Variant::Nothing, Operation::Getpid, nothing);
            measured.add(Variant::Peer, Operation::Getpid, with);
        }
        let added = measured.added(Operation::Getpid, Variant::Peer).unwrap();
        assert_eq!((added.min, added.max), (5.0, 5.0));
        assert_eq!(measured.added(Operation::OpenOne, Variant::Peer), None);
    }

    #[test]
    fn what_one_block_lost_voids_the_variant_and_no_other() {
        let measured = Measured {
            lost: vec![(Variant::Probe, 0), (Variant::Stack, 0), (Variant::Probe, 3)],
            ..Measured::default()
        };
        assert_eq!((measured.lost(Variant::Probe), measured.lost(Variant::Stack)), (3, 0));
    }
}
