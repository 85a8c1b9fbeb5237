//! Chooses, for the rules of one event type, values that let events through.
//!
//! Invariant: an event that a rule matches is approved. If that cannot be had for one rule, there are no approvers.

use super::approval::{Approval, Capability};
use super::known::{Known, OnlyValue};
use super::sets::{Set, may_hold};
use crate::matcher::Matcher;
use crate::model::{Event, FieldId, Value};
use crate::rule::Rule;

/// Masks of a rule of which all combinations are tried.
const MOST_MASKS: usize = 8;

/// Values that let events of one type through.
#[derive(Debug, Clone, Default)]
pub struct Approvers {
    /// The values by field.
    pub fields: Vec<FieldApprovers>,
    /// For each rule, the field that was chosen for it.
    pub chosen: Vec<FieldId>,
    /// For each rule, whether it need not be asked for discarders.
    pub is_excluded: Vec<bool>,
}

/// The values of one field that let events through.
#[derive(Debug, Clone)]
pub struct FieldApprovers {
    /// The field.
    pub field: FieldId,
    /// What it approves is not discarded either.
    pub is_approver_only: bool,
    /// The values.
    pub values: Vec<Approval>,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No rule can match.
    Drop,
    /// A rule may match, unless a discarder says otherwise.
    Approve,
    /// A rule may match, and discarders do not count.
    Keep,
}

/// Why there are no approvers: this rule has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// The place of the rule.
    pub rule: usize,
    /// Why, for each field that the kernel can filter by.
    pub refusals: Vec<(FieldId, Refusal)>,
}

/// Why a field cannot approve for a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The rule may match whatever the field is.
    NotNeeded,
    /// The kernel cannot compare the field with this.
    Untakeable(Approval),
    /// Bits alone do not make the rule match.
    NotByBitsAlone,
}

impl Approvers {
    /// What becomes of an event.
    #[must_use]
    pub fn verdict<E: Event + ?Sized>(&self, event: &E) -> Verdict {
        let of_field = |approvers: &FieldApprovers| {
            let value = event.value(approvers.field, 0, 0);
            match approvers.values.iter().any(|approval| approval.approves(value)) {
                true if approvers.is_approver_only => Verdict::Keep,
                true => Verdict::Approve,
                false => Verdict::Drop,
            }
        };
        self.fields.iter().map(of_field).max().unwrap_or(Verdict::Drop)
    }
}

/// The approvers of these rules.
///
/// # Errors
/// The first rule that has none, and why.
pub fn approvers(rules: &[&Rule], capabilities: &[Capability]) -> Result<Approvers, Forbidden> {
    let mut approvers = Approvers::default();
    for (at, rule) in rules.iter().enumerate() {
        let mut refusals = Vec::new();
        let mut best: Option<(u32, &Capability, Vec<Approval>)> = None;
        for capability in capabilities {
            match of_rule(rule, capability) {
                Ok((weight, values)) => {
                    if best.as_ref().is_none_or(|(known, ..)| weight > *known) {
                        best = Some((weight, capability, values));
                    }
                }
                Err(refusal) => refusals.push((capability.field, refusal)),
            }
        }
        let Some((_, capability, values)) = best else { return Err(Forbidden { rule: at, refusals }) };
        approvers.chosen.push(capability.field);
        approvers.is_excluded.push(capability.is_approver_only);
        approvers.add(capability, values);
    }
    Ok(approvers)
}

impl Approvers {
    fn add(&mut self, capability: &Capability, values: Vec<Approval>) {
        let known = self.fields.iter().position(|known| known.field == capability.field);
        let at = known.unwrap_or_else(|| {
            let (field, is_approver_only) = (capability.field, capability.is_approver_only);
            self.fields.push(FieldApprovers { field, is_approver_only, values: Vec::new() });
            self.fields.len() - 1
        });
        if let Some(field) = self.fields.get_mut(at) {
            for value in values {
                if !field.values.contains(&value) {
                    field.values.push(value);
                }
            }
        }
    }
}

/// The values of a field that may make a rule match, and how good a filter they are.
fn of_rule(rule: &Rule, capability: &Capability) -> Result<(u32, Vec<Approval>), Refusal> {
    let Set::Of(values) = may_hold(&rule.node, capability) else { return Err(Refusal::NotNeeded) };
    let (masks, mut kept): (Vec<Approval>, Vec<Approval>) =
        values.into_iter().partition(|value| matches!(value, Approval::Mask(_)));
    // A single value that cannot match alone cannot match: no other value is meant by it.
    kept.retain(|value| single(value).is_none_or(|value| may_match(rule, capability.field, value)));
    let masks: Vec<i64> = masks
        .iter()
        .filter_map(|value| if let Approval::Mask(mask) = value { Some(*mask) } else { None })
        .collect();
    if !masks.is_empty() {
        let alone = mask_combinations(&masks);
        let alone = alone.into_iter().filter(|mask| may_match(rule, capability.field, Value::Int(*mask)));
        let alone: Vec<i64> = alone.collect();
        let bits = |masks: &[i64]| masks.iter().fold(0, |all, mask| all | mask);
        if bits(&masks) & !bits(&alone) != 0 {
            return Err(Refusal::NotByBitsAlone);
        }
        kept.extend(alone.into_iter().map(Approval::Mask));
    }
    let weights =
        kept.iter().map(|value| capability.takes(value).ok_or_else(|| Refusal::Untakeable(value.clone())));
    let weights = weights.collect::<Result<Vec<u32>, Refusal>>()?;
    Ok((weights.into_iter().min().unwrap_or(capability.weight), kept))
}

fn single(value: &Approval) -> Option<Value<'_>> {
    match value {
        Approval::Text(Matcher::Exact(text)) => Some(Value::Text(text)),
        Approval::Int(value) => Some(Value::Int(*value)),
        Approval::Bool(value) => Some(Value::Bool(*value)),
        Approval::Text(_) | Approval::Mask(_) | Approval::Range(..) => None,
    }
}

fn may_match(rule: &Rule, field: FieldId, value: Value<'_>) -> bool {
    rule.known(field, &OnlyValue(value)) != Known::No
}

/// All masks that some of these make together, each once, in order. Of more than eight, only the masks themselves.
#[must_use]
pub fn mask_combinations(masks: &[i64]) -> Vec<i64> {
    let mut combined: Vec<i64> = Vec::new();
    for mask in masks {
        let more: Vec<i64> = if masks.len() > MOST_MASKS {
            Vec::new()
        } else {
            combined.iter().map(|known| known | mask).collect()
        };
        combined.push(*mask);
        combined.extend(more);
        combined.sort_unstable();
        combined.dedup();
    }
    combined
}
