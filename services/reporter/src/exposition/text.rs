//! The text format of Prometheus, version 0.0.4. Pure.
//!
//! Written here: a library for it brings registries, types of metrics and threads that nothing here needs, and writes the
//! other format, in which a counter has two names. Invariants: only what is in the table is written, each series once, so
//! that no sender can make a page that Prometheus refuses as a whole; label values are text that somebody else chose, so
//! they are bounded and escaped.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use bootstrap::metrics::{self, Described, PREFIX};

/// Series on one page. A hundred metrics by forty kinds are half of it.
const MAX_SERIES: usize = 8192;
/// What is longer is cut: kinds, causes and names of programs are far shorter.
const MAX_VALUE_BYTES: usize = 128;

/// Every metric, by its name, with its place in the table.
static TABLE: LazyLock<HashMap<&'static str, (usize, &'static Described)>> =
    LazyLock::new(|| metrics::all().enumerate().map(|(place, row)| (row.name, (place, row))).collect());

/// What is collected for one answer.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// By place in the table, then by label values.
    series: BTreeMap<(usize, Vec<String>), u64>,
}

impl Page {
    /// Adds a value; false when it is not shown: in no table, with other labels, there already, or one too many.
    pub(super) fn add(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (String, String)>,
        value: u64,
    ) -> bool {
        let Some((place, row)) = TABLE.get(name) else { return false };
        let labels: BTreeMap<String, String> = labels.into_iter().collect();
        if self.series.len() >= MAX_SERIES
            || !labels.keys().map(String::as_str).eq(row.labels.iter().copied())
        {
            return false;
        }
        let values = labels.into_values().map(|mut value| {
            value.truncate(value.floor_char_boundary(MAX_VALUE_BYTES));
            value
        });
        let key = (*place, values.collect());
        if self.series.contains_key(&key) {
            return false;
        }
        self.series.insert(key, value);
        true
    }

    /// The page.
    pub(super) fn write(&self) -> String {
        let mut out = String::with_capacity(self.series.len() * 80);
        let mut shown = None;
        let rows: Vec<&Described> = metrics::all().collect();
        for ((place, values), value) in &self.series {
            let Some(Described { name, labels, about }) = rows.get(*place).copied() else { continue };
            if shown.replace(place) != Some(place) {
                let shape = rows.get(*place).map_or("untyped", |row| row.shape().name());
                // Writing to a string cannot fail.
                write!(out, "# HELP {PREFIX}{name} {about}\n# TYPE {PREFIX}{name} {shape}\n")
                    .unwrap_or_default();
            }
            out.push_str(PREFIX);
            out.push_str(name);
            for (n, (label, text)) in labels.iter().zip(values).enumerate() {
                out.push(if n == 0 { '{' } else { ',' });
                out.push_str(label);
                out.push_str("=\"");
                escape(&mut out, text);
                out.push('"');
            }
            writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" }).unwrap_or_default();
        }
        out
    }
}

/// Whatever could end the value or the line. Other control characters are allowed by the format and help nobody.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_page_has_each_metric_with_its_help_and_type_and_its_series_together() {
        let mut page = Page::default();
        assert!(page.add("reporter_queue_bytes", [], 7));
        assert!(page.add("probe_events_lost_total", pairs(&[("kind", "open"), ("cause", "ring_full")]), 2));
        assert!(page.add("probe_events_lost_total", pairs(&[("cause", "backlog"), ("kind", "exec")]), 1));
        assert_eq!(
            page.write(),
            "# HELP shrike_probe_events_lost_total Events that are lost, wherever that was.\n\
             # TYPE shrike_probe_events_lost_total counter\n\
             shrike_probe_events_lost_total{cause=\"backlog\",kind=\"exec\"} 1\n\
             shrike_probe_events_lost_total{cause=\"ring_full\",kind=\"open\"} 2\n\
             # HELP shrike_reporter_queue_bytes Bytes in all queues; a payload counts in each.\n\
             # TYPE shrike_reporter_queue_bytes gauge\n\
             shrike_reporter_queue_bytes 7\n"
        );
    }

    #[test]
    fn hostile_label_text_stays_inside_of_its_value() {
        let mut page = Page::default();
        let text = "a\"} 1\nshrike_probe_hook_up{kind=\"\\\u{1b}[2J\r";
        assert!(page.add("probe_events_generated_total", pairs(&[("kind", text)]), 1));
        assert!(page.add("probe_events_generated_total", pairs(&[("kind", &"é".repeat(1000))]), 2));
        let written = page.write();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 4, "{written}");
        let value = "a\\\"} 1\\nshrike_probe_hook_up{kind=\\\"\\\\\u{fffd}[2J\u{fffd}";
        assert_eq!(lines[2], format!("shrike_probe_events_generated_total{{kind=\"{value}\"}} 1"));
        let long = format!("shrike_probe_events_generated_total{{kind=\"{}\"}} 2", "é".repeat(64));
        assert_eq!(lines[3], long);
    }

    #[test]
    fn what_is_in_no_table_twice_or_too_much_is_not_shown() {
        let mut page = Page::default();
        assert!(!page.add("probe_x_total", [], 1));
        assert!(!page.add("probe_events_generated_total", [], 1), "without its label");
        assert!(!page.add("reporter_queue_bytes", pairs(&[("container", "x")]), 1), "with another label");
        assert!(page.add("reporter_queue_bytes", [], 1));
        assert!(!page.add("reporter_queue_bytes", [], 2), "twice");
        let shown = (0..10_000)
            .filter(|n| page.add("probe_events_generated_total", pairs(&[("kind", &n.to_string())]), 1))
            .count();
        assert_eq!(shown, MAX_SERIES - 1);
    }
}
