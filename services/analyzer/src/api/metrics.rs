//! What the reporter shows to Prometheus of the analyzer and the probe: flat, by the names of the table. Pure.
//!
//! Of a probe that is not connected nothing is handed over: what it last said would look like the present.

use std::time::Duration;

use wire::v1;

/// Everything that is in a status, and how old the probe's part of it is.
#[must_use]
pub fn flatten(status: v1::AnalyzerStatus, report_age: Option<Duration>) -> Vec<v1::Metric> {
    let mut metrics = Vec::new();
    let mut push = |name: &str, value: u64| metrics.push(metric(name, [], value));
    push("analyzer_link_up", status.probe_connected.into());
    if let Some(age) = report_age {
        push("analyzer_link_report_age_seconds", age.as_secs());
    }
    if let Some(analyzer) = status.analyzer {
        push("analyzer_uptime_seconds", analyzer.uptime_seconds);
        metrics.extend(analyzer.metrics);
    }
    if let Some(probe) = status.probe.filter(|_| status.probe_connected) {
        flatten_probe(probe, &mut metrics);
    }
    metrics
}

fn flatten_probe(probe: v1::ProbeStatus, metrics: &mut Vec<v1::Metric>) {
    let backlog = probe.backlog.unwrap_or_default();
    let plain = [
        ("probe_uptime_seconds", probe.uptime_seconds),
        ("probe_restarts_total", probe.restarts),
        ("probe_analyzer_restarts_total", probe.analyzer_restarts),
        ("probe_backlog_events", backlog.events),
        ("probe_backlog_limit_bytes", backlog.max_bytes),
        ("probe_backlog_oldest_seconds", backlog.oldest_ms / 1000),
        ("probe_backlog_holds_seconds", backlog.holds_seconds),
    ];
    metrics.extend(plain.map(|(name, value)| metric(name, [], value)));
    for hook in probe.hooks {
        let is_up = hook.active || hook.unwanted_since_ns != 0;
        let labels = [("kind", hook.kind), ("program", hook.program)];
        metrics.push(metric("probe_hook_up", labels, is_up.into()));
    }
    // The first loss is an increase only of a series that was there with 0.
    let kinds: Vec<String> =
        probe.generated.iter().flat_map(|generated| generated.counts.keys().cloned()).collect();
    let by_kind = [
        ("probe_events_generated_total", probe.generated),
        ("probe_events_delivered_total", probe.delivered),
        ("probe_events_suppressed_total", probe.suppressed),
        ("probe_events_no_taker_total", probe.no_taker),
    ];
    for (name, counts) in by_kind {
        for (kind, count) in counts.unwrap_or_default().counts {
            metrics.push(metric(name, [("kind", kind)], count));
        }
    }
    for loss in probe.lost {
        let mut counts = loss.counts.unwrap_or_default().counts;
        for kind in &kinds {
            counts.entry(kind.clone()).or_default();
        }
        for (kind, count) in counts {
            let labels = [("cause", loss.cause.clone()), ("kind", kind)];
            metrics.push(metric("probe_events_lost_total", labels, count));
        }
    }
    metrics.extend(probe.metrics);
}

fn metric<const N: usize>(name: &str, labels: [(&str, String); N], value: u64) -> v1::Metric {
    let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    v1::Metric { name: name.to_owned(), labels, value }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metrics::Metrics;

    fn counts(list: &[(&str, u64)]) -> Option<v1::KindCounts> {
        let counts = list.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        Some(v1::KindCounts { counts })
    }

    fn status() -> v1::AnalyzerStatus {
        let hook = |kind: &str, active, unwanted_since_ns| v1::Hook {
            kind: kind.to_owned(),
            program: format!("on_{kind}"),
            active,
            unwanted_since_ns,
            ..v1::Hook::default()
        };
        let probe = v1::ProbeStatus {
            generated: counts(&[("exec", 3), ("open", 5)]),
            delivered: counts(&[("exec", 2)]),
            suppressed: counts(&[("open", 1)]),
            no_taker: counts(&[("open", 1)]),
            lost: vec![v1::Loss { cause: "ring_full".to_owned(), counts: counts(&[("open", 3)]) }],
            hooks: vec![hook("exec", true, 0), hook("open", false, 0), hook("bind", false, 7)],
            backlog: Some(v1::Backlog { oldest_ms: 2_999, max_bytes: 64, ..v1::Backlog::default() }),
            ..v1::ProbeStatus::default()
        };
        v1::AnalyzerStatus { probe_connected: true, probe: Some(probe), ..v1::AnalyzerStatus::default() }
    }

    #[test]
    fn everything_that_is_handed_over_is_in_the_table_with_its_labels() {
        let mut status = status();
        let samples = Metrics::new().registry.samples();
        let own = samples.into_iter().map(|s| wire::status::metric(s.name, s.labels, s.value)).collect();
        status.analyzer = Some(v1::ServiceStatus { metrics: own, ..v1::ServiceStatus::default() });
        for metric in flatten(status, Some(Duration::ZERO)) {
            let row = bootstrap::metrics::all().find(|row| row.name == metric.name);
            let labels: Vec<&str> = metric.labels.keys().map(String::as_str).collect::<Vec<_>>();
            let mut expected =
                row.unwrap_or_else(|| panic!("{} is in no table", metric.name)).labels.to_vec();
            let mut labels = labels;
            labels.sort_unstable();
            expected.sort_unstable();
            assert_eq!(labels, expected, "{}", metric.name);
        }
    }

    #[test]
    fn counts_by_kind_keep_their_cause_and_a_hook_that_nobody_wants_is_no_blind_spot() {
        let flat = flatten(status(), None);
        let values = |name: &str| -> BTreeMap<String, u64> {
            let of_name = flat.iter().filter(|metric| metric.name == name);
            let labels = |metric: &v1::Metric| {
                let mut values: Vec<_> = metric.labels.values().cloned().collect();
                values.sort();
                values.join(" ")
            };
            of_name.map(|metric| (labels(metric), metric.value)).collect()
        };
        let pairs = |list: &[(&str, u64)]| list.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        assert_eq!(values("probe_events_generated_total"), pairs(&[("exec", 3), ("open", 5)]));
        assert_eq!(values("probe_events_lost_total"), pairs(&[("exec ring_full", 0), ("open ring_full", 3)]));
        assert_eq!(
            values("probe_hook_up"),
            pairs(&[("bind on_bind", 1), ("exec on_exec", 1), ("on_open open", 0)])
        );
        assert_eq!(values("probe_backlog_oldest_seconds"), pairs(&[("", 2)]));
    }

    #[test]
    fn a_probe_that_is_not_connected_has_no_metrics() {
        let flat = flatten(v1::AnalyzerStatus { probe_connected: false, ..status() }, None);
        let names: Vec<_> = flat.iter().map(|metric| (metric.name.as_str(), metric.value)).collect();
        assert_eq!(names, [("analyzer_link_up", 0)]);
    }
}
