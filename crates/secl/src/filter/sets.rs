//! The values of a field for which a rule may match.
//!
//! Invariant: if the rule matches an event, the event's value is in the set. A set may hold too much, never too little.

use super::approval::{Approval, Capability};
use crate::model::FieldId;
use crate::node::Node;
use crate::predicate::{Element, Int, Ints, Item, Order, Origin, Predicate, Source, Texts};
use crate::syntax::BitOp;

/// Values of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Set {
    All,
    Of(Vec<Approval>),
}

/// Values for which a condition may hold, and those for which it may not.
struct Sets {
    yes: Set,
    no: Set,
}

/// The values of the capable field for which the tree may hold.
pub(super) fn may_hold(node: &Node, capability: &Capability) -> Set {
    sets(node, capability).yes
}

fn sets(node: &Node, capability: &Capability) -> Sets {
    match node {
        Node::Const(true) => Sets { yes: Set::All, no: Set::Of(Vec::new()) },
        Node::Const(false) => Sets { yes: Set::Of(Vec::new()), no: Set::All },
        Node::Not(inner) => sets(inner, capability).flipped(),
        Node::All(operands) => {
            let all = operands.iter().map(|operand| sets(operand, capability));
            all.reduce(|a, b| a.and(b, capability)).unwrap_or_else(Sets::unknown)
        }
        Node::Any(operands) => {
            let none = operands.iter().map(|operand| sets(operand, capability).flipped());
            none.reduce(|a, b| a.and(b, capability)).unwrap_or_else(Sets::unknown).flipped()
        }
        Node::Same(left, right) => {
            let (a, b) = (sets(left, capability), sets(right, capability));
            let both = a
                .yes
                .clone()
                .meet(b.yes.clone(), capability)
                .join(a.no.clone().meet(b.no.clone(), capability));
            let one = a.yes.meet(b.no, capability).join(a.no.meet(b.yes, capability));
            Sets { yes: both, no: one }
        }
        Node::Test(test) => of_predicate(&test.predicate, capability).unwrap_or_else(Sets::unknown),
    }
}

impl Sets {
    fn unknown() -> Self {
        Self { yes: Set::All, no: Set::All }
    }

    fn flipped(self) -> Self {
        Self { yes: self.no, no: self.yes }
    }

    fn and(self, other: Self, capability: &Capability) -> Self {
        Self { yes: self.yes.meet(other.yes, capability), no: self.no.join(other.no) }
    }
}

impl Set {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(mut a), Self::Of(b)) => {
                for approval in b {
                    if !a.contains(&approval) {
                        a.push(approval);
                    }
                }
                Self::Of(a)
            }
            _ => Self::All,
        }
    }

    /// A set that holds what is in both; of two, the one that is the better filter.
    fn meet(self, other: Self, capability: &Capability) -> Self {
        let (a, b) = match (self, other) {
            (Self::All, known) | (known, Self::All) => return known,
            (Self::Of(a), Self::Of(b)) => (a, b),
        };
        if let (Some(a), Some(b)) = (masks(&a), masks(&b)) {
            // A value has a bit of each side, so it has one of each pair.
            let pairs = a.iter().flat_map(|a| b.iter().map(move |b| Approval::Mask(a | b)));
            return Self::Of(pairs.collect());
        }
        if let (Some(a), Some(b)) = (range(&a), range(&b)) {
            return Self::Of(vec![Approval::Range(a.0.min(b.0), a.1.max(b.1))]);
        }
        let rank = |set: &[Approval]| {
            let is_refused = set.iter().any(|approval| capability.takes(approval).is_none());
            let worst = set.iter().map(|approval| match approval {
                Approval::Int(_) | Approval::Bool(_) => 0,
                Approval::Text(_) => 1,
                Approval::Mask(_) => 2,
                Approval::Range(..) => 3,
            });
            (is_refused, worst.max().unwrap_or(0), set.len())
        };
        Self::Of(if rank(&b) < rank(&a) { b } else { a })
    }
}

fn masks(set: &[Approval]) -> Option<Vec<i64>> {
    let masks = set.iter().map(|approval| match approval {
        Approval::Mask(mask) => Some(*mask),
        Approval::Text(_) | Approval::Int(_) | Approval::Range(..) | Approval::Bool(_) => None,
    });
    masks.collect::<Option<Vec<i64>>>().filter(|masks| !masks.is_empty() && masks.len() <= 16)
}

fn range(set: &[Approval]) -> Option<(i64, i64)> {
    match set {
        [Approval::Range(first, last)] => Some((*first, *last)),
        _ => None,
    }
}

