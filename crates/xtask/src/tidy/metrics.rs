//! Metrics: names follow one form, and what is declared is counted.
//!
//! A counter that is never incremented is worse than none: it says that nothing was lost.

use super::{Finding, Source, numbered};

/// What a gauge may be counted in; a counter ends in `_total` instead.
const GAUGE_UNITS: [&str; 13] = [
    "bytes",
    "batches",
    "clients",
    "connections",
    "entries",
    "errors",
    "events",
    "payloads",
    "processes",
    "ratio",
    "seconds",
    "subscribers",
    "up",
];

/// Metric names of a service that are not `<service>_…_total` or `<service>_…_<unit>`.
pub(super) fn names(source: &Source) -> Vec<Finding> {
    let Some(service) = service(source) else { return Vec::new() };
    declarations(source)
        .into_iter()
        .filter_map(|(line, name)| {
            let breach = breach(service, name)?;
            Some(Finding::fatal(source, Some(line), format!("metric `{name}` {breach}")))
        })
        .collect()
}

/// Counters held in a field that no code of the service ever adds to or sets.
pub(super) fn never_counted(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(service) = service(source) else { continue };
        for (line, field) in counter_fields(source) {
            let used = sources
                .iter()
                .filter(|other| self::service(other) == Some(service) && !other.is_test())
                .any(|other| counts(other.without_tests(), field));
            if !used {
                let text = format!("counter `{field}` is declared and never counted");
                findings.push(Finding::fatal(source, Some(line), text));
            }
        }
    }
    findings
}

/// The service whose source this is.
fn service(source: &Source) -> Option<&str> {
    let mut parts = source.path.iter();
    let (top, service, src) = (parts.next()?, parts.next()?, parts.next()?);
    (top == "services" && src == "src").then(|| service.to_str())?
}

fn breach(service: &str, name: &str) -> Option<String> {
    let spelled = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(spelled) || name.contains("__") {
        return Some("is not lower_snake_case".to_owned());
    }
    let Some(rest) = name.strip_prefix(service).and_then(|rest| rest.strip_prefix('_')) else {
        return Some(format!("does not start with `{service}_`"));
    };
    match rest.rsplit_once('_') {
        Some((what, "total")) if !what.is_empty() => None,
        Some((_, unit)) if GAUGE_UNITS.contains(&unit) => None,
        _ => Some(format!(
            "ends neither in `_total` (a counter) nor in a unit (a gauge: {})",
            GAUGE_UNITS.join(", ")
        )),
    }
}

/// The names given to `Registry::counter` outside of tests, with their lines.
fn declarations(source: &Source) -> Vec<(usize, &str)> {
    let code = if source.is_test() { "" } else { source.without_tests() };
    let mut found = Vec::new();
    let mut line = 1;
    let mut calls = code.split(".counter(");
    line += calls.next().unwrap_or_default().matches('\n').count();
    for call in calls {
        // rustfmt puts the name on the call's line or alone on the next.
        if let Some((name, _)) = call.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            found.push((line, name));
        }
        line += call.matches('\n').count();
    }
    found
}

/// The fields of type `Counter` that structs of this file declare.
fn counter_fields(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    numbered(source.without_tests()).filter_map(|(n, line)| {
        let (before, kind) = line.trim().trim_end_matches(',').split_once(": ")?;
        let field = before.rsplit(' ').next()?;
        let is_name = !field.is_empty() && field.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (is_name && (kind == "Counter" || kind.ends_with("::Counter"))).then_some((n, field))
    })
}

/// Whether this code adds to or sets a counter of that name, or hands it to someone who does.
fn counts(code: &str, field: &str) -> bool {
    code.split(field).skip(1).any(|rest| {
        let rest = rest.trim_start();
        [".inc(", ".add(", ".set(", ".clone("].iter().any(|call| rest.starts_with(call))
    })
}
