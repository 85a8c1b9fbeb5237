//! The counters of the services: all of them, or those that say that something was dropped.

use wire::v1::{AnalyzerStatus, Metric};

use super::super::paint::{Paint, Tone};
use super::super::text::{column, grouped, printable, width};

/// Names of counters that count what went wrong have one of these words.
const BAD: [&str; 10] = [
    "dropped",
    "lost",
    "failed",
    "error",
    "rejected",
    "refused",
    "undecodable",
    "cut",
    "missing_batches",
    "unknown_kinds",
];

/// Every counter of a service.
pub(super) fn all(status: &AnalyzerStatus) -> impl Iterator<Item = (&'static str, &[Metric])> {
    [
        ("Probe", status.probe.as_ref().map(|probe| probe.metrics.as_slice())),
        ("Analyzer", status.analyzer.as_ref().map(|service| service.metrics.as_slice())),
        ("Reporter", status.reporter.as_ref().map(|service| service.metrics.as_slice())),
    ]
    .into_iter()
    .filter_map(|(title, metrics)| {
        metrics.filter(|metrics| !metrics.is_empty()).map(|metrics| (title, metrics))
    })
}

/// Those that count something that went wrong, and did.
pub(super) fn bad(status: &AnalyzerStatus) -> Vec<&Metric> {
    all(status).flat_map(|(_, metrics)| metrics).filter(|metric| metric.value > 0 && is_bad(metric)).collect()
}

/// Counters, one a line, values in a column.
pub(super) fn lines<'a>(metrics: impl IntoIterator<Item = &'a Metric>, paint: Paint) -> Vec<String> {
    let named: Vec<(String, &Metric)> = metrics.into_iter().map(|metric| (name(metric), metric)).collect();
    let first = named.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let values: Vec<String> = named.iter().map(|(_, metric)| grouped(i128::from(metric.value))).collect();
    let second = values.iter().map(|value| width(value)).max().unwrap_or(0);
    named
        .iter()
        .zip(values)
        .map(|((name, metric), value)| {
            let text = format!("  {}  {value:>second$}", column(name, first));
            paint.apply(tone(metric), &text)
        })
        .collect()
}

/// `name{label=value}`, as monitoring systems write it.
pub(super) fn name(metric: &Metric) -> String {
    let mut labels: Vec<String> =
        metric.labels.iter().map(|(key, value)| format!("{}={}", printable(key), printable(value))).collect();
    // The message holds them in a map without order.
    labels.sort();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    format!("{}{labels}", printable(&metric.name))
}

fn is_bad(metric: &Metric) -> bool {
    BAD.iter().any(|word| metric.name.contains(word))
}

fn tone(metric: &Metric) -> Tone {
    match (is_bad(metric), metric.value) {
        (true, 1..) => Tone::Bad,
        (_, 0) => Tone::Dim,
        (false, _) => Tone::Plain,
    }
}
