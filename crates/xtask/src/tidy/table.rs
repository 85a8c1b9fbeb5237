//! The table of metrics and what uses it: services, the dashboard, the alerts, the pages.
//!
//! A metric that nobody can look up is not understood, and a row that nobody counts looks like a zero.

use std::collections::BTreeSet;
use std::path::Path;

use bootstrap::metrics::{Described, PREFIX};

use super::{Finding, Source, numbered};

/// Strings that look like one: the reason of a gap.
const OTHERS: [&str; 1] = ["analyzer_killed"];

/// Where every word with the prefix of a metric must be one.
const READERS: [&str; 2] = ["deploy", "docs"];

/// Metrics that are in the code and not in the table, in the table and not in the code, or named elsewhere and not there.
pub(super) fn differences<'a>(rows: impl Iterator<Item = &'a Described>, sources: &[Source]) -> Vec<Finding> {
    let rows: BTreeSet<&str> = rows.map(|row| row.name).collect();
    let mut findings = Vec::new();
    let mut counted = BTreeSet::new();
    for source in sources {
        if let Some(service) = service(&source.path).filter(|_| !source.is_test()) {
            for (line, name) in literals(source) {
                counted.insert(name);
                let is_own = name.strip_prefix(service).is_some_and(|rest| rest.starts_with('_'));
                if is_own && !rows.contains(name) {
                    let text =
                        format!("`{name}` is not in the table of metrics, crates/bootstrap/src/metrics");
                    findings.push(Finding::fatal(source, Some(line), text));
                }
            }
        }
        if READERS.iter().any(|folder| source.path.starts_with(folder)) {
            for (line, name) in used(source).filter(|(_, name)| !rows.contains(name)) {
                let text = format!("there is no metric `{PREFIX}{name}`");
                findings.push(Finding::fatal(source, Some(line), text));
            }
        }
    }
    findings.extend(rows.difference(&counted).map(|name| Finding {
        path: "crates/bootstrap/src/metrics".into(),
        line: None,
        text: format!("`{name}` is in the table of metrics and no service counts it"),
        fatal: true,
    }));
    findings
}

/// The service whose source is at this path.
fn service(path: &Path) -> Option<&str> {
    let mut parts = path.iter();
    let (top, service, src) = (parts.next()?, parts.next()?, parts.next()?);
    (top == "services" && src == "src").then(|| service.to_str())?
}

/// Strings that could be the name of a metric, with their lines.
fn literals(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let is_name = |text: &&str| {
        let spelled = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        ["probe_", "analyzer_", "reporter_"].iter().any(|prefix| text.starts_with(prefix))
            && text.chars().all(spelled)
            && !text.ends_with('_')
            && !OTHERS.contains(text)
    };
    let strings = |(n, line)| str::split(line, '"').skip(1).step_by(2).map(move |text| (n, text));
    numbered(source.without_tests()).flat_map(strings).filter(move |(_, text)| is_name(text))
}

/// Names of metrics, without their prefix, as Prometheus writes them in queries.
fn used(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let is_end = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let services = ["probe_", "analyzer_", "reporter_"];
    numbered(&source.text)
        .flat_map(move |(n, line)| {
            line.split(PREFIX).skip(1).map(move |rest| (n, rest.split(is_end).next().unwrap_or_default()))
        })
        .filter(move |(_, name)| services.iter().any(|service| name.starts_with(service)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.to_owned() }
    }

    fn row(name: &'static str) -> Described {
        Described { name, labels: &[], about: "" }
    }

    #[test]
    fn a_metric_outside_of_the_table_and_a_row_without_a_metric_fail() {
        let code = source(
            "services/probe/src/metrics.rs",
            "let a = plain(\"probe_a_total\");\nlet b = \"analyzer_killed\";\n",
        );
        let [known, unknown] = [row("probe_a_total"), row("probe_b_total")];
        assert_eq!(differences([&known].into_iter(), std::slice::from_ref(&code)), []);
        let findings = differences([&unknown].into_iter(), &[code]);
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("metrics.rs:1: `probe_a_total` is not in the table"), "{texts:?}");
        assert!(texts[1].contains("`probe_b_total` is in the table of metrics and no service"), "{texts:?}");
    }

    #[test]
    fn a_query_for_a_metric_that_is_not_there_fails() {
        let code = source("services/probe/src/metrics.rs", "\"probe_a_total\"\n");
        let known = row("probe_a_total");
        let query = |name: &str| {
            let text = format!("# x\n      expr: rate(shrike_{name}{{kind=\"x\"}}[5m]) > 0 # shrike_x\n");
            let alerts = source("deploy/prometheus/rules.yaml", &text);
            differences([&known].into_iter(), &[source("services/probe/src/metrics.rs", &code.text), alerts])
        };
        assert_eq!(query("probe_a_total"), []);
        assert!(query("probe_a").first().unwrap().text.contains("there is no metric `shrike_probe_a`"));
    }
}
