//! The report: one line per measurement, with its target.

use std::io::Write;

/// Collects lines and prints them aligned.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    value: String,
    beside: String,
    target: String,
    met: Option<bool>,
}

impl Report {
    /// Adds a title line.
    pub fn title(&mut self, title: &str) {
        self.rows.push(Row {
            name: title.to_owned(),
            value: String::new(),
            beside: String::new(),
            target: String::new(),
            met: None,
        });
    }

    /// Adds a measurement without a target.
    pub fn line(&mut self, name: &str, value: String, beside: String) {
        self.rows.push(Row { name: format!("  {name}"), value, beside, target: String::new(), met: None });
    }

    /// Adds a measurement and whether its target is met.
    pub fn target(&mut self, name: &str, value: String, beside: String, target: &str, met: bool) {
        let name = format!("  {name}");
        self.rows.push(Row { name, value, beside, target: target.to_owned(), met: Some(met) });
    }

    /// Writes everything, aligned.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let width =
            |of: fn(&Row) -> &str| self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
        let (name, value, beside) =
            (width(|row| &row.name), width(|row| &row.value), width(|row| &row.beside));
        for row in &self.rows {
            let met = match row.met {
                None => "",
                Some(true) => "met",
                Some(false) => "MISSED",
            };
            let line = format!(
                "{:name$}  {:>value$}  {:beside$}  {}  {met}",
                row.name, row.value, row.beside, row.target
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
