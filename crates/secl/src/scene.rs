//! Evaluates one predicate against one event.
//!
//! Invariant: nothing is allocated, but for an interpolated text of more than [`INLINE`] bytes.

use crate::matcher::equal_folded;
use crate::model::{Event, Type, Value};
use crate::net::Net;
use crate::predicate::{Element, Int, Ints, Item, Nets, Origin, Part, Predicate, Source, TextTest, Texts};
use crate::syntax::{ArithmeticOp, BitOp};

/// Bytes of an interpolated text that need no memory of their own.
pub(crate) const INLINE: usize = 256;

/// An event, and the item that the iterator variable of the rule stands for.
#[derive(Debug)]
pub(crate) struct Scene<'e, E: ?Sized> {
    pub(crate) event: &'e E,
    pub(crate) item: usize,
}

impl<'e, E: Event + ?Sized> Scene<'e, E> {
    pub(crate) fn holds(&self, predicate: &Predicate) -> bool {
        match predicate {
            Predicate::Bool { left, value } => self.any(left, |found| found == Value::Bool(*value)),
            Predicate::BoolSame { left, right } => {
                self.any(left, |found| self.any(right, |other| found == other))
            }
            Predicate::Int { left, order, right } => {
                self.any_int(left, |found| self.any_int(right, |other| order.holds(found, other)))
            }
            Predicate::IntIn { left, set } => self.any_int(left, |found| set.binary_search(&found).is_ok()),
            Predicate::Text { left, test } => self.any_text(left, |found| self.accepts(test, found)),
            Predicate::TextSame { left, right, is_folded } => self.any_text(left, |found| {
                self.any_text(
                    right,
                    |other| if *is_folded { equal_folded(found, other) } else { found == other },
                )
            }),
            Predicate::Net { left, right, is_all: false } => {
                self.any_net(left, |found| self.any_net(right, |other| found.overlaps(&other)))
            }
            // Each overlaps each: none overlaps not.
            Predicate::Net { left, right, is_all: true } => {
                !self.any_net(left, |found| self.any_net(right, |other| !found.overlaps(&other)))
            }
        }
    }

    fn accepts(&self, test: &TextTest, found: &[u8]) -> bool {
        test.accepts(found) || test.joined.iter().any(|parts| self.join(parts).bytes() == found)
    }

    /// True when `accepts` takes any value of the source.
    fn any(&self, source: &Source, mut accepts: impl FnMut(Value<'e>) -> bool) -> bool {
        let items = match source.item {
            Item::Only => 0..1,
            Item::Bound => self.item..self.item.saturating_add(1),
            Item::Each(iterator) => 0..self.event.items(iterator),
        };
        for item in items {
            let found = match source.element {
                Element::Only => accepts(self.value(source, item, 0)),
                Element::Each => {
                    (0..self.elements(source, item)).any(|element| accepts(self.value(source, item, element)))
                }
                Element::At(element) if element < self.elements(source, item) => {
                    accepts(self.value(source, item, element))
                }
                Element::At(_) => match empty(source.ty) {
                    Some(value) => accepts(value),
                    None => false,
                },
            };
            if found {
                return true;
            }
        }
        false
    }

    fn value(&self, source: &Source, item: usize, element: usize) -> Value<'e> {
        match source.origin {
            Origin::Field(field) => self.event.value(field, item, element),
            Origin::Variable(variable) => self.event.variable(variable, element),
        }
    }

    fn elements(&self, source: &Source, item: usize) -> usize {
        match source.origin {
            Origin::Field(field) => self.event.elements(field, item),
            Origin::Variable(variable) => self.event.variable_elements(variable),
        }
    }

    fn any_int(&self, ints: &Ints, mut accepts: impl FnMut(i64) -> bool) -> bool {
        match ints {
            Ints::One(int) => accepts(self.int(int)),
            Ints::Each(source) => self.any(source, |found| accepts(number(found))),
            Ints::Age(source) => {
                self.any(source, |found| accepts(self.event.now_ns().saturating_sub(number(found))))
            }
            Ints::Lengths(source) => self.any(source, |found| accepts(length(text(found).len()))),
        }
    }

    fn int(&self, int: &Int) -> i64 {
        match int {
            Int::Const(value) => *value,
            Int::Of(source) => self.first(source, 0, number),
            Int::Length(source) => self.first(source, 0, |found| length(text(found).len())),
            Int::Count(source) => {
                let item = if source.item == Item::Bound { self.item } else { 0 };
                length(self.elements(source, item))
            }
            Int::Items(iterator) => length(self.event.items(*iterator)),
            Int::Negate(inner) => self.int(inner).wrapping_neg(),
            Int::Invert(inner) => !self.int(inner),
            Int::Bits(op, left, right) => {
                let (left, right) = (self.int(left), self.int(right));
                bits(*op, left, right)
            }
            Int::Sum(op, left, right) => {
                let (left, right) = (self.int(left), self.int(right));
                sum(*op, left, right)
            }
        }
    }

