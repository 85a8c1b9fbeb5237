//! Filtering hides nothing: what some rule matches is approved and not discarded.

use super::neutral::Neutral;
use super::random::{Random, rounds};
use super::rows;
use crate::filter::{Capability, Kinds, Verdict, approvers, discarders, is_parent_discarder};
use crate::{Event, Rule, Value};

const EVERY_KIND: Kinds = Kinds { scalar: true, glob: true, mask: true, range: true };

#[test]
fn filtering_never_hides_a_match() {
    let model = Neutral::new();
    let can = |name| Capability::new(model.id(name), EVERY_KIND, 1);
    let capabilities = [
        can("open.file.path"),
        can("open.flags"),
        Capability { last_valid: Some(4241), ..can("process.auid") },
        can("s.text"),
        Capability { is_approver_only: true, ..can("n.a") },
        can("b.flag"),
    ];
    let fields: Vec<_> = [
        "open.file.path",
        "open.flags",
        "s.text",
        "n.a",
        "b.flag",
        "x",
        "it.k",
        "it.s",
        "p.list",
        "l.ints",
        "ips",
        "d.name",
    ]
    .map(|name| model.id(name))
    .to_vec();
    let (mut with_approvers, mut dropped, mut discarded) = (0_u64, 0_u64, 0_u64);
    let rounds = rounds(12_000);
    for seed in 0..rounds {
        let mut random = Random::new(seed + 1_000_000_000);
        let rules: Vec<Rule> =
            (0..=random.below(2)).map(|_| rows::rule(&model, &random.filterable())).collect();
        let rules: Vec<&Rule> = rules.iter().collect();
        let found = approvers(&rules, &capabilities).ok();
        with_approvers += u64::from(found.is_some());
        let events = [(); 4].map(|()| {
            let mut event = random.event(&model);
            // The capability promises that the field is valid, or 4242 for "not set".
            event.set("process.auid", [0_i64, 3, 7, 1000, 4241, 4242][random.below(6)]);
            event
        });
        for event in &events {
            let is_match = rules.iter().any(|rule| rule.matches(event));
            let verdict = found.as_ref().map_or(Verdict::Approve, |found| found.verdict(event));
            let shown = || {
                format!(
                    "seed {seed}: {:?}\n{:?}",
                    rules.iter().map(|rule| rule.text()).collect::<Vec<_>>(),
                    event.values
                )
            };
            assert!(!is_match || verdict != Verdict::Drop, "not approved, {}", shown());
            dropped += u64::from(verdict == Verdict::Drop);
            for field in discarders(&rules, &fields, event) {
                discarded += 1;
                assert!(!is_match, "its own value discards it, {}", shown());
                // No other event with these values may match.
                for other in &events {
                    let mut other = other.clone();
                    if crate::Model::fields(&model)[usize::from(field.0)].iterator.is_some() {
                        continue;
                    }
                    match event.values.get(&field) {
                        Some(values) => other.values.insert(field, values.clone()),
                        None => other.values.remove(&field),
                    };
                    assert!(
                        !rules.iter().any(|rule| rule.matches(&other)),
                        "{field:?} hides a match, {}",
                        shown()
                    );
                }
            }
            if let Value::Text(path) = event.value(model.id("open.file.path"), 0, 0)
                && let Some(slash) = path.iter().rposition(|byte| *byte == b'/')
                && is_parent_discarder(&rules, model.id("open.file.path"), &path[..slash]).is_ok()
            {
                assert!(!is_match, "its directory discards it, {}", shown());
            }
        }
    }
    assert!(
        with_approvers * 10 > rounds,
        "{with_approvers} of {rounds} rule sets have approvers: no test of anything"
    );
    assert!(dropped * 10 > rounds && discarded * 2 > rounds, "{dropped} dropped, {discarded} discarded");
}
