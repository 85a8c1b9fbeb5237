//! What to say when a token stands where it cannot.
#![expect(clippy::wildcard_enum_match_arm, reason = "a token has many kinds, and few of them deserve a hint")]

use super::token::{Symbol, Token, TokenKind};
use crate::diagnostic::Diagnostic;

/// What is expected where a parenthesis should be closed.
pub(super) const CLOSING: &str = "`)`";

/// The error for `token`, where `expected` could stand, after `before`.
pub(super) fn unexpected(token: &Token, before: Option<&Token>, expected: &str) -> Diagnostic {
    let message = match token.kind {
        TokenKind::End => "the rule ends too early".to_owned(),
        _ => "this cannot stand here".to_owned(),
    };
    let error = Diagnostic::error(token.span, message).expected(expected);
    match help(token, before, expected) {
        Some(help) => error.help(help),
        None => error,
    }
}

fn help(token: &Token, before: Option<&Token>, expected: &str) -> Option<String> {
    let after_value = before.is_some_and(|token| {
        !matches!(token.kind, TokenKind::Symbol(symbol) if symbol != Symbol::CloseParen && symbol != Symbol::CloseBracket)
    });
    match &token.kind {
        TokenKind::Int(value) if after_value && *value < 0 => {
            let positive = value.unsigned_abs();
            Some(format!("a sign belongs to its number: write `- {positive}` with a blank to subtract"))
        }
        TokenKind::Duration(_) if matches!(before.map(|token| &token.kind), Some(TokenKind::Duration(_))) => {
            Some("a duration has one unit: write 90m instead of 1h30m".to_owned())
        }
        TokenKind::Symbol(Symbol::Assign) => Some("to compare, write `==`".to_owned()),
        TokenKind::Symbol(Symbol::CloseBracket) => {
            Some("a list holds at least one value, and no comma stands behind the last".to_owned())
        }
        TokenKind::Symbol(Symbol::OpenBracket) => {
            Some("a list stands behind `in`, `not in` or `allin`".to_owned())
        }
        TokenKind::Symbol(Symbol::CloseParen) if !after_value => {
            Some("put an expression between the parentheses".to_owned())
        }
        TokenKind::Identifier(word)
            if word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or") =>
        {
            Some("`and` and `or` are written in small letters and stand between two conditions".to_owned())
        }
        TokenKind::Identifier(word)
            if ["contains", "startswith", "endswith", "like"].contains(&word.as_str()) =>
        {
            Some("use a pattern: `field =~ \"*part*\"`".to_owned())
        }
        TokenKind::Identifier(word) if word == "notin" => Some("write `not in`".to_owned()),
        _ if after_value && is_value(&token.kind) => Some("join two conditions with `&&` or `||`".to_owned()),
        TokenKind::End if expected == CLOSING => Some("close the parenthesis".to_owned()),
        TokenKind::End => Some("complete it, or remove the operator at the end".to_owned()),
        _ => None,
    }
}

fn is_value(kind: &TokenKind) -> bool {
    !matches!(kind, TokenKind::Symbol(_) | TokenKind::End | TokenKind::Invalid)
}
