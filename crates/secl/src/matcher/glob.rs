//! Patterns over paths: `*` stays inside one segment, `**` as the last segment is any remainder.

use super::{MatcherError, Pattern, equal_folded};

/// A pattern over paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    text: Box<str>,
    /// All but a `**` at the end.
    segments: Box<[Pattern]>,
    is_deep: bool,
    is_folded: bool,
}

impl Glob {
    /// Reads a pattern; with `is_folded`, case does not count.
    ///
    /// # Errors
    /// When `**` is not the last, whole segment.
    pub fn new(text: &str, is_folded: bool) -> Result<Self, MatcherError> {
        let segments: Vec<&str> = text.split('/').collect();
        let is_deep = segments.last() == Some(&"**");
        let shallow = segments.get(..segments.len() - usize::from(is_deep)).unwrap_or_default();
        if shallow.iter().any(|segment| segment.contains("**")) {
            return Err(MatcherError::DoubleStarInside);
        }
        let segments = shallow.iter().map(|segment| Pattern::of_parts(segment, is_folded)).collect();
        Ok(Self { text: text.into(), segments, is_deep, is_folded })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when it accepts the path `value`.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        if value.is_empty() || self.text.is_empty() {
            return false;
        }
        if self.is_exact() {
            let text = self.text.as_bytes();
            return if self.is_folded { equal_folded(text, value) } else { text == value };
        }
        let mut segments = self.subject(value).split(|byte| *byte == b'/');
        let all_match = self
            .segments
            .iter()
            .all(|pattern| segments.next().is_some_and(|segment| pattern.matches(segment)));
        all_match && segments.next().is_some() == self.is_deep
    }

    /// True when it may accept something below the directory `value`, or the path itself. It may say yes without
    /// reason, never no.
    #[must_use]
    pub fn may_match_below(&self, value: &[u8]) -> bool {
        if self.text.is_empty() {
            return false;
        }
        let subject = self.subject(value);
        let subject = subject.strip_suffix(b"/").unwrap_or(subject);
        let segments = subject.split(|byte| *byte == b'/');
        self.segments.iter().zip(segments).all(|(pattern, segment)| pattern.matches(segment))
    }

    /// True when it has no star.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.text.contains('*')
    }

    /// What every accepted path starts with.
    #[must_use]
    pub fn literal_prefix(&self) -> &[u8] {
        let length = self.text.find('*').unwrap_or(self.text.len());
        self.text.as_bytes().get(..length).filter(|_| !self.is_folded).unwrap_or_default()
    }

    /// What every accepted path ends with.
    #[must_use]
    pub fn literal_suffix(&self) -> &[u8] {
        let start = self.text.rfind('*').map_or(0, |at| at + 1);
        self.text.as_bytes().get(start..).filter(|_| !self.is_folded).unwrap_or_default()
    }

    /// A first segment that is a lone `*` stands for the first directory, so the slash before it does not count.
    fn subject<'v>(&self, value: &'v [u8]) -> &'v [u8] {
        let is_lone_star = self.text.split('/').next() == Some("*");
        if is_lone_star { value.strip_prefix(b"/").unwrap_or(value) } else { value }
    }
}
