//! The terminal: colours wanted or not, its width, and writing lines to it.

use std::io::{IsTerminal, Write};

use super::paint::Paint;
use crate::failure::Failure;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorMode {
    /// When standard output is a terminal and NO_COLOR is not set.
    Auto,
    /// Always, also into files and pipes.
    Always,
    /// Never.
    Never,
}

/// Standard output as this command may use it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Colours.
    pub(crate) paint: Paint,
    /// Columns, when standard output is a terminal.
    pub(crate) columns: Option<usize>,
}

impl Terminal {
    /// Standard output, with the colours the user asked for.
    pub(crate) fn stdout(mode: ColorMode) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            paint: Paint::new(wants_colour(mode, is_terminal)),
            columns: is_terminal.then(columns).flatten(),
        }
    }

    /// Standard error, with the colours the user asked for.
    pub(crate) fn stderr(mode: ColorMode) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { paint: Paint::new(wants_colour(mode, is_terminal)), columns: None }
    }

    /// `page`, as much of it as the window has room for now. Without a window: all.
    pub(crate) fn screenful(self, page: &str) -> String {
        match console::Term::stdout().size_checked() {
            Some((rows, columns)) if self.columns.is_some() && rows > 0 && columns > 0 => {
                screenful(page, usize::from(rows), usize::from(columns))
            }
            Some(_) | None => page.to_owned(),
        }
    }

    /// The same with the width of the window now: people resize it.
    pub(crate) fn resized(self) -> Self {
        Self { columns: self.columns.and_then(|_| columns()).or(self.columns), ..self }
    }
}

/// The first lines of a page, cut to the window. The last line says what is missing, and the cursor stays on it: a line
/// end there would scroll the first one away. A window has a row.
fn screenful(page: &str, rows: usize, columns: usize) -> String {
    let fit = |line| console::truncate_str(line, columns, "…").into_owned();
    let mut lines: Vec<String> = page.lines().map(fit).collect();
    if lines.len() < rows {
        lines.push(String::new());
        return lines.join("\n");
    }
    let missing = lines.len() - (rows - 1);
    lines.truncate(rows - 1);
    lines.push(fit(&format!("… {missing} more lines: in a larger window, or without --watch")));
    lines.join("\n")
}

fn columns() -> Option<usize> {
    console::Term::stdout()
        .size_checked()
        .map(|(_, columns)| usize::from(columns))
        .filter(|columns| *columns > 0)
}

fn wants_colour(mode: ColorMode, is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match mode {
        ColorMode::Always => true,
        ColorMode::Never => false,
        ColorMode::Auto => {
            is_terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Writes to standard output and flushes, so that a reader of the pipe sees each line at once.
///
/// # Errors
/// [`Failure::OutputClosed`] when nobody reads any more.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::from_output)
}

/// Writes `text` and a line end to standard output.
///
/// # Errors
/// [`Failure::OutputClosed`] when nobody reads any more.
pub(crate) fn print_line(text: &str) -> Result<(), Failure> {
    print(format!("{text}\n").as_bytes())
}

/// Writes `text` and a line end to standard error; it is commentary, so a closed standard error is not a failure.
pub(crate) fn note(text: &str) {
    std::io::stderr().lock().write_all(format!("{text}\n").as_bytes()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_to_the_screen_and_says_what_is_missing() {
        let page: String =
            (0..30).map(|n| format!("\u{1b}[1mline {n}\u{1b}[0m {}\n", "x".repeat(100))).collect();
        for (rows, columns) in [(24, 80), (30, 60), (2, 20), (1, 10)] {
            let shown = screenful(&page, rows, columns);
            assert_eq!(shown.matches('\n').count(), rows - 1, "the last line has no end: nothing scrolls");
            for line in shown.lines() {
                assert!(console::measure_text_width(line) <= columns, "{line}");
            }
        }
        assert!(screenful(&page, 24, 80).ends_with("… 7 more lines: in a larger window, or without --watch"));
        assert_eq!(screenful(&page, 31, 200), page, "what fits is shown as it is");
    }
}
