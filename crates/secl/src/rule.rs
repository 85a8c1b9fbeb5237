//! A checked rule: what it speaks of, and a plain evaluation that explains itself.
//!
//! This is the reference that the compiled form ([`crate::Bucket`]) is held to, and what people are shown; it walks the
//! tree and is not meant for every event.

use crate::diagnostic::{Diagnostic, Span};
use crate::model::{Event, FieldId, IteratorId};
use crate::node::{Node, Test};
use crate::predicate::{Item, Origin};
use crate::scene::Scene;

/// A rule that may be evaluated.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(crate) text: String,
    pub(crate) node: Node,
    /// The iterator that the rule's variable runs over.
    pub(crate) bound: Option<IteratorId>,
    pub(crate) event: Option<usize>,
    pub(crate) fields: Vec<FieldId>,
    pub(crate) values: Vec<Recorded>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// A constant that a rule compares a field with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// The field.
    pub field: FieldId,
    /// What the constant is.
    pub kind: ValueKind,
    /// As it is written, without quotes.
    pub text: String,
}

/// What a constant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// One value.
    Scalar,
    /// A pattern over paths.
    Glob,
    /// A plain pattern.
    Pattern,
    /// A regexp.
    Regexp,
    /// Known only when the event is.
    Variable,
    /// The end of a range.
    Range,
}

/// A comparison of a rule that holds for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// Where the rule names the field.
    pub field: Span,
    /// Where it names the value, if it does.
    pub value: Option<Span>,
    /// The field.
    pub id: FieldId,
    /// Which item of its iterator, when the rule's variable stands for one.
    pub item: Option<usize>,
}

impl Rule {
    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What its author should know.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The one event type it is about, by its place in the model.
    #[must_use]
    pub fn event_type(&self) -> Option<usize> {
        self.event
    }

    /// The fields it names.
    #[must_use]
    pub fn fields(&self) -> &[FieldId] {
        &self.fields
    }

    /// The constants it compares fields with.
    #[must_use]
    pub fn values(&self) -> &[Recorded] {
        &self.values
    }

    /// True when it matches.
    #[must_use]
    pub fn matches<E: Event + ?Sized>(&self, event: &E) -> bool {
        self.matching_item(event).is_some()
    }

    /// The comparisons that hold for this event, for the first item that makes the rule match, or the first item at all.
    #[must_use]
    pub fn explain<E: Event + ?Sized>(&self, event: &E) -> Vec<Matched> {
        let scene = Scene { event, item: self.matching_item(event).unwrap_or(0) };
        let mut matched = Vec::new();
        let has_item = self.bound.is_none_or(|iterator| event.items(iterator) > 0);
        if has_item {
            explain(&self.node, &scene, true, &mut matched);
        }
        matched.sort_by_key(|matched| (matched.field.start, matched.value.map(|span| span.start)));
        matched
    }

    fn matching_item<E: Event + ?Sized>(&self, event: &E) -> Option<usize> {
        let items = self.bound.map_or(1, |iterator| event.items(iterator));
        (0..items).find(|item| holds(&self.node, &Scene { event, item: *item }))
    }
}

fn holds<E: Event + ?Sized>(node: &Node, scene: &Scene<'_, E>) -> bool {
    match node {
        Node::Const(value) => *value,
        Node::All(operands) => operands.iter().all(|operand| holds(operand, scene)),
        Node::Any(operands) => operands.iter().any(|operand| holds(operand, scene)),
        Node::Not(inner) => !holds(inner, scene),
        Node::Same(left, right) => holds(left, scene) == holds(right, scene),
        Node::Test(test) => scene.holds(&test.predicate),
    }
}

fn explain<E: Event + ?Sized>(node: &Node, scene: &Scene<'_, E>, wanted: bool, matched: &mut Vec<Matched>) {
    match node {
        Node::Const(_) => {}
        Node::All(operands) | Node::Any(operands) => {
            operands.iter().for_each(|operand| explain(operand, scene, wanted, matched));
        }
        Node::Not(inner) => explain(inner, scene, !wanted, matched),
        Node::Same(left, right) => {
            for side in [left, right] {
                explain(side, scene, holds(side, scene), matched);
            }
        }
        Node::Test(test) => explain_test(test, scene, wanted, matched),
    }
}

fn explain_test<E: Event + ?Sized>(
    test: &Test,
    scene: &Scene<'_, E>,
    wanted: bool,
    matched: &mut Vec<Matched>,
) {
    let Some(field) = test.field.filter(|_| scene.holds(&test.predicate) == wanted) else { return };
    let mut source = None;
    test.predicate.visit(&mut |found| source = source.or(Some(*found)));
    let Some((Origin::Field(id), item)) = source.map(|source| (source.origin, source.item)) else { return };
    let matched_value =
        |value| Matched { field, value, id, item: (item == Item::Bound).then_some(scene.item) };
    if test.members.is_empty() || !wanted {
        matched.push(matched_value(test.value));
        return;
    }
    let holding = test.members.iter().filter(|(_, predicate)| scene.holds(predicate));
    matched.extend(holding.map(|(span, _)| matched_value(Some(*span))));
}
