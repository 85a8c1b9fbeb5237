//! `docs/metrics.md`: every metric that Prometheus can read.

use std::fmt::Write as _;

use bootstrap::metrics::{self, PREFIX};

pub(crate) const OUTPUT: &str = "docs/metrics.md";

/// The page.
pub(crate) fn generate() -> String {
    let mut page = "\
# Metrics

Made from the table in `crates/bootstrap/src/metrics` by `cargo run -p xtask -- codegen`; do not edit.

The reporter serves the metrics of all three services to Prometheus when `[metrics]` is in its configuration; how they come
there is said in [reporter.md](reporter.md#metrics). `shrike status` shows the same numbers without the prefix `shrike_`.
A counter begins again with its service. No label has a value for each container, process or file; what a `label` of the
reporter is, its sender says: the kind of the event. In [deploy/prometheus](../deploy/prometheus/README.md) are alerts and
a dashboard.
"
    .to_owned();
    for service in ["probe", "analyzer", "reporter"] {
        line(
            &mut page,
            format_args!("\n## {service}\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |"),
        );
        for row in metrics::all().filter(|row| row.service() == service) {
            let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, shape, labels) = (row.name, row.shape().name(), labels.join(", "));
            line(&mut page, format_args!("| `{PREFIX}{name}` | {shape} | {labels} | {} |", row.about));
        }
    }
    page
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(page, "{text}").unwrap_or_default();
}
