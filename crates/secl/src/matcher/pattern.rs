//! Plain patterns: `*` stands for any run of bytes, also an empty one and also over slashes.

use super::MatcherError;

/// A plain pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// What stands between the stars; one more than there are stars.
    parts: Box<[Box<[u8]>]>,
    is_folded: bool,
}

impl Pattern {
    /// Reads a pattern; with `is_folded`, the case of ASCII letters does not count.
    ///
    /// # Errors
    /// When it holds `**`.
    pub fn new(text: &str, is_folded: bool) -> Result<Self, MatcherError> {
        if text.contains("**") {
            return Err(MatcherError::DoubleStar);
        }
        Ok(Self::of_parts(text, is_folded))
    }

    /// The pattern of one path segment.
    pub(super) fn of_parts(text: &str, is_folded: bool) -> Self {
        Self { parts: text.split('*').map(|part| part.as_bytes().into()).collect(), is_folded }
    }

    /// True when it accepts `value`.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = others.split_last() else { return self.equal(first, value) };
        if value.len() < first.len() + last.len() {
            return false;
        }
        let (head, rest) = value.split_at(first.len());
        let (mut rest, tail) = rest.split_at(rest.len() - last.len());
        if !self.equal(first, head) || !self.equal(last, tail) {
            return false;
        }
        // The leftmost place for each part leaves the most for the others.
        for part in middle.iter().filter(|part| !part.is_empty()) {
            let Some(at) = rest.windows(part.len()).position(|window| self.equal(part, window)) else {
                return false;
            };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        true
    }

    /// What every accepted value starts with; nothing when case does not count.
    #[must_use]
    pub fn literal_prefix(&self) -> &[u8] {
        self.parts.first().filter(|_| !self.is_folded).map_or(&[], |part| part)
    }

    /// What every accepted value ends with; nothing when case does not count.
    #[must_use]
    pub fn literal_suffix(&self) -> &[u8] {
        self.parts.last().filter(|_| !self.is_folded).map_or(&[], |part| part)
    }

    fn equal(&self, a: &[u8], b: &[u8]) -> bool {
        if self.is_folded { a.eq_ignore_ascii_case(b) } else { a == b }
    }
}
