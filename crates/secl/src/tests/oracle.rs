//! The language once more, as plainly as it can be said: a walk over the tree of words with lists of values.
//!
//! It shares the parser with the real one and nothing else: no predicates, no folding, no order, its own wildcards.
#![expect(clippy::wildcard_enum_match_arm, reason = "short on purpose: what is not listed is not well-typed")]

use super::neutral::{Facts, Own};
use crate::matcher::LiteralKind;
use crate::model::{Model, TextKind};
use crate::net::Net;
use crate::syntax::{
    ArithmeticOp, BitOp, CompareOp, Expr, ExprKind, LogicalOp, MemberOp, UnaryOp, parse_rule,
};

/// What an expression gives.
enum Found {
    Truth(bool),
    /// Values of a field, perhaps many.
    Many(Vec<Own>, Option<TextKind>, bool),
    /// A calculated or written number.
    Int(i64),
    Duration(i64),
    Literal(LiteralKind, String),
    List(Vec<Found>),
}

/// Whether `text` matches, or nothing when it uses what the oracle does not know.
pub(super) fn matches(text: &str, event: &Facts<'_>) -> bool {
    let expr = parse_rule(text).unwrap().expr;
    if !text.contains("[A]") {
        return Walk { event, item: 0 }.truth(&expr);
    }
    let items = event.values.get(&event.model.id("it.k")).map_or(0, Vec::len);
    (0..items).any(|item| Walk { event, item }.truth(&expr))
}

struct Walk<'e, 'm> {
    event: &'e Facts<'m>,
    item: usize,
}

impl Walk<'_, '_> {
    fn truth(&self, expr: &Expr) -> bool {
        truth_of(self.value(expr))
    }

    fn value(&self, expr: &Expr) -> Found {
        match &expr.kind {
            ExprKind::Logical { op: LogicalOp::And, operands } => {
                Found::Truth(operands.iter().all(|operand| self.truth(operand)))
            }
            ExprKind::Logical { op: LogicalOp::Or, operands } => {
                Found::Truth(operands.iter().any(|operand| self.truth(operand)))
            }
            ExprKind::Compare { op, left, right } => {
                Found::Truth(self.compare(*op, self.value(left), self.value(right)))
            }
            ExprKind::Member { op, left, right } => {
                let (left, right) = (self.value(left), self.value(right));
                Found::Truth(match op {
                    MemberOp::In => self.is_in(&left, &right),
                    MemberOp::NotIn => !self.is_in(&left, &right),
                    MemberOp::AllIn => all_in(&left, &right),
                })
            }
            ExprKind::Arithmetic { op, left, right } => {
                let (left, right) = (int(&self.value(left)), int(&self.value(right)));
                Found::Int(match op {
                    ArithmeticOp::Add => left.wrapping_add(right),
                    ArithmeticOp::Subtract => left.wrapping_sub(right),
                })
            }
            ExprKind::Bits { op, left, right } => {
                let (left, right) = (int(&self.value(left)), int(&self.value(right)));
                Found::Int(match op {
                    BitOp::And => left & right,
                    BitOp::Or => left | right,
                    BitOp::Xor => left ^ right,
                })
            }
            ExprKind::Unary { op: UnaryOp::Not, operand } => Found::Truth(!self.truth(operand)),
            ExprKind::Unary { op: UnaryOp::Negate, operand } => {
                Found::Int(int(&self.value(operand)).wrapping_neg())
            }
            ExprKind::Unary { op: UnaryOp::Invert, operand } => Found::Int(!int(&self.value(operand))),
            ExprKind::Identifier(name) if name == "true" => Found::Truth(true),
            ExprKind::Identifier(name) if name == "false" => Found::Truth(false),
            ExprKind::Identifier(name) | ExprKind::FieldReference(name) => self.field(name),
            ExprKind::Variable(name) => self.variable(name),
            ExprKind::Int(value) => Found::Int(*value),
            ExprKind::Duration(ns) => Found::Duration(*ns),
            ExprKind::Str(text) => Found::Literal(LiteralKind::Exact, self.filled(text)),
            ExprKind::Pattern(text) => Found::Literal(LiteralKind::Pattern, text.clone()),
            ExprKind::Regexp(text) => Found::Literal(LiteralKind::Regexp, text.clone()),
            ExprKind::Net(net) => Found::Many(vec![Own::Net(net.net().unwrap())], None, false),
            ExprKind::List(items) => Found::List(items.iter().map(|item| self.value(item)).collect()),
            ExprKind::Invalid => unreachable!("a tree without errors"),
        }
    }

