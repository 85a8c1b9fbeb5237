//! The text of a rule: tokens, tree, and the tree as text again.
//!
//! Invariants: reading takes time in proportion to the text, recursion is bounded by `MAX_NESTING`, nothing panics,
//! and `parse(print(tree)) == tree` for every tree that [`parse_rule`] gives.

mod ast;
mod lexer;
mod parser;
mod printer;
mod recovery;
mod token;
mod work;

pub use ast::{ArithmeticOp, BitOp, CompareOp, Expr, ExprKind, LogicalOp, MemberOp, UnaryOp};
pub(crate) use lexer::{is_address, is_duration, is_number};
pub use parser::{Parsed, parse_macro, parse_rule};
pub use token::{WORDS, symbols};

/// The longest text of one rule or macro, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 16;

/// The tallest tree of one rule or macro. A hundred nested parentheses are beyond anything a person writes.
pub const MAX_HEIGHT: u16 = 100;

/// Levels that reading one text may be deep: a printed tree has parentheses of its own at each of its levels.
const MAX_NESTING: u16 = 2 * MAX_HEIGHT + 1;

/// Errors reported of one text; after that many, more would not help.
pub const MAX_ERRORS: usize = 20;

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;
