//! The status of all services as text and as JSON.

use serde_json::{Value, json};
use wire::v1::{AnalyzerStatus, Hook, KindCounts, Metric, ProbeStatus, ServiceStatus};

use super::paint::{Paint, Tone};
use super::text::{column, grouped, printable, width};

/// The kinds, in the order of every table.
pub(crate) const KINDS: [&str; 4] = ["exec", "fork", "exit", "open"];

/// The whole page.
pub(crate) fn page(status: &AnalyzerStatus, paint: Paint) -> String {
    let mut lines = Vec::new();
    services(status, paint, &mut lines);
    match &status.probe {
        Some(probe) => {
            hooks(probe, paint, &mut lines);
            events(probe, paint, &mut lines);
        }
        None => lines.extend([
            String::new(),
            paint.apply(Tone::Warn, "no status of the probe yet: hooks and counters are not known"),
        ]),
    }
    let parts = [
        ("Probe", status.probe.as_ref().map(|probe| probe.metrics.as_slice())),
        ("Analyzer", status.analyzer.as_ref().map(|service| service.metrics.as_slice())),
        ("Reporter", status.reporter.as_ref().map(|service| service.metrics.as_slice())),
    ];
    for (title, metrics) in parts {
        counters(title, metrics.unwrap_or_default(), paint, &mut lines);
    }
    lines.join("\n") + "\n"
}

fn heading(title: &str, paint: Paint, lines: &mut Vec<String>) {
    lines.extend([String::new(), paint.apply(Tone::Strong, title)]);
}

fn services(status: &AnalyzerStatus, paint: Paint, lines: &mut Vec<String>) {
    let host = status.host.as_ref();
    let name = host.map_or("this host", |host| host.hostname.as_str());
    let kernel = host.map_or_else(String::new, |host| format!(", kernel {}", printable(&host.kernel)));
    let scope = status.probe.as_ref().map_or("", |probe| probe.scope.as_str());
    let scope = if scope.is_empty() { String::new() } else { format!(", scope {}", printable(scope)) };
    lines.push(paint.apply(Tone::Strong, &format!("Shrike on {}{kernel}{scope}", printable(name))));
    lines.push(String::new());
    lines.push(service("probe", status.probe_connected, None, &status.probe_error, paint));
    lines.push(service("analyzer", true, status.analyzer.as_ref(), "", paint));
    let reporter = status.reporter.as_ref();
    lines.push(service("reporter", status.reporter_connected, reporter, &status.reporter_error, paint));
}

fn service(name: &str, up: bool, about: Option<&ServiceStatus>, error: &str, paint: Paint) -> String {
    let state = if up { paint.apply(Tone::Good, "up  ") } else { paint.apply(Tone::Bad, "down") };
    let mut line = format!("  {}  {state}", column(name, 8));
    if let Some(about) = about.filter(|_| up) {
        let uptime = humantime::format_duration(std::time::Duration::from_secs(about.uptime_seconds));
        line.push_str(&format!("  version {}, up for {uptime}", printable(&about.version)));
    }
    if !up {
        let why = if error.is_empty() { "not connected yet".into() } else { printable(error) };
        line.push_str(&format!("  {}", paint.apply(Tone::Bad, &why)));
    }
    line
}

fn hooks(probe: &ProbeStatus, paint: Paint, lines: &mut Vec<String>) {
    heading("Hooks", paint, lines);
    let widest = |get: fn(&Hook) -> &str| probe.hooks.iter().map(|hook| width(get(hook))).max().unwrap_or(0);
    let (kind, program, attach) = (widest(|h| &h.kind), widest(|h| &h.program), widest(|h| &h.attach));
    for hook in &probe.hooks {
        let state =
            if hook.active { paint.apply(Tone::Good, "active") } else { paint.apply(Tone::Bad, "absent") };
        let mut line = format!(
            "  {}  {}  {}  {state}",
            column(&printable(&hook.kind), kind),
            column(&printable(&hook.program), program),
            column(&printable(&hook.attach), attach),
        );
        if !hook.error.is_empty() {
            let tone = if hook.active { Tone::Warn } else { Tone::Bad };
            line.push_str(&format!("  {}", paint.apply(tone, &printable(&hook.error))));
        }
        lines.push(line);
    }
    if probe.hooks.is_empty() {
        lines.push(
            paint.apply(Tone::Bad, "  no hook is attached: `shrike doctor` says what this kernel allows"),
        );
    }
}

/// One row of the events table.
struct Row {
    name: String,
    counts: [i128; 4],
    tone: Tone,
}

