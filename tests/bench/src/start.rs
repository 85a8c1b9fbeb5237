//! From the start to the first event, beside bpftrace with an equivalent script, in alternating rounds.
//!
//! A process opens a file every millisecond meanwhile, so the first event comes as soon as anybody watches.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use workloads::cgroup::OwnCgroup;

use crate::load::Load;
use crate::options::Options;
use crate::probe::Probe;
use crate::programs::{Programs, Taker};
use crate::report::Report;
use crate::spread::Spread;
use crate::stack::{Stack, end};

const ROUNDS: usize = 5;
const WITHIN: Duration = Duration::from_secs(30);

/// Milliseconds of all rounds.
#[derive(Default)]
struct Times {
    run: Vec<f64>,
    probe: Vec<f64>,
    first: Vec<f64>,
    bpftrace: Vec<f64>,
}

/// Measures all of it.
///
/// # Errors
/// When something of ours does not start.
pub async fn run(
    report: &mut Report,
    options: &Options,
    ours: &Programs,
    first: Option<&Programs>,
) -> anyhow::Result<()> {
    report.title("from the start to the first event, milliseconds");
    let mut times = Times::default();
    let mut bpftrace_is_missing = None;
    for _ in 0..options.rounds.unwrap_or(ROUNDS) {
        let cgroup = OwnCgroup::new(&format!("shrike-bench-{}", std::process::id()))?;
        let load = Load { rate: 1000, time: WITHIN * 4, processes: 1 };
        let _opening = load.start(&cgroup)?;
        times.run.push(to_the_file(ours, &cgroup).await?);
        if bpftrace_is_missing.is_none() {
            match bpftrace(&options.bpftrace, &cgroup) {
                Ok(ms) => times.bpftrace.push(ms),
                Err(error) => bpftrace_is_missing = Some(format!("{error:#}")),
            }
        }
        times.probe.push(to_the_socket(ours, &cgroup).await?);
        if let Some(first) = first {
            times.first.push(to_the_file(first, &cgroup).await?);
        }
    }
    let ratio = |of: &[f64]| Spread::of_ratios(of, &times.bpftrace).filter(|_| bpftrace_is_missing.is_none());
    let rows = [("shrike run to a file", &times.run), ("the probe alone, to its socket", &times.probe)];
    for (name, values) in rows {
        let Some(spread) = Spread::of(values.clone()) else { continue };
        let value = format!("{spread:.0}");
        match ratio(values) {
            Some(ratio) => {
                let beside = format!("{ratio:.2}× bpftrace");
                report.target(name, value, beside, "≤ 1.0×", ratio.median <= 1.0);
            }
            None => report.line(name, value, String::new()),
        }
    }
    if let Some(spread) = Spread::of(times.first) {
        report.line("shrike run to a file, first version", format!("{spread:.0}"), String::new());
    }
    match (bpftrace_is_missing, Spread::of(times.bpftrace)) {
        (None, Some(spread)) => report.line("bpftrace, printed", format!("{spread:.0}"), String::new()),
        (why, _) => report.not_run("bpftrace", why.unwrap_or_default()),
    }
    Ok(())
}

async fn to_the_file(programs: &Programs, cgroup: &OwnCgroup) -> anyhow::Result<f64> {
    let stack = Stack::spawn(programs, cgroup.path(), Taker::File, None)?;
    let (start, file) = (stack.started(), stack.events());
    while std::fs::metadata(&file).map_or(0, |meta| meta.len()) == 0 {
        ensure!(start.elapsed() < WITHIN, "no event within {WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = ms(start);
    stack.stop()?;
    Ok(took)
}

async fn to_the_socket(programs: &Programs, cgroup: &OwnCgroup) -> anyhow::Result<f64> {
    let start = Instant::now();
    let probe = Probe::start(&programs.program("shrike-probe")?, cgroup.path()).await?;
    let mut link = probe.link().await?;
    tokio::time::timeout(WITHIN, link.first_event()).await.context("no event")??;
    Ok(ms(start))
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// The kinds that we report, of the same control group. It needs tracefs; where that is not mounted it gets one that
/// nobody else sees. The clock starts with its own start, which the shell announces.
fn bpftrace(program: &Path, cgroup: &OwnCgroup) -> anyhow::Result<f64> {
    let here = format!("/cgroup == cgroupid(\"{}\")/", cgroup.dir().display());
    let script = format!(
        "tracepoint:syscalls:sys_enter_openat {here} {{ printf(\"open %s %s\\n\", comm, str(args->filename)); }}
         tracepoint:sched:sched_process_exec {here} {{ printf(\"exec %s\\n\", comm); }}
         tracepoint:sched:sched_process_fork {here} {{ printf(\"fork %s\\n\", comm); }}
         tracepoint:sched:sched_process_exit {here} {{ printf(\"exit %s\\n\", comm); }}"
    );
    let shell = "test -e /sys/kernel/tracing/events || mount -t tracefs none /sys/kernel/tracing 2>/dev/null
                 test -e /sys/kernel/debug/tracing || mount -t debugfs none /sys/kernel/debug 2>/dev/null
                 echo start; exec \"$0\" -B line -e \"$1\"";
    let mut child = Command::new("unshare")
        .args(["--mount", "/bin/sh", "-c", shell])
        .arg(program)
        .arg(script)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start unshare")?;
    let took = first_line(&mut child);
    end(&mut child)?;
    took.with_context(|| format!("{} printed no event: set BPFTRACE to its path", program.display()))
}

fn first_line(child: &mut Child) -> anyhow::Result<f64> {
    let mut start = None;
    for line in BufReader::new(child.stdout.take().context("stdout is piped")?).lines() {
        let line = line?;
        match start {
            None if line == "start" => start = Some(Instant::now()),
            Some(start) if line.starts_with("open ") => return Ok(ms(start)),
            None | Some(_) => {}
        }
    }
    anyhow::bail!("it ended")
}
