//! A tree as text. It puts parentheses where the tree needs them, and nowhere else.
#![expect(clippy::wildcard_enum_match_arm, reason = "only what begins with a sign or a tilde differs")]

use std::fmt;

use super::ast::{Expr, ExprKind};

/// How tightly an expression holds together; a looser one inside a tighter one gets parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Logical,
    Comparison,
    Arithmetic,
    Bits,
    Unary,
    Primary,
}

const HOUR_NS: i64 = 3_600_000_000_000;
const MINUTE_NS: i64 = 60_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;
const MILLISECOND_NS: i64 = 1_000_000;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Logical { op, operands } => {
                for (index, operand) in operands.iter().enumerate() {
                    if index > 0 {
                        write!(f, " {} ", op.text())?;
                    }
                    at_least(Level::Comparison, operand, f)?;
                }
                Ok(())
            }
            ExprKind::Compare { op, left, right } => {
                at_least(Level::Arithmetic, left, f)?;
                write!(f, " {} ", op.text())?;
                at_least(Level::Comparison, right, f)
            }
            ExprKind::Member { op, left, right } => {
                at_least(Level::Arithmetic, left, f)?;
                write!(f, " {} {right}", op.text())
            }
            ExprKind::Arithmetic { op, left, right } => {
                at_least(Level::Arithmetic, left, f)?;
                write!(f, " {} ", op.text())?;
                at_least(Level::Bits, right, f)
            }
            ExprKind::Bits { op, left, right } => {
                at_least(Level::Unary, left, f)?;
                write!(f, " {} ", op.text())?;
                at_least(Level::Bits, right, f)
            }
            ExprKind::Unary { op, operand } => {
                f.write_str(op.text())?;
                // A minus beside digits is the sign of the number, and `!` beside a pattern is `!~`.
                match operand.kind {
                    ExprKind::Int(_) | ExprKind::Duration(_) | ExprKind::Pattern(_) | ExprKind::Net(_) => {
                        write!(f, "({operand})")
                    }
                    _ => at_least(Level::Unary, operand, f),
                }
            }
            ExprKind::Identifier(name) => f.write_str(name),
            ExprKind::Int(value) => write!(f, "{value}"),
            ExprKind::Duration(ns) => duration(*ns, f),
            ExprKind::Str(text) => write!(f, "\"{text}\""),
            ExprKind::Pattern(text) => write!(f, "~\"{text}\""),
            ExprKind::Regexp(text) => write!(f, "r\"{text}\""),
            ExprKind::Net(net) => write!(f, "{net}"),
            ExprKind::Variable(name) => write!(f, "${{{name}}}"),
            ExprKind::FieldReference(name) => write!(f, "%{{{name}}}"),
            ExprKind::List(items) => {
                f.write_str("[ ")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(" ]")
            }
            ExprKind::Invalid => f.write_str("?"),
        }
    }
}

fn at_least(level: Level, expr: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if level_of(&expr.kind) < level { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

fn level_of(kind: &ExprKind) -> Level {
    match kind {
        ExprKind::Logical { .. } => Level::Logical,
        ExprKind::Compare { .. } | ExprKind::Member { .. } => Level::Comparison,
        ExprKind::Arithmetic { .. } => Level::Arithmetic,
        ExprKind::Bits { .. } => Level::Bits,
        ExprKind::Unary { .. } => Level::Unary,
        ExprKind::Identifier(_)
        | ExprKind::Int(_)
        | ExprKind::Duration(_)
        | ExprKind::Str(_)
        | ExprKind::Pattern(_)
        | ExprKind::Regexp(_)
        | ExprKind::Net(_)
        | ExprKind::Variable(_)
        | ExprKind::FieldReference(_)
        | ExprKind::List(_)
        | ExprKind::Invalid => Level::Primary,
    }
}

fn duration(ns: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let units = [(HOUR_NS, "h"), (MINUTE_NS, "m"), (SECOND_NS, "s")];
    match units.into_iter().find(|(unit, _)| ns % unit == 0) {
        Some((unit, name)) => write!(f, "{}{name}", ns / unit),
        None => write!(f, "{}ms", ns / MILLISECOND_NS),
    }
}