fn events(probe: &ProbeStatus, paint: Paint, lines: &mut Vec<String>) {
    heading("Events", paint, lines);
    let rows = rows(probe);
    let mut cells: Vec<(Vec<String>, &Row)> = Vec::new();
    for row in &rows {
        let mut values: Vec<String> = row.counts.iter().map(|n| grouped(*n)).collect();
        values.push(grouped(row.counts.iter().sum()));
        cells.push((values, row));
    }
    let titles = KINDS.iter().copied().chain(["total"]);
    let widths: Vec<usize> = titles
        .clone()
        .enumerate()
        .map(|(at, title)| {
            let widest =
                cells.iter().filter_map(|(values, _)| values.get(at)).map(|value| width(value)).max();
            widest.unwrap_or(0).max(title.len()).max(6)
        })
        .collect();
    let first = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let right = |text: &str, columns: usize| format!("{text:>columns$}");
    let head: Vec<String> = titles.zip(&widths).map(|(title, columns)| right(title, *columns)).collect();
    lines.push(paint.apply(Tone::Dim, &format!("  {}  {}", " ".repeat(first), head.join("  "))));
    for (values, row) in cells {
        let values: Vec<String> =
            values.iter().zip(&widths).map(|(value, columns)| right(value, *columns)).collect();
        let text = format!("  {}  {}", column(&row.name, first), values.join("  "));
        lines.push(paint.apply(row.tone, &text));
    }
}

fn rows(probe: &ProbeStatus) -> Vec<Row> {
    let generated = by_kind(probe.generated.as_ref());
    let delivered = by_kind(probe.delivered.as_ref());
    let suppressed = by_kind(probe.suppressed.as_ref());
    let mut in_flight = minus(minus(generated, delivered), suppressed);
    let mut rows = vec![
        Row { name: "generated".into(), counts: generated, tone: Tone::Plain },
        Row { name: "delivered".into(), counts: delivered, tone: Tone::Plain },
        Row { name: "suppressed".into(), counts: suppressed, tone: Tone::Plain },
    ];
    for loss in &probe.lost {
        let counts = by_kind(loss.counts.as_ref());
        in_flight = minus(in_flight, counts);
        let tone = if counts.iter().any(|n| *n > 0) { Tone::Bad } else { Tone::Good };
        rows.push(Row { name: format!("lost: {}", printable(&loss.cause)), counts, tone });
    }
    // A difference that does not settle is the one thing that must never happen; negative says counted twice.
    let tone = if in_flight.iter().any(|n| *n < 0) { Tone::Bad } else { Tone::Dim };
    rows.push(Row { name: "in flight".into(), counts: in_flight, tone });
    rows
}

/// The counts as numbers that can be subtracted.
pub(crate) fn by_kind(counts: Option<&KindCounts>) -> [i128; 4] {
    counts.map_or([0; 4], |counts| [counts.exec, counts.fork, counts.exit, counts.open].map(i128::from))
}

fn minus(from: [i128; 4], what: [i128; 4]) -> [i128; 4] {
    let mut left = from;
    for (slot, n) in left.iter_mut().zip(what) {
        *slot -= n;
    }
    left
}

fn counters(title: &str, metrics: &[Metric], paint: Paint, lines: &mut Vec<String>) {
    if metrics.is_empty() {
        return;
    }
    heading(&format!("{title} counters"), paint, lines);
    let named: Vec<(String, &Metric)> = metrics.iter().map(|metric| (metric_name(metric), metric)).collect();
    let first = named.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let values: Vec<String> = named.iter().map(|(_, metric)| grouped(i128::from(metric.value))).collect();
    let second = values.iter().map(|value| width(value)).max().unwrap_or(0);
    for ((name, metric), value) in named.iter().zip(values) {
        let text = format!("  {}  {value:>second$}", column(name, first));
        lines.push(paint.apply(metric_tone(metric), &text));
    }
}

/// `name{label=value}`, as monitoring systems write it.
pub(crate) fn metric_name(metric: &Metric) -> String {
    let mut labels: Vec<String> =
        metric.labels.iter().map(|(key, value)| format!("{}={}", printable(key), printable(value))).collect();
    // The message holds them in a map without order.
    labels.sort();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    format!("{}{labels}", printable(&metric.name))
}

fn metric_tone(metric: &Metric) -> Tone {
    let bad = ["dropped", "lost", "failed", "error", "rejected", "refused"];
    let is_bad = bad.iter().any(|word| metric.name.contains(word));
    match (is_bad, metric.value) {
        (true, 1..) => Tone::Bad,
        (_, 0) => Tone::Dim,
        (false, _) => Tone::Plain,
    }
}

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
    let in_flight = rows(probe).last().map_or([0; 4], |row| row.counts);
    json!({
        "scope": probe.scope,
        "hooks": probe.hooks.iter().map(|hook| json!({
            "kind": hook.kind, "program": hook.program, "attach": hook.attach,
            "active": hook.active, "error": hook.error,
        })).collect::<Vec<_>>(),
        "generated": counts_json(by_kind(probe.generated.as_ref())),
        "delivered": counts_json(by_kind(probe.delivered.as_ref())),
        "suppressed": counts_json(by_kind(probe.suppressed.as_ref())),
        "lost": lost,
        "in_flight": counts_json(in_flight),
        "metrics": probe.metrics.iter().map(metric_json).collect::<Vec<_>>(),
    })
}

fn counts_json(counts: [i128; 4]) -> Value {
    KINDS
        .iter()
        .zip(counts)
        .map(|(kind, n)| ((*kind).to_owned(), json!(n)))
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

#[cfg(test)]
mod tests;
