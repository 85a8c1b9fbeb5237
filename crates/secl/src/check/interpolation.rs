//! `${variable}` and `%{field}` inside a string.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the meanings an expression can have, each operator knows a few"
)]

use super::Checker;
use super::term::Term;
use crate::diagnostic::{Diagnostic, Span};
use crate::matcher::LiteralKind;
use crate::predicate::{Int, Ints, Part, Texts};

/// A piece of a string.
enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
    Field(&'t str),
}

impl Checker<'_> {
    pub(super) fn string(&mut self, text: &str, span: Span) -> Option<Term> {
        match self.parts(text, span)? {
            Some(parts) => Some(Term::Texts(Texts::Join(parts))),
            None => Some(Term::literal(LiteralKind::Exact, text)),
        }
    }

    pub(super) fn pattern(&mut self, text: &str, span: Span) -> Option<Term> {
        if pieces(text).iter().any(|piece| !matches!(piece, Piece::Text(_))) {
            return self.not_constant(span);
        }
        Some(Term::literal(LiteralKind::Pattern, text))
    }

    pub(super) fn not_constant<T>(&mut self, span: Span) -> Option<T> {
        let error =
            Diagnostic::error(span, "a pattern must be constant").expected("a string without ${} or %{}");
        self.error(error.help("compare with `==` instead, or write the pattern out"))
    }

    /// The parts of a string; the inner `None` when it is constant.
    pub(super) fn parts(&mut self, text: &str, span: Span) -> Option<Option<Box<[Part]>>> {
        let pieces = pieces(text);
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            return Some(None);
        }
        let parts: Vec<Option<Part>> = pieces.into_iter().map(|piece| self.part(&piece, span)).collect();
        parts.into_iter().collect::<Option<Box<[Part]>>>().map(Some)
    }

    fn part(&mut self, piece: &Piece<'_>, span: Span) -> Option<Part> {
        let (term, name) = match piece {
            Piece::Text(text) => return Some(Part::Text(text.as_bytes().into())),
            Piece::Variable(name) => (self.variable(name, span)?, name),
            Piece::Field(name) => (self.field_reference(name, span)?, name),
        };
        match term {
            Term::Int { ints: Ints::One(Int::Of(source)) | Ints::Each(source), .. }
            | Term::Texts(Texts::Each(source)) => Some(Part::Values(source)),
            Term::Texts(Texts::RootDomain(source)) => Some(Part::RootDomains(source)),
            Term::Int { ints: Ints::One(int), .. } => Some(Part::Number(int)),
            other => {
                let message = format!("{} cannot be put into a string: `{name}`", other.name());
                self.error(Diagnostic::error(span, message).expected("a string or number"))
            }
        }
    }
}

/// The pieces of a string. What is not closed, or not a name, is text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(['$', '%'])) {
        let sigil = at + found;
        at = sigil + 1;
        let Some((name, is_variable)) = name_at(text, sigil) else { continue };
        if start < sigil {
            pieces.push(Piece::Text(text.get(start..sigil).unwrap_or_default()));
        }
        pieces.push(if is_variable { Piece::Variable(name) } else { Piece::Field(name) });
        at = sigil + name.len() + 3;
        start = at;
    }
    if let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn name_at(text: &str, sigil: usize) -> Option<(&str, bool)> {
    let rest = text.get(sigil..)?;
    let is_variable = rest.starts_with("${");
    let inside = rest.strip_prefix("${").or_else(|| rest.strip_prefix("%{"))?;
    let is_part = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'.')
            || (!is_variable && matches!(byte, b'[' | b']'))
    };
    let length = inside.bytes().take_while(is_part).count();
    let name = inside.get(..length)?;
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins_well && inside.as_bytes().get(length) == Some(&b'}')).then_some((name, is_variable))
}
