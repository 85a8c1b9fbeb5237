//! An error and what caused it, as one text for a log line.
//!
//! Invariant: no cause is said twice. Many errors have their cause in their own text already.

use std::error::Error;

/// The text of `error`, followed by those of its causes that it does not hold already.
#[must_use]
pub fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let of_cause = cause.to_string();
        if !text.contains(of_cause.trim_end()) {
            text.push_str(": ");
            text.push_str(&of_cause);
        }
        next = cause.source();
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("cannot read: {0}")]
        Repeats(#[source] std::io::Error),
        #[error("it failed")]
        Hides(#[source] std::io::Error),
    }

    #[test]
    fn a_cause_is_said_once_whether_the_error_has_it_in_its_text_or_not() {
        let cause = || std::io::Error::other("no room\n");
        assert_eq!(told(&Failure::Repeats(cause())), "cannot read: no room");
        assert_eq!(told(&Failure::Hides(cause())), "it failed: no room");
    }
}
