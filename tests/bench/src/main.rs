//! `make bench`: everything in one run.

use anyhow::Context;
use bench::options::{Options, Part};
use bench::programs::Programs;
use bench::recorded::Workload;
use bench::report::Report;
use bench::{child, e2e, hooks, idle, latency, load, recorded, rules, start, trees, user_space};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["child", operation, files] => return say(&child::run(operation, files.as_ref())?.to_string()),
        ["load", rate, ms, dir] => {
            let opened =
                load::run(rate.parse()?, std::time::Duration::from_millis(ms.parse()?), dir.as_ref())?;
            return say(&opened.to_string());
        }
        [] => {}
        _ => anyhow::bail!("what is measured is chosen by the environment: see docs/performance.md"),
    }
    close_inherited()?;
    let options = Options::read(|name| std::env::var(name).ok())?;
    let is_possible = nix::unistd::geteuid().is_root() && options.programs.join("shrike-probe").exists();
    if !is_possible {
        say("skipped: everything with a probe; it needs root and a built shrike-probe")?;
    }
    let mut failed = Vec::new();
    for part in &options.parts {
        let start = std::time::Instant::now();
        let mut report = Report::default();
        // Threads inherit where they may run, so each part has its own.
        let has_run =
            std::thread::scope(|scope| scope.spawn(|| run(*part, &options, is_possible, &mut report)).join());
        // What was measured before it failed is printed, and the other parts have their turn.
        match has_run {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                report.not_run(&format!("{part:?}"), format!("{error:#}"));
                failed.push(*part);
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
        report.print(&mut std::io::stdout().lock())?;
        say(&format!("  ({} s)\n", start.elapsed().as_secs()))?;
    }
    anyhow::ensure!(failed.is_empty(), "could not be measured: {failed:?}");
    Ok(())
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

fn run(part: Part, options: &Options, is_possible: bool, report: &mut Report) -> anyhow::Result<()> {
    match part {
        Part::Rules => return rules::run(report),
        Part::Trees => return trees::run(report),
        Part::User if !is_possible => return user_space::run(report, &[]),
        Part::EndToEnd | Part::Latency | Part::Idle | Part::Start | Part::Hooks | Part::User => {}
    }
    if !is_possible {
        return Ok(());
    }
    if part == Part::Hooks {
        child::leave_last_cpu()?;
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(part, options, report))
}

async fn measure(part: Part, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let probe = options.programs.join("shrike-probe");
    if part == Part::User {
        let mut recordings = Vec::new();
        for workload in [Workload::Files, Workload::Processes] {
            recordings.push((workload, recorded::record(&probe, workload).await?));
        }
        return user_space::run(report, &recordings);
    }
    let ours = Programs::learn("this version", &options.programs).await?;
    let first = match &options.baseline {
        Some(dir) => Some(Programs::learn("first version", dir).await?),
        None => None,
    };
    let first = first.as_ref();
    let all: Vec<&Programs> = std::iter::once(&ours).chain(first).collect();
    match part {
        Part::EndToEnd => e2e::run(report, options, &ours, first).await,
        Part::Latency => latency::run(report, &all, options.rounds).await,
        Part::Idle => idle::run(report, &all).await,
        Part::Start => start::run(report, options, &ours, first).await,
        Part::Hooks => hooks::run(report, options, &ours, first).await,
        Part::User | Part::Rules | Part::Trees => Ok(()),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").context("cannot print")
}
