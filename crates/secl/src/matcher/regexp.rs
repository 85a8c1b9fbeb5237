//! Regexps: unanchored, case-sensitive, over bytes, in linear time whatever the pattern.

use std::hash::{Hash, Hasher};

use super::MatcherError;

/// The memory that a compiled regexp may take, tried from the smallest: so what it takes is known, roughly.
const SIZE_LIMITS: [usize; 4] = [16 << 10, 64 << 10, 256 << 10, Regexp::MAX_SIZE];

/// A regexp; equal to another with the same text.
#[derive(Debug, Clone)]
pub struct Regexp {
    text: String,
    compiled: regex::bytes::Regex,
    size_limit: usize,
}

impl Regexp {
    /// The most memory that one may take, in bytes.
    pub(crate) const MAX_SIZE: usize = 1 << 20;

    /// Reads a regexp.
    ///
    /// # Errors
    /// When it is none, or one that needs too much memory.
    pub fn new(text: &str) -> Result<Self, MatcherError> {
        for size_limit in SIZE_LIMITS {
            let mut builder = regex::bytes::RegexBuilder::new(text);
            builder.size_limit(size_limit).dfa_size_limit(Self::MAX_SIZE);
            match builder.build() {
                Ok(compiled) => return Ok(Self { text: text.to_owned(), compiled, size_limit }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => {
                    let said = error.to_string();
                    let last = said.lines().last().unwrap_or_default();
                    return Err(MatcherError::Regexp(last.trim_start_matches("error: ").to_owned()));
                }
            }
        }
        Err(MatcherError::LargeRegexp)
    }

    /// The memory it takes, in bytes and rounded up.
    pub(crate) fn size(&self) -> usize {
        self.size_limit
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
