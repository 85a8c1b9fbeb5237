//! Named parts of rules.
//!
//! Invariant: a macro sees those defined before it only, so none contains itself.

use super::Checker;
use crate::diagnostic::{Diagnostic, Span};
use crate::model::Model;
use crate::syntax::{Expr, ExprKind, WORDS, parse_macro};

/// Macros in the order of their definition.
#[derive(Debug, Clone, Default)]
pub struct Macros {
    entries: Vec<(String, Expr)>,
}

/// Why a macro is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MacroError {
    /// Its text is wrong.
    #[error("macro `{name}`: {}", .errors.first().map_or("", |error| error.message.as_str()))]
    Text {
        /// Its name.
        name: String,
        /// All that is wrong.
        errors: Vec<Diagnostic>,
    },
    /// Its name is not a name, or means something else.
    #[error("macro `{name}`: {reason}")]
    Name {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is one of this name.
    #[error("macro `{name}` is defined twice: use `combine: merge` for lists or `combine: override`")]
    Twice {
        /// Its name.
        name: String,
    },
    /// Only lists can be merged.
    #[error("macro `{name}`: cannot merge expressions, only lists of values")]
    NoList {
        /// Its name.
        name: String,
    },
}

impl Macros {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Defines one more macro.
    ///
    /// # Errors
    /// When its name is taken or its text is wrong.
    pub fn define(&mut self, name: &str, text: &str, model: &dyn Model) -> Result<(), MacroError> {
        let refused = |reason| MacroError::Name { name: name.to_owned(), reason };
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_word || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(refused("a name is made of letters, digits and `_`, a letter first"));
        }
        if model.constant(name).is_some() {
            return Err(refused("a constant has this name, and it would win"));
        }
        if model.field(name).is_some() || WORDS.contains(&name) {
            return Err(refused("this name means something else"));
        }
        if self.position(name).is_some() {
            return Err(MacroError::Twice { name: name.to_owned() });
        }
        let expr = self.check(name, text, model, self.len())?;
        self.entries.push((name.to_owned(), expr));
        Ok(())
    }

    /// Adds the members of another list to a macro that is a list, or defines it.
    ///
    /// # Errors
    /// When either is no list, or the members do not go together.
    pub fn merge(&mut self, name: &str, text: &str, model: &dyn Model) -> Result<(), MacroError> {
        let Some(at) = self.position(name) else { return self.define(name, text, model) };
        let no_list = || MacroError::NoList { name: name.to_owned() };
        let added = self.check(name, text, model, at)?;
        let (Some((_, old)), ExprKind::List(added)) = (self.entries.get(at), added.kind) else {
            return Err(no_list());
        };
        let ExprKind::List(mut items) = old.kind.clone() else { return Err(no_list()) };
        items.extend(added);
        let merged = Expr::new(ExprKind::List(items), Span::default());
        self.check(name, &merged.to_string(), model, at)?;
        if let Some((_, expr)) = self.entries.get_mut(at) {
            *expr = merged;
        }
        Ok(())
    }

    /// The macro with this name among the first `visible`, and how many it can see itself.
    pub(super) fn get(&self, name: &str, visible: usize) -> Option<(usize, &Expr)> {
        let at = self.position(name).filter(|at| *at < visible)?;
        self.entries.get(at).map(|(_, expr)| (at, expr))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|(known, _)| known == name)
    }

    fn check(&self, name: &str, text: &str, model: &dyn Model, visible: usize) -> Result<Expr, MacroError> {
        let wrong = |errors| MacroError::Text { name: name.to_owned(), errors };
        let parsed = parse_macro(text).map_err(wrong)?;
        let mut checker = Checker::new(model, self, visible);
        checker.term(&parsed.expr);
        if checker.errors.is_empty() { Ok(parsed.expr) } else { Err(wrong(checker.finish())) }
    }
}