    fn first<T>(&self, source: &Source, otherwise: T, convert: impl Fn(Value<'e>) -> T) -> T {
        let mut first = otherwise;
        self.any(source, |found| {
            first = convert(found);
            true
        });
        first
    }

    fn any_text(&self, texts: &Texts, mut accepts: impl FnMut(&[u8]) -> bool) -> bool {
        match texts {
            Texts::Const(text) => accepts(text),
            Texts::Each(source) => self.any(source, |found| accepts(text(found))),
            Texts::RootDomain(source) => self.any(source, |found| accepts(root_domain(text(found)))),
            Texts::Join(parts) => accepts(self.join(parts).bytes()),
        }
    }

    fn join(&self, parts: &[Part]) -> Joined {
        let mut joined = Joined::default();
        for part in parts {
            match part {
                Part::Text(text) => joined.push(text),
                Part::Values(source) => self.join_values(&mut joined, source, |value| value),
                Part::RootDomains(source) => {
                    self.join_values(&mut joined, source, |value| Value::Text(root_domain(text(value))));
                }
                Part::Number(int) => joined.push_value(Value::Int(self.int(int))),
            }
        }
        joined
    }

    fn join_values(&self, joined: &mut Joined, source: &Source, shown: impl Fn(Value<'e>) -> Value<'e>) {
        let mut is_first = true;
        self.any(source, |found| {
            if !std::mem::take(&mut is_first) {
                joined.push(b",");
            }
            joined.push_value(shown(found));
            false
        });
    }

    fn any_net(&self, nets: &Nets, mut accepts: impl FnMut(Net) -> bool) -> bool {
        match nets {
            Nets::Const(nets) => nets.iter().any(|net| accepts(*net)),
            Nets::Each(source) => self.any(source, |found| match found {
                Value::Net(net) => accepts(net),
                Value::Bool(_) | Value::Int(_) | Value::Text(_) => false,
            }),
        }
    }
}

pub(crate) fn bits(op: BitOp, left: i64, right: i64) -> i64 {
    match op {
        BitOp::And => left & right,
        BitOp::Or => left | right,
        BitOp::Xor => left ^ right,
    }
}

pub(crate) fn sum(op: ArithmeticOp, left: i64, right: i64) -> i64 {
    match op {
        ArithmeticOp::Add => left.wrapping_add(right),
        ArithmeticOp::Subtract => left.wrapping_sub(right),
    }
}

/// The last two labels.
pub(crate) fn root_domain(name: &[u8]) -> &[u8] {
    let mut dots = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
    match (dots.next(), dots.next()) {
        (Some(_), Some(second)) => name.get(second + 1..).unwrap_or(name),
        _ => name,
    }
}

fn empty(ty: Type) -> Option<Value<'static>> {
    match ty {
        Type::Bool => Some(Value::Bool(false)),
        Type::Int => Some(Value::Int(0)),
        Type::Text => Some(Value::Text(b"")),
        Type::Net => None,
    }
}

fn number(value: Value<'_>) -> i64 {
    match value {
        Value::Int(value) => value,
        Value::Bool(_) | Value::Text(_) | Value::Net(_) => 0,
    }
}

fn text(value: Value<'_>) -> &[u8] {
    match value {
        Value::Text(text) => text,
        Value::Bool(_) | Value::Int(_) | Value::Net(_) => b"",
    }
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A text made of parts, on the stack while it is short.
struct Joined {
    inline: [u8; INLINE],
    length: usize,
    /// Holds everything once `inline` is too small.
    spilled: Vec<u8>,
}

impl Default for Joined {
    fn default() -> Self {
        Self { inline: [0; INLINE], length: 0, spilled: Vec::new() }
    }
}

impl Joined {
    fn push(&mut self, bytes: &[u8]) {
        if self.spilled.is_empty() {
            let end = self.length + bytes.len();
            if let Some(room) = self.inline.get_mut(self.length..end) {
                room.copy_from_slice(bytes);
                self.length = end;
                return;
            }
            self.spilled.extend_from_slice(self.inline.get(..self.length).unwrap_or_default());
        }
        self.spilled.extend_from_slice(bytes);
    }

    fn push_value(&mut self, value: Value<'_>) {
        match value {
            Value::Text(text) => self.push(text),
            Value::Int(value) => {
                let mut digits = [0; 20];
                let mut at = digits.len();
                let mut rest = value.unsigned_abs();
                while rest > 0 || at == digits.len() {
                    at -= 1;
                    if let (Some(digit), Ok(value)) = (digits.get_mut(at), u8::try_from(rest % 10)) {
                        *digit = b'0' + value;
                    }
                    rest /= 10;
                }
                if value < 0 {
                    self.push(b"-");
                }
                self.push(digits.get(at..).unwrap_or_default());
            }
            Value::Bool(_) | Value::Net(_) => {}
        }
    }

    fn bytes(&self) -> &[u8] {
        if self.spilled.is_empty() {
            self.inline.get(..self.length).unwrap_or_default()
        } else {
            &self.spilled
        }
    }
}
