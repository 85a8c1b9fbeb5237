//! What an expression turned out to be.

use crate::diagnostic::Span;
use crate::matcher::{LiteralKind, TextLiteral};
use crate::net::Net;
use crate::node::Node;
use crate::predicate::{Int, Ints, Nets, Part, Source, Texts};

/// The meaning of an expression.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// True or false.
    Node(Node),
    /// A boolean field or variable, perhaps with several values.
    Flag(Source),
    Int {
        ints: Ints,
        /// A time span, so that a timestamp beside it means its age.
        is_duration: bool,
    },
    Literal(TextLiteral),
    Texts(Texts),
    Nets(Nets),
    List(List),
}

/// The members of a list, all of one type.
#[derive(Debug, Clone)]
pub(super) enum List {
    Texts(Vec<(Span, Member)>),
    Ints(Vec<(Span, i64)>),
    Bools(Vec<(Span, bool)>),
    Nets(Vec<(Span, Net)>),
}

/// A text in a list.
#[derive(Debug, Clone)]
pub(super) enum Member {
    Literal(TextLiteral),
    Join(Box<[Part]>),
}

impl Term {
    pub(super) fn int(value: i64) -> Self {
        Self::Int { ints: Ints::One(Int::Const(value)), is_duration: false }
    }

    pub(super) fn duration(ns: i64) -> Self {
        Self::Int { ints: Ints::One(Int::Const(ns)), is_duration: true }
    }

    pub(super) fn literal(kind: LiteralKind, text: &str) -> Self {
        Self::Literal(TextLiteral { kind, text: text.to_owned() })
    }

    pub(super) fn regexp(text: &str) -> Self {
        Self::literal(LiteralKind::Regexp, text)
    }

    pub(super) fn net(net: Net) -> Self {
        Self::Nets(Nets::Const([net].into()))
    }

    /// The word for it in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Node(_) | Self::Flag(_) => "a boolean",
            Self::Int { is_duration: false, .. } => "a number",
            Self::Int { is_duration: true, .. } => "a duration",
            Self::Literal(literal) => match literal.kind {
                LiteralKind::Exact => "a string",
                LiteralKind::Pattern => "a pattern",
                LiteralKind::Regexp => "a regexp",
            },
            Self::Texts(_) => "a string",
            Self::Nets(_) => "an address",
            Self::List(_) => "a list",
        }
    }
}

/// The source that numbers come from, if they are those of a source as they are.
pub(super) fn plain_source(ints: &Ints) -> Option<&Source> {
    match ints {
        Ints::One(Int::Of(source)) | Ints::Each(source) => Some(source),
        Ints::One(_) | Ints::Age(_) | Ints::Lengths(_) => None,
    }
}

pub(super) fn constant(ints: &Ints) -> Option<i64> {
    match ints {
        Ints::One(Int::Const(value)) => Some(*value),
        Ints::One(_) | Ints::Each(_) | Ints::Age(_) | Ints::Lengths(_) => None,
    }
}
