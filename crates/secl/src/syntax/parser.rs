//! Tokens to a tree, by recursive descent: written by hand, because the messages are the point.
//!
//! Invariant: recursion is at most [`MAX_NESTING`] levels deep. After an error it goes on behind the next `&&`, `||` or
//! parenthesis, so that one text shows all its errors at once.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a token has many kinds, and a place in the grammar accepts few of them"
)]

use super::ast::{ArithmeticOp, BitOp, CompareOp, Expr, ExprKind, LogicalOp, MemberOp, UnaryOp};
use super::lexer::{is_address, lex};
use super::recovery::{A_LIST, A_MEMBER, CLOSING, NEXT_MEMBER, unexpected};
use super::token::{Symbol, Token, TokenKind, WORDS};
use super::work::step;
use super::{MAX_ERRORS, MAX_HEIGHT, MAX_NESTING, MAX_TEXT_BYTES};
use crate::diagnostic::{Diagnostic, Span};

/// A tree and what its author should know.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The tree.
    pub expr: Expr,
    /// Warnings only.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the expression of a rule.
///
/// # Errors
/// All that is wrong with the text, in its order.
pub fn parse_rule(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
    parse(text, Parser::expression)
}

/// Reads a macro: an expression, a list or one value.
///
/// # Errors
/// All that is wrong with the text, in its order.
pub fn parse_macro(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
    parse(text, |parser| match parser.peek() {
        TokenKind::Symbol(Symbol::OpenBracket) => parser.list(),
        _ => parser.expression(),
    })
}

type Step = Result<Expr, Box<Diagnostic>>;

