//! One value beside another.

use super::Checker;
use super::term::{List, Member, Term, constant, plain_source};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::{Literal, Refusal};
use crate::node::Node;
use crate::predicate::{Int, Ints, Nets, Order, Predicate, Source};
use crate::rule::ValueKind;
use crate::syntax::{CompareOp, Expr, ExprKind, is_address, is_duration, is_number};

/// The two sides of a comparison.
#[derive(Clone, Copy)]
pub(super) struct Sides<'e> {
    pub(super) left: &'e Expr,
    pub(super) right: &'e Expr,
}

impl Sides<'_> {
    pub(super) fn flipped(self) -> Self {
        Self { left: self.right, right: self.left }
    }

    pub(super) fn span(self) -> Span {
        self.left.span.to(self.right.span)
    }
}

impl Checker<'_> {
    pub(super) fn compare(&mut self, op: CompareOp, left: &Expr, right: &Expr) -> Option<Term> {
        // Both, so that each shows its errors.
        let (left_term, right_term) = (self.term(left), self.term(right));
        let sides = Sides { left, right };
        if let (Some(Term::Texts(_)), None) = (&left_term, &right_term) {
            self.hint_at_quotes(right);
        }
        let node = match (left_term?, right_term?) {
            (left @ (Term::Node(_) | Term::Flag(_)), right @ (Term::Node(_) | Term::Flag(_))) => {
                let node = self.same_truth(left, right, sides)?;
                self.equality(op, node, "booleans", sides)?
            }
            (
                Term::Int { ints: left, is_duration: left_is_duration },
                Term::Int { ints: right, is_duration: right_is_duration },
            ) => self.compare_ints(op, (left, left_is_duration), (right, right_is_duration), sides)?,
            (left @ (Term::Literal(_) | Term::Texts(_)), right @ (Term::Literal(_) | Term::Texts(_))) => {
                self.compare_texts(op, left, right, sides)?
            }
            (Term::Nets(left), Term::Nets(right)) => {
                let predicate = Predicate::Net { left, right, is_all: false };
                let node = self.fold_nets(predicate, sides);
                self.equality(op, node, "addresses", sides)?
            }
            (_, Term::List(_)) | (Term::List(_), _) => {
                let error =
                    Diagnostic::error(sides.span(), format!("`{}` does not compare lists", op.text()));
                return self.error(error.help("write `in` or `not in` before a list"));
            }
            (left, right) => return self.mismatch(&left, &right, sides),
        };
        Some(Term::Node(node))
    }

    /// A single word beside a text that was reported as an unknown name: it may be meant as a string.
    fn hint_at_quotes(&mut self, expr: &Expr) {
        let ExprKind::Identifier(word) = &expr.kind else { return };
        let span = self.at(expr.span);
        if let Some(error) = self.errors.last_mut().filter(|error| error.span == span)
            && error.message.starts_with("unknown name")
            && !word.contains('.')
        {
            let is_nothing =
                ["null", "nil", "none", "empty"].iter().any(|name| word.eq_ignore_ascii_case(name));
            let meant = if is_nothing { "" } else { word };
            error.help = Some(format!("a string stands in double quotes: \"{meant}\""));
        }
    }

    pub(super) fn mismatch<T>(&mut self, left: &Term, right: &Term, sides: Sides<'_>) -> Option<T> {
        let message = format!("{} is compared with {}", left.name(), right.name());
        let error = Diagnostic::error(sides.right.span, message).expected(left.name());
        let help = match (left, right) {
            (Term::Int { .. }, Term::Literal(literal)) => self.as_number(&literal.text),
            (Term::Texts(_), Term::Int { .. })
                if matches!(sides.right.kind, ExprKind::Variable(_) | ExprKind::FieldReference(_)) =>
            {
                format!("write it into a string: \"{}\"", sides.right)
            }
            (Term::Texts(_), Term::Int { .. }) => "write a string in double quotes".to_owned(),
            (Term::Nets(_), Term::Literal(literal)) if is_address(&literal.text) => {
                format!("write the address without quotes: {}", literal.text)
            }
            (Term::Nets(_), Term::Literal(_)) => "write an address or a network: 10.0.0.0/8".to_owned(),
            (Term::Nets(_) | Term::Int { .. }, Term::List(List::Texts(members))) => {
                let is_net = matches!(left, Term::Nets(_));
                let other = members.iter().find_map(|(_, member)| match member {
                    Member::Literal(literal) => {
                        (!self.stands_alone(&literal.text, is_net)).then_some(literal)
                    }
                    Member::Join(_) => None,
                });
                match other {
                    None => "write the members of the list without quotes".to_owned(),
                    Some(_) if is_net => "write addresses and networks: [ 10.0.0.1, 10.1.0.0/16 ]".to_owned(),
                    Some(literal) => self.as_number(&literal.text),
                }
            }
            (_, Term::Node(_)) if matches!(sides.right.kind, ExprKind::Compare { .. }) => {
                "one comparison has two sides: write `a < b && b < c`".to_owned()
            }
            (Term::Node(_) | Term::Flag(_), _) => {
                "write `true` or `false`, or the field itself; mind the parentheses".to_owned()
            }
            _ => "compare values of one type".to_owned(),
        };
        self.error(error.help(help))
    }

    /// What to write instead of a string where a number is compared.
    fn as_number(&self, text: &str) -> String {
        if is_number(text) {
            format!("write the number without quotes: {text}")
        } else if self.model.constant(text).is_some() {
            format!("write the constant without quotes: {text}")
        } else if is_duration(text) {
            format!("write the duration without quotes: {text}")
        } else {
            format!(
                "numbers and constants stand without quotes; for the name \"{text}\", compare another field"
            )
        }
    }

    /// True when the text would be a number or an address if it had no quotes.
    fn stands_alone(&self, text: &str, is_net: bool) -> bool {
        if is_net { is_address(text) } else { is_number(text) || self.model.constant(text).is_some() }
    }

    /// `==` as it is, `!=` as its negation, and nothing else.
    fn equality(&mut self, op: CompareOp, node: Node, what: &str, sides: Sides<'_>) -> Option<Node> {
        match op {
            CompareOp::Equal => Some(node),
            CompareOp::NotEqual => Some(node.not()),
            CompareOp::Matches
            | CompareOp::NotMatches
            | CompareOp::Less
            | CompareOp::LessEqual
            | CompareOp::Greater
            | CompareOp::GreaterEqual => {
                let error =
                    Diagnostic::error(sides.span(), format!("operator `{}` is not for {what}", op.text()));
                self.error(error.help("they are compared with `==` and `!=`"))
            }
        }
    }

    fn same_truth(&mut self, left: Term, right: Term, sides: Sides<'_>) -> Option<Node> {
        Some(match (left, right) {
            (Term::Flag(source), Term::Node(Node::Const(value))) => {
                self.flag_is(source, value, sides.left.span, sides.right.span)
            }
            (Term::Node(Node::Const(value)), Term::Flag(source)) => {
                self.flag_is(source, value, sides.right.span, sides.left.span)
            }
            (Term::Flag(left), Term::Flag(right)) if left.is_many() || right.is_many() => {
                let spans = (Some(sides.left.span), Some(sides.right.span));
                self.test(Predicate::BoolSame { left, right }, spans.0, spans.1)
            }
            (Term::Flag(source), Term::Node(_)) | (Term::Node(_), Term::Flag(source)) if source.is_many() => {
                let error = Diagnostic::error(sides.span(), "several booleans are compared with a condition");
                return self.error(error.help("compare them with `true` or `false`, or use `&&` and `||`"));
            }
            (left, right) => {
                let left = self.truth(left, sides.left.span)?;
                let right = self.truth(right, sides.right.span)?;
                Node::same(left, right)
            }
        })
    }

    pub(super) fn flag_is(&mut self, source: Source, value: bool, field: Span, literal: Span) -> Node {
        self.record(&source, ValueKind::Scalar, value.to_string());
        self.test(Predicate::Bool { left: source, value }, Some(field), Some(literal))
    }

    fn compare_ints(
        &mut self,
        op: CompareOp,
        (left, left_is_duration): (Ints, bool),
        (right, right_is_duration): (Ints, bool),
        sides: Sides<'_>,
    ) -> Option<Node> {
        let (order, is_negated) = match op {
            CompareOp::Equal => (Order::Equal, false),
            CompareOp::NotEqual => (Order::Equal, true),
            CompareOp::Less => (Order::Less, false),
            CompareOp::LessEqual => (Order::LessEqual, false),
            CompareOp::Greater => (Order::Greater, false),
            CompareOp::GreaterEqual => (Order::GreaterEqual, false),
            CompareOp::Matches | CompareOp::NotMatches => {
                let error =
                    Diagnostic::error(sides.span(), format!("operator `{}` is not for numbers", op.text()));
                return self.error(error.help("numbers are compared with == != < <= > >="));
            }
        };
        if let (Some(a), Some(b)) = (constant(&left), constant(&right)) {
            let value = order.holds(a, b) != is_negated;
            self.warn(
                Diagnostic::warning(sides.span(), format!("this is always {value}")).help("name a field"),
            );
            return Some(Node::Const(value));
        }
        // The constant, if there is one, stands on the right from here on.
        let (left, order, right, sides, is_age) = if constant(&left).is_some() {
            (right, order.flipped(), left, sides.flipped(), left_is_duration)
        } else {
            (left, order, right, sides, right_is_duration)
        };
        let left = match plain_source(&left).copied() {
            Some(source) if is_age => {
                if is_negated {
                    let error = Diagnostic::error(sides.span(), "operator `!=` is not for ages");
                    return self.error(error.help("an age is compared with < <= > >= =="));
                }
                self.warn_of_age(&source, sides.left.span);
                Ints::Age(source)
            }
            Some(source) => {
                if let Some(value) = constant(&right) {
                    self.warn_of_bare_time(&source, value, sides);
                    self.validate_int(&source, value, sides.right.span)?;
                    let kind = if order == Order::Equal { ValueKind::Scalar } else { ValueKind::Range };
                    self.record(&source, kind, value.to_string());
                }
                left
            }
            None => left,
        };
        self.warn_of_mask(&left, order, &right, sides);
        let is_plain = plain_source(&left).is_some() || matches!(left, Ints::Age(_));
        let spans = is_plain.then_some((sides.left.span, sides.right.span));
        let node = self.test(Predicate::Int { left, order, right }, spans.map(|s| s.0), spans.map(|s| s.1));
        Some(if is_negated { node.not() } else { node })
    }

    /// A timestamp beside a small number: seconds were meant, or an age.
    fn warn_of_bare_time(&mut self, source: &Source, value: i64, sides: Sides<'_>) {
        const A_DAY_NS: i64 = 86_400_000_000_000;
        let is_timestamp = self.field_of(source).is_some_and(|field| field.is_timestamp);
        if is_timestamp && value != 0 && value.abs() < A_DAY_NS {
            let message = "a timestamp is in nanoseconds since 1970, and this number is its first day";
            let help = format!("for an age, write a duration: {value}s");
            self.warn(Diagnostic::warning(sides.right.span, message).help(help));
        }
    }

    fn warn_of_age(&mut self, source: &Source, span: Span) {
        if let Some(field) = self.field_of(source).filter(|field| !field.is_timestamp) {
            let message = format!("`{}` is no timestamp, and a duration compares with its age", field.name);
            self.warn(Diagnostic::warning(span, message).help("compare it with a number"));
        }
    }

    /// A comparison of a mask with bits that it does not have.
    fn warn_of_mask(&mut self, left: &Ints, order: Order, right: &Ints, sides: Sides<'_>) {
        let Ints::One(Int::Bits(crate::syntax::BitOp::And, a, b)) = left else { return };
        let mask = match (&**a, &**b) {
            (Int::Const(mask), _) | (_, Int::Const(mask)) => *mask,
            _ => return,
        };
        let Some(value) = constant(right) else { return };
        if order == Order::Equal && value & !mask != 0 {
            let warning = Diagnostic::warning(sides.span(), "the mask does not have these bits");
            self.warn(warning.help("put the bits into the mask too, or compare with `> 0`"));
        }
    }

    pub(super) fn refuse<T>(&mut self, span: Span, refusal: Refusal) -> Option<T> {
        self.error(Diagnostic::error(span, refusal.message).help(refusal.help))
    }

    pub(super) fn validate_int(&mut self, source: &Source, value: i64, span: Span) -> Option<()> {
        let refused = self.field_of(source).map(|field| self.model.validate(field, Literal::Int(value)));
        match refused {
            Some(Err(refusal)) => self.refuse(span, refusal),
            Some(Ok(())) | None => Some(()),
        }
    }

    /// Networks that do not depend on the event are compared at once.
    pub(super) fn fold_nets(&mut self, predicate: Predicate, sides: Sides<'_>) -> Node {
        if let Predicate::Net { left: Nets::Const(left), right: Nets::Const(right), is_all } = &predicate {
            let overlaps = |found: &crate::net::Net| {
                let mut others = right.iter();
                if *is_all {
                    others.all(|net| net.overlaps(found))
                } else {
                    others.any(|net| net.overlaps(found))
                }
            };
            let value = if *is_all { left.iter().all(overlaps) } else { left.iter().any(overlaps) };
            self.warn(Diagnostic::warning(sides.span(), "no field is compared here").help("name a field"));
            return Node::Const(value);
        }
        let is_field = |nets: &Nets| matches!(nets, Nets::Each(_));
        let Predicate::Net { left, .. } = &predicate else { return Node::Const(false) };
        let (field, value) =
            if is_field(left) { (sides.left, sides.right) } else { (sides.right, sides.left) };
        self.test(predicate, Some(field.span), Some(value.span))
    }
}
