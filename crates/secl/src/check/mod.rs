//! From a tree of words to a tree of predicates: names are resolved, types checked, constants folded.
//!
//! Invariant: what is checked without an error evaluates without one. Errors inside a macro are those of its
//! definition; where it is used, they are reported at its name.

mod compare;
mod interpolation;
mod macros;
mod member;
mod names;
mod operand;
mod term;
mod text;

pub use macros::{MacroError, Macros};

use std::collections::HashSet;

use crate::diagnostic::{Diagnostic, Span};
use crate::model::{Constant, EventSet, FieldId, IteratorId, Model, Type};
use crate::node::{Node, Test};
use crate::predicate::{Predicate, Source};
use crate::rule::{Recorded, Rule, ValueKind};
use crate::syntax::{Expr, ExprKind, LogicalOp, MAX_ERRORS, UnaryOp, parse_rule};
use term::Term;

/// Levels of a rule with all its macros put in.
pub(crate) const MAX_DEPTH: u16 = 120;

/// Expressions of a rule with all its macros put in: macros that use others twice grow without bound otherwise.
/// A long text counts as several.
const MAX_EXPRESSIONS: usize = 100_000;

/// Bytes of text that count as one more expression.
const TEXT_PER_EXPRESSION: usize = 64;

/// What all regexps of a rule may take together, in bytes: compiling is slow, and a rule may have thousands.
const MAX_REGEXP_BYTES: usize = 16 << 20;

/// Whether a rule must belong to one event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// It must, as a rule of a policy does.
    OneEventType,
    /// It need not.
    Any,
}

/// Reads and checks a rule.
///
/// # Errors
/// All that is wrong with it.
pub fn check_rule(
    text: &str,
    model: &dyn Model,
    macros: &Macros,
    binding: Binding,
) -> Result<Rule, Vec<Diagnostic>> {
    let parsed = parse_rule(text)?;
    let mut checker = Checker::new(model, macros, macros.len());
    checker.warnings = parsed.warnings;
    let node = checker.condition(&parsed.expr);
    let event = checker.event_type(binding, parsed.expr.span);
    checker.warn_of_constant(node.as_ref(), parsed.expr.span);
    match node {
        Some(node) if checker.errors.is_empty() => Ok(Rule {
            text: text.to_owned(),
            node,
            bound: checker.bound.map(|(_, iterator)| iterator),
            event,
            fields: checker.fields,
            values: checker.values,
            warnings: checker.warnings,
        }),
        _ => Err(checker.finish()),
    }
}

pub(crate) struct Checker<'m> {
    model: &'m dyn Model,
    macros: &'m Macros,
    /// How many macros can be seen from here: those defined before.
    visible: usize,
    /// The name of the macro that is being put in.
    place: Option<Span>,
    depth: u16,
    expressions: usize,
    regexp_bytes: usize,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    fields: Vec<FieldId>,
    values: Vec<Recorded>,
    /// Those of `values`: a list may have thousands.
    known_values: HashSet<Recorded>,
    bound: Option<(String, IteratorId)>,
}

impl<'m> Checker<'m> {
    pub(crate) fn new(model: &'m dyn Model, macros: &'m Macros, visible: usize) -> Self {
        Self {
            model,
            macros,
            visible,
            place: None,
            depth: 0,
            expressions: 0,
            regexp_bytes: 0,
            errors: Vec::new(),
            warnings: Vec::new(),
            fields: Vec::new(),
            values: Vec::new(),
            known_values: HashSet::new(),
            bound: None,
        }
    }

    fn at(&self, span: Span) -> Span {
        self.place.unwrap_or(span)
    }

    /// Reports an error; `None`, so that it can end a function.
    fn error<T>(&mut self, error: Diagnostic) -> Option<T> {
        let error = Diagnostic { span: self.at(error.span), ..error };
        if !self.has_enough_errors() && !self.errors.contains(&error) {
            self.errors.push(error);
        }
        None
    }

