//! Texts beside each other, and what a constant among them means.

use super::compare::Sides;
use super::term::Term;
use super::{Checker, MAX_REGEXP_BYTES};
use crate::diagnostic::{Diagnostic, Span};
use crate::matcher::{LiteralKind, Matcher, Regexp, TextLiteral, for_kind};
use crate::model::{Literal, Refusal, TextKind};
use crate::node::Node;
use crate::predicate::{Predicate, TextTest, Texts};
use crate::rule::ValueKind;
use crate::syntax::CompareOp;

impl Checker<'_> {
    pub(super) fn compare_texts(
        &mut self,
        op: CompareOp,
        left: Term,
        right: Term,
        sides: Sides<'_>,
    ) -> Option<Node> {
        let (is_pattern, is_negated) = match op {
            CompareOp::Equal => (false, false),
            CompareOp::NotEqual => (false, true),
            CompareOp::Matches => (true, false),
            CompareOp::NotMatches => (true, true),
            CompareOp::Less | CompareOp::LessEqual | CompareOp::Greater | CompareOp::GreaterEqual => {
                let error =
                    Diagnostic::error(sides.span(), format!("operator `{}` is not for strings", op.text()));
                return self.error(error.help("strings are compared with == != =~ !~ and `in`"));
            }
        };
        if is_pattern && !matches!(right, Term::Literal(_)) {
            return self.not_constant(sides.right.span);
        }
        let node = match (left, right) {
            (Term::Literal(a), Term::Literal(b)) => {
                let b = if is_pattern { self.as_pattern(b, sides.right.span) } else { b };
                let value = self.literals_equal(&a, &b, sides)?;
                let truth = value != is_negated;
                self.warn(
                    Diagnostic::warning(sides.span(), format!("this is always {truth}")).help("name a field"),
                );
                Node::Const(value)
            }
            (Term::Texts(texts), Term::Literal(literal)) => {
                let literal = if is_pattern { self.as_pattern(literal, sides.right.span) } else { literal };
                self.text_is(texts, literal, sides)?
            }
            (Term::Literal(literal), Term::Texts(texts)) => self.text_is(texts, literal, sides.flipped())?,
            (Term::Texts(left), Term::Texts(right)) => self.texts_same(left, right, sides),
            (left, right) => return self.mismatch(&left, &right, sides),
        };
        Some(if is_negated { node.not() } else { node })
    }

    /// A string behind `=~` is a pattern.
    fn as_pattern(&mut self, literal: TextLiteral, span: Span) -> TextLiteral {
        if literal.kind != LiteralKind::Exact {
            return literal;
        }
        if !literal.text.contains('*') {
            let warning = Diagnostic::warning(span, "a pattern without a wildcard");
            self.warn(warning.help("write `==`, or `*` where anything may stand"));
        }
        TextLiteral { kind: LiteralKind::Pattern, ..literal }
    }

    fn literals_equal(&mut self, a: &TextLiteral, b: &TextLiteral, sides: Sides<'_>) -> Option<bool> {
        let (text, pattern, span) = if b.kind == LiteralKind::Exact && a.kind != LiteralKind::Exact {
            (b, a, sides.left.span)
        } else {
            (a, b, sides.right.span)
        };
        self.has_room_for(pattern, span)?;
        let found = for_kind(TextKind::Plain, pattern);
        self.take_room_of(pattern, found.as_ref().map_or(&[], std::slice::from_ref));
        match found {
            Ok(matcher) => Some(matcher.matches(text.text.as_bytes())),
            Err(error) => self.refuse(span, error.into()),
        }
    }

    /// Refuses one more regexp when those before it took all that a rule may.
    fn has_room_for(&mut self, literal: &TextLiteral, span: Span) -> Option<()> {
        if literal.kind == LiteralKind::Regexp && self.regexp_bytes >= MAX_REGEXP_BYTES {
            let error = Diagnostic::error(span, "the regexps of this rule take too much memory together");
            return self.error(error.help("write patterns such as ~\"*.so\", or split the rule"));
        }
        Some(())
    }

    /// One that is refused took the time of the largest.
    fn take_room_of(&mut self, literal: &TextLiteral, made: &[Matcher]) {
        if literal.kind == LiteralKind::Regexp {
            let taken: usize = made.iter().map(Matcher::size).sum();
            self.regexp_bytes += if made.is_empty() { Regexp::MAX_SIZE } else { taken };
        }
    }

    fn text_is(&mut self, left: Texts, literal: TextLiteral, sides: Sides<'_>) -> Option<Node> {
        let field = matches!(left, Texts::Each(_)).then_some(sides.left.span);
        let value = self.value_span(sides.right, literal.kind);
        let matchers = self.matchers(&left, &literal, sides.right.span)?;
        let test = TextTest::new(matchers, Vec::new());
        Some(self.test(Predicate::Text { left, test }, field, Some(value)))
    }

    pub(super) fn texts_same(&mut self, left: Texts, right: Texts, sides: Sides<'_>) -> Node {
        let is_folded = [&left, &right].into_iter().any(|texts| match texts {
            Texts::Each(source) | Texts::RootDomain(source) => self
                .field_of(source)
                .is_some_and(|field| matches!(field.text, TextKind::Domain | TextKind::Insensitive)),
            Texts::Const(_) | Texts::Join(_) => false,
        });
        for (texts, other) in [(&left, sides.right), (&right, sides.left)] {
            if let Texts::Each(source) = texts {
                self.record(&source.clone(), ValueKind::Variable, other.to_string());
            }
        }
        // Strings with variables in them are not worth showing: what they stood for is not known any more.
        let span = |texts: &Texts, span| matches!(texts, Texts::Each(_)).then_some(span);
        let (field, value) = (span(&left, sides.left.span), span(&right, sides.right.span));
        let (field, value) = if field.is_some() { (field, value) } else { (value, None) };
        self.test(Predicate::TextSame { left, right, is_folded }, field, value)
    }

    /// What a constant means beside these texts.
    pub(super) fn matchers(
        &mut self,
        texts: &Texts,
        literal: &TextLiteral,
        span: Span,
    ) -> Option<Vec<Matcher>> {
        self.has_room_for(literal, span)?;
        let (field, kind) = match texts {
            Texts::Each(source) => (self.field_of(source).map(|field| (field, *source)), TextKind::Plain),
            Texts::RootDomain(_) => (None, TextKind::Domain),
            Texts::Const(_) | Texts::Join(_) => (None, TextKind::Plain),
        };
        let found = match field {
            Some((field, _)) => self
                .model
                .validate(field, Literal::Text(literal))
                .and_then(|()| self.model.matchers(field, literal)),
            None => for_kind(kind, literal).map(|matcher| vec![matcher]).map_err(Refusal::from),
        };
        let is_path = field.is_some_and(|(field, _)| field.text == TextKind::Path);
        if let Some((_, source)) = field {
            let kind = match literal.kind {
                LiteralKind::Exact => ValueKind::Scalar,
                LiteralKind::Pattern if is_path => ValueKind::Glob,
                LiteralKind::Pattern => ValueKind::Pattern,
                LiteralKind::Regexp => ValueKind::Regexp,
            };
            self.record(&source, kind, literal.text.clone());
        }
        if literal.kind == LiteralKind::Exact && literal.text.contains('*') && found.is_ok() {
            let warning = Diagnostic::warning(span, "a `*` in a plain string is an ordinary character");
            self.warn(
                warning.help(format!("for a pattern, write a tilde before the quote: ~\"{}\"", literal.text)),
            );
        }
        self.take_room_of(literal, found.as_deref().unwrap_or_default());
        match found {
            Ok(matchers) => Some(matchers),
            Err(refusal) => self.refuse(span, refusal),
        }
    }
}
