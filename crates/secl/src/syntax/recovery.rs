//! What to say when a token stands where it cannot.
#![expect(clippy::wildcard_enum_match_arm, reason = "a token has many kinds, and few of them deserve a hint")]

use super::ast::CompareOp;
use super::token::{Symbol, Token, TokenKind};
use crate::diagnostic::Diagnostic;

/// What is expected where a parenthesis should be closed.
pub(super) const CLOSING: &str = "`)`";

/// What is expected behind `in`.
pub(super) const A_LIST: &str = "a list such as [ \"a\", \"b\" ], the name of a list, or a network";

/// What other languages call a comparison with a part of a text.
const PART_OF_TEXT: [&str; 9] =
    ["contains", "startswith", "endswith", "like", "matches", "glob", "icontains", "regex", "pmatch"];

/// What stands around a condition in other languages and files.
const FRAME: [&str; 10] =
    ["if", "when", "where", "unless", "then", "rule", "macro", "list", "let", "condition"];

/// What is expected in a list.
pub(super) const A_MEMBER: &str = "a member of the list";

/// What is expected behind a member of a list.
pub(super) const NEXT_MEMBER: &str = "`,` or `]`";

/// How units of time are written elsewhere.
const UNITS: [&str; 13] =
    ["ms", "s", "m", "h", "d", "sec", "min", "second", "seconds", "minute", "minutes", "hours", "days"];

