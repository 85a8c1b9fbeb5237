//! What is wrong with a rule, where, and what to write instead.
//!
//! Invariant: every error names a place in the text, and rendering it never fails, whatever the text holds.

/// A range of bytes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range from `start` to before `end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The part of `text` it names; empty when it names none.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The rule cannot be used.
    Error,
    /// The rule can be used, but probably says something else than its author thinks.
    Warning,
}

/// One remark about a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What could stand there.
    pub expected: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    #[must_use]
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, message: message.into(), expected: None, help: None }
    }

    /// A warning at `span`.
    #[must_use]
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Says what could stand there.
    #[must_use]
    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Line and column of the start, both from 1; the column counts characters.
    #[must_use]
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// The remark about a text that this one starts `bytes` into.
    #[must_use]
    pub fn shifted(self, bytes: usize) -> Self {
        let span = Span::new(self.span.start.saturating_add(bytes), self.span.end.saturating_add(bytes));
        Self { span, ..self }
    }

    /// The remark with the line it is about and a caret under the place.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (number, column) = self.position(text);
        let line = text.lines().nth(number - 1).unwrap_or_default();
        let width = self.span.of(text).chars().take_while(|c| *c != '\n').count().max(1);
        let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let place = format!("{number}:{column}");
        let mut out = format!("{severity}: {}\n", self.message);
        let left = " ".repeat(place.len());
        let carets = "^".repeat(width);
        let indent = " ".repeat(column - 1);
        out.push_str(&format!("{place} | {shown}\n{left} | {indent}{carets}"));
        if let Some(expected) = &self.expected {
            let found = match self.span.of(text) {
                "" => "the end".to_owned(),
                found => format!("`{}`", found.chars().take(60).collect::<String>()),
            };
            out.push_str(&format!("\n{left} = found {found}, expected {expected}"));
        }
        if let Some(help) = &self.help {
            out.push_str(&format!("\n{left} = help: {help}"));
        }
        out.push('\n');
        out
    }
}

/// The names nearest to `wanted`, at most three of those that are equally near, none that is another word altogether.
#[must_use]
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // Longer than any name there is: no point in comparing.
    if wanted.len() > 128 {
        return Vec::new();
    }
    let limit = (wanted.chars().count() / 3).max(1);
    let mut found: Vec<(usize, &str)> = names
        .filter(|name| name.len().abs_diff(wanted.len()) <= limit)
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    found.sort_unstable();
    found.dedup();
    let best = found.first().map_or(0, |(distance, _)| *distance);
    found.into_iter().take_while(|(distance, _)| *distance == best).take(3).map(|(_, name)| name).collect()
}

/// How many letters must change, be added or removed; case counts half as nothing.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), i + 1);
        let mut left = i + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let same = x.eq_ignore_ascii_case(y);
            left = (diagonal + usize::from(!same)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// ", did you mean `a`, `b`?" or nothing.
pub(crate) fn suggestion(names: &[&str]) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_other_words_not_at_all() {
        let names = ["open.file.path", "open.file.name", "exec.file.path", "open.flags"];
        assert_eq!(nearest("open.file.pth", names.into_iter()).first(), Some(&"open.file.path"));
        assert!(nearest("zzzzzzzzzzzz", names.into_iter()).is_empty());
    }

    #[test]
    fn a_caret_stands_under_the_place_also_after_letters_of_several_bytes() {
        let text = "\"ä\" == x\n";
        let shown = Diagnostic::error(Span::new(8, 9), "no").expected("y").render(text);
        assert_eq!(shown, "error: no\n1:8 | \"ä\" == x\n    |        ^\n    = found `x`, expected y\n");
    }

    #[test]
    fn a_place_outside_the_text_is_no_panic() {
        let shown = Diagnostic::error(Span::new(99, 200), "no").render("a\nb");
        assert!(shown.contains("2:2"), "{shown}");
    }
}