    fn filled(&self, text: &str) -> String {
        let text = text.replace("${vpid}", "4242").replace("${vtag}", "zz");
        let text = text.replace("%{it.length}", &int(&self.field("it.length")).to_string());
        let value = |field| {
            let Found::Many(found, ..) = self.field(field) else { unreachable!() };
            String::from_utf8(bytes(&found[0]).to_vec()).unwrap()
        };
        let domain = value("d.name");
        let labels: Vec<&str> = domain.split('.').collect();
        let root = labels.get(labels.len().saturating_sub(2)..).unwrap().join(".");
        text.replace("%{d.name.root_domain}", &root).replace("%{s.text}", &value("s.text"))
    }

    fn variable(&self, name: &str) -> Found {
        match name {
            "vpid" => Found::Many(vec![Own::Int(4242)], None, false),
            "vb" => Found::Many(vec![Own::Bool(false)], None, false),
            _ => Found::Many(vec![Own::from("zz")], Some(TextKind::Plain), false),
        }
    }

    fn field(&self, name: &str) -> Found {
        if name == "it.length" {
            return Found::Int(self.event.values.get(&self.event.model.id("it.k")).map_or(0, Vec::len) as i64);
        }
        if let Some(base) = name.strip_suffix(".length") {
            let Found::Many(values, _, is_many) = self.field(base) else { unreachable!() };
            return Found::Int(if is_many { values.len() as i64 } else { bytes(&values[0]).len() as i64 });
        }
        let (base, index) = name.strip_suffix("[1]").map_or((name, None), |base| (base, Some(1)));
        let is_bound = base.contains("[A]");
        let field = self.event.model.field(&base.replace("[A]", "")).unwrap();
        let items = self.event.values.get(&field.id).cloned().unwrap_or_default();
        let mut values: Vec<Own> =
            if is_bound { items[self.item].clone() } else { items.into_iter().flatten().collect() };
        if let Some(index) = index {
            values = vec![values.get(index).cloned().unwrap_or(Own::Int(0))];
        }
        let is_many = (field.is_array || field.iterator.is_some()) && !is_bound && index.is_none();
        if !is_many && values.is_empty() {
            values = vec![match field.ty {
                crate::model::Type::Bool => Own::Bool(false),
                crate::model::Type::Int => Own::Int(0),
                _ => Own::from(""),
            }];
        }
        Found::Many(values, Some(field.text), is_many)
    }

    fn compare(&self, op: CompareOp, left: Found, right: Found) -> bool {
        match op {
            CompareOp::Equal => self.equal(&left, &right),
            CompareOp::NotEqual => !self.equal(&left, &right),
            CompareOp::Matches => self.equal(&left, &as_pattern(right)),
            CompareOp::NotMatches => !self.equal(&left, &as_pattern(right)),
            CompareOp::Less => self.ordered(&left, &right, |a, b| a < b),
            CompareOp::LessEqual => self.ordered(&left, &right, |a, b| a <= b),
            CompareOp::Greater => self.ordered(&left, &right, |a, b| a > b),
            CompareOp::GreaterEqual => self.ordered(&left, &right, |a, b| a >= b),
        }
    }

    fn ordered(&self, left: &Found, right: &Found, holds: impl Fn(i64, i64) -> bool) -> bool {
        let (lefts, rights) = (self.ints(left, right), self.ints(right, left));
        lefts.iter().any(|a| rights.iter().any(|b| holds(*a, *b)))
    }

    /// The numbers of one side, as ages if the other is a duration.
    fn ints(&self, side: &Found, other: &Found) -> Vec<i64> {
        match side {
            Found::Many(values, ..) => {
                let is_age = matches!(other, Found::Duration(_));
                let ints = values.iter().map(|value| match value {
                    Own::Int(value) => *value,
                    _ => 0,
                });
                ints.map(|value| if is_age { self.event.now_ns - value } else { value }).collect()
            }
            _ => vec![int(side)],
        }
    }

    fn equal(&self, left: &Found, right: &Found) -> bool {
        match (left, right) {
            (Found::Literal(LiteralKind::Exact, text), Found::Literal(kind, pattern)) => {
                accepts(TextKind::Plain, *kind, pattern, text.as_bytes())
            }
            (Found::Many(values, kind, _), Found::Literal(literal, text))
            | (Found::Literal(literal, text), Found::Many(values, kind, _)) => values
                .iter()
                .any(|value| accepts(kind.unwrap_or(TextKind::Plain), *literal, text, bytes(value))),
            (Found::Many(a, a_kind, a_many), Found::Many(b, b_kind, b_many)) => {
                if !a_many && !b_many && matches!((&a[0], &b[0]), (Own::Bool(_), Own::Bool(_))) {
                    return a == b;
                }
                let is_folded = [a_kind, b_kind]
                    .into_iter()
                    .any(|kind| matches!(kind, Some(TextKind::Domain | TextKind::Insensitive)));
                a.iter().any(|a| {
                    b.iter().any(|b| match (a, b) {
                        (Own::Net(a), Own::Net(b)) => overlap(a, b),
                        (Own::Text(a), Own::Text(b)) if is_folded => a.eq_ignore_ascii_case(b),
                        _ => a == b,
                    })
                })
            }
            (Found::Many(values, ..), Found::Truth(truth))
            | (Found::Truth(truth), Found::Many(values, ..)) => values.contains(&Own::Bool(*truth)),
            (Found::Truth(a), Found::Truth(b)) => a == b,
            (left, right) => self.ordered(left, right, |a, b| a == b),
        }
    }

