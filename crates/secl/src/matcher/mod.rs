//! What a text constant of a rule accepts.
//!
//! Invariant: matching allocates nothing and takes time in proportion to the value times the pattern at most.

mod glob;
mod pattern;
mod regexp;

pub use glob::Glob;
pub use pattern::Pattern;
pub use regexp::Regexp;

use crate::model::TextKind;

/// A text constant as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TextLiteral {
    /// How it was marked.
    pub kind: LiteralKind,
    /// What stands between the quotes.
    pub text: String,
}

/// How a text constant is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiteralKind {
    /// `"…"`.
    Exact,
    /// `~"…"`, or a string behind `=~`.
    Pattern,
    /// `r"…"`.
    Regexp,
}

/// Why a text constant cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MatcherError {
    /// `**` where it may not stand.
    #[error("`**` may only be the last whole segment of a path")]
    DoubleStarInside,
    /// `**` in a pattern that is no path.
    #[error("`**` means something in paths only")]
    DoubleStar,
    /// Not a regexp.
    #[error("not a regexp: {0}")]
    Regexp(String),
    /// One that would take more than a mebibyte.
    #[error("the regexp needs too much memory")]
    LargeRegexp,
}

impl MatcherError {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::DoubleStarInside => "write \"/etc/**\", or one `*` for each level",
            Self::DoubleStar => "one `*` stands for anything here, slashes too",
            Self::LargeRegexp => "repeat less, or smaller sets: `[a-z0-9]{40}` takes less than `\\w{40}`",
            Self::Regexp(_) => "to mean one of . + * ? ( ) [ ] { } | ^ $ itself, write a backslash before it",
        }
    }
}

/// Accepts some texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// This text alone.
    Exact(Box<[u8]>),
    /// This text in any case.
    Folded(Box<[u8]>),
    /// Paths.
    Glob(Glob),
    /// Texts with these parts.
    Pattern(Pattern),
    /// What the regexp finds itself in.
    Regexp(Regexp),
}

impl Matcher {
    /// True when it accepts `value`.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => **text == *value,
            Self::Folded(text) => equal_folded(text, value),
            Self::Glob(glob) => glob.matches(value),
            Self::Pattern(pattern) => pattern.matches(value),
            Self::Regexp(regexp) => regexp.matches(value),
        }
    }

    /// The memory it takes beyond its text, in bytes and rounded up.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Exact(_) | Self::Folded(_) | Self::Glob(_) | Self::Pattern(_) => 0,
            Self::Regexp(regexp) => regexp.size(),
        }
    }

    /// What it costs, relative to reading a field (50).
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Exact(_) | Self::Folded(_) => 0,
            Self::Glob(_) | Self::Pattern(_) => 80,
            Self::Regexp(_) => 100,
        }
    }
}

/// The matcher of a constant for a field of this kind.
///
/// # Errors
/// When the constant is no pattern or regexp.
pub fn for_kind(kind: TextKind, literal: &TextLiteral) -> Result<Matcher, MatcherError> {
    let is_folded = matches!(kind, TextKind::Domain | TextKind::Insensitive);
    Ok(match (literal.kind, kind) {
        (LiteralKind::Exact, _) if is_folded => Matcher::Folded(literal.text.as_bytes().into()),
        (LiteralKind::Exact, _) => Matcher::Exact(literal.text.as_bytes().into()),
        (LiteralKind::Pattern, TextKind::Path) => Matcher::Glob(Glob::new(&literal.text, false)?),
        (LiteralKind::Pattern, _) => Matcher::Pattern(Pattern::new(&literal.text, is_folded)?),
        (LiteralKind::Regexp, _) => Matcher::Regexp(Regexp::new(&literal.text)?),
    })
}

/// Equal but for case, by Unicode's simple folding where both are UTF-8.
#[must_use]
pub fn equal_folded(a: &[u8], b: &[u8]) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    match (std::str::from_utf8(a), std::str::from_utf8(b)) {
        (Ok(a), Ok(b)) => {
            let mut others = b.chars();
            a.chars().all(|letter| others.next().is_some_and(|other| same_letter(letter, other)))
                && others.next().is_none()
        }
        _ => a.eq_ignore_ascii_case(b),
    }
}

/// Equal but for case.
fn same_letter(a: char, b: char) -> bool {
    a == b || folded(a) == folded(b)
}

/// The character that stands for all of its cases: by way of the capital, as `ſ` and `s`, `ς` and `σ` share theirs.
fn folded(character: char) -> char {
    let capital = only(character.to_uppercase()).unwrap_or(character);
    only(capital.to_lowercase()).unwrap_or(capital)
}

/// What is one character in another case: simple folding leaves out what becomes several, such as `ß`.
fn only(mut cases: impl Iterator<Item = char>) -> Option<char> {
    cases.next().filter(|_| cases.next().is_none())
}

#[cfg(test)]
mod tests;
