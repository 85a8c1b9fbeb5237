//! Rules over one field: everything else is unknown.

use crate::model::{Event, FieldId, IteratorId, Value, VariableId};
use crate::node::Node;
use crate::rule::Rule;
use crate::scene::Scene;

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It does not hold, whatever the other fields are.
    No,
    /// It depends on other fields.
    Maybe,
    /// It holds, whatever the other fields are.
    Yes,
}

impl Known {
    fn of(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

impl Rule {
    /// What the values of `field` in this event, and nothing else, say about the rule.
    #[must_use]
    pub fn known<E: Event + ?Sized>(&self, field: FieldId, event: &E) -> Known {
        let is_bound_field = self.bound.is_some() && {
            let mut is_bound = false;
            self.node.visit(&mut |test| {
                is_bound |= test.predicate.is_bound() && test.predicate.is_decided_by(field)
            });
            is_bound
        };
        let items = self.bound.filter(|_| is_bound_field).map_or(1, |iterator| event.items(iterator));
        let known = (0..items).map(|item| known(&self.node, field, &Scene { event, item }));
        let known = known.fold(Known::No, any);
        // Without an item the rule does not match, and how many there are is not known here.
        let is_open = known == Known::Yes && self.bound.is_some() && !is_bound_field;
        if is_open { Known::Maybe } else { known }
    }
}

fn known<E: Event + ?Sized>(node: &Node, field: FieldId, scene: &Scene<'_, E>) -> Known {
    match node {
        Node::Const(value) => Known::of(*value),
        Node::Not(inner) => known(inner, field, scene).not(),
        Node::All(operands) => {
            operands.iter().map(|operand| known(operand, field, scene)).fold(Known::Yes, all)
        }
        Node::Any(operands) => {
            operands.iter().map(|operand| known(operand, field, scene)).fold(Known::No, any)
        }
        Node::Same(left, right) => match (known(left, field, scene), known(right, field, scene)) {
            (Known::Maybe, _) | (_, Known::Maybe) => Known::Maybe,
            (left, right) => Known::of(left == right),
        },
        Node::Test(test) if test.predicate.is_decided_by(field) => Known::of(scene.holds(&test.predicate)),
        Node::Test(_) => Known::Maybe,
    }
}

fn all(a: Known, b: Known) -> Known {
    match (a, b) {
        (Known::No, _) | (_, Known::No) => Known::No,
        (Known::Maybe, _) | (_, Known::Maybe) => Known::Maybe,
        (Known::Yes, Known::Yes) => Known::Yes,
    }
}

fn any(a: Known, b: Known) -> Known {
    all(a.not(), b.not()).not()
}

/// An event of which one value is known.
#[derive(Debug)]
pub(super) struct OnlyValue<'v>(pub(super) Value<'v>);

impl Event for OnlyValue<'_> {
    fn now_ns(&self) -> i64 {
        0
    }

    fn items(&self, _: IteratorId) -> usize {
        1
    }

    fn elements(&self, _: FieldId, _: usize) -> usize {
        1
    }

    fn value(&self, _: FieldId, _: usize, _: usize) -> Value<'_> {
        self.0
    }

    fn variable(&self, _: VariableId, _: usize) -> Value<'_> {
        self.0
    }
}
