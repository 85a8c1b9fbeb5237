//! Calculations, lists, and what it takes to be true or false.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the meanings an expression can have, each operator knows a few"
)]

use super::Checker;
use super::term::{List, Member, Term, constant};
use crate::diagnostic::{Diagnostic, Span};
use crate::matcher::LiteralKind;
use crate::model::Constant;
use crate::node::Node;
use crate::predicate::{Int, Ints, Nets, Predicate, Texts};
use crate::scene::{bits, sum};
use crate::syntax::{ArithmeticOp, BitOp, Expr, ExprKind, UnaryOp};

impl Checker<'_> {
    /// A term that must be true or false.
    pub(super) fn truth(&mut self, term: Term, span: Span) -> Option<Node> {
        match term {
            Term::Node(node) => Some(node),
            Term::Flag(source) => {
                self.record(&source, crate::rule::ValueKind::Scalar, "true".to_owned());
                Some(self.test(Predicate::Bool { left: source, value: true }, Some(span), None))
            }
            Term::Int { .. } | Term::Literal(_) | Term::Texts(_) | Term::Nets(_) | Term::List(_) => {
                let error = Diagnostic::error(span, format!("{} is not true or false", term.name()));
                let help = match term {
                    Term::Int { .. } => "compare it, for example with `> 0`",
                    Term::Texts(_) => "compare it, for example with `!= \"\"`",
                    Term::List(_) => "ask whether something is `in` it",
                    Term::Node(_) | Term::Flag(_) | Term::Literal(_) | Term::Nets(_) => {
                        "name the field that it is compared with"
                    }
                };
                self.error(error.expected("a condition").help(help))
            }
        }
    }

    pub(super) fn negation(&mut self, operand: &Expr) -> Option<Term> {
        let term = self.term(operand)?;
        if matches!(term, Term::Int { .. } | Term::Texts(_) | Term::Nets(_)) {
            let error = Diagnostic::error(operand.span, format!("{} is not true or false", term.name()));
            let help = "`!` belongs to the value right behind it: write `a != b`, or `!(a == b)`";
            return self.error(error.expected("a condition").help(help));
        }
        self.truth(term, operand.span).map(|node| Term::Node(node.not()))
    }

    /// The names of errors are negative already, as a system call returns them.
    fn warn_of_double_minus(&mut self, op: UnaryOp, operand: &Expr) {
        let ExprKind::Identifier(name) = &operand.kind else { return };
        if op == UnaryOp::Negate
            && let Some(Constant::Int(value)) = self.model.constant(name)
            && value < 0
        {
            let warning =
                Diagnostic::warning(operand.span, format!("`{name}` is {value}: a minus makes it positive"));
            self.warn(warning.help(format!("write `{name}`")));
        }
    }

    pub(super) fn unary(&mut self, op: UnaryOp, operand: &Expr) -> Option<Term> {
        self.warn_of_double_minus(op, operand);
        let (int, is_duration) = self.number(operand)?;
        let int = match (op, int) {
            (UnaryOp::Invert, Int::Const(value)) => Int::Const(!value),
            (UnaryOp::Invert, int) => Int::Invert(Box::new(int)),
            (UnaryOp::Negate | UnaryOp::Not, Int::Const(value)) => Int::Const(value.wrapping_neg()),
            (UnaryOp::Negate | UnaryOp::Not, int) => Int::Negate(Box::new(int)),
        };
        Some(Term::Int { ints: Ints::One(int), is_duration })
    }

    pub(super) fn bits(&mut self, op: BitOp, left: &Expr, right: &Expr) -> Option<Term> {
        let (left, right) = (self.number(left), self.number(right));
        let int = match (left?.0, right?.0) {
            (Int::Const(left), Int::Const(right)) => Int::Const(bits(op, left, right)),
            (left, right) => Int::Bits(op, Box::new(left), Box::new(right)),
        };
        Some(Term::Int { ints: Ints::One(int), is_duration: false })
    }

    pub(super) fn arithmetic(&mut self, op: ArithmeticOp, left: &Expr, right: &Expr) -> Option<Term> {
        let (left, right) = (self.number(left), self.number(right));
        let ((left, left_is_duration), (right, right_is_duration)) = (left?, right?);
        let int = match (left, right) {
            (Int::Const(left), Int::Const(right)) => Int::Const(sum(op, left, right)),
            (left, right) => Int::Sum(op, Box::new(left), Box::new(right)),
        };
        let is_duration = left_is_duration && right_is_duration;
        Some(Term::Int { ints: Ints::One(int), is_duration })
    }

    /// An operand to calculate with, and whether it is a duration.
    fn number(&mut self, expr: &Expr) -> Option<(Int, bool)> {
        match self.term(expr)? {
            Term::Int { ints: Ints::One(int), is_duration } => Some((int, is_duration)),
            Term::Int { .. } => {
                let error = Diagnostic::error(expr.span, "cannot calculate with several values");
                self.error(error.expected("one number").help(
                    "to speak of one item of an iterator, name it: process.ancestors[A]; of an array: list[0]",
                ))
            }
            other => {
                let error = Diagnostic::error(expr.span, format!("cannot calculate with {}", other.name()));
                let error = error.expected("a number");
                match other {
                    Term::Node(_) | Term::Flag(_) | Term::Literal(_) | Term::Texts(_) => self
                        .error(error.help("`&` and `|` join bits: to join conditions, write `&&` or `||`")),
                    Term::Int { .. } | Term::Nets(_) | Term::List(_) => {
                        self.error(error.help("name a field that holds a number"))
                    }
                }
            }
        }
    }

    pub(super) fn list(&mut self, items: &[Expr]) -> Option<Term> {
        let mut list: Option<List> = None;
        let mut is_bad = false;
        for item in items {
            let Some(term) = self.term(item) else {
                is_bad = true;
                continue;
            };
            let name = term.name();
            let text = if let Term::Literal(literal) = &term { Some(literal.text.clone()) } else { None };
            if !self.add(&mut list, term, item.span) {
                let kind = match &list {
                    Some(List::Texts(_)) => "strings",
                    Some(List::Ints(_)) => "numbers",
                    Some(List::Bools(_)) => "booleans",
                    Some(List::Nets(_)) => "addresses",
                    None => "constants",
                };
                let error = Diagnostic::error(item.span, format!("{name} in a list of {kind}"));
                let help = match text {
                    Some(text) if matches!(list, Some(List::Nets(_) | List::Ints(_))) => {
                        format!("these stand without quotes: {text}")
                    }
                    _ => "all members of a list have one type; names in it are those of constants".to_owned(),
                };
                is_bad = self.error::<()>(error.expected(kind).help(help)).is_none();
            }
        }
        list.filter(|_| !is_bad).map(Term::List)
    }

    /// Adds a member; false when it does not fit.
    fn add(&mut self, list: &mut Option<List>, term: Term, span: Span) -> bool {
        match (&mut *list, term) {
            (Some(List::Texts(texts)), Term::Literal(literal)) => {
                texts.push((span, Member::Literal(literal)))
            }
            (Some(List::Texts(texts)), Term::Texts(Texts::Join(parts))) => {
                texts.push((span, Member::Join(parts)))
            }
            (Some(List::Bools(bools)), Term::Node(Node::Const(value))) => bools.push((span, value)),
            (
                Some(List::Ints(ints)),
                Term::Int { ints: Ints::One(Int::Const(value)), is_duration: false },
            ) => {
                ints.push((span, value));
            }
            (Some(List::Nets(nets)), Term::Nets(Nets::Const(net))) => {
                nets.extend(net.iter().map(|net| (span, *net)))
            }
            (None, Term::Literal(literal)) => {
                *list = Some(List::Texts(vec![(span, Member::Literal(literal))]))
            }
            (None, Term::Texts(Texts::Join(parts))) => {
                *list = Some(List::Texts(vec![(span, Member::Join(parts))]))
            }
            (None, Term::Node(Node::Const(value))) => *list = Some(List::Bools(vec![(span, value)])),
            (None, Term::Int { ints, is_duration: false }) => match constant(&ints) {
                Some(value) => *list = Some(List::Ints(vec![(span, value)])),
                None => return false,
            },
            (None, Term::Nets(Nets::Const(net))) => {
                *list = Some(List::Nets(net.iter().map(|net| (span, *net)).collect()));
            }
            _ => return false,
        }
        true
    }

    /// The place of what stands between the quotes and their mark.
    pub(super) fn value_span(&self, expr: &Expr, kind: LiteralKind) -> Span {
        let is_marked =
            kind != LiteralKind::Exact && matches!(expr.kind, ExprKind::Pattern(_) | ExprKind::Regexp(_));
        Span::new(expr.span.start + usize::from(is_marked), expr.span.end)
    }
}
