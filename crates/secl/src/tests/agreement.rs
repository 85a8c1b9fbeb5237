//! Three evaluations agree: the compiled bucket, the plain walk over a checked rule, and the oracle.

use super::neutral::Neutral;
use super::random::{Random, rounds};
use super::{oracle, rows};
use crate::{Bucket, Rule, Scratch};

#[test]
fn a_bucket_agrees_with_the_oracle_on_random_rules_and_events() {
    let model = Neutral::new();
    let mut scratch = Scratch::default();
    let (mut matched, mut cases) = (0_u64, 0_u64);
    for seed in 0..rounds(6_000) {
        let mut random = Random::new(seed);
        let texts: Vec<String> = (0..4).map(|_| random.rule(3)).collect();
        let rules: Vec<Rule> = texts.iter().map(|text| rows::rule(&model, text)).collect();
        let bucket = Bucket::new(&rules);
        for _ in 0..4 {
            let event = random.event(&model);
            let mut found = vec![false; rules.len()];
            bucket.evaluate(&event, &mut scratch, |rule| found[rule] = true);
            for (at, text) in texts.iter().enumerate() {
                let expected = oracle::matches(text, &event);
                assert_eq!(rules[at].matches(&event), expected, "seed {seed}: {text}\n{:?}", event.values);
                assert_eq!(found[at], expected, "compiled, seed {seed}: {text}\n{:?}", event.values);
                matched += u64::from(expected);
                cases += 1;
            }
        }
    }
    assert!(
        matched * 5 > cases && matched * 5 < cases * 4,
        "{matched} of {cases} match: no test of anything"
    );
}
