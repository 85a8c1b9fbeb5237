//! The outputs of the reporter, a row each: what they have, what they hold, what they dropped.

use std::collections::BTreeMap;

use wire::v1::{Metric, ServiceStatus};

use super::super::paint::{Paint, Tone};
use super::super::text::{column, grouped, printable, width};

/// What the counters say of one output.
#[derive(Default)]
struct Output {
    delivered: u64,
    payloads: u64,
    late: u64,
    queue_bytes: u64,
    down_seconds: u64,
    has_left: bool,
    dropped: BTreeMap<String, u64>,
}

/// One line for each output.
pub(super) fn lines(reporter: Option<&ServiceStatus>, paint: Paint) -> Vec<String> {
    let outputs = collect(reporter.map_or(&[][..], |reporter| &reporter.metrics));
    let name = outputs.keys().map(|name| width(name)).max().unwrap_or(0);
    let delivered: Vec<String> = outputs.values().map(|output| grouped(output.delivered.into())).collect();
    let digits = delivered.iter().map(|text| width(text)).max().unwrap_or(0);
    outputs
        .iter()
        .zip(delivered)
        .map(|((key, output), delivered)| {
            let head = format!("  {}  {delivered:>digits$} delivered", column(key, name));
            let (tail, tone) = output.rest();
            paint.apply(tone, &format!("{head}{tail}"))
        })
        .collect()
}

impl Output {
    fn rest(&self) -> (String, Tone) {
        let mut text = String::new();
        let mut tone = Tone::Plain;
        let dropped: u64 = self.dropped.values().sum();
        let waiting = self.payloads.saturating_sub(self.delivered).saturating_sub(dropped);
        if waiting > 0 {
            let bytes = indicatif::HumanBytes(self.queue_bytes);
            text.push_str(&format!(", {} waiting ({bytes})", grouped(waiting.into())));
        }
        if self.down_seconds > 0 {
            let down = humantime::format_duration(std::time::Duration::from_secs(self.down_seconds));
            text.push_str(&format!(", DOWN for {down}"));
            tone = Tone::Bad;
        }
        if self.has_left {
            text.push_str(", the others no longer wait for it");
        }
        for (cause, n) in &self.dropped {
            text.push_str(&format!(", {} dropped: {cause}", grouped((*n).into())));
            tone = Tone::Bad;
        }
        if self.late > 0 {
            text.push_str(&format!(", {} of these arrived after all", grouped(self.late.into())));
        }
        (text, tone)
    }
}

fn collect(metrics: &[Metric]) -> BTreeMap<String, Output> {
    let mut outputs: BTreeMap<String, Output> = BTreeMap::new();
    for metric in metrics {
        let Some(part) = metric.name.strip_prefix("reporter_destination_") else { continue };
        let Some(name) = metric.labels.get("destination") else { continue };
        let output = outputs.entry(printable(name).into_owned()).or_default();
        match part {
            "delivered_total" => output.delivered += metric.value,
            "payloads_total" => output.payloads = metric.value,
            "late_total" => output.late = metric.value,
            "queue_bytes" => output.queue_bytes = metric.value,
            "down_seconds" => output.down_seconds = metric.value,
            "left_mark_up" => output.has_left = metric.value > 0,
            "dropped_total" if metric.value > 0 => {
                let cause = metric.labels.get("cause").map_or("unknown", String::as_str);
                *output.dropped.entry(printable(cause).into_owned()).or_default() += metric.value;
            }
            _ => {}
        }
    }
    outputs
}
