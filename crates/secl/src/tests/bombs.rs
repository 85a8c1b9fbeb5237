//! Rules that are made to exhaust the one who reads them. None is asked for its time: each is counted in what it may take.

use super::neutral::Neutral;
use super::rows::{errors, rule, with_macros};
use crate::matcher::Regexp;
use crate::syntax::{MAX_TEXT_BYTES, parse_macro, parse_rule};
use crate::{Binding, Macros, check_rule};

const MEBIBYTE: usize = 1 << 20;

/// The error of a text that is no rule; it is short, whatever the text.
fn refused(text: &str) -> String {
    let errors = errors(&Neutral::new(), text).unwrap_or_else(|| panic!("accepted: {} bytes", text.len()));
    errors.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_text_of_a_mebibyte_is_refused_before_it_is_read() {
    for unit in ["(", "not ", "!", "-", "- ", "^", "a == ", "a && ", "a && b || ", "[", "\"${vpid}", "1, "] {
        let text = unit.repeat(MEBIBYTE / unit.len());
        for parsed in [parse_rule(&text), parse_macro(&text)] {
            let errors = parsed.unwrap_err();
            assert!(errors.len() == 1 && errors[0].message.contains("longer than"), "{unit}: {errors:?}");
        }
    }
    let elements: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    assert!(refused(&format!("n.a in [ {} ]", elements.join(", "))).contains("longer than"));
}

/// At the limit of a text: whatever is nested is refused, whatever is long is read.
#[test]
fn the_longest_texts_nest_no_deeper_than_others() {
    for unit in ["(", "not ", "!", "-", "- ", "^", "n.a == ", "n.a & ", "n.a - (", "x && x || ", "!(x == "] {
        let text = unit.repeat(MAX_TEXT_BYTES / unit.len());
        let errors = parse_rule(&text).unwrap_err();
        assert!(errors.iter().any(|error| error.message.contains("levels deep")), "{unit}: {errors:?}");
    }
    let model = Neutral::new();
    let elements: Vec<String> = (10_000..19_000).map(|n| n.to_string()).collect();
    assert!(rule(&model, &format!("n.a in [ {} ]", elements.join(", "))).text().len() > 60_000);
    let parts = "${vpid}".repeat(9_000);
    assert!(rule(&model, &format!("s.text == \"{parts}\"")).text().len() > 60_000);
    assert!(errors(&model, &format!("s.text == \"{}\"", "${".repeat(30_000))).is_none(), "not closed: text");
}

#[test]
fn macros_of_macros_do_not_grow_without_bound() {
    let model = Neutral::new();
    let mut macros = Macros::default();
    macros.define("m0", "n.a == 1 || n.b == 2", &model).unwrap();
    let refused = (1..20).find_map(|level| {
        let below = level - 1;
        macros.define(&format!("m{level}"), &format!("m{below} || m{below}"), &model).err()
    });
    assert!(refused.unwrap().to_string().contains("too large once its macros are put in"));
    let last = macros.names().last().unwrap().to_owned();
    assert!(check_rule(&last, &model, &macros, Binding::Any).is_ok(), "those that were taken can be used");
}

#[test]
fn long_texts_in_macros_count_by_their_length() {
    let model = Neutral::new();
    let mut macros = Macros::default();
    macros.define("long", &format!("\"{}\"", "x".repeat(60_000)), &model).unwrap();
    let uses = |n: usize| vec!["s.text == long"; n].join(" || ");
    assert!(with_macros(&model, &macros, &uses(50)).text().len() > 500);
    let errors = check_rule(&uses(2_000), &model, &macros, Binding::Any).unwrap_err();
    assert!(errors[0].message.contains("too large once its macros are put in"), "{errors:?}");
}

#[test]
fn all_regexps_of_a_rule_have_one_bound() {
    let model = Neutral::new();
    let list = |member: &dyn Fn(usize) -> String, n: usize| {
        let members: Vec<String> = (0..n).map(member).collect();
        format!("s.text in [ {} ]", members.join(", "))
    };
    let small = |n| format!("r\"^x{n}.*y$\"");
    let large = |n| format!("r\"{n}\\w{{16}}\"");
    let far_too_large = |n| format!("r\"{n}\\w{{900}}\"");
    rule(&model, &list(&small, 300));
    rule(&model, &list(&large, 10));
    assert!(refused(&list(&large, 3_000)).contains("take too much memory together"));
    assert!(refused(&list(&far_too_large, 3_000)).contains("needs too much memory"));
    let constants: Vec<String> = (0..2_000).map(|n| format!("\"a\" == {}", large(n))).collect();
    assert!(refused(&constants.join(" || ")).contains("take too much memory together"));
}

#[test]
fn a_regexp_counts_by_what_it_takes() {
    let size = |text: &str| Regexp::new(text).unwrap().size();
    assert_eq!(
        [size("^x1.*y$"), size("\\w"), size("\\w{2}"), size("\\w{16}")],
        [16 << 10, 64 << 10, 256 << 10, 1 << 20]
    );
}