/// What other languages call `==`.
const EQUALITY: [&str; 3] = ["is", "eq", "equals"];

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
    let comparison = match before.map(|token| &token.kind) {
        Some(TokenKind::Symbol(symbol)) => CompareOp::from_symbol(*symbol),
        _ => None,
    };
    let word_before = match before.map(|token| &token.kind) {
        Some(TokenKind::Identifier(word)) => word,
        _ => "",
    };
    match &token.kind {
        _ if expected == NEXT_MEMBER && (is_value(&token.kind) || is_logical(&token.kind)) => {
            Some("a comma stands between two members of a list".to_owned())
        }
        _ if is_one_of(word_before, &FRAME) && is_value(&token.kind) => {
            Some(format!("a rule is its condition alone: leave `{word_before}` out"))
        }
        TokenKind::Int(value) if expected == A_LIST => Some(format!("write [ {value} ] or `== {value}`")),
        TokenKind::Int(value) if after_value && *value < 0 => {
            let positive = value.unsigned_abs();
            Some(format!("a sign belongs to its number: write `- {positive}` with a blank to subtract"))
        }
        TokenKind::Duration(_) if matches!(before.map(|token| &token.kind), Some(TokenKind::Duration(_))) => {
            Some("a duration has one unit: write 90m instead of 1h30m".to_owned())
        }
        TokenKind::Symbol(Symbol::Assign) => Some("to compare, write `==`".to_owned()),
        TokenKind::Symbol(Symbol::Greater) if is_symbol(before, Symbol::Less) => {
            Some("what differs is compared with `!=`".to_owned())
        }
        TokenKind::Symbol(Symbol::Less) if is_symbol(before, Symbol::Less) => {
            Some("bits are not shifted: write the number".to_owned())
        }
        TokenKind::Symbol(Symbol::Greater) if is_symbol(before, Symbol::Greater) => {
            Some("bits are not shifted: write the number".to_owned())
        }
        TokenKind::Symbol(Symbol::Bang) if after_value => {
            Some("write `!=`, or `not in` before a list".to_owned())
        }
        TokenKind::Symbol(Symbol::CloseParen) if after_value => {
            Some("no parenthesis is open here: remove it, or open one before".to_owned())
        }
        kind if is_logical(kind) && !after_value => {
            Some("a condition stands on both sides of `&&` and of `||`".to_owned())
        }
        TokenKind::Symbol(symbol) if after_value && CompareOp::from_symbol(*symbol).is_some() => {
            Some("put what is compared into parentheses: `(a in [ 1 ]) == (b == 2)`".to_owned())
        }
        TokenKind::Symbol(symbol) if !after_value && CompareOp::from_symbol(*symbol).is_some() => Some(
            "name the field on its left, or ask for several values at once: `field in [ \"a\", \"b\" ]`"
                .to_owned(),
        ),
        TokenKind::Symbol(Symbol::Comma) => Some(
            "commas stand in lists, `a in [ 1, 2 ]`; bits are joined with `|`, conditions with `&&`"
                .to_owned(),
        ),
        TokenKind::Symbol(Symbol::OpenParen) if expected == A_LIST => {
            Some("a list stands in brackets: [ \"a\", \"b\" ]".to_owned())
        }
        TokenKind::Symbol(Symbol::OpenParen)
            if matches!(before.map(|token| &token.kind), Some(TokenKind::Identifier(_))) =>
        {
            Some(
                "there are no functions: for a part of a text, use a pattern: `field =~ \"*part*\"`"
                    .to_owned(),
            )
        }
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
        TokenKind::Identifier(word) if is_one_of(word, &PART_OF_TEXT) => {
            Some("use a pattern: `field =~ \"*part*\"`".to_owned())
        }
        TokenKind::Identifier(word) if is_one_of(word, &EQUALITY) => {
            Some("to compare, write `==`".to_owned())
        }
        TokenKind::Identifier(word) if word == "notin" => Some("write `not in`".to_owned()),
        TokenKind::Identifier(word) if after_value && word == "not" => {
            Some("write `!=`, or `not in` before a list".to_owned())
        }
        TokenKind::Identifier(word)
            if ["in", "not", "allin"].contains(&word.as_str()) && comparison.is_some() =>
        {
            let meant = if comparison == Some(CompareOp::NotEqual) { "not in" } else { "in" };
            Some(format!("write `{meant}` alone before a list"))
        }
        TokenKind::Identifier(word) if ["in", "allin"].contains(&word.as_str()) => {
            Some(format!("name a field before `{word}`: `field {word} [ 1, 2 ]`"))
        }
        TokenKind::Identifier(word) if after_value && is_one_of(word, &FRAME) => Some(
            "a rule is its condition alone: join two with `&&`, what to do with a match stands in the policy"
                .to_owned(),
        ),
        TokenKind::Identifier(word)
            if is_one_of(word, &UNITS)
                && matches!(before.map(|token| &token.kind), Some(TokenKind::Int(_))) =>
        {
            Some("the unit stands right behind its number: 500ms, 10s, 5m or 2h".to_owned())
        }
        TokenKind::Identifier(word) if after_value && is_one_of(word, &["between"]) => {
            Some("write `field >= 1 && field <= 5`".to_owned())
        }
        TokenKind::Identifier(word) if after_value && is_one_of(word, &["exists"]) => {
            Some("write `field != \"\"`".to_owned())
        }
        TokenKind::Duration(_) if expected == A_MEMBER => {
            Some("an age is compared by itself: `field < 5s`".to_owned())
        }
        TokenKind::Identifier(word) if after_value && is_one_of(word, &["has"]) => {
            Some("to ask for a bit, write `flags & BIT > 0`".to_owned())
        }
        TokenKind::Identifier(word) if after_value && is_one_of(word, &["xor"]) => {
            Some("for one of two, write `(a) != (b)`".to_owned())
        }
        _ if after_value && is_value(&token.kind) => Some("join two conditions with `&&` or `||`".to_owned()),
        TokenKind::End if expected == CLOSING => Some("close the parenthesis".to_owned()),
        TokenKind::End => Some("complete it, or remove the operator at the end".to_owned()),
        _ => None,
    }
}

fn is_symbol(token: Option<&Token>, symbol: Symbol) -> bool {
    token.is_some_and(|token| token.kind == TokenKind::Symbol(symbol))
}

fn is_logical(kind: &TokenKind) -> bool {
    matches!(kind, TokenKind::Symbol(Symbol::AndAnd | Symbol::OrOr))
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn is_value(kind: &TokenKind) -> bool {
    !matches!(kind, TokenKind::Symbol(_) | TokenKind::End | TokenKind::Invalid)
}
