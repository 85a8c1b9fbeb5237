//! Tests that nobody runs: where a manifest says that a program has no tests, or a library no examples, there are none.
//!
//! The manifests say so because each such program would be linked once more, and each library compiled, for nothing.

use std::path::Path;

use super::{Finding, Source, numbered};

/// Every test and example that cargo is told to leave out.
pub(super) fn left_out(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in sources.iter().filter(|source| source.path.ends_with("Cargo.toml")) {
        let folder = manifest.path.parent().unwrap_or(Path::new(""));
        for table in manifest.text.split("\n[").filter(|table| has(table, "test = false")) {
            let Some(path) = table.lines().find_map(|line| line.strip_prefix("path = \"")) else { continue };
            let path = folder.join(path.trim_end_matches('"'));
            for source in sources.iter().filter(|source| source.path == path) {
                let tests = numbered(&source.text).filter(|(_, line)| line.trim() == "#[test]");
                findings.extend(tests.map(|(n, _)| {
                    Finding::fatal(source, Some(n), "no one runs this: the manifest says `test = false`")
                }));
            }
        }
        if has(&manifest.text, "doctest = false") {
            let ours = sources.iter().filter(|source| source.path.starts_with(folder.join("src")));
            findings.extend(ours.flat_map(examples));
        }
    }
    findings
}

fn has(text: &str, setting: &str) -> bool {
    text.lines().any(|line| line.trim() == setting)
}

/// Code in the documentation that is not said to be plain text.
fn examples(source: &Source) -> Vec<Finding> {
    let mut in_code = false;
    let mut findings = Vec::new();
    for (n, line) in numbered(&source.text) {
        let line = line.trim_start();
        let Some(text) = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")) else { continue };
        let Some(label) = text.trim().strip_prefix("```") else { continue };
        in_code = !in_code;
        if in_code && !["text", "ignore"].contains(&label) {
            findings.push(Finding::fatal(
                source,
                Some(n),
                "no one runs this: the manifest says `doctest = false`",
            ));
        }
    }
    findings
}
