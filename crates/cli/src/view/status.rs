//! The status of all services as text and as JSON: the verdict first, then the services, the table of every kind from the
//! kernel to the output, and what was dropped anywhere. Everything else is behind `--all`.

mod as_json;
mod counters;
mod events;
mod outputs;
mod services;

use wire::v1::AnalyzerStatus;

use super::paint::{Paint, Tone};

pub(crate) use as_json::as_json;
pub(crate) use events::{Counts, by_kind, columns, total};

/// The whole page; with `all` also every counter.
pub(crate) fn page(status: &AnalyzerStatus, all: bool, paint: Paint) -> String {
    let mut lines = vec![paint.apply(Tone::Strong, &services::title(status)), String::new()];
    let table = status.probe.as_ref().map(events::Table::of);
    if let (Some(table), Some(probe)) = (&table, &status.probe) {
        lines.push(format!("  {}", table.verdict(&probe.workloads, paint)));
        lines.extend(services::gaps(&probe.not_observed, paint));
        lines.push(String::new());
    }
    lines.extend(services::services(status, paint));
    let Some((table, probe)) = table.zip(status.probe.as_ref()) else {
        lines.push(String::new());
        lines.push(paint.apply(Tone::Warn, "no status of the probe yet: hooks and counters are not known"));
        return lines.join("\n") + "\n";
    };
    lines.extend(probe.backlog.iter().map(|backlog| services::backlog(backlog, paint)));
    section("Hooks", services::hooks(probe, paint), paint, &mut lines);
    section("Events", table.lines(all, paint), paint, &mut lines);
    section("Lost most", events::losers(&probe.workloads, paint), paint, &mut lines);
    section("Outputs", outputs::lines(status.reporter.as_ref(), paint), paint, &mut lines);
    if all {
        for (title, metrics) in counters::all(status) {
            section(&format!("{title} counters"), counters::lines(metrics, paint), paint, &mut lines);
        }
    } else {
        let bad = counters::bad(status);
        section(
            "Dropped, refused or failed (--all shows every counter)",
            counters::lines(bad, paint),
            paint,
            &mut lines,
        );
    }
    lines.join("\n") + "\n"
}

/// A heading with its lines; nothing when there are none.
fn section(title: &str, content: Vec<String>, paint: Paint, lines: &mut Vec<String>) {
    if !content.is_empty() {
        lines.extend([String::new(), paint.apply(Tone::Strong, title)]);
        lines.extend(content);
    }
}

#[cfg(test)]
mod tests;