    /// True when no more errors are taken, so that nobody need look for what to write instead.
    fn has_enough_errors(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    fn warn(&mut self, warning: Diagnostic) {
        if self.place.is_none() && self.warnings.len() < MAX_ERRORS {
            self.warnings.push(warning);
        }
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        self.errors.sort_by_key(|error| error.span.start);
        self.errors
    }

    fn record(&mut self, source: &Source, kind: ValueKind, text: String) {
        if let Some(field) = self.field_id(source) {
            let recorded = Recorded { field, kind, text };
            if self.known_values.insert(recorded.clone()) {
                self.values.push(recorded);
            }
        }
    }

    /// A predicate as a node, with the places it speaks of.
    fn test(&self, predicate: Predicate, field: Option<Span>, value: Option<Span>) -> Node {
        self.test_of_list(predicate, field, value, Vec::new())
    }

    fn test_of_list(
        &self,
        predicate: Predicate,
        field: Option<Span>,
        value: Option<Span>,
        members: Vec<(Span, Predicate)>,
    ) -> Node {
        let weight =
            predicate.weight(|id| self.model.fields().get(usize::from(id.0)).map_or(0, |field| field.weight));
        let (field, value) = (field.map(|span| self.at(span)), value.map(|span| self.at(span)));
        let members = members.into_iter().map(|(span, predicate)| (self.at(span), predicate)).collect();
        Node::Test(Box::new(Test { predicate, field, value, members, weight }))
    }

    /// An expression that must be true or false.
    fn condition(&mut self, expr: &Expr) -> Option<Node> {
        let term = self.term(expr)?;
        self.truth(term, expr.span)
    }

    fn term(&mut self, expr: &Expr) -> Option<Term> {
        self.expressions += 1;
        if let ExprKind::Str(text) | ExprKind::Pattern(text) | ExprKind::Regexp(text) = &expr.kind {
            self.expressions += text.len() / TEXT_PER_EXPRESSION;
        }
        if self.depth >= MAX_DEPTH || self.expressions > MAX_EXPRESSIONS {
            let error = Diagnostic::error(expr.span, "too large once its macros are put in");
            return self.error(error.help("split the rule"));
        }
        self.depth += 1;
        let term = self.term_of(expr);
        self.depth -= 1;
        term
    }

    fn term_of(&mut self, expr: &Expr) -> Option<Term> {
        match &expr.kind {
            ExprKind::Logical { op, operands } => {
                // All of them, so that each shows its errors.
                let mut before = None;
                let mut nodes: Vec<Option<Node>> = Vec::with_capacity(operands.len());
                for operand in operands {
                    let is_bit = self.is_bit(operand);
                    nodes.push(if is_bit {
                        self.stray_bit(before, operand)
                    } else {
                        self.condition(operand)
                    });
                    before = Some(operand);
                }
                let nodes = nodes.into_iter().collect::<Option<Vec<Node>>>()?;
                Some(Term::Node(match op {
                    LogicalOp::And => Node::all(nodes),
                    LogicalOp::Or => Node::any(nodes),
                }))
            }
            ExprKind::Compare { op, left, right } => self.compare(*op, left, right),
            ExprKind::Member { op, left, right } => self.member(*op, left, right),
            ExprKind::Arithmetic { op, left, right } => self.arithmetic(*op, left, right),
            ExprKind::Bits { op, left, right } => self.bits(*op, left, right),
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.negation(operand),
            ExprKind::Unary { op, operand } => self.unary(*op, operand),
            ExprKind::Identifier(name) => self.identifier(name, expr.span),
            ExprKind::Int(value) => Some(Term::int(*value)),
            ExprKind::Duration(ns) => Some(Term::duration(*ns)),
            ExprKind::Str(text) => self.string(text, expr.span),
            ExprKind::Pattern(text) => self.pattern(text, expr.span),
            ExprKind::Regexp(text) => Some(Term::regexp(text)),
            ExprKind::Net(literal) => literal.net().map(Term::net),
            ExprKind::Variable(name) => self.variable(name, expr.span),
            ExprKind::FieldReference(name) => self.field_reference(name, expr.span),
            ExprKind::List(items) => self.list(items),
            ExprKind::Invalid => None,
        }
    }

    fn is_bit(&self, expr: &Expr) -> bool {
        matches!(&expr.kind, ExprKind::Identifier(name) if matches!(self.model.constant(name), Some(Constant::Int(_))))
    }

    /// A constant where a condition is expected: `flags && O_CREAT`.
    fn stray_bit<T>(&mut self, before: Option<&Expr>, expr: &Expr) -> Option<T> {
        let flags = match before.map(|before| &before.kind) {
            Some(ExprKind::Bits { left, .. }) => Some(&left.kind),
            other => other,
        };
        let flags = match flags {
            Some(ExprKind::Identifier(name)) if self.model.field(name).is_some_and(|f| f.ty == Type::Int) => {
                name
            }
            _ => "flags",
        };
        let error = Diagnostic::error(expr.span, "a number is not true or false").expected("a condition");
        self.error(error.help(format!("to ask for a bit, write `{flags} & {expr} > 0`")))
    }

    /// The one event type of the fields that are used.
    fn event_type(&mut self, binding: Binding, span: Span) -> Option<usize> {
        let mut possible = EventSet::ALL;
        let mut first: Option<(&str, &str)> = None;
        for id in self.fields.clone() {
            let Some(field) = self.model.fields().get(usize::from(id.0)) else { continue };
            let narrowed = possible.and(field.events);
            let own = field.events.single().and_then(|event| self.model.event_types().get(event)).copied();
            if narrowed == EventSet(0) {
                let (message, help) = match (first, own) {
                    (Some((other, event)), Some(own)) => (
                        format!("`{}` belongs to {own} events and `{other}` to {event} events", field.name),
                        "a rule is about one event type: split it into two rules",
                    ),
                    (Some((_, event)), None) => (
                        format!("`{}` is not available for {event} events", field.name),
                        "leave the field out, or make a rule for another event type",
                    ),
                    (None, _) => (format!("no event has `{}`", field.name), "leave the field out"),
                };
                return self.error(Diagnostic::error(span, message).help(help));
            }
            if let Some(own) = own {
                first = first.or(Some((&field.name, own)));
            }
            possible = narrowed;
        }
        if possible.single().is_none() && binding == Binding::OneEventType && self.errors.is_empty() {
            let error = Diagnostic::error(span, "no event in the rule definition");
            let help = "name a field of one event, for example `exec.file.path` or `open.flags`";
            return self.error(error.help(help));
        }
        possible.single()
    }

    fn warn_of_constant(&mut self, node: Option<&Node>, span: Span) {
        if let Some(Node::Const(value)) = node {
            let advice = if *value { "it matches every event" } else { "it can never match" };
            self.warn(Diagnostic::warning(span, format!("the rule is always {value}")).help(advice));
        }
    }
}
