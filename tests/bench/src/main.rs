//! `make bench`: everything in one run.

use std::path::PathBuf;
use std::time::Duration;

use analyzer::config::TreeConfig;
use analyzer::dispatch::{KindMonitor, Stages};
use analyzer::pipeline::Pipeline;
use analyzer::scrub::Scrubber;
use anyhow::Context;
use bench::overhead::{Measured, Plan, Variant};
use bench::probe::Taken;
use bench::report::Report;
use bench::{child, json, overhead, recorded, wire};

const BLOCKS: usize = 15;
const PER_OPERATION: Duration = Duration::from_millis(300);
const JSON_ROUNDS: u32 = 50;
const AT_LEAST: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, operation, ms, file] = arguments.as_slice()
        && mode == "child"
    {
        let ns = child::run(operation, file.as_ref(), Duration::from_millis(ms.parse()?))?;
        return say(&ns.to_string());
    }
    close_inherited()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
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

async fn run() -> anyhow::Result<()> {
    let mut report = Report::default();
    let programs = std::env::current_exe()?;
    let probe = programs.parent().context("a program is in a directory")?.join("shrike-probe");
    let is_root = nix::unistd::geteuid().is_root();
    let mut taken = None;
    if is_root && probe.exists() {
        let peer = std::env::var_os("PEER_SCAP_OPEN").map(PathBuf::from);
        let plan = Plan { probe: probe.clone(), peer, blocks: BLOCKS, time: PER_OPERATION };
        say(&format!("measuring system calls: {BLOCKS} blocks, some minutes …"))?;
        let measured = overhead::measure(&plan).await?;
        system_calls(&mut report, &measured);
        taken = Some(recorded::record(&probe).await?);
    } else {
        say("skipped: cost of hooks and the recording need root and a built shrike-probe")?;
    }
    user_space(&mut report, taken.as_ref())?;
    report.print(&mut std::io::stdout().lock())?;
    Ok(())
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

fn user_space(report: &mut Report, taken: Option<&Taken>) -> anyhow::Result<()> {
    report.title("user space, one core");
    if let Some(taken) = taken {
        let mut best = 0.0_f64;
        let host = event::Host::from(taken.host.clone());
        let encoded: Vec<Vec<u8>> = taken.batches.iter().map(prost::Message::encode_to_vec).collect();
        for _ in 0..5 {
            // As it is in the analyzer: scrubbing and the counting monitor are on.
            let metrics = analyzer::metrics::Metrics::new();
            let mut stages = Stages::default();
            stages.monitors.push(Box::new(KindMonitor(metrics.events)));
            let mut pipeline = Pipeline::new(TreeConfig::default(), Scrubber::default(), stages);
            pipeline.begin(host.clone(), 1);
            best = best.max(through(&mut pipeline, &encoded)?);
        }
        let floor = wire::recorded_decode(&taken.batches, AT_LEAST)?;
        report.target(
            &format!("decode + process tree + dispatch, {} recorded events", taken.events),
            format!("{:.0} events/s", best),
            format!("decode alone: {floor:.0} events/s"),
            "≥ 300000 events/s",
            best >= 300_000.0,
        );
        let size = wire::recorded_size(&taken.batches)?;
        report.target(
            "bytes on the wire, the same recording",
            format!("{:.2}×", size.ratio()),
            format!("{:.1} bytes/event beside one message per event", size.bytes_per_event()),
            "≤ 0.3×",
            size.ratio() <= 0.3,
        );
    }
    let size = wire::wire_size_ratio(wire::FULL_BATCH);
    report.target(
        "bytes on the wire, synthetic mix",
        format!("{:.2}×", size.ratio()),
        format!("{:.1} bytes/event beside one message per event", size.bytes_per_event()),
        "≤ 0.3×",
        size.ratio() <= 0.3,
    );
    let speed = wire::wire_speed(AT_LEAST)?;
    report.line(
        "wire encode / decode",
        format!("{:.2} / {:.2} M events/s", speed.encode / 1e6, speed.decode / 1e6),
        format!("one message per event: {:.2} / {:.2} M", speed.naive_encode / 1e6, speed.naive_parse / 1e6),
    );
    json_lines(report);
    Ok(())
}

/// Events per second from the bytes of batches to dispatched events.
#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts stay far below 2^52")]
fn through(pipeline: &mut Pipeline, encoded: &[Vec<u8>]) -> anyhow::Result<f64> {
    let (start, mut events) = (std::time::Instant::now(), 0);
    for bytes in encoded {
        let batch = <::wire::v1::Batch as prost::Message>::decode(bytes.as_slice())?;
        events += pipeline.process(::wire::batch::decode(&batch)?).events.len();
    }
    Ok(events as f64 / start.elapsed().as_secs_f64())
}

fn json_lines(report: &mut Report) {
    let speed = json::measure(JSON_ROUNDS);
    report.target(
        &format!("event JSON, {:.0} bytes each", speed.bytes_per_event()),
        format!("{:.0} MB/s", speed.writer_mb_per_second()),
        format!(
            "serde_json of the same structs: {:.0} MB/s ({:.1}×)",
            speed.serde_mb_per_second(),
            speed.ratio()
        ),
        "≥ 300 MB/s",
        speed.writer_mb_per_second() >= 300.0,
    );
}

fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").context("cannot print")
}
