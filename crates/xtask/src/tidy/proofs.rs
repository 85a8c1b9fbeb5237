//! What the documents name as proof exists: a test that was renamed or removed is not left in a promise.
//!
//! A name is code in a document that reads as a sentence: lower case, at least four words. It must be a function, or
//! stand in quotes, as the names of trials and metrics do. A module that holds an invariant has tests.

use std::collections::HashSet;

use super::{Finding, Source, numbered};

/// From so many words on, a name is a sentence and no path, key or flag.
const WORDS: usize = 4;

/// Every name and module in the documents that is nowhere in the code.
pub(super) fn missing(sources: &[Source]) -> Vec<Finding> {
    let code: HashSet<&str> = sources
        .iter()
        .filter(|source| source.ending() == "rs")
        .flat_map(|source| named(&source.text))
        .collect();
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_promise(source)) {
        let mut is_invariant = false;
        for (n, line) in numbered(&source.text) {
            if line.starts_with('#') {
                is_invariant = line == "## Invariants";
            }
            for span in line.split('`').skip(1).step_by(2) {
                // Names of metrics are looked up in their table.
                let is_metric = span.starts_with(bootstrap::metrics::PREFIX);
                if !is_metric && is_sentence(span) && !code.contains(span) {
                    let text = format!("`{span}` is no test or name in the code");
                    findings.push(Finding::fatal(source, Some(n), text));
                } else if is_invariant && span.contains("::") && !has_tests(sources, span) {
                    let text = format!("`{span}` is no module with tests");
                    findings.push(Finding::fatal(source, Some(n), text));
                }
            }
        }
    }
    findings
}

fn is_promise(source: &Source) -> bool {
    source.path.ends_with("ARCHITECTURE.md") || source.ending() == "md" && source.path.starts_with("docs")
}

fn is_sentence(span: &str) -> bool {
    span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && span.split('_').count() >= WORDS
}

/// The names that a file gives to functions, and those in quotes.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| is_sentence(word)).filter(move |word| {
        let at = word.as_ptr().addr() - text.as_ptr().addr();
        let before = text.get(..at).unwrap_or_default();
        before.ends_with("fn ") || before.ends_with('"')
    })
}

/// Whether `service::module` is a file with tests, or has them beside it.
fn has_tests(sources: &[Source], module: &str) -> bool {
    let Some((service, path)) = module.split_once("::") else { return false };
    let path = path.replace("::", "/");
    let places = ["services", "crates"].map(|folder| format!("{folder}/{service}/src/{path}"));
    let is_there = |source: &Source, place: &str| {
        let is_own = source
            .path
            .to_str()
            .and_then(|own| own.strip_prefix(place))
            .is_some_and(|rest| [".rs", "/mod.rs", "/tests.rs"].contains(&rest));
        is_own && (source.text.contains("#[test]") || source.text.contains("#[cfg(test)]"))
    };
    sources.iter().any(|source| places.iter().any(|place| is_there(source, place)))
}
