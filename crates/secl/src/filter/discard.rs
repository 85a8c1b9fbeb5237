//! Values for which no rule can match, whatever the rest of the event is.

use super::approval::{Approval, Capability, Kinds};
use super::known::Known;
use super::sets::{Set, may_hold};
use crate::matcher::Matcher;
use crate::model::{Event, FieldId};
use crate::rule::Rule;

/// Whether discarders of a field work with some rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscarderReport {
    /// The field.
    pub field: FieldId,
    /// The first rule that may match whatever the field is.
    pub forbidden_by: Option<usize>,
}

/// The fields of `candidates` whose values in this event no rule can match.
#[must_use]
pub fn discarders<E: Event + ?Sized>(rules: &[&Rule], candidates: &[FieldId], event: &E) -> Vec<FieldId> {
    let is_hopeless = |field: FieldId| rules.iter().all(|rule| rule.known(field, event) == Known::No);
    candidates.iter().copied().filter(|field| is_hopeless(*field)).collect()
}

/// Whether no rule can match a path below `directory`.
///
/// # Errors
/// The first rule that may; `None` for a directory that is never discarded: the root, and what is no absolute path.
pub fn is_parent_discarder(rules: &[&Rule], field: FieldId, directory: &[u8]) -> Result<(), Option<usize>> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    if !directory.starts_with(b"/") {
        return Err(None);
    }
    match rules.iter().position(|rule| may_match_below(rule, field, directory)) {
        Some(rule) => Err(Some(rule)),
        None => Ok(()),
    }
}

/// Whether discarders of these fields work with these rules, and if not, why.
#[must_use]
pub fn discarder_report(rules: &[&Rule], fields: &[FieldId]) -> Vec<DiscarderReport> {
    let report = |field: FieldId| {
        let forbidden_by = rules.iter().position(|rule| may_hold(&rule.node, &anything(field)) == Set::All);
        DiscarderReport { field, forbidden_by }
    };
    fields.iter().copied().map(report).collect()
}

fn may_match_below(rule: &Rule, field: FieldId, directory: &[u8]) -> bool {
    match may_hold(&rule.node, &anything(field)) {
        Set::All => true,
        Set::Of(values) => values.iter().any(|value| match value {
            Approval::Text(Matcher::Exact(path)) => {
                path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            }
            Approval::Text(Matcher::Glob(glob)) => glob.may_match_below(directory),
            Approval::Text(_)
            | Approval::Int(_)
            | Approval::Mask(_)
            | Approval::Range(..)
            | Approval::Bool(_) => true,
        }),
    }
}

fn anything(field: FieldId) -> Capability {
    Capability::new(field, Kinds { scalar: true, glob: true, mask: true, range: true }, 0)
}
