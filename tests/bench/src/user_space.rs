//! What user space does with events on one core: decoding, the process tree, dispatch, JSON.

use std::time::Duration;

use analyzer::config::TreeConfig;
use analyzer::context::scrub::Scrubber;
use analyzer::stages::dispatch::Stages;
use analyzer::stages::monitors::kinds::KindMonitor;
use analyzer::stages::pipeline::Pipeline;

use crate::probe::Taken;
use crate::recorded::Workload;
use crate::report::Report;
use crate::spread::Spread;
use crate::{json, wire as columns};

const ROUNDS: usize = 7;
const JSON_ROUNDS: u32 = 50;
const AT_LEAST: Duration = Duration::from_secs(2);

/// Measures all of it, with these recordings.
///
/// # Errors
/// When a recording cannot be decoded.
pub fn run(report: &mut Report, recordings: &[(Workload, Taken)]) -> anyhow::Result<()> {
    report.title("user space, one core");
    for (workload, taken) in recordings {
        let host = event::Host::from(taken.host.clone());
        let encoded: Vec<Vec<u8>> = taken.batches.iter().map(prost::Message::encode_to_vec).collect();
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            // As it is in the analyzer: scrubbing and the counting monitor are on.
            let metrics = analyzer::metrics::Metrics::new();
            let mut stages = Stages::default();
            stages.monitors.push(Box::new(KindMonitor(metrics.events)));
            let mut pipeline = Pipeline::new(TreeConfig::default(), Scrubber::default(), stages);
            pipeline.begin(host.clone(), 1);
            rates.push(through(&mut pipeline, &encoded)?);
        }
        let Some(rate) = Spread::of(rates) else { continue };
        let floor = columns::recorded_decode(&taken.batches, AT_LEAST)?;
        report.target(
            &format!("decode + process tree + dispatch, {} events, {}", taken.events, workload.name()),
            format!("{rate:.0} events/s"),
            format!("decode alone: {floor:.0} events/s"),
            "≥ 300000 events/s",
            rate.median >= 300_000.0,
        );
        let size = columns::recorded_size(&taken.batches)?;
        report.target(
            &format!("bytes on the wire, {}", workload.name()),
            format!("{:.2}×", size.ratio()),
            format!("{:.1} bytes/event beside one message per event", size.bytes_per_event()),
            "≤ 0.2×",
            size.ratio() <= 0.2,
        );
    }
    let size = columns::wire_size_ratio(columns::FULL_BATCH);
    report.target(
        "bytes on the wire, synthetic mix",
        format!("{:.2}×", size.ratio()),
        format!("{:.1} bytes/event beside one message per event", size.bytes_per_event()),
        "≤ 0.2×",
        size.ratio() <= 0.2,
    );
    let speed = columns::wire_speed(AT_LEAST)?;
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
        let batch = <wire::v1::Batch as prost::Message>::decode(bytes.as_slice())?;
        events += pipeline.process(wire::batch::decode(&batch)?).events.len();
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