    fn is_in(&self, left: &Found, right: &Found) -> bool {
        match right {
            Found::List(members) => members.iter().any(|member| self.equal(left, member)),
            other => self.equal(left, other),
        }
    }
}

fn truth_of(found: Found) -> bool {
    match found {
        Found::Truth(truth) => truth,
        Found::Many(values, ..) => values.contains(&Own::Bool(true)),
        _ => unreachable!("a well-typed rule"),
    }
}

fn int(found: &Found) -> i64 {
    match found {
        Found::Int(value) | Found::Duration(value) => *value,
        Found::Many(values, ..) => match values[0] {
            Own::Int(value) => value,
            _ => unreachable!("a well-typed rule"),
        },
        _ => unreachable!("a well-typed rule"),
    }
}

fn bytes(value: &Own) -> &[u8] {
    match value {
        Own::Text(text) => text,
        _ => b"",
    }
}

fn as_pattern(found: Found) -> Found {
    match found {
        Found::Literal(LiteralKind::Exact, text) => Found::Literal(LiteralKind::Pattern, text),
        other => other,
    }
}

fn all_in(left: &Found, right: &Found) -> bool {
    let nets = |found: &Found| -> Vec<Net> {
        let Found::Many(values, ..) = found else { unreachable!("a well-typed rule") };
        values.iter().map(|value| if let Own::Net(net) = value { *net } else { unreachable!() }).collect()
    };
    let is_many = matches!(left, Found::Many(_, _, true));
    let rights: Vec<Net> = match right {
        Found::List(members) => members.iter().flat_map(nets).collect(),
        other => nets(other),
    };
    let lefts = nets(left);
    if is_many {
        lefts.iter().all(|a| rights.iter().all(|b| overlap(a, b)))
    } else {
        lefts.iter().any(|a| rights.iter().any(|b| overlap(a, b)))
    }
}

/// By the text of the networks, bit for bit.
fn overlap(a: &Net, b: &Net) -> bool {
    let read = |net: &Net| {
        let text = net.to_string();
        let (address, prefix) = text.split_once('/').unwrap();
        let address: std::net::IpAddr = address.parse().unwrap();
        let bytes = match address {
            std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
            std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let bits: Vec<bool> =
            bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
        (bits, prefix.parse::<usize>().unwrap())
    };
    let ((a, a_prefix), (b, b_prefix)) = (read(a), read(b));
    let shared = a_prefix.min(b_prefix);
    a.len() == b.len() && a[..shared] == b[..shared]
}

fn accepts(kind: TextKind, literal: LiteralKind, text: &str, value: &[u8]) -> bool {
    let is_folded = matches!(kind, TextKind::Domain | TextKind::Insensitive);
    let fold = |bytes: &[u8]| if is_folded { bytes.to_ascii_lowercase() } else { bytes.to_vec() };
    match literal {
        LiteralKind::Exact => fold(text.as_bytes()) == fold(value),
        LiteralKind::Regexp => regex::bytes::Regex::new(text).unwrap().is_match(value),
        LiteralKind::Pattern if kind == TextKind::Path => glob(text.as_bytes(), value),
        LiteralKind::Pattern => wild(&fold(text.as_bytes()), &fold(value)),
    }
}

/// `*` is any run of bytes.
fn wild(pattern: &[u8], value: &[u8]) -> bool {
    match (pattern.first(), value.first()) {
        (None, None) => true,
        (Some(b'*'), None) => wild(&pattern[1..], value),
        (Some(b'*'), Some(_)) => wild(&pattern[1..], value) || wild(pattern, &value[1..]),
        (Some(a), Some(b)) if a == b => wild(&pattern[1..], &value[1..]),
        _ => false,
    }
}

fn glob(pattern: &[u8], value: &[u8]) -> bool {
    if pattern.is_empty() || value.is_empty() {
        return false;
    }
    if !pattern.contains(&b'*') {
        return pattern == value;
    }
    let patterns: Vec<&[u8]> = pattern.split(|byte| *byte == b'/').collect();
    let value = if patterns[0] == b"*" && value[0] == b'/' { &value[1..] } else { value };
    let values: Vec<&[u8]> = value.split(|byte| *byte == b'/').collect();
    for (index, pattern) in patterns.iter().enumerate() {
        let Some(value) = values.get(index) else { return false };
        if *pattern == b"**" {
            return true;
        }
        if !wild(pattern, value) {
            return false;
        }
    }
    values.len() == patterns.len()
}
