//! Regexps: unanchored, case-sensitive, over bytes, in linear time whatever the pattern.

use std::hash::{Hash, Hasher};

use super::MatcherError;

/// The most memory that one compiled regexp may take.
const SIZE_LIMIT: usize = 1 << 20;

/// A regexp; equal to another with the same text.
#[derive(Debug, Clone)]
pub struct Regexp {
    text: String,
    compiled: regex::bytes::Regex,
}

impl Regexp {
    /// Reads a regexp.
    ///
    /// # Errors
    /// When it is none, or one that needs too much memory.
    pub fn new(text: &str) -> Result<Self, MatcherError> {
        let compiled = regex::bytes::RegexBuilder::new(text)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| {
                let text = error.to_string();
                MatcherError::Regexp(
                    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
                )
            })?;
        Ok(Self { text: text.to_owned(), compiled })
    }

    /// True when it is found in `value`.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        self.compiled.is_match(value)
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Regexp {}

impl Hash for Regexp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
