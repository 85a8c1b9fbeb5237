//! Colours with a meaning, or none.

use anstyle::{AnsiColor, Style};
use event::{Category, Kind};

/// What a piece of text stands for; the colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As the terminal has it.
    Plain,
    /// Less important than its neighbours.
    Dim,
    /// A heading.
    Strong,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Failed or lost.
    Bad,
    /// One of the kinds of events.
    Exec,
    /// See `Exec`.
    Fork,
    /// See `Exec`.
    Exit,
    /// See `Exec`.
    Open,
}

/// Applies tones, if colours are on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours on or off.
    pub(crate) fn new(on: bool) -> Self {
        Self { on }
    }

    /// Whether colours are used.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// `text` in the colour of `tone`.
    pub(crate) fn apply(self, tone: Tone, text: &str) -> String {
        let style = Self::style(tone);
        if !self.on || text.is_empty() || style == Style::new() {
            return text.to_owned();
        }
        format!("{style}{text}{style:#}")
    }

    fn style(tone: Tone) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match tone {
            Tone::Plain => Style::new(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
            Tone::Good => colour(AnsiColor::Green),
            Tone::Warn => colour(AnsiColor::Yellow),
            Tone::Bad => colour(AnsiColor::Red).bold(),
            Tone::Exec => colour(AnsiColor::Green).bold(),
            Tone::Fork => colour(AnsiColor::Cyan),
            Tone::Exit => colour(AnsiColor::Magenta),
            Tone::Open => colour(AnsiColor::Blue),
        }
    }

    /// The tone of an event kind.
    pub(crate) fn tone_of_kind(kind: &str) -> Tone {
        // The lifecycle has colours of its own, every other kind that of what it is about.
        match Kind::from_name(kind) {
            Some(Kind::Exec) => Tone::Exec,
            Some(Kind::Fork) => Tone::Fork,
            Some(Kind::Exit) => Tone::Exit,
            Some(other) => match other.category() {
                Category::Process => Tone::Exec,
                Category::File | Category::Network => Tone::Open,
            },
            None => Tone::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_the_text_is_untouched() {
        assert_eq!(Paint::new(false).apply(Tone::Bad, "ENOENT"), "ENOENT");
    }

    #[test]
    fn with_colours_the_text_is_wrapped_and_the_style_ends_with_it() {
        let painted = Paint::new(true).apply(Tone::Good, "up");
        assert_eq!(painted, "\u{1b}[32mup\u{1b}[0m");
        assert_eq!(Paint::new(true).apply(Tone::Plain, "x"), "x");
    }
}
