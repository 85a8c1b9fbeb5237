//! The rows about system calls: what each watcher adds, and what that is beside the empty hook and the peer.

use crate::child::Operation;
use crate::options::Options;
use crate::overhead::{self, Measured, Variant};
use crate::programs::Programs;
use crate::report::Report;

const BLOCKS: usize = 10;
/// Of the peer's added cost, for opening files.
const OF_PEER: f64 = 0.6;
/// Of the time without anything attached, for starting a program.
const SPAWN: f64 = 1.015;

/// Measures and reports.
///
/// # Errors
/// Without root, or when a watcher does not start.
pub async fn run(
    report: &mut Report,
    options: &Options,
    ours: &Programs,
    baseline: Option<&Programs>,
) -> anyhow::Result<()> {
    let blocks = options.rounds.unwrap_or(BLOCKS);
    let measured = overhead::measure(options, ours, baseline, blocks).await?;
    report.title(&format!("added to a system call, ns (differences inside {blocks} blocks)"));
    for operation in Operation::ALL {
        if let Some(nothing) = measured.spread(operation, Variant::Nothing) {
            let name = format!("{}, {}", operation.name(), Variant::Nothing.name());
            report.line(&name, format!("{nothing:.0}"), "one operation".to_owned());
        }
        for variant in Variant::ALL.into_iter().skip(1) {
            line(report, &measured, operation, variant);
        }
    }
    if options.peer.is_none() {
        report.not_run("peer", "set PEER_SCAP_OPEN to its path".to_owned());
    }
    Ok(())
}

fn line(report: &mut Report, measured: &Measured, operation: Operation, variant: Variant) {
    let name = format!("{}, {}", operation.name(), variant.name());
    let (Some(added), Some(times)) = (measured.added(operation, variant), measured.times(operation, variant))
    else {
        return;
    };
    if measured.lost(variant) > 0 {
        return report.void(&name, format!("{} events lost meanwhile", measured.lost(variant)));
    }
    let value = format!("{added:+.0}");
    let beside = format!("{times:.3}×");
    let of_peer = measured
        .added(operation, Variant::Peer)
        .filter(|peer| measured.lost(Variant::Peer) == 0 && peer.median > 0.0)
        .map(|peer| added.median / peer.median);
    match (operation, variant, of_peer) {
        (Operation::SpawnWait, Variant::Stack, _) => {
            let target = format!("≤ {SPAWN}×");
            report.target(&name, value, beside, &target, times.median <= SPAWN);
        }
        (Operation::OpenOne | Operation::OpenMany, Variant::Stack, Some(of_peer)) => {
            let beside = format!("{beside}; {of_peer:.2}× the peer's");
            let target = format!("≤ {OF_PEER}× the peer's");
            report.target(&name, value, beside, &target, of_peer <= OF_PEER);
        }
        (_, Variant::OutOfScope, _) => {
            let floor = measured.added(operation, Variant::EmptyHook).map_or(f64::NAN, |floor| floor.median);
            let over = added.median - floor;
            report.line(&name, value, format!("{beside}; {over:+.0} to the empty hook"));
        }
        _ => report.line(&name, value, beside),
    }
}
