//! The report of the doctor for people, and for programs.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::doctor::{Check, Verdict};

/// An aligned table, one check a line, the advice below its check.
#[must_use]
pub fn table(checks: &[Check], with_colour: bool) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let style = if with_colour { style(check.verdict) } else { Style::new() };
        let (name, verdict, meaning) = (&check.name, check.verdict.name(), &check.meaning);
        // Writing to a string cannot fail.
        writeln!(text, "{name:width$}  {style}{verdict:7}{style:#}  {meaning}").unwrap_or_default();
        if !check.advice.is_empty() {
            writeln!(text, "{:width$}  {:7}  → {}", "", "", check.advice).unwrap_or_default();
        }
    }
    text
}

/// One JSON array.
#[must_use]
pub fn json(checks: &[Check]) -> serde_json::Value {
    let object = |check: &Check| {
        serde_json::json!({
            "name": check.name,
            "verdict": check.verdict.name(),
            "meaning": check.meaning,
            "advice": check.advice,
        })
    };
    checks.iter().map(object).collect()
}

/// Whether Shrike can work at all.
#[must_use]
pub fn is_usable(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.verdict != Verdict::Missing)
}

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Ok => AnsiColor::Green,
        Verdict::Limited => AnsiColor::Yellow,
        Verdict::Missing => AnsiColor::Red,
    };
    colour.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        let check = |name: &str, verdict, advice: &str| Check {
            name: name.to_owned(),
            verdict,
            meaning: "what it means".to_owned(),
            advice: advice.to_owned(),
        };
        vec![check("btf", Verdict::Ok, ""), check("capabilities", Verdict::Missing, "run as root")]
    }

    #[test]
    fn the_table_is_aligned_and_says_what_to_do() {
        let expect = "btf           ok       what it means\n\
                      capabilities  missing  what it means\n                       → run as root\n";
        assert_eq!(table(&checks(), false), expect);
        assert!(table(&checks(), true).contains("\u{1b}[31m"));
    }

    #[test]
    fn something_missing_makes_the_machine_unusable() {
        assert!(!is_usable(&checks()));
        assert_eq!(json(&checks())[1]["verdict"], "missing");
    }
}
