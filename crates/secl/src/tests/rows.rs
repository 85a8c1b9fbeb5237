//! Rows: an expression and what it is.

use super::neutral::{Facts, Neutral};
use crate::{Binding, Bucket, Macros, Rule, Scratch, check_rule};

pub(super) fn rule(model: &Neutral, text: &str) -> Rule {
    with_macros(model, &Macros::default(), text)
}

pub(super) fn with_macros(model: &Neutral, macros: &Macros, text: &str) -> Rule {
    check_rule(text, model, macros, Binding::Any).unwrap_or_else(|errors| {
        let shown: String = errors.iter().map(|error| error.render(text)).collect();
        panic!("{shown}")
    })
}

/// Evaluates each expression in both ways.
pub(super) fn hold(event: &Facts<'_>, rows: &[(&str, bool)]) {
    for (text, expected) in rows {
        let rule = rule(event.model, text);
        assert_eq!(rule.matches(event), *expected, "{text}");
        assert_eq!(compiled(&rule, event), *expected, "compiled: {text}");
    }
}

pub(super) fn compiled(rule: &Rule, event: &Facts<'_>) -> bool {
    let mut matched = false;
    Bucket::new([rule]).evaluate(event, &mut Scratch::default(), |_| matched = true);
    matched
}

/// The errors of a text, rendered.
pub(super) fn errors(model: &Neutral, text: &str) -> Option<String> {
    let errors = check_rule(text, model, &Macros::default(), Binding::Any).err()?;
    Some(errors.iter().map(|error| error.render(text)).collect())
}

/// Each text is refused with an error that says this.
pub(super) fn refused(model: &Neutral, rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let errors = errors(model, text).unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(errors.contains(expected), "{text}\n{errors}");
    }
}

/// Each text is accepted.
pub(super) fn accepted(model: &Neutral, rows: &[&str]) {
    for text in rows {
        rule(model, text);
    }
}
