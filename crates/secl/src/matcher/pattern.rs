//! Plain patterns: `*` stands for any run of bytes, also an empty one and also over slashes.

use super::{MatcherError, equal_folded, same_letter};

/// A plain pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// What stands between the stars; one more than there are stars.
    parts: Box<[Box<str>]>,
    is_folded: bool,
    is_ascii: bool,
}

impl Pattern {
    /// Reads a pattern; with `is_folded`, case does not count.
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
        Self { parts: text.split('*').map(Into::into).collect(), is_folded, is_ascii: text.is_ascii() }
    }

    /// True when it accepts `value`.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        if self.is_folded && !(self.is_ascii && value.is_ascii()) {
            // A letter may have another length in another case, so that places are not those of bytes.
            if let Ok(value) = std::str::from_utf8(value) {
                return self.matches_letters(value);
            }
        }
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
        self.parts.first().filter(|_| !self.is_folded).map_or(&[], |part| part.as_bytes())
    }

    /// What every accepted value ends with; nothing when case does not count.
    #[must_use]
    pub fn literal_suffix(&self) -> &[u8] {
        self.parts.last().filter(|_| !self.is_folded).map_or(&[], |part| part.as_bytes())
    }

    fn equal(&self, part: &str, bytes: &[u8]) -> bool {
        if self.is_folded { part.as_bytes().eq_ignore_ascii_case(bytes) } else { part.as_bytes() == bytes }
    }

    /// As `matches`, letter by letter and without regard to case.
    fn matches_letters(&self, value: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = others.split_last() else {
            return equal_folded(first.as_bytes(), value.as_bytes());
        };
        let Some(mut rest) = behind(first, value) else { return false };
        for part in middle.iter().filter(|part| !part.is_empty()) {
            let mut places = rest.char_indices().filter_map(|(at, _)| rest.get(at..));
            let Some(found) = places.find_map(|place| behind(part, place)) else { return false };
            rest = found;
        }
        let mut letters = rest.chars().rev();
        last.chars().rev().all(|letter| letters.next().is_some_and(|other| same_letter(letter, other)))
    }
}

/// What stands behind `part`, if the value starts with it in any case.
fn behind<'v>(part: &str, value: &'v str) -> Option<&'v str> {
    let mut letters = value.chars();
    let is_start = part.chars().all(|letter| letters.next().is_some_and(|other| same_letter(letter, other)));
    is_start.then_some(letters.as_str())
}
