//! Values that approve events, and what the kernel can take of them.

use std::fmt;

use crate::matcher::Matcher;
use crate::model::{FieldId, Value};

/// Events whose field has such a value may match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Approval {
    /// A text that is accepted.
    Text(Matcher),
    /// This number.
    Int(i64),
    /// A number with any of these bits.
    Mask(i64),
    /// A number from the first to the last, both included.
    Range(i64, i64),
    /// This boolean.
    Bool(bool),
}

impl Approval {
    /// True when it approves this value.
    #[must_use]
    pub fn approves(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(matcher), Value::Text(text)) => matcher.matches(text),
            (Self::Int(wanted), Value::Int(found)) => *wanted == found,
            (Self::Mask(mask), Value::Int(found)) => mask & found != 0,
            (Self::Range(first, last), Value::Int(found)) => (*first..=*last).contains(&found),
            (Self::Bool(wanted), Value::Bool(found)) => *wanted == found,
            _ => false,
        }
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(Matcher::Exact(text) | Matcher::Folded(text)) => {
                write!(f, "\"{}\"", String::from_utf8_lossy(text))
            }
            Self::Text(Matcher::Glob(glob)) => write!(f, "~\"{}\"", glob.text()),
            Self::Text(Matcher::Pattern(_)) => f.write_str("a pattern"),
            Self::Text(Matcher::Regexp(_)) => f.write_str("a regexp"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Mask(mask) => write!(f, "any bit of {mask:#x}"),
            Self::Range(first, last) => write!(f, "{first} to {last}"),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

/// Kinds of values that the kernel can compare a field with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds {
    /// Single values.
    pub scalar: bool,
    /// Patterns over paths.
    pub glob: bool,
    /// Bits.
    pub mask: bool,
    /// From one number to another.
    pub range: bool,
}

/// What the kernel can filter a field by.
#[derive(Debug, Clone, Copy)]
pub struct Capability {
    /// The field.
    pub field: FieldId,
    /// What it can be compared with.
    pub kinds: Kinds,
    /// How good a filter it is; the best of a rule is taken.
    pub weight: u32,
    /// How good this one value is; nothing when it cannot be used.
    pub weigh: Option<fn(&Approval) -> Option<u32>>,
    /// Its values are from 0 to this, but for one beyond that means "not set".
    pub last_valid: Option<i64>,
    /// What it approves is not discarded either, so its rules need not be asked for discarders.
    pub is_approver_only: bool,
}

impl Capability {
    /// A field that is filtered by values of these kinds.
    #[must_use]
    pub fn new(field: FieldId, kinds: Kinds, weight: u32) -> Self {
        Self { field, kinds, weight, weigh: None, last_valid: None, is_approver_only: false }
    }

    /// Whether the kernel can take this value, and how good it is.
    #[must_use]
    pub fn takes(&self, approval: &Approval) -> Option<u32> {
        let is_kind = match approval {
            Approval::Text(Matcher::Exact(_)) | Approval::Int(_) | Approval::Bool(_) => self.kinds.scalar,
            Approval::Text(Matcher::Glob(_)) => self.kinds.glob,
            Approval::Text(_) => false,
            Approval::Mask(_) => self.kinds.mask,
            Approval::Range(..) => self.kinds.range,
        };
        let weight = self.weigh.map_or(Some(self.weight), |weigh| weigh(approval));
        weight.filter(|_| is_kind)
    }
}
