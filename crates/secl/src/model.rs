//! What a host tells the language: which fields, constants and variables there are, and what an event holds.
//!
//! Two traits, because they live at two times: a [`Model`] when a rule is checked, an [`Event`] when it is evaluated.
//! A rule that was checked against a model asks an event only for fields and variables of that model, with the type
//! that the model gave; an event that answers with another type makes the comparison false, never a panic.

use crate::matcher::{Matcher, MatcherError, TextLiteral, for_kind};
use crate::net::Net;

/// Number of a field in its model: its place in [`Model::fields`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// Number of an iterator in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IteratorId(pub u16);

/// Number of a variable in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(pub u32);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// True or false.
    Bool,
    /// 64 bits with a sign.
    Int,
    /// Bytes that are usually UTF-8.
    Text,
    /// An address or network.
    Net,
}

impl Type {
    /// The word for it in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Text => "string",
            Self::Net => "IP or CIDR",
        }
    }
}

/// How the text of a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextKind {
    /// Byte by byte; `*` in a pattern stands for anything.
    Plain,
    /// A path; `*` in a pattern stays inside one segment, `**` at the end is any remainder.
    Path,
    /// A domain name: case does not count, but in regexps it does.
    Domain,
    /// Case does not count.
    Insensitive,
}

/// A set of event types, by their place in [`Model::event_types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventSet(pub u64);

impl EventSet {
    /// Every event type.
    pub const ALL: Self = Self(u64::MAX);

    /// The set with this event type alone; nothing from 64 on.
    #[must_use]
    pub fn one(index: usize) -> Self {
        Self(u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or(0))
    }

    /// The event types in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The event type, if there is just one.
    #[must_use]
    pub fn single(self) -> Option<usize> {
        (self.0.count_ones() == 1).then(|| usize::try_from(self.0.trailing_zeros()).unwrap_or(usize::MAX))
    }
}

/// A field that rules may name.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its place in [`Model::fields`].
    pub id: FieldId,
    /// Its name, without subscripts.
    pub name: String,
    /// What its values are.
    pub ty: Type,
    /// Has several values (in each item, if it belongs to an iterator).
    pub is_array: bool,
    /// The iterator it belongs to.
    pub iterator: Option<IteratorId>,
    /// The events that have it.
    pub events: EventSet,
    /// What reading it costs, beside 50 for an ordinary field.
    pub weight: u32,
    /// How text is compared.
    pub text: TextKind,
    /// Holds nanoseconds since the epoch, so that it is compared with a duration by its age.
    pub is_timestamp: bool,
}

/// A variable that rules may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its number.
    pub id: VariableId,
    /// What its values are.
    pub ty: Type,
    /// Has several values.
    pub is_array: bool,
}

/// The value of a named constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constant {
    /// A boolean.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A string.
    Text(&'static str),
}

/// A constant that a field is compared with, for [`Model::validate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal<'a> {
    /// A number.
    Int(i64),
    /// A string, pattern or regexp.
    Text(&'a TextLiteral),
}

/// Why a constant cannot be compared with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Refusal {
    /// A refusal that says what to write.
    #[must_use]
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl From<MatcherError> for Refusal {
    fn from(error: MatcherError) -> Self {
        Self::new(error.to_string(), error.help())
    }
}

/// What rules may speak of.
pub trait Model {
    /// Every field; `fields()[n].id == FieldId(n)`.
    fn fields(&self) -> &[Field];

    /// The field with this name or alias, without subscripts.
    fn field(&self, name: &str) -> Option<&Field>;

    /// The iterator with this name or alias.
    fn iterator(&self, name: &str) -> Option<IteratorId>;

    /// The event types, by name.
    fn event_types(&self) -> &[&'static str];

    /// The constant with this name.
    fn constant(&self, name: &str) -> Option<Constant>;

    /// The names of all constants.
    fn constant_names(&self) -> Vec<&str>;

    /// The variable with this name.
    fn variable(&self, name: &str) -> Option<Variable>;

    /// The names of all variables.
    fn variable_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Refuses a constant that makes no sense for a field.
    ///
    /// # Errors
    /// Why it is refused.
    fn validate(&self, _field: &Field, _literal: Literal<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    /// What an author should know of a field, for example that nothing fills it yet.
    fn remark(&self, _field: &Field) -> Option<String> {
        None
    }

    /// What a text constant means for a field; the value matches if any of these does.
    ///
    /// # Errors
    /// Why the constant cannot be used with this field.
    fn matchers(&self, field: &Field, literal: &TextLiteral) -> Result<Vec<Matcher>, Refusal> {
        Ok(vec![for_kind(field.text, literal)?])
    }
}

/// One value of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A boolean.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text.
    Text(&'a [u8]),
    /// An address or network.
    Net(Net),
}

/// An event as rules see it. A field or variable without a value is empty, 0 or false.
pub trait Event {
    /// The time of the event, nanoseconds since the epoch: ages are relative to it.
    fn now_ns(&self) -> i64;

    /// How many items an iterator has.
    fn items(&self, iterator: IteratorId) -> usize;

    /// How many values an array field has, in this item if it belongs to an iterator.
    fn elements(&self, field: FieldId, item: usize) -> usize;

    /// One value. `item` is 0 outside iterators, `element` 0 outside arrays; both are below what was promised.
    fn value(&self, field: FieldId, item: usize, element: usize) -> Value<'_>;

    /// How many values an array variable has.
    fn variable_elements(&self, _variable: VariableId) -> usize {
        0
    }

    /// One value of a variable.
    fn variable(&self, _variable: VariableId, _element: usize) -> Value<'_> {
        Value::Bool(false)
    }
}
