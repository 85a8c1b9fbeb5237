//! Rows of the catalogue: one line says all there is to say of a field.

use event::{File, Kind};
use secl::Value;
use secl::model::{TextKind, Type};

use crate::actor::Actor;
use crate::facts::Facts;

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Bool,
    Int,
    /// Nanoseconds since the epoch.
    Time,
    Text,
    Path,
    /// A domain name.
    Domain,
    /// A text of Windows, where case does not count.
    Caseless,
    /// A path of Windows.
    CaselessPath,
    Net,
    Texts,
    CaselessTexts,
    Ints,
}

impl Shape {
    pub(crate) fn ty(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Int | Self::Time | Self::Ints => Type::Int,
            Self::Net => Type::Net,
            Self::Text
            | Self::Path
            | Self::Domain
            | Self::Caseless
            | Self::CaselessPath
            | Self::Texts
            | Self::CaselessTexts => Type::Text,
        }
    }

    pub(crate) fn is_array(self) -> bool {
        matches!(self, Self::Texts | Self::CaselessTexts | Self::Ints)
    }

    pub(crate) fn text(self) -> TextKind {
        match self {
            Self::Path => TextKind::Path,
            Self::Domain => TextKind::Domain,
            Self::Caseless | Self::CaselessPath | Self::CaselessTexts => TextKind::Insensitive,
            Self::Bool | Self::Int | Self::Time | Self::Text | Self::Net | Self::Texts | Self::Ints => {
                TextKind::Plain
            }
        }
    }

    /// The word for it in lists of fields.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Time => "timestamp",
            Self::Text | Self::Domain | Self::Caseless => "string",
            Self::Path | Self::CaselessPath => "path",
            Self::Net => "IP",
            Self::Texts | Self::CaselessTexts => "string array",
            Self::Ints => "int array",
        }
    }
}

/// A field of a group or kind. Invariant: `read` gives values of the type of `shape`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<R> {
    /// The name behind that of its group.
    pub(crate) suffix: &'static str,
    pub(crate) shape: Shape,
    pub(crate) meaning: &'static str,
    /// What stands behind the field in an example; empty for a bare boolean.
    pub(crate) example: &'static str,
    /// Nothing when no probe of ours says it yet.
    pub(crate) read: Option<R>,
}

/// A row whose values are read by `read`.
pub(crate) const fn row<R: Copy>(
    suffix: &'static str,
    shape: Shape,
    meaning: &'static str,
    example: &'static str,
    read: R,
) -> Row<R> {
    Row { suffix, shape, meaning, example, read: Some(read) }
}

/// A row of the language that nothing fills yet.
pub(crate) const fn unfilled<R: Copy>(
    suffix: &'static str,
    shape: Shape,
    meaning: &'static str,
    example: &'static str,
) -> Row<R> {
    Row { suffix, shape, meaning, example, read: None }
}

pub(crate) type OfFile = for<'f> fn(&'f File) -> Value<'f>;

/// How a field of a process is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OfActor {
    One(for<'f> fn(Actor<'f>) -> Value<'f>),
    /// How many, and one of them.
    Many(for<'f> fn(Actor<'f>) -> usize, for<'f> fn(Actor<'f>, usize) -> Value<'f>),
}

/// How a field of the event itself is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OfEvent {
    One(for<'f, 'e> fn(&'f Facts<'e>) -> Value<'f>),
    Many(for<'f, 'e> fn(&'f Facts<'e>) -> usize, for<'f, 'e> fn(&'f Facts<'e>, usize) -> Value<'f>),
}

/// Which process of the lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Acting,
    Parent,
    /// One item of `process.ancestors`.
    Ancestor,
}

/// Which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Program(Who),
    Interpreter(Who),
    /// That of events of this kind, by its place among their files.
    OfEvent(Kind, usize),
}

/// How the values of a field are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    File(Which, OfFile),
    Actor(Who, OfActor),
    Event(OfEvent),
    /// Nothing fills it yet.
    Nothing,
}

impl Read {
    pub(crate) fn is_filled(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}
