//! Conditions that are not made of others, and the values they compare.
//!
//! Invariant: equal predicates give equal answers for one event and item, so a bucket keeps one of each. An operand
//! with several values makes a condition true if any of them does; what must hold of none is the negation of that.

use crate::matcher::Matcher;
use crate::model::{FieldId, IteratorId, Type, VariableId};
use crate::net::Net;
use crate::syntax::{ArithmeticOp, BitOp};

/// A condition over the values of one event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Predicate {
    /// A boolean is `value`.
    Bool { left: Source, value: bool },
    /// Two booleans are the same.
    BoolSame { left: Source, right: Source },
    /// A number stands in this order to another.
    Int { left: Ints, order: Order, right: Ints },
    /// A number is one of these, sorted.
    IntIn { left: Ints, set: Box<[i64]> },
    /// A text is accepted.
    Text { left: Texts, test: TextTest },
    /// Two texts are the same.
    TextSame { left: Texts, right: Texts, is_folded: bool },
    /// Networks overlap: any of the left any of the right, or each of the left each of the right.
    Net { left: Nets, right: Nets, is_all: bool },
}

/// How one number stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Order {
    pub(crate) fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
        }
    }

    /// The order of the sides exchanged.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
        }
    }
}

/// Where values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) origin: Origin,
    pub(crate) ty: Type,
    pub(crate) item: Item,
    pub(crate) element: Element,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Field(FieldId),
    Variable(VariableId),
}

/// Which items of an iterator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// Belongs to no iterator.
    Only,
    /// The one that the rule's iterator variable stands for.
    Bound,
    Each(IteratorId),
}

/// Which values of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    /// No array.
    Only,
    Each,
    /// This one, or the empty value behind the end.
    At(usize),
}

impl Source {
    /// True when it may give more or less than one value.
    pub(crate) fn is_many(&self) -> bool {
        matches!(self.item, Item::Each(_)) || self.element == Element::Each
    }

    fn weight(&self) -> u32 {
        let item = if self.item == Item::Only { 0 } else { 2000 };
        item + if matches!(self.origin, Origin::Variable(_)) { 5 } else { 50 }
    }
}

/// Numbers: one that is calculated, or those of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Ints {
    One(Int),
    Each(Source),
    /// Time since each of these timestamps.
    Age(Source),
    /// Bytes of each of these texts.
    Lengths(Source),
}

/// A calculation; what overflows wraps around.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Int {
    Const(i64),
    Of(Source),
    /// Bytes of a text.
    Length(Source),
    /// Values of an array.
    Count(Source),
    /// Items of an iterator.
    Items(IteratorId),
    Negate(Box<Self>),
    Invert(Box<Self>),
    Bits(BitOp, Box<Self>, Box<Self>),
    Sum(ArithmeticOp, Box<Self>, Box<Self>),
}

/// Texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Texts {
    Const(Box<[u8]>),
    Each(Source),
    /// Parts put together.
    Join(Box<[Part]>),
    /// The last two labels of a domain name.
    RootDomain(Source),
}

/// A part of an interpolated text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Text(Box<[u8]>),
    /// The values joined with commas.
    Values(Source),
    /// The domains of the values, likewise.
    RootDomains(Source),
    /// In decimal.
    Number(Int),
}

/// Which texts are accepted: any of all of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct TextTest {
    /// Sorted.
    pub(crate) exact: Box<[Box<[u8]>]>,
    pub(crate) others: Box<[Matcher]>,
    /// Texts that are known only when the event is.
    pub(crate) joined: Box<[Box<[Part]>]>,
}

/// Networks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Nets {
    Const(Box<[Net]>),
    Each(Source),
}

impl TextTest {
    pub(crate) fn new(matchers: Vec<Matcher>, joined: Vec<Box<[Part]>>) -> Self {
        let (mut exact, mut others) = (Vec::new(), Vec::new());
        for matcher in matchers {
            match matcher {
                Matcher::Exact(text) => exact.push(text),
                Matcher::Folded(_) | Matcher::Glob(_) | Matcher::Pattern(_) | Matcher::Regexp(_) => {
                    others.push(matcher);
                }
            }
        }
        exact.sort_unstable();
        exact.dedup();
        Self { exact: exact.into(), others: others.into(), joined: joined.into() }
    }

    /// True when it accepts `value`; parts that depend on the event are not asked.
    pub(crate) fn accepts(&self, value: &[u8]) -> bool {
        self.exact.binary_search_by(|text| (**text).cmp(value)).is_ok()
            || self.others.iter().any(|matcher| matcher.matches(value))
    }
}

impl Int {
    fn visit(&self, visit: &mut impl FnMut(&Source)) {
        match self {
            Self::Const(_) | Self::Items(_) => {}
            Self::Of(source) | Self::Length(source) | Self::Count(source) => visit(source),
            Self::Negate(inner) | Self::Invert(inner) => inner.visit(visit),
            Self::Bits(_, left, right) | Self::Sum(_, left, right) => {
                left.visit(visit);
                right.visit(visit);
            }
        }
    }

