//! Text to tokens, left to right, longest first.
//!
//! Every byte is looked at a bounded number of times: the longest look-ahead is that for an address.

use std::net::IpAddr;

use super::MAX_ERRORS;
use super::token::{Symbol, Token, TokenKind, WORDS};
use super::work::step;
use crate::diagnostic::{Diagnostic, Span};
use crate::net::NetLiteral;

/// The longest address as text, `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
const LONGEST_ADDRESS: usize = 45;

/// The tokens of a text, the last one `End`, and what could not be read.
pub(super) fn lex(text: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    while lexer.errors.len() < MAX_ERRORS {
        let Some(token) = lexer.next() else { break };
        tokens.push(token);
    }
    tokens.push(Token { kind: TokenKind::End, span: Span::new(text.len(), text.len()) });
    (tokens, lexer.errors)
}

/// True when it would be an address or a network without quotes.
pub(crate) fn is_address(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    matches!(lexer.address(), Some(TokenKind::Net(_))) && lexer.at == text.len()
}

/// True when it would be a duration without quotes.
pub(crate) fn is_duration(text: &str) -> bool {
    matches!(lex(text).0.as_slice(), [Token { kind: TokenKind::Duration(_), .. }, _])
}

/// True when it would be a number without quotes.
pub(crate) fn is_number(text: &str) -> bool {
    matches!(lex(text).0.as_slice(), [Token { kind: TokenKind::Int(_), .. }, _])
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    errors: Vec<Diagnostic>,
    /// Its end is not reported again.
    is_brace_open: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, errors: Vec::new(), is_brace_open: false }
    }

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let first = self.peek(0)?;
        let kind = self
            .address()
            .or_else(|| self.reference())
            .or_else(|| self.quoted(first))
            .or_else(|| self.word(first))
            .or_else(|| self.number(first))
            .or_else(|| self.symbol())
            .unwrap_or_else(|| self.unknown());
        Some(Token { kind, span: Span::new(start, self.at) })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.rest().bytes().inspect(|_| step())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        step();
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Takes the bytes from here that `accepts`, which must be ASCII.
    fn take_while(&mut self, accepts: impl Fn(u8) -> bool) -> &'a str {
        let length = self.bytes().take_while(|byte| accepts(*byte)).count();
        self.take(length)
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            if self.peek(0) != Some(b'#') && !self.rest().starts_with("//") {
                return;
            }
            let length = self.rest().find('\n').unwrap_or(self.rest().len());
            self.take(length);
        }
    }

    fn error(&mut self, start: usize, message: impl Into<String>, help: &str) -> TokenKind {
        let error = Diagnostic::error(Span::new(start, self.at), message);
        self.errors.push(error.help(help));
        TokenKind::Invalid
    }

    fn address(&mut self) -> Option<TokenKind> {
        let first = self.peek(0)?;
        if !first.is_ascii_hexdigit() && first != b':' {
            return None;
        }
        let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let candidate = self.bytes().take(LONGEST_ADDRESS + 1).take_while(is_part).count();
        let written = self.rest().get(..candidate)?;
        let address: IpAddr = written.parse().ok()?;
        let start = self.at;
        self.take(candidate);
        let has_prefix = self.peek(0) == Some(b'/') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit());
        if !has_prefix {
            return Some(TokenKind::Net(NetLiteral { address, prefix: None }));
        }
        self.take(1);
        let literal = self.take_while(|byte| byte.is_ascii_digit()).parse().ok();
        let literal = literal.map(|prefix| NetLiteral { address, prefix: Some(prefix) });
        Some(match literal.filter(|literal| literal.net().is_some()) {
            Some(literal) => TokenKind::Net(literal),
            None => {
                let longest = if address.is_ipv4() { 32 } else { 128 };
                self.error(start, "prefix is too long", &format!("write /0 to /{longest} behind {address}"))
            }
        })
    }

    /// `${variable}` or `%{field}`.
    fn reference(&mut self) -> Option<TokenKind> {
        let sigil = self.peek(0).filter(|byte| matches!(byte, b'$' | b'%'))?;
        let start = self.at;
        if self.peek(1) != Some(b'{') {
            self.take(1);
            let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
            let help = if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                format!("write `{}{{{name}}}`", char::from(sigil))
            } else {
                "a variable is `${name}`, a field reference `%{field}`".to_owned()
            };
            return Some(self.error(start, "no name in braces follows", &help));
        }
        self.take(2);
        let name = if sigil == b'$' {
            self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        } else {
            self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'[' | b']'))
        };
        let name = name.to_owned();
        let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if self.peek(0) != Some(b'}') || !begins_well {
            return Some(self.error(start, "braces without a name", "close the name with `}`"));
        }
        self.take(1);
        Some(if sigil == b'$' { TokenKind::Variable(name) } else { TokenKind::FieldReference(name) })
    }

    /// A string, pattern or regexp.
    fn quoted(&mut self, first: u8) -> Option<TokenKind> {
        let start = self.at;
        let mark = match (first, self.peek(1)) {
            (b'"', _) => 0,
            (b'~' | b'r', Some(b'"')) => 1,
            _ if self.rest().starts_with(['\u{201c}', '\u{201d}', '\u{201e}']) => {
                // As word processors write them: the text ends at the next one, or at an ordinary quote.
                let body = self.rest().get(3..).unwrap_or_default();
                let length = body.find(['\u{201c}', '\u{201d}', '"', '\n']).unwrap_or(body.len());
                let inside = body.get(..length).unwrap_or_default();
                let quote = body.get(length..).and_then(|rest| rest.chars().next()).filter(|c| *c != '\n');
                self.take(3 + length + quote.map_or(0, char::len_utf8));
                return Some(self.error(
                    start,
                    "strings have straight quotes",
                    &format!("write \"{inside}\""),
                ));
            }
            (b'\'', _) => {
                self.take(1);
                let length = self.take_while(|byte| !matches!(byte, b'\'' | b'\n') && byte.is_ascii()).len();
                self.take(usize::from(self.peek(0) == Some(b'\'')));
                let inside = self.text.get(start + 1..start + 1 + length).unwrap_or_default();
                let help = format!("write \"{inside}\"");
                return Some(self.error(start, "strings have double quotes", &help));
            }
            _ => return None,
        };
        let body = self.rest().get(mark + 1..).unwrap_or_default();
        let mut is_escaped = false;
        let close = body.bytes().inspect(|_| step()).position(|byte| {
            let closes = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            closes
        });
        let Some(close) = close else {
            self.take(self.rest().len());
            return Some(self.error(start, "the string has no end", "close it with a double quote"));
        };
        let content = body.get(..close).unwrap_or_default().to_owned();
        self.take(mark + 1 + close + 1);
        Some(match (mark, first) {
            (0, _) => TokenKind::Str(content),
            (_, b'~') => TokenKind::Pattern(content),
            _ => TokenKind::Regexp(content),
        })
    }

    fn word(&mut self, first: u8) -> Option<TokenKind> {
        if !first.is_ascii_alphabetic() && first != b'_' {
            return None;
        }
        let start = self.at;
        loop {
            self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
            let so_far = self.text.get(start..self.at).unwrap_or_default();
            // A bracket belongs to the word when it closes again right behind a name or number.
            let inside = (self.peek(0) == Some(b'[')).then(|| {
                self.bytes().skip(1).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
            });
            match inside {
                Some(length) if self.peek(length + 1) == Some(b']') && !WORDS.contains(&so_far) => {
                    self.take(length + 2);
                }
                _ => return Some(TokenKind::Identifier(so_far.to_owned())),
            }
        }
    }

    fn number(&mut self, first: u8) -> Option<TokenKind> {
        let is_signed = matches!(first, b'+' | b'-');
        if !self.peek(usize::from(is_signed)).is_some_and(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let start = self.at;
        self.take(usize::from(is_signed));
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            if self.peek(0) == Some(b'/') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
                self.take(1);
                self.take_while(|byte| byte.is_ascii_digit());
            }
            let (message, help) = not_whole(self.text.get(start..self.at).unwrap_or_default());
            return Some(self.error(start, message, help));
        }
        let tail = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let minus = if first == b'-' { "-" } else { "" };
        if tail.is_empty() {
            let is_octal = digits.len() > 1 && digits.starts_with('0');
            let parsed = i64::from_str_radix(&format!("{minus}{digits}"), if is_octal { 8 } else { 10 });
            return Some(parsed.map_or_else(
                |_| {
                    let help = if is_octal {
                        "a leading 0 means octal"
                    } else {
                        "the largest is 9223372036854775807"
                    };
                    self.error(start, "not a number of 64 bits", help)
                },
                TokenKind::Int,
            ));
        }
        let unit_ns: Option<i64> = match tail {
            "ms" => Some(1_000_000),
            "s" => Some(1_000_000_000),
            "m" => Some(60_000_000_000),
            "h" => Some(3_600_000_000_000),
            _ => None,
        };
        let duration = unit_ns.and_then(|unit| digits.parse::<i64>().ok()?.checked_mul(unit));
        Some(match duration.filter(|_| !is_signed) {
            Some(ns) => TokenKind::Duration(ns),
            None if tail.starts_with(['x', 'X']) && digits == "0" => {
                self.error(start, "numbers are decimal", &in_decimal(tail))
            }
            None if tail.starts_with(['o', 'O']) && digits == "0" => {
                let help =
                    format!("a leading 0 alone means octal: write 0{}", tail.get(1..).unwrap_or_default());
                self.error(start, "octal numbers have no letter", &help)
            }
            None => {
                let help = as_digits(digits, tail);
                self.error(start, "neither a number nor a duration", &help)
            }
        })
    }

    fn symbol(&mut self) -> Option<TokenKind> {
        let symbol = Symbol::starting(self.rest())?;
        self.take(symbol.text().len());
        Some(TokenKind::Symbol(symbol))
    }

    fn unknown(&mut self) -> TokenKind {
        let start = self.at;
        let found = self.rest().chars().next().unwrap_or_default();
        let comment = self.rest().strip_prefix("/*");
        // What goes on without a blank is a path: /*/bin.
        if let Some(comment) =
            comment.filter(|inside| !inside.starts_with(|c: char| c.is_alphanumeric() || c == '/'))
        {
            let length = comment.find("*/").map_or(comment.len(), |at| at + 2);
            self.take("/*".len() + length);
            return self.error(
                start,
                "comments are not written like this",
                "start each line with `#` or `//`",
            );
        }
        if found == '/' {
            let length = self.rest().find(|c: char| c.is_whitespace() || "()[],\"".contains(c));
            let path = self.take(length.unwrap_or(self.rest().len()));
            return self.error(start, "a path stands in double quotes", &format!("write \"{path}\""));
        }
        let before = self.text.get(..start).unwrap_or_default();
        self.take(found.len_utf8());
        if found == '}' && std::mem::take(&mut self.is_brace_open) {
            return TokenKind::Invalid;
        }
        self.is_brace_open |= found == '{';
        let help = match found {
            '~' => "a pattern is `~` right before a string: ~\"/etc/*\"; flipping bits is `^`",
            '*' => "a wildcard stands inside a pattern: ~\"/etc/*\"",
            '.' => "numbers are whole, and a name starts with a letter",
            '{' if before.trim_end().ends_with("in") => "a list stands in brackets: [ \"a\", \"b\" ]",
            '{' | '}' => "a rule is its condition alone, without braces around it",
            ':' => "a rule is its condition alone, without a key before it",
            '?' => "a condition is true or false by itself: join two with `&&` or `||`",
            ';' => "a rule is one condition: join two with `&&` or `||`",
            _ => "strings stand in double quotes",
        };
        self.error(start, format!("{found:?} means nothing here"), help)
    }
}

