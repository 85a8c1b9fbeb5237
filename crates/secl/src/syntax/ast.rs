//! The tree of a rule. Equality ignores places, so that two texts of one meaning compare equal.

use super::token::Symbol;
use crate::diagnostic::Span;
use crate::net::NetLiteral;

/// An expression, a list or a single value.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands, without parentheses around it.
    pub span: Span,
    /// Levels from here down, itself included.
    pub(super) height: u16,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// At least two operands joined by one operator. `a && b || c` is `a && (b || c)`: both have one level and
    /// associate to the right.
    Logical {
        /// The operator.
        op: LogicalOp,
        /// The operands in the order of the text.
        operands: Vec<Expr>,
    },
    /// One value beside another.
    Compare {
        /// The operator.
        op: CompareOp,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// A value and a list.
    Member {
        /// The operator.
        op: MemberOp,
        /// The value.
        left: Box<Expr>,
        /// The list, or the name of one.
        right: Box<Expr>,
    },
    /// Sum or difference.
    Arithmetic {
        /// The operator.
        op: ArithmeticOp,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// Bit by bit.
    Bits {
        /// The operator.
        op: BitOp,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// One operand.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// The operand.
        operand: Box<Expr>,
    },
    /// A constant, macro or field, perhaps with a subscript.
    Identifier(String),
    /// A whole number.
    Int(i64),
    /// A time span in nanoseconds.
    Duration(i64),
    /// The text between the quotes, as it stands.
    Str(String),
    /// `~"…"`.
    Pattern(String),
    /// `r"…"`.
    Regexp(String),
    /// An address or network.
    Net(NetLiteral),
    /// `${name}`.
    Variable(String),
    /// `%{field}`.
    FieldReference(String),
    /// `[ a, b ]`, never empty.
    List(Vec<Expr>),
    /// What could not be read; only in trees that come with errors.
    Invalid,
}

/// `&&` or `||`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicalOp {
    /// `&&`, `and`.
    And,
    /// `||`, `or`.
    Or,
}

/// Comparisons of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// Comparisons of a value and a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberOp {
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `allin`
    AllIn,
}

/// `+` or `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
}

/// `&`, `|` or `^`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BitOp {
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
}

/// Operators in front of their operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!`, `not`
    Not,
    /// `-`
    Negate,
    /// `^`: every bit flipped.
    Invert,
}

impl Expr {
    /// An expression at this place.
    #[must_use]
    pub fn new(kind: ExprKind, span: Span) -> Self {
        let tallest = match &kind {
            ExprKind::Logical { operands: parts, .. } | ExprKind::List(parts) => {
                parts.iter().map(|part| part.height).max().unwrap_or(0)
            }
            ExprKind::Compare { left, right, .. }
            | ExprKind::Member { left, right, .. }
            | ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Bits { left, right, .. } => left.height.max(right.height),
            ExprKind::Unary { operand, .. } => operand.height,
            ExprKind::Identifier(_)
            | ExprKind::Int(_)
            | ExprKind::Duration(_)
            | ExprKind::Str(_)
            | ExprKind::Pattern(_)
            | ExprKind::Regexp(_)
            | ExprKind::Net(_)
            | ExprKind::Variable(_)
            | ExprKind::FieldReference(_)
            | ExprKind::Invalid => 0,
        };
        Self { kind, span, height: tallest.saturating_add(1) }
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// Gives operators the symbol they are written with.
macro_rules! written_as {
    ($($op:ident { $($name:ident => $symbol:ident,)* })*) => {
        $(impl $op {
            /// As it is written.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => Symbol::$symbol.text(),)*
                }
            }

            /// The operator that is written like this.
            pub(super) fn from_symbol(symbol: Symbol) -> Option<Self> {
                [$((Symbol::$symbol, Self::$name)),*].into_iter().find(|(known, _)| *known == symbol).map(|(_, op)| op)
            }
        })*
    };
}

written_as! {
    LogicalOp {
        And => AndAnd,
        Or => OrOr,
    }
    CompareOp {
        Equal => Equal,
        NotEqual => NotEqual,
        Matches => Matches,
        NotMatches => NotMatches,
        Less => Less,
        LessEqual => LessEqual,
        Greater => Greater,
        GreaterEqual => GreaterEqual,
    }
    ArithmeticOp {
        Add => Plus,
        Subtract => Minus,
    }
    BitOp {
        And => And,
        Or => Or,
        Xor => Caret,
    }
    UnaryOp {
        Not => Bang,
        Negate => Minus,
        Invert => Caret,
    }
}

impl LogicalOp {
    /// The operator with this name.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [("and", Self::And), ("or", Self::Or)].into_iter().find(|(known, _)| *known == word).map(|(_, op)| op)
    }
}

impl MemberOp {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::NotIn => "not in",
            Self::AllIn => "allin",
        }
    }
}
