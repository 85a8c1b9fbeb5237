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

/// Words that are no names. Where a bracket follows one of them, a list starts, and no subscript.
pub const WORDS: [&str; 5] = ["in", "allin", "not", "and", "or"];

/// Declares the symbols with their texts, each once.
macro_rules! symbols {
    ($($name:ident $text:literal)*) => {
        /// Punctuation. Pairs are one symbol also when blanks stand between them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Symbol {
            $($name,)*
        }

        impl Symbol {
            /// The longer ones first, so that the first that fits is the right one.
            pub(super) const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// As it is written.
            pub(super) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

symbols! {
    AndAnd "&&"
    OrOr "||"
    Equal "=="
    NotEqual "!="
    Matches "=~"
    NotMatches "!~"
    LessEqual "<="
    GreaterEqual ">="
    And "&"
    Or "|"
    Caret "^"
    Plus "+"
    Minus "-"
    Assign "="
    Less "<"
    Greater ">"
    Bang "!"
    OpenParen "("
    CloseParen ")"
    OpenBracket "["
    CloseBracket "]"
    Comma ","
}

impl Symbol {
    /// The symbol that a text starts with.
    pub(super) fn starting(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|symbol| text.starts_with(symbol.text()))
    }

    /// The symbol that two make together.
    pub(super) fn joined(first: Self, second: Self) -> Option<Self> {
        let is_both = |symbol: &Self| symbol.text().strip_prefix(first.text()) == Some(second.text());
        Self::ALL.into_iter().find(is_both)
    }
}

/// All operators and other punctuation, as it is written; the longer ones first.
pub fn symbols() -> impl Iterator<Item = &'static str> {
    Symbol::ALL.into_iter().map(Symbol::text)
}
