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

/// A condition that several rules share is asked once, whatever bucket the memory served before.
#[test]
fn an_equal_condition_is_evaluated_once_per_event() {
    let model = Neutral::new();
    let event = model.event();
    let bucket = |texts: [&str; 2]| Bucket::new(&texts.map(|text| rows::rule(&model, text)));
    let small = bucket(["n.a > 5", "n.a > 6"]);
    let large = bucket(["n.b > -1 && rv > -1 && n.a > 5", "n.a > 5 && x"]);
    assert_eq!((large.len(), large.is_empty(), Bucket::default().is_empty()), (2, false, true));
    let mut scratch = Scratch::default();
    small.evaluate(&event, &mut scratch, |_| {});
    for _ in 0..2 {
        event.read.borrow_mut().clear();
        large.evaluate(&event, &mut scratch, |_| {});
        let reads = event.read.borrow().iter().filter(|field| **field == model.id("n.a")).count();
        assert_eq!(reads, 1, "{:?}", event.read);
    }
}

/// One index holds whole texts, starts and ends that begin alike, whatever the order they came in.
#[test]
fn texts_that_begin_alike_are_all_found() {
    let model = Neutral::new();
    let words = ["/usr", "/usr/bin", "/usr/bin/ls", "/usr/bin/l", "/usr/lib", "/us", "/opt/usr/bin", ""];
    let kinds = |word| {
        [format!("s.text == \"{word}\""), format!("s.text =~ \"{word}*\""), format!("s.text =~ \"*{word}\"")]
    };
    let mut rules: Vec<Rule> =
        words.iter().chain(&words).flat_map(kinds).map(|text| rows::rule(&model, &text)).collect();
    let mut event = model.event();
    for turn in 0..rules.len() {
        rules.rotate_left(1);
        if turn % 2 == 0 {
            rules.reverse();
        }
        let bucket = Bucket::new(&rules);
        for word in words.iter().chain(&["/usr/bin/lsx", "/usr/bi", "x/usr/bin", "/"]) {
            event.set("s.text", *word);
            let mut found = Vec::new();
            bucket.evaluate(&event, &mut Scratch::default(), |rule| found.push(rule));
            let expected: Vec<usize> = (0..rules.len()).filter(|rule| rules[*rule].matches(&event)).collect();
            assert_eq!(found, expected, "{word}");
        }
    }
}
