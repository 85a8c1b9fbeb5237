//! A value and a list.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the meanings an expression can have, each operator knows a few"
)]

use super::Checker;
use super::compare::Sides;
use super::term::{List, Member, Term, constant, plain_source};
use crate::diagnostic::{Diagnostic, Span};
use crate::matcher::LiteralKind;
use crate::net::Net;
use crate::node::Node;
use crate::predicate::{Ints, Item, Nets, Order, Predicate, TextTest, Texts};
use crate::rule::ValueKind;
use crate::syntax::{Expr, ExprKind, MemberOp};

impl Checker<'_> {
    pub(super) fn member(&mut self, op: MemberOp, left: &Expr, right: &Expr) -> Option<Term> {
        let (left_term, right_term) = (self.term(left), self.term(right));
        let sides = Sides { left, right };
        let (left_term, right_term) = (left_term?, right_term?);
        let is_net = matches!(left_term, Term::Nets(_));
        if op == MemberOp::AllIn && !is_net {
            let warning =
                Diagnostic::warning(left.span, "`allin` is for addresses only, and means `in` here");
            self.warn(warning.help("write `in`"));
        }
        let node = match right_term {
            Term::List(list) => self.in_list(left_term, &list, op, sides)?,
            Term::Nets(nets) => match left_term {
                Term::Nets(left) => self.in_nets(left, nets, op, sides),
                other => return self.mismatch(&other, &Term::Nets(nets), sides),
            },
            other => self.in_field(left_term, other, sides)?,
        };
        Some(Term::Node(if op == MemberOp::NotIn { node.not() } else { node }))
    }

    fn in_nets(&mut self, left: Nets, right: Nets, op: MemberOp, sides: Sides<'_>) -> Node {
        // One address on the left is in all when it is in any: only several on the left ask for every one.
        let is_many = match &left {
            Nets::Each(source) => source.is_many(),
            Nets::Const(nets) => nets.len() > 1,
        };
        self.fold_nets(Predicate::Net { left, right, is_all: op == MemberOp::AllIn && is_many }, sides)
    }

    fn in_list(&mut self, left: Term, list: &List, op: MemberOp, sides: Sides<'_>) -> Option<Node> {
        match (left, list) {
            (Term::Literal(literal), List::Texts(members)) => {
                self.texts_in(Texts::Const(literal.text.as_bytes().into()), members, sides)
            }
            (Term::Texts(texts), List::Texts(members)) => self.texts_in(texts, members, sides),
            (Term::Int { ints, is_duration: false }, List::Ints(members)) => {
                self.ints_in(ints, members, sides)
            }
            (Term::Flag(source), List::Bools(members)) => {
                let field = sides.left.span;
                let nodes =
                    members.iter().map(|(span, value)| self.flag_is(source, *value, field, *span)).collect();
                Some(Node::any(nodes))
            }
            (Term::Node(node), List::Bools(members)) => {
                let nodes =
                    members.iter().map(|(_, value)| Node::same(node.clone(), Node::Const(*value))).collect();
                Some(Node::any(nodes))
            }
            (Term::Nets(left), List::Nets(members)) => {
                let nets: Box<[Net]> = members.iter().map(|(_, net)| *net).collect();
                let node = self.in_nets(left.clone(), Nets::Const(nets), op, sides);
                let alone = |net: Net| {
                    let right = Nets::Const([net].into());
                    Predicate::Net { left: left.clone(), right, is_all: false }
                };
                let members = members.iter().map(|(span, net)| (self.at(*span), alone(*net))).collect();
                Some(match node {
                    Node::Test(mut test) => {
                        test.members = members;
                        Node::Test(test)
                    }
                    other => other,
                })
            }
            (left, list) => self.mismatch(&left, &Term::List(list.clone()), sides).or_else(|| {
                let kind = match list {
                    List::Texts(_) => "strings",
                    List::Ints(_) => "numbers",
                    List::Bools(_) => "booleans",
                    List::Nets(_) => "addresses",
                };
                if let Some(error) = self.errors.last_mut() {
                    error.message = format!("{} cannot be in a list of {kind}", left.name());
                }
                None
            }),
        }
    }

    fn texts_in(&mut self, left: Texts, members: &[(Span, Member)], sides: Sides<'_>) -> Option<Node> {
        let (mut matchers, mut joined, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_bad = false;
        for (span, member) in members {
            match member {
                Member::Literal(literal) => match self.matchers(&left, literal, *span) {
                    Some(found) => {
                        let test = TextTest::new(found.clone(), Vec::new());
                        let is_marked = literal.kind != LiteralKind::Exact;
                        let shown = Span::new(span.start + usize::from(is_marked), span.end);
                        alone.push((shown, Predicate::Text { left: left.clone(), test }));
                        matchers.extend(found);
                    }
                    None => is_bad = true,
                },
                Member::Join(parts) => {
                    if let Texts::Each(source) = &left {
                        self.record(source, ValueKind::Variable, "${}".to_owned());
                    }
                    joined.push(parts.clone());
                }
            }
        }
        if is_bad {
            return None;
        }
        let test = TextTest::new(matchers, joined);
        if let Texts::Const(text) = &left
            && test.joined.is_empty()
        {
            let value = test.accepts(text);
            self.warn(Diagnostic::warning(sides.left.span, "no field is compared here").help("name a field"));
            return Some(Node::Const(value));
        }
        let field = matches!(left, Texts::Each(_)).then_some(sides.left.span);
        Some(self.test_of_list(Predicate::Text { left, test }, field, None, alone))
    }

    fn ints_in(&mut self, left: Ints, members: &[(Span, i64)], sides: Sides<'_>) -> Option<Node> {
        let mut set: Vec<i64> = members.iter().map(|(_, value)| *value).collect();
        set.sort_unstable();
        set.dedup();
        if let Some(value) = constant(&left) {
            self.warn(Diagnostic::warning(sides.left.span, "no field is compared here").help("name a field"));
            return Some(Node::Const(set.binary_search(&value).is_ok()));
        }
        let source = plain_source(&left).copied();
        if let Some(source) = source {
            for (span, value) in members {
                self.validate_int(&source, *value, *span)?;
                self.record(&source, ValueKind::Scalar, value.to_string());
            }
        }
        let alone = |value: i64| Predicate::IntIn { left: left.clone(), set: [value].into() };
        let alone = members.iter().map(|(span, value)| (*span, alone(*value))).collect();
        let field = source.map(|_| sides.left.span);
        Some(self.test_of_list(Predicate::IntIn { left, set: set.into() }, field, None, alone))
    }

    /// The right side is a field: it must have several values, or be a field of an iterator.
    fn in_field(&mut self, left: Term, right: Term, sides: Sides<'_>) -> Option<Node> {
        let source = match &right {
            Term::Flag(source) | Term::Texts(Texts::Each(source)) => Some(*source),
            Term::Int { ints, .. } => plain_source(ints).copied(),
            Term::Node(_) | Term::Literal(_) | Term::Texts(_) | Term::Nets(_) | Term::List(_) => None,
        };
        let is_list = source.is_some_and(|source| source.is_many() || source.item == Item::Bound);
        if !is_list {
            let error = Diagnostic::error(sides.right.span, format!("{} is no list", right.name()));
            let help = match sides.right.kind {
                ExprKind::Identifier(_) | ExprKind::FieldReference(_) => {
                    "compare one value with `==`".to_owned()
                }
                _ => format!("write [ {} ]", sides.right),
            };
            return self.error(error.expected("a list, or a field with several values").help(help));
        }
        let (field, value) = (sides.right.span, sides.left.span);
        match (left, right) {
            (Term::Node(Node::Const(value_of)), Term::Flag(source)) => {
                Some(self.flag_is(source, value_of, field, value))
            }
            (Term::Flag(left), Term::Flag(right)) => {
                Some(self.test(Predicate::BoolSame { left, right }, Some(value), Some(field)))
            }
            (Term::Int { ints: left, is_duration: false }, Term::Int { ints: right, .. }) => {
                self.int_in_field(left, right, sides)
            }
            (Term::Literal(literal), Term::Texts(texts)) => {
                let matchers = self.matchers(&texts, &literal, value)?;
                let shown = self.value_span(sides.left, literal.kind);
                let test = TextTest::new(matchers, Vec::new());
                Some(self.test(Predicate::Text { left: texts, test }, Some(field), Some(shown)))
            }
            (Term::Texts(left), Term::Texts(right)) => Some(self.texts_same(left, right, sides)),
            (left, right) => self.mismatch(&left, &right, sides),
        }
    }

    fn int_in_field(&mut self, left: Ints, right: Ints, sides: Sides<'_>) -> Option<Node> {
        if let (Some(value), Some(source)) = (constant(&left), plain_source(&right).copied()) {
            self.validate_int(&source, value, sides.left.span)?;
            self.record(&source, ValueKind::Scalar, value.to_string());
        }
        let (field, value) = (Some(sides.right.span), Some(sides.left.span));
        Some(self.test(Predicate::Int { left: right, order: Order::Equal, right: left }, field, value))
    }
}
