//! `make bench`: everything in one run.

use std::time::Duration;

use anyhow::Context;
use bench::options::{Options, Part};
use bench::overhead::{Measured, Plan, Variant};
use bench::programs::Programs;
use bench::report::Report;
use bench::{child, e2e, load, overhead, recorded, user_space};

const BLOCKS: usize = 15;
const PER_OPERATION: Duration = Duration::from_millis(300);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["child", operation, ms, file] => {
            let ns = child::run(operation, file.as_ref(), Duration::from_millis(ms.parse()?))?;
            return say(&ns.to_string());
        }
        ["load", rate, ms, dir] => {
            let opened = load::run(rate.parse()?, Duration::from_millis(ms.parse()?), dir.as_ref())?;
            return say(&opened.to_string());
        }
        [] => {}
        _ => anyhow::bail!("what is measured is chosen by the environment: see docs/performance.md"),
    }
    close_inherited()?;
    let options = Options::read(|name| std::env::var(name).ok())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(&options))
}

/// Shells leave descriptors like 255 open in what they start; a process with such a one has a larger descriptor table
/// than others, and the probe another way to a file. The measured children shall be ordinary.
fn close_inherited() -> anyhow::Result<()> {
    let listed: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in listed.into_iter().filter(|descriptor| *descriptor > 2) {
        match nix::unistd::close(descriptor) {
            // The directory that was listed is closed by now.
            Ok(()) | Err(nix::errno::Errno::EBADF) => {}
            Err(error) => return Err(error).context("cannot close an inherited descriptor"),
        }
    }
    Ok(())
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let wants = |part| options.parts.contains(&part);
    let probe = options.programs.join("shrike-probe");
    if !nix::unistd::geteuid().is_root() || !probe.exists() {
        say("skipped: everything with a probe; it needs root and a built shrike-probe")?;
        return if wants(Part::User) { section(|report| user_space::run(report, None)) } else { Ok(()) };
    }
    if wants(Part::EndToEnd) {
        let ours = Programs::learn("this version", &options.programs).await?;
        let first = match &options.baseline {
            Some(dir) => Some(Programs::learn("first version", dir).await?),
            None => None,
        };
        say("measuring whole stacks, some minutes …")?;
        let mut report = Report::default();
        e2e::run(&mut report, options, &ours, first.as_ref()).await?;
        report.print(&mut std::io::stdout().lock())?;
    }
    if wants(Part::Hooks) {
        let peer = options.peer.clone();
        let blocks = options.rounds.unwrap_or(BLOCKS);
        let plan = Plan { probe: probe.clone(), peer, blocks, time: PER_OPERATION };
        say(&format!("measuring system calls: {blocks} blocks, some minutes …"))?;
        let measured = overhead::measure(&plan).await?;
        section(|report| {
            system_calls(report, &measured);
            Ok(())
        })?;
    }
    if wants(Part::User) {
        let taken = recorded::record(&probe).await?;
        section(|report| user_space::run(report, Some(&taken)))?;
    }
    Ok(())
}

/// Prints what `fill` reports as soon as it is there: the next part may take minutes, or fail.
fn section(fill: impl FnOnce(&mut Report) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut report = Report::default();
    fill(&mut report)?;
    Ok(report.print(&mut std::io::stdout().lock())?)
}

fn system_calls(report: &mut Report, measured: &[Measured]) {
    report.title("added to a system call (median of the differences inside each block)");
    for measured in measured {
        let name = measured.operation.name();
        let nothing = measured.median(Variant::Nothing).unwrap_or(f64::NAN);
        let beside = format!("nothing attached: {nothing:.0} ns");
        let limit = |variant| match (measured.operation, variant) {
            (child::Operation::Getpid, Variant::InScope | Variant::OutOfScope) => Some(30.0),
            (child::Operation::OpenClose, Variant::InScope) => Some(280.0),
            (child::Operation::OpenClose, Variant::OutOfScope) => Some(60.0),
            _ => None,
        };
        for (variant, who) in
            [(Variant::InScope, "in scope"), (Variant::OutOfScope, "out of scope"), (Variant::Peer, "peer")]
        {
            let Some((added, ratio)) = measured.added(variant) else { continue };
            let name = format!("{name}, {who}");
            let value = format!("+{added:.0} ns ({ratio:.2}×)");
            match limit(variant) {
                Some(limit) => {
                    report.target(&name, value, beside.clone(), &format!("≤ {limit} ns"), added <= limit);
                }
                None => report.line(&name, value, beside.clone()),
            }
        }
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").context("cannot print")
}
