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

    /// The same with the width of the window now: people resize it.
    pub(crate) fn resized(self) -> Self {
        Self { columns: self.columns.and_then(|_| columns()).or(self.columns), ..self }
    }
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
