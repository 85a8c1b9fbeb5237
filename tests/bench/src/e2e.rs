//! Events per CPU-second of all three processes, beside the first version in the same minutes.
//!
//! The load is paced so that nothing is lost; a round in which something was is void. What the load itself costs is
//! not counted, and neither is the intake.

use std::time::Duration;

use workloads::cgroup::OwnCgroup;

use crate::load::Load;
use crate::options::Options;
use crate::programs::{Programs, Taker};
use crate::report::Report;
use crate::spread::Spread;
use crate::stack::{Intake, Stack};

const ROUNDS: usize = 3;
/// A service of a container has workers.
const PROCESSES: u32 = 4;

/// One round of one variant.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Events that went the whole way.
    events: u64,
    /// Events that were lost.
    lost: u64,
    /// CPU time of probe, analyzer and reporter.
    cpu: [Duration; 3],
}

/// One version and one taker.
struct Variant<'a> {
    programs: &'a Programs,
    taker: Taker,
    rounds: Vec<Round>,
    /// Why it could not be measured.
    failed: Option<String>,
}

/// Measures all variants, their order rotated from round to round, and reports them.
///
/// # Errors
/// When the load cannot be made.
pub async fn run(
    report: &mut Report,
    options: &Options,
    ours: &Programs,
    first: Option<&Programs>,
) -> anyhow::Result<()> {
    let mut variants = Vec::new();
    let mut add = |programs, taker| {
        variants.push(Variant { programs, taker, rounds: Vec::new(), failed: None });
    };
    for taker in [Taker::Nobody, Taker::File, Taker::Intake] {
        add(ours, taker);
    }
    // The first version renders for nobody too, and has no setting for it.
    for taker in [Taker::File, Taker::Intake] {
        if let Some(first) = first {
            add(first, taker);
        }
    }
    let intake = Intake::start(ours).await;
    let load = Load { rate: options.rate, time: options.time, processes: PROCESSES };
    for round in 0..options.rounds.unwrap_or(ROUNDS) {
        let count = variants.len();
        for place in 0..count {
            let Some(variant) = variants.get_mut((place + round) % count) else { continue };
            if variant.failed.is_some() {
                continue;
            }
            match one(variant, load, intake.as_ref().ok()).await {
                Ok(done) => variant.rounds.push(done),
                Err(error) => variant.failed = Some(format!("{error:#}")),
            }
        }
    }
    report.title(&format!(
        "end to end: events per CPU-second of all processes ({} opens/s for {} s)",
        options.rate,
        options.time.as_secs()
    ));
    for variant in &variants {
        line(report, variant, &variants);
    }
    if first.is_none() {
        report.not_run("first version", "set BASELINE_BIN to the directory of its programs".to_owned());
    }
    Ok(())
}

async fn one(variant: &Variant<'_>, load: Load, intake: Option<&Intake>) -> anyhow::Result<Round> {
    let cgroup = OwnCgroup::new(&format!("shrike-bench-{}", std::process::id()))?;
    let stack = Stack::start(variant.programs, cgroup.path(), variant.taker, intake).await?;
    let (before, counted) = (stack.cpu()?, stack.tally().await?.done());
    let opened = tokio::task::block_in_place(|| load.run(&cgroup))?;
    let tally = stack.settled(opened).await?;
    let [probe, analyzer, reporter] = stack.cpu()?;
    let [probe_before, analyzer_before, reporter_before] = before;
    stack.stop()?;
    Ok(Round {
        events: tally.done() - counted,
        lost: tally.lost,
        cpu: [probe - probe_before, analyzer - analyzer_before, reporter - reporter_before],
    })
}

impl Round {
    fn events_per_cpu_second(&self) -> f64 {
        precise(self.events) / self.cpu.iter().sum::<Duration>().as_secs_f64()
    }
}

impl Variant<'_> {
    fn name(&self) -> String {
        let to = match self.taker {
            Taker::Nobody => "no taker",
            Taker::File => "all to a file",
            Taker::Intake => "all to the intake, zstd",
        };
        format!("{to}, {}", self.programs.name)
    }

    fn rates(&self) -> Vec<f64> {
        self.rounds.iter().map(Round::events_per_cpu_second).collect()
    }

    fn lost(&self) -> u64 {
        self.rounds.iter().map(|round| round.lost).sum()
    }

    fn is_first_version_to_a_file(&self, ours: &str) -> bool {
        self.programs.name != ours && self.taker == Taker::File
    }

    /// Microseconds per event of each service, the median round's.
    fn parts(&self) -> String {
        let of = |pick: fn([Duration; 3]) -> Duration| {
            let each =
                self.rounds.iter().map(|round| pick(round.cpu).as_secs_f64() * 1e6 / precise(round.events));
            Spread::of(each.collect()).map_or(0.0, |spread| spread.median)
        };
        let (probe, analyzer, reporter) =
            (of(|[cpu, _, _]| cpu), of(|[_, cpu, _]| cpu), of(|[_, _, cpu]| cpu));
        format!("probe {probe:.2} + analyzer {analyzer:.2} + reporter {reporter:.2} µs")
    }
}

fn line(report: &mut Report, variant: &Variant<'_>, all: &[Variant<'_>]) {
    let name = variant.name();
    if let Some(why) = &variant.failed {
        return report.not_run(&name, why.clone());
    }
    if variant.lost() > 0 {
        return report.void(&name, format!("{} events lost: choose a lower RATE", variant.lost()));
    }
    let Some(spread) = Spread::of(variant.rates()) else { return };
    let ours = all.first().map_or("", |first| first.programs.name);
    let base = all.iter().find(|other| other.is_first_version_to_a_file(ours) && other.lost() == 0);
    let beside = variant.parts();
    let (Some(base), true) = (base, variant.programs.name == ours) else {
        return report.line(&name, format!("{spread:.0}"), beside);
    };
    let Some(ratio) = Spread::of_ratios(&variant.rates(), &base.rates()) else {
        return report.line(&name, format!("{spread:.0}"), beside);
    };
    let beside = format!("{beside}; {ratio:.2}× the first version to a file");
    let least = match variant.taker {
        Taker::Nobody => 12.0,
        Taker::File => 3.0,
        Taker::Intake => return report.line(&name, format!("{spread:.0}"), beside),
    };
    report.target(&name, format!("{spread:.0}"), beside, &format!("≥ {least}×"), ratio.median >= least);
}

/// Counts here stay far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "event counts of some seconds are exact in an f64")]
fn precise(count: u64) -> f64 {
    count as f64
}