fn of_predicate(predicate: &Predicate, capability: &Capability) -> Option<Sets> {
    let field = capability.field;
    let of = |yes: Vec<Approval>| Some(Sets { yes: Set::Of(yes), no: Set::All });
    match predicate {
        Predicate::Bool { left, value } if is_plain(left, field) => {
            let (yes, no) = (Approval::Bool(*value), Approval::Bool(!*value));
            Some(Sets { yes: Set::Of(vec![yes]), no: Set::Of(vec![no]) })
        }
        Predicate::Text { left: Texts::Each(source), test }
            if is_plain(source, field) && test.joined.is_empty() =>
        {
            let exact = test.exact.iter().map(|text| crate::matcher::Matcher::Exact(text.clone()));
            of(exact.chain(test.others.iter().cloned()).map(Approval::Text).collect())
        }
        Predicate::IntIn { left: Ints::One(Int::Of(source)), set } if is_plain(source, field) => {
            of(set.iter().map(|value| Approval::Int(*value)).collect())
        }
        Predicate::Int { left: Ints::One(Int::Of(source)), order, right: Ints::One(Int::Const(value)) }
            if is_plain(source, field) =>
        {
            Some(ordered(*order, *value, capability))
        }
        Predicate::Int {
            left: Ints::One(Int::Bits(BitOp::And, a, b)),
            order,
            right: Ints::One(Int::Const(value)),
        } => match (&**a, &**b) {
            (Int::Of(source), Int::Const(mask)) | (Int::Const(mask), Int::Of(source))
                if is_plain(source, field) =>
            {
                Some(masked(*mask, *order, *value))
            }
            _ => None,
        },
        Predicate::Bool { .. }
        | Predicate::BoolSame { .. }
        | Predicate::Text { .. }
        | Predicate::TextSame { .. }
        | Predicate::Int { .. }
        | Predicate::IntIn { .. }
        | Predicate::Net { .. } => None,
    }
}

fn is_plain(source: &Source, field: FieldId) -> bool {
    source.origin == Origin::Field(field) && source.item == Item::Only && source.element == Element::Only
}

/// `field order value`.
fn ordered(order: Order, value: i64, capability: &Capability) -> Sets {
    let (first, last) = capability.last_valid.map_or((i64::MIN, i64::MAX), |last| (0, last));
    let between = |from: i64, to: i64| {
        let mut set = Vec::new();
        if from <= to && from <= last && to >= first {
            set.push(Approval::Range(from.max(first), to.min(last)));
        }
        // The value that means "not set" lies beyond the valid ones, and compares like any other.
        if let Some(unset) = capability.last_valid.and_then(|last| last.checked_add(1))
            && (from..=to).contains(&unset)
        {
            set.push(Approval::Int(unset));
        }
        Set::Of(set)
    };
    let nothing = || Set::Of(Vec::new());
    let below = || value.checked_sub(1).map_or_else(nothing, |to| between(i64::MIN, to));
    let above = || value.checked_add(1).map_or_else(nothing, |from| between(from, i64::MAX));
    match order {
        Order::Equal => {
            let is_unset = capability.last_valid.is_some_and(|last| last.checked_add(1) == Some(value));
            let no = if is_unset { below() } else { Set::All };
            Sets { yes: Set::Of(vec![Approval::Int(value)]), no }
        }
        Order::Less => Sets { yes: below(), no: between(value, i64::MAX) },
        Order::LessEqual => Sets { yes: between(i64::MIN, value), no: above() },
        Order::Greater => Sets { yes: above(), no: between(i64::MIN, value) },
        Order::GreaterEqual => Sets { yes: between(value, i64::MAX), no: below() },
    }
}

/// `field & mask order value`. What is not 0 has a bit of the mask.
fn masked(mask: i64, order: Order, value: i64) -> Sets {
    let bits = || Set::Of(vec![Approval::Mask(mask)]);
    let when = |is_never_zero: bool| if is_never_zero { bits() } else { Set::All };
    match order {
        Order::Equal if value & !mask != 0 => Sets { yes: Set::Of(Vec::new()), no: Set::All },
        Order::Equal if value != 0 => Sets { yes: Set::Of(vec![Approval::Mask(value)]), no: Set::All },
        Order::Equal => Sets { yes: Set::All, no: bits() },
        Order::Less => Sets { yes: when(value <= 0), no: when(value > 0) },
        Order::LessEqual => Sets { yes: when(value < 0), no: when(value >= 0) },
        Order::Greater => Sets { yes: when(value >= 0), no: when(value < 0) },
        Order::GreaterEqual => Sets { yes: when(value > 0), no: when(value <= 0) },
    }
}
