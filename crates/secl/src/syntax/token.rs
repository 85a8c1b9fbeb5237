//! The words of the language.

use crate::diagnostic::Span;
use crate::net::NetLiteral;

/// A word and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Identifier(String),
    Int(i64),
    /// In nanoseconds.
    Duration(i64),
    Str(String),
    Pattern(String),
    Regexp(String),
    Net(NetLiteral),
    Variable(String),
    FieldReference(String),
    Symbol(Symbol),
    /// Something that was reported already.
    Invalid,
    End,
}

/// Punctuation. Pairs are one symbol when nothing stands between them; the parser also joins them over blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    AndAnd,
    OrOr,
    And,
    Or,
    Caret,
    Plus,
    Minus,
    Assign,
    Equal,
    NotEqual,
    Matches,
    NotMatches,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Bang,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    Comma,
}
