//! A checked rule as a tree: predicates joined by and, or and not.
//!
//! Invariants: constants are folded away unless the whole tree is one; operands of one operator stand in the order of
//! their cost, which no answer depends on, because evaluating has no effects.

use crate::diagnostic::Span;
use crate::predicate::Predicate;

/// A checked boolean expression.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Const(bool),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// Both sides have the same truth.
    Same(Box<Self>, Box<Self>),
    Test(Box<Test>),
}

/// A predicate and where the rule speaks of it.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) predicate: Predicate,
    /// The side that names a field, when it is one alone.
    pub(crate) field: Option<Span>,
    /// The other side; nothing for a bare boolean and what is not worth showing (bit masks, variables).
    pub(crate) value: Option<Span>,
    /// The members of a list, each with the predicate that asks for it alone.
    pub(crate) members: Vec<(Span, Predicate)>,
    pub(crate) weight: u32,
}

impl Node {
    pub(crate) fn all(operands: Vec<Self>) -> Self {
        if operands.iter().any(|operand| matches!(operand, Self::Const(false))) {
            return Self::Const(false);
        }
        Self::joined(operands, Self::All).unwrap_or(Self::Const(true))
    }

    pub(crate) fn any(operands: Vec<Self>) -> Self {
        if operands.iter().any(|operand| matches!(operand, Self::Const(true))) {
            return Self::Const(true);
        }
        Self::joined(operands, Self::Any).unwrap_or(Self::Const(false))
    }

    fn joined(operands: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Option<Self> {
        let mut operands: Vec<Self> =
            operands.into_iter().filter(|operand| !matches!(operand, Self::Const(_))).collect();
        operands.sort_by_key(Self::weight);
        if operands.len() > 1 { Some(join(operands)) } else { operands.pop() }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::Const(value) => Self::Const(!value),
            Self::Not(inner) => *inner,
            Self::All(_) | Self::Any(_) | Self::Same(..) | Self::Test(_) => Self::Not(Box::new(self)),
        }
    }

    pub(crate) fn same(left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::Const(true), other) | (other, Self::Const(true)) => other,
            (Self::Const(false), other) | (other, Self::Const(false)) => other.not(),
            (left, right) => Self::Same(Box::new(left), Box::new(right)),
        }
    }

    pub(crate) fn weight(&self) -> u32 {
        match self {
            Self::Const(_) => 0,
            Self::All(operands) | Self::Any(operands) => {
                operands.iter().map(Self::weight).fold(5, u32::saturating_add)
            }
            Self::Not(inner) => inner.weight(),
            Self::Same(left, right) => left.weight().saturating_add(right.weight()),
            Self::Test(test) => test.weight,
        }
    }

    /// Every test in the tree.
    pub(crate) fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a Test)) {
        match self {
            Self::Const(_) => {}
            Self::All(operands) | Self::Any(operands) => {
                operands.iter().for_each(|operand| operand.visit(visit));
            }
            Self::Not(inner) => inner.visit(visit),
            Self::Same(left, right) => {
                left.visit(visit);
                right.visit(visit);
            }
            Self::Test(test) => visit(test),
        }
    }
}