fn in_decimal(tail: &str) -> String {
    let digits = tail.get(1..).unwrap_or_default();
    i64::from_str_radix(digits, 16)
        .map_or_else(|_| "write the number in decimal".to_owned(), |value| format!("write {value}"))
}

/// What to say of digits with a dot in them: a message and its help.
fn not_whole(written: &str) -> (&'static str, &'static str) {
    let is_duration = ["ms", "s", "m", "h"].iter().any(|unit| {
        let number = written.strip_suffix(unit);
        number.is_some_and(|number| {
            number.matches('.').count() == 1 && number.ends_with(|c: char| c.is_ascii_digit())
        })
    });
    if is_duration {
        (
            "a duration is a whole number of its unit",
            "take a smaller unit: 1500ms, 90s or 90m for one and a half",
        )
    } else {
        (
            "neither a number nor an address",
            "an address is four numbers from 0 to 255, 10.0.0.1, and a number is whole",
        )
    }
}

/// What to write instead of digits with letters behind them.
fn as_digits(digits: &str, tail: &str) -> String {
    let hours = digits.parse::<u32>().ok().and_then(|days| days.checked_mul(24));
    let is_grouped =
        !digits.starts_with('0') && tail.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    match hours {
        Some(hours) if tail == "d" => format!("days are written in hours: {hours}h"),
        _ if is_grouped => format!("write the number without `_`: {digits}{}", tail.replace('_', "")),
        _ if tail.starts_with(['m', 's', 'h']) => {
            "a duration is one number and one unit: 500ms, 10s, 5m or 2h".to_owned()
        }
        _ => "a number has decimal digits alone; the units of time are ms, s, m and h".to_owned(),
    }
}
