//! One rule as flat operations on one truth value.
//!
//! Invariant: a jump goes forward only, so a run takes at most as many steps as there are operations.

use crate::check::MAX_DEPTH;
use crate::node::Node;
use crate::predicate::Predicate;

/// Number of a predicate in its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PredicateId(pub(super) usize);

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// The truth is this.
    Const(bool),
    /// The truth is that of a predicate.
    Test(PredicateId),
    Not,
    /// Skips this many steps when the truth is `when`.
    Skip {
        when: bool,
        steps: usize,
    },
    /// Keeps the truth for a later `Same`.
    Keep,
    /// The truth is whether it is what was kept last.
    Same,
}

// Each level of a rule keeps at most one truth, and a word of 128 bits holds them all.
const _: () = assert!(MAX_DEPTH < 128);

/// Appends the operations of a tree; `intern` numbers its predicates.
pub(super) fn compile(node: &Node, ops: &mut Vec<Op>, intern: &mut impl FnMut(&Predicate) -> PredicateId) {
    match node {
        Node::Const(value) => ops.push(Op::Const(*value)),
        Node::Test(test) => ops.push(Op::Test(intern(&test.predicate))),
        Node::Not(inner) => {
            compile(inner, ops, intern);
            ops.push(Op::Not);
        }
        Node::Same(left, right) => {
            compile(left, ops, intern);
            ops.push(Op::Keep);
            compile(right, ops, intern);
            ops.push(Op::Same);
        }
        Node::All(operands) => compile_chain(operands, false, ops, intern),
        Node::Any(operands) => compile_chain(operands, true, ops, intern),
    }
}

/// Operands until one is `decisive`.
fn compile_chain(
    operands: &[Node],
    decisive: bool,
    ops: &mut Vec<Op>,
    intern: &mut impl FnMut(&Predicate) -> PredicateId,
) {
    let mut skips = Vec::with_capacity(operands.len());
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            skips.push(ops.len());
            ops.push(Op::Skip { when: decisive, steps: 0 });
        }
        compile(operand, ops, intern);
    }
    let end = ops.len();
    for at in skips {
        if let Some(Op::Skip { steps, .. }) = ops.get_mut(at) {
            *steps = end - at - 1;
        }
    }
}

/// Runs the operations; false when there are none.
pub(super) fn run(ops: &[Op], mut test: impl FnMut(PredicateId) -> bool) -> bool {
    let mut truth = false;
    let mut kept = 0_u128;
    let mut rest = ops.iter();
    while let Some(op) = rest.next() {
        match *op {
            Op::Const(value) => truth = value,
            Op::Test(id) => truth = test(id),
            Op::Not => truth = !truth,
            Op::Skip { when, steps } => {
                if truth == when && steps > 0 {
                    rest.nth(steps - 1);
                }
            }
            Op::Keep => kept = (kept << 1) | u128::from(truth),
            Op::Same => {
                truth = (kept & 1 == 1) == truth;
                kept >>= 1;
            }
        }
    }
    truth
}