    /// True when it reads the number of items of an iterator, which no source shows.
    fn counts_items(&self) -> bool {
        match self {
            Self::Items(_) => true,
            Self::Const(_) | Self::Of(_) | Self::Length(_) | Self::Count(_) => false,
            Self::Negate(inner) | Self::Invert(inner) => inner.counts_items(),
            Self::Bits(_, left, right) | Self::Sum(_, left, right) => {
                left.counts_items() || right.counts_items()
            }
        }
    }
}

impl Ints {
    fn visit(&self, visit: &mut impl FnMut(&Source)) {
        match self {
            Self::One(int) => int.visit(visit),
            Self::Each(source) | Self::Age(source) | Self::Lengths(source) => visit(source),
        }
    }

    fn is_settled_by_fields(&self) -> bool {
        match self {
            Self::One(int) => !int.counts_items(),
            Self::Each(_) | Self::Lengths(_) => true,
            Self::Age(_) => false,
        }
    }
}

fn visit_parts(parts: &[Part], visit: &mut impl FnMut(&Source)) {
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Values(source) | Part::RootDomains(source) => visit(source),
            Part::Number(int) => int.visit(visit),
        }
    }
}

fn are_settled_by_fields(parts: &[Part]) -> bool {
    !parts.iter().any(|part| matches!(part, Part::Number(int) if int.counts_items()))
}

impl Texts {
    fn is_settled_by_fields(&self) -> bool {
        match self {
            Self::Const(_) | Self::Each(_) | Self::RootDomain(_) => true,
            Self::Join(parts) => are_settled_by_fields(parts),
        }
    }

    fn visit(&self, visit: &mut impl FnMut(&Source)) {
        match self {
            Self::Const(_) => {}
            Self::Each(source) | Self::RootDomain(source) => visit(source),
            Self::Join(parts) => visit_parts(parts, visit),
        }
    }
}

impl Predicate {
    /// Every source of values in it.
    pub(crate) fn visit(&self, visit: &mut impl FnMut(&Source)) {
        match self {
            Self::Bool { left, .. } => visit(left),
            Self::BoolSame { left, right } => {
                visit(left);
                visit(right);
            }
            Self::Int { left, right, .. } => {
                left.visit(visit);
                right.visit(visit);
            }
            Self::IntIn { left, .. } => left.visit(visit),
            Self::Text { left, test } => {
                left.visit(visit);
                test.joined.iter().for_each(|parts| visit_parts(parts, visit));
            }
            Self::TextSame { left, right, .. } => {
                left.visit(visit);
                right.visit(visit);
            }
            Self::Net { left, right, .. } => {
                for nets in [left, right] {
                    if let Nets::Each(source) = nets {
                        visit(source);
                    }
                }
            }
        }
    }

    /// True when it depends on the item that the iterator variable stands for.
    pub(crate) fn is_bound(&self) -> bool {
        let mut is_bound = false;
        self.visit(&mut |source| is_bound |= source.item == Item::Bound);
        is_bound
    }

    /// True when the values of `field` alone decide it.
    pub(crate) fn is_decided_by(&self, field: FieldId) -> bool {
        let mut foreign = false;
        self.visit(&mut |source| foreign |= source.origin != Origin::Field(field));
        let is_settled = match self {
            Self::Int { left, right, .. } => left.is_settled_by_fields() && right.is_settled_by_fields(),
            Self::IntIn { left, .. } => left.is_settled_by_fields(),
            Self::Text { left, test } => {
                left.is_settled_by_fields() && test.joined.iter().all(|parts| are_settled_by_fields(parts))
            }
            Self::TextSame { left, right, .. } => left.is_settled_by_fields() && right.is_settled_by_fields(),
            Self::Bool { .. } | Self::BoolSame { .. } | Self::Net { .. } => true,
        };
        !foreign && is_settled
    }

    /// What evaluating it costs.
    pub(crate) fn weight(&self, field_weight: impl Fn(FieldId) -> u32) -> u32 {
        let mut weight = 0_u32;
        self.visit(&mut |source| {
            weight = weight.saturating_add(source.weight());
            if let Origin::Field(field) = source.origin {
                weight = weight.saturating_add(field_weight(field));
            }
        });
        weight.saturating_add(match self {
            Self::Bool { .. } | Self::BoolSame { .. } | Self::TextSame { .. } | Self::Int { .. } => 5,
            Self::IntIn { set, .. } => count(set.len()).saturating_mul(10),
            Self::Text { test, .. } => {
                let others: u32 = test.others.iter().map(Matcher::weight).max().unwrap_or(0);
                let is_list = test.exact.len() + test.others.len() + test.joined.len() > 1;
                let members = if is_list && others > 0 { 1000 } else { others };
                members.saturating_add(if is_list { count(test.exact.len()).saturating_mul(10) } else { 5 })
            }
            Self::Net { left, right, .. } => [left, right]
                .into_iter()
                .map(|nets| match nets {
                    Nets::Const(nets) => count(nets.len()).saturating_mul(10),
                    Nets::Each(_) => 5,
                })
                .fold(0, u32::saturating_add),
        })
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