fn parse(text: &str, start: impl FnOnce(&mut Parser) -> Step) -> Result<Parsed, Vec<Diagnostic>> {
    if text.len() > MAX_TEXT_BYTES {
        let end = Span::new(0, 0);
        let error = Diagnostic::error(end, format!("the text is longer than {MAX_TEXT_BYTES} bytes"));
        return Err(vec![error.help("split it into several rules, or put lists into macros")]);
    }
    let (tokens, errors) = lex(text);
    let mut parser = Parser { tokens, at: 0, depth: 0, errors, warnings: Vec::new() };
    let tree = start(&mut parser).and_then(|tree| match parser.peek() {
        TokenKind::End => Ok(tree),
        _ => Err(parser.unexpected("the end of the rule")),
    });
    match tree {
        Ok(expr) if parser.errors.is_empty() => Ok(Parsed { expr, warnings: parser.warnings }),
        Ok(_) => Err(parser.finish()),
        Err(error) => {
            parser.report(*error);
            Err(parser.finish())
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: u16,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

static END: Token = Token { kind: TokenKind::End, span: Span { start: usize::MAX, end: usize::MAX } };

impl Parser {
    fn token(&self, ahead: usize) -> &Token {
        step();
        self.tokens.get(self.at + ahead).or(self.tokens.last()).unwrap_or(&END)
    }

    fn peek(&self) -> &TokenKind {
        &self.token(0).kind
    }

    fn span(&self) -> Span {
        self.token(0).span
    }

    fn is(&self, symbol: Symbol) -> bool {
        *self.peek() == TokenKind::Symbol(symbol)
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.token(ahead).kind, TokenKind::Identifier(name) if name == word)
    }

    /// The symbol here, and how many tokens it is: two when it is a pair with blanks in between.
    fn symbol(&self) -> Option<(Symbol, usize)> {
        let TokenKind::Symbol(first) = *self.peek() else { return None };
        let second = if let TokenKind::Symbol(second) = self.token(1).kind { Some(second) } else { None };
        let joined = second.and_then(|second| Symbol::joined(first, second));
        Some(joined.map_or((first, 1), |symbol| (symbol, 2)))
    }

    /// The operator here that `known` finds, and how many tokens it is.
    fn operator<Op>(&self, known: fn(Symbol) -> Option<Op>) -> Option<(Op, usize)> {
        let (symbol, tokens) = self.symbol()?;
        known(symbol).map(|op| (op, tokens))
    }

    fn accept(&mut self, symbol: Symbol) -> bool {
        let is_it = self.is(symbol);
        self.at += usize::from(is_it);
        is_it
    }

    fn unexpected(&self, expected: &str) -> Box<Diagnostic> {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        Box::new(unexpected(self.token(0), before, expected))
    }

    fn report(&mut self, error: Diagnostic) {
        // What the lexer reported is not reported again as a token that does not fit, nor is what stands behind it.
        let at = self.tokens.partition_point(|token| token.span.start < error.span.start);
        let before = at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let is_known = before.is_some_and(|token| token.kind == TokenKind::Invalid)
            || self.errors.iter().any(|known| known.span == error.span);
        if !is_known && self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        self.errors.sort_by_key(|error| error.span.start);
        self.errors
    }

    fn node(&self, kind: ExprKind, span: Span) -> Step {
        let expr = Expr::new(kind, span);
        if expr.height > MAX_HEIGHT { Err(too_tall(span)) } else { Ok(expr) }
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Step) -> Step {
        if self.depth >= MAX_NESTING {
            return Err(too_tall(self.span()));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self) -> Step {
        let first = self.comparison_or_recover();
        self.chain(first, true)
    }

    /// What follows `first`, which is already read. Only the outermost chain warns, so once for each mixed one.
    fn chain(&mut self, first: Expr, is_outermost: bool) -> Step {
        let operator = self.span();
        let Some(op) = self.logical_op() else { return Ok(first) };
        let start = first.span;
        let mut operands = vec![first];
        while self.logical_op() == Some(op) {
            self.skip_logical_op();
            let next = self.comparison_or_recover();
            if self.logical_op().is_some_and(|next| next != op) {
                // Another operator: everything from here on is the right side of this one.
                if is_outermost {
                    self.warn_of_mixed(op, operator);
                }
                let rest = self.nested(|parser| parser.chain(next, false))?;
                operands.push(rest);
                break;
            }
            operands.push(next);
        }
        let end = operands.last().map_or(start, |last| last.span);
        self.node(ExprKind::Logical { op, operands }, start.to(end))
    }

    fn warn_of_mixed(&mut self, op: LogicalOp, place: Span) {
        let reading = match op {
            LogicalOp::And => "`a && b || c` means `a && (b || c)`",
            LogicalOp::Or => "`a || b && c` means `a || (b && c)`",
        };
        let warning = Diagnostic::warning(place, "`&&` and `||` have one level and associate to the right");
        self.warnings.push(warning.help(format!("{reading}: write the parentheses you mean")));
    }

    fn logical_op(&self) -> Option<LogicalOp> {
        match self.peek() {
            TokenKind::Identifier(word) => LogicalOp::from_word(word),
            _ => self.operator(LogicalOp::from_symbol).map(|(op, _)| op),
        }
    }

    fn skip_logical_op(&mut self) {
        self.at += self.operator(LogicalOp::from_symbol).map_or(1, |(_, tokens)| tokens);
    }

    /// A comparison; after an error, what stands before the next place to go on.
    fn comparison_or_recover(&mut self) -> Expr {
        let start = self.span();
        let (from, depth) = (self.at, self.depth);
        let error = match self.comparison() {
            Ok(expr) if self.is_end_of_condition() => return expr,
            Ok(_) => self.unexpected("`&&`, `||` or the end"),
            Err(error) => error,
        };
        self.report(*error);
        self.depth = depth;
        self.at = self.at.max(from);
        let mut open = 0_usize;
        loop {
            match self.peek() {
                TokenKind::End => break,
                TokenKind::Symbol(Symbol::OpenParen) => open += 1,
                TokenKind::Symbol(Symbol::CloseParen) if open == 0 && self.depth > 0 => break,
                TokenKind::Symbol(Symbol::CloseParen) => open = open.saturating_sub(1),
                _ if open == 0 && self.at > from && self.logical_op().is_some() => break,
                _ => {}
            }
            self.at += 1;
        }
        Expr::new(ExprKind::Invalid, start)
    }

    fn is_end_of_condition(&self) -> bool {
        matches!(self.peek(), TokenKind::End | TokenKind::Invalid)
            || self.logical_op().is_some()
            || (self.is(Symbol::CloseParen) && self.depth > 0)
    }

    fn comparison(&mut self) -> Step {
        let left = self.arithmetic()?;
        if let Some((op, tokens)) = self.operator(CompareOp::from_symbol) {
            self.at += tokens;
            let right = self.nested(Self::comparison)?;
            let span = left.span.to(right.span);
            return self.node(ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) }, span);
        }
        let (op, tokens) = if self.is_word(0, "in") {
            (MemberOp::In, 1)
        } else if self.is_word(0, "allin") {
            (MemberOp::AllIn, 1)
        } else if self.is_word(0, "not") && self.is_word(1, "in") {
            (MemberOp::NotIn, 2)
        } else {
            return Ok(left);
        };
        self.at += tokens;
        let right = self.array()?;
        let span = left.span.to(right.span);
        self.node(ExprKind::Member { op, left: Box::new(left), right: Box::new(right) }, span)
    }

    fn array(&mut self) -> Step {
        match self.peek() {
            TokenKind::Symbol(Symbol::OpenBracket) => self.list(),
            TokenKind::Net(net) if net.prefix.is_none() => {
                let error = Diagnostic::error(self.span(), "one address is no list");
                Err(Box::new(
                    error.expected("a network or a list").help(format!("write [ {net} ] or `== {net}`")),
                ))
            }
            TokenKind::Net(_)
            | TokenKind::Variable(_)
            | TokenKind::FieldReference(_)
            | TokenKind::Identifier(_) => self.primary(),
            TokenKind::Str(text) => {
                let error = Diagnostic::error(self.span(), "one string is no list");
                let help = if is_address(text) {
                    format!("write it without quotes: {text}")
                } else {
                    format!("write [ \"{text}\" ] or `== \"{text}\"`")
                };
                Err(Box::new(error.expected("a list").help(help)))
            }
            _ => Err(self.unexpected(A_LIST)),
        }
    }

    fn list(&mut self) -> Step {
        let start = self.span();
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.peek() {
                TokenKind::Str(_)
                | TokenKind::Pattern(_)
                | TokenKind::Regexp(_)
                | TokenKind::Net(_)
                | TokenKind::Int(_)
                | TokenKind::Identifier(_) => items.push(self.primary()?),
                TokenKind::Variable(name) => {
                    let error = Diagnostic::error(self.span(), "a variable cannot be a member of a list");
                    return Err(Box::new(error.help(format!("write it into a string: \"${{{name}}}\""))));
                }
                _ => return Err(self.unexpected(A_MEMBER)),
            }
            if self.accept(Symbol::Comma) {
                continue;
            }
            let end = self.span();
            if self.accept(Symbol::CloseBracket) {
                return self.node(ExprKind::List(items), start.to(end));
            }
            return Err(self.unexpected(NEXT_MEMBER));
        }
    }

    fn arithmetic(&mut self) -> Step {
        let mut left = self.bits()?;
        loop {
            let Some((op, tokens)) = self.operator(ArithmeticOp::from_symbol) else { return Ok(left) };
            self.at += tokens;
            let right = self.bits()?;
            let span = left.span.to(right.span);
            left =
                self.node(ExprKind::Arithmetic { op, left: Box::new(left), right: Box::new(right) }, span)?;
        }
    }

    fn bits(&mut self) -> Step {
        let left = self.unary()?;
        let Some((op, tokens)) = self.operator(BitOp::from_symbol) else { return Ok(left) };
        self.at += tokens;
        let right = self.nested(Self::bits)?;
        let span = left.span.to(right.span);
        self.node(ExprKind::Bits { op, left: Box::new(left), right: Box::new(right) }, span)
    }

    fn unary(&mut self) -> Step {
        let start = self.span();
        let op = match self.peek() {
            TokenKind::Identifier(word) if word == "not" => Some(UnaryOp::Not),
            TokenKind::Symbol(symbol) => UnaryOp::from_symbol(*symbol),
            _ => None,
        };
        let Some(op) = op else { return self.primary() };
        self.at += 1;
        let operand = self.nested(Self::unary)?;
        let span = start.to(operand.span);
        self.node(ExprKind::Unary { op, operand: Box::new(operand) }, span)
    }

    fn primary(&mut self) -> Step {
        let span = self.span();
        let kind = match self.peek() {
            TokenKind::Symbol(Symbol::OpenParen) => {
                self.at += 1;
                let inner = self.nested(Self::expression)?;
                if self.accept(Symbol::CloseParen) {
                    return Ok(inner);
                }
                return Err(self.unexpected(CLOSING));
            }
            TokenKind::Identifier(word) if WORDS.contains(&word.as_str()) => {
                return Err(self.unexpected("a value"));
            }
            TokenKind::Identifier(name) => ExprKind::Identifier(name.clone()),
            TokenKind::Int(value) => ExprKind::Int(*value),
            TokenKind::Duration(ns) => ExprKind::Duration(*ns),
            TokenKind::Str(text) => ExprKind::Str(text.clone()),
            TokenKind::Pattern(text) => ExprKind::Pattern(text.clone()),
            TokenKind::Regexp(text) => ExprKind::Regexp(text.clone()),
            TokenKind::Net(net) => ExprKind::Net(*net),
            TokenKind::Variable(name) => ExprKind::Variable(name.clone()),
            TokenKind::FieldReference(name) => ExprKind::FieldReference(name.clone()),
            TokenKind::Invalid => ExprKind::Invalid,
            TokenKind::Symbol(_) | TokenKind::End => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(Expr::new(kind, span))
    }
}

fn too_tall(span: Span) -> Box<Diagnostic> {
    let error = Diagnostic::error(span, format!("nested more than {MAX_HEIGHT} levels deep"));
    Box::new(error.help("put parts of it into macros"))
}
