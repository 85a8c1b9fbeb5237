//! The report: one line per measurement, with its target.

use std::io::Write;

/// Collects lines and prints them aligned.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

#[derive(Debug, Default)]
struct Row {
    name: String,
    value: String,
    beside: String,
    target: String,
    verdict: &'static str,
}

impl Report {
    /// Adds a title line.
    pub fn title(&mut self, title: &str) {
        self.rows.push(Row { name: title.to_owned(), ..Row::default() });
    }

    /// Adds a measurement without a target.
    pub fn line(&mut self, name: &str, value: String, beside: String) {
        self.rows.push(Row { name: format!("  {name}"), value, beside, ..Row::default() });
    }

    /// Adds a measurement and whether its target is met.
    pub fn target(&mut self, name: &str, value: String, beside: String, target: &str, met: bool) {
        let verdict = if met { "met" } else { "MISSED" };
        self.rows.push(Row { name: format!("  {name}"), value, beside, target: target.to_owned(), verdict });
    }

    /// Adds a measurement that says nothing, because something was lost while it ran.
    pub fn void(&mut self, name: &str, why: String) {
        self.rows.push(Row { name: format!("  {name}"), beside: why, verdict: "VOID", ..Row::default() });
    }

    /// Adds a measurement for which something is missing here.
    pub fn not_run(&mut self, name: &str, why: String) {
        self.rows.push(Row { name: format!("  {name}"), beside: why, verdict: "not run", ..Row::default() });
    }

    /// Writes everything, aligned.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let width =
            |of: fn(&Row) -> &str| self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
        // A title may be as long as it likes.
        let names = self.rows.iter().filter(|row| row.name.starts_with(' '));
        let name = names.map(|row| row.name.chars().count()).max().unwrap_or(0);
        let (value, beside, target) =
            (width(|row| &row.value), width(|row| &row.beside), width(|row| &row.target));
        for row in &self.rows {
            let line = format!(
                "{:name$}  {:>value$}  {:beside$}  {:target$}  {}",
                row.name, row.value, row.beside, row.target, row.verdict
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(report: &Report) -> String {
        let mut out = Vec::new();
        report.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_that_lost_something_or_did_not_run_is_never_met() {
        let mut report = Report::default();
        report.void("a", "3 events lost".to_owned());
        report.not_run("b", "no peer".to_owned());
        let text = printed(&report);
        assert!(text.contains("VOID") && text.contains("not run") && !text.contains("met"), "{text}");
    }

    #[test]
    fn a_missed_target_is_said_aloud() {
        let mut report = Report::default();
        report.target("a", "2".to_owned(), String::new(), "≤ 1", false);
        assert!(printed(&report).contains("≤ 1  MISSED"));
    }
}
