//! Links between the documents: a relative link leads to a file that exists.
//!
//! Links to the web are not followed, so the check is the same with and without a network.

use std::path::Path;

use super::{Finding, Source, numbered};

/// Every relative link of a Markdown file that leads nowhere.
pub(super) fn broken(root: &Path, source: &Source) -> Vec<Finding> {
    if source.ending() != "md" {
        return Vec::new();
    }
    let folder = root.join(source.path.parent().unwrap_or(Path::new("")));
    let mut in_code = false;
    let mut findings = Vec::new();
    for (n, line) in numbered(&source.text) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in targets(line).filter(|target| !leads_somewhere(&folder, &source.text, target)) {
            findings.push(Finding::fatal(source, Some(n), format!("the link to `{target}` leads nowhere")));
        }
    }
    findings
}

/// The targets of `[text](target)` in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

fn leads_somewhere(folder: &Path, text: &str, target: &str) -> bool {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return true;
    }
    match target.split_once('#') {
        Some(("", anchor)) => has_heading(text, anchor),
        Some((path, anchor)) => {
            std::fs::read_to_string(folder.join(path)).is_ok_and(|other| has_heading(&other, anchor))
        }
        None => folder.join(target).exists(),
    }
}

/// Whether a Markdown text has a heading with this anchor, in the spelling the common viewers agree on: lower case,
/// punctuation gone, blanks as dashes.
fn has_heading(text: &str, anchor: &str) -> bool {
    text.lines().filter(|line| line.starts_with('#')).any(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let spelled: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        spelled == anchor
    })
}
