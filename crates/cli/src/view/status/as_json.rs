//! The status for programs.

use serde_json::{Value, json};
use wire::v1::{AnalyzerStatus, LostByWorkload, Metric, ProbeStatus, ServiceStatus};

use super::events::{Counts, Table, by_kind};

/// The status for programs.
pub(crate) fn as_json(status: &AnalyzerStatus) -> Value {
    json!({
        "host": status.host.as_ref().map(|host| json!({
            "hostname": host.hostname, "kernel": host.kernel, "boot_id": host.boot_id,
        })),
        "probe": json!({
            "connected": status.probe_connected,
            "error": status.probe_error,
            "status": status.probe.as_ref().map(probe_json),
        }),
        "analyzer": status.analyzer.as_ref().map(service_json),
        "reporter": json!({
            "connected": status.reporter_connected,
            "error": status.reporter_error,
            "status": status.reporter.as_ref().map(service_json),
        }),
    })
}

fn probe_json(probe: &ProbeStatus) -> Value {
    let lost: serde_json::Map<String, Value> = probe
        .lost
        .iter()
        .map(|loss| (loss.cause.clone(), counts_json(by_kind(loss.counts.as_ref()))))
        .collect();
    let table = Table::of(probe);
    json!({
        "scope": probe.scope,
        "hooks": probe.hooks.iter().map(|hook| json!({
            "kind": hook.kind, "program": hook.program, "attach": hook.attach,
            "active": hook.active, "error": hook.error, "refused": hook.refused,
            "unwanted_since_ns": (hook.unwanted_since_ns != 0).then_some(hook.unwanted_since_ns),
        })).collect::<Vec<_>>(),
        "generated": counts_json(by_kind(probe.generated.as_ref())),
        "delivered": counts_json(by_kind(probe.delivered.as_ref())),
        "suppressed": counts_json(by_kind(probe.suppressed.as_ref())),
        "lost": lost,
        "no_taker": counts_json(by_kind(probe.no_taker.as_ref())),
        "in_flight": counts_json(table.in_flight),
        "workloads": probe.workloads.iter().map(workload_json).collect::<Vec<_>>(),
        "backlog": probe.backlog.map(|backlog| json!({
            "bytes": backlog.bytes, "max_bytes": backlog.max_bytes, "events": backlog.events,
            "oldest_ms": backlog.oldest_ms, "holds_seconds": backlog.holds_seconds,
        })),
        "uptime_seconds": probe.uptime_seconds,
        "restarts": probe.restarts,
        "analyzer_restarts": probe.analyzer_restarts,
        "not_observed": probe.not_observed.iter().map(|gap| json!({
            "from_ns": gap.from_ns, "to_ns": gap.to_ns, "reason": gap.reason,
        })).collect::<Vec<_>>(),
        "metrics": probe.metrics.iter().map(metric_json).collect::<Vec<_>>(),
    })
}

fn workload_json(workload: &LostByWorkload) -> Value {
    let lost =
        workload.lost.iter().map(|loss| (loss.cause.clone(), counts_json(by_kind(loss.counts.as_ref()))));
    json!({
        "cgroup": workload.cgroup,
        "workload": workload.workload,
        "lost": lost.collect::<serde_json::Map<_, _>>(),
    })
}

fn counts_json(counts: Counts) -> Value {
    counts
        .iter()
        .map(|(kind, n)| (kind.name().to_owned(), json!(n)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn service_json(service: &ServiceStatus) -> Value {
    json!({
        "version": service.version,
        "uptime_seconds": service.uptime_seconds,
        "metrics": service.metrics.iter().map(metric_json).collect::<Vec<_>>(),
    })
}

fn metric_json(metric: &Metric) -> Value {
    let labels: serde_json::Map<String, Value> =
        metric.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({ "name": metric.name, "labels": labels, "value": metric.value })
}
