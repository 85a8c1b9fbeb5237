//! Sections 1, 2, 8, 9, 10, 12, 13 and 14 of the cases.

use super::neutral::Neutral;
use super::rows::{accepted, compiled, errors, hold, refused, rule, with_macros};
use crate::{Binding, Macros, Rule, ValueKind, check_rule};

#[test]
fn literals_precedence_and_comments_are_as_in_section_1() {
    let model = Neutral::new();
    let mut event = model.event();
    hold(
        &event,
        &[
            ("g.path != \"\"", true),
            ("g.path != \"/usr/bin/tail\"", false),
            ("g.path == \"/usr/bin/tail\"", true),
            ("g.path == \"/usr/bin/vi\"", false),
            ("(g.path == \"/usr/bin/tail\" && n.a == 0) && (g.path == \"/usr/bin/tail\" && n.a == 0)", false),
            ("12 != 55", true),
            ("n.a != 7", false),
            ("n.a == 7", true),
            ("n.a == 8", false),
            ("--3 == 3", true),
            ("5 ^ 5 == 0", true),
            ("^0 == -1", true),
            ("(9 == 9) && (\"x\" == \"x\")", true),
            ("(9 == 9) and (\"x\" == \"x\")", true),
            ("(9 != 8) && (\"x\" == \"x\")", true),
            ("(9 != 8) && (\"x\" != \"y\")", true),
            ("(9 != 8) && # note\n # another\n (\"x\" != \"y\")", true),
            ("false || (true != true)", false),
            ("1 == 1 & 1", true),
            ("not true && false", false),
            ("not (true && false)", true),
            ("(3 & 1) == 3", false),
            ("(2 | 1) == 3", true),
            ("(3 | 1) == 3", true),
            ("n.a | 1 == 7", true),
            ("(3 & 1) != 0", true),
            ("0 != 3 & 1", true),
            ("(3 ^ 3) == 0", true),
            ("false && true || true", false),
            ("true && false || true", true),
            ("n.a - 1 == 6", true),
        ],
    );
    event.set("n.a", 8);
    hold(&event, &[("n.a == 010", true)]);
    refused(&model, &[("n.a -1 == 6", "a sign belongs to its number")]);
    event.set("s.text", "/srv/data/pw");
    event.set("n.a", 0o100 | 0o1000 | 0o200 | 2 | 1);
    let flags = "s.text =~ \"/srv/data/*\" && n.a & (O_CREAT | O_TRUNC | O_EXCL | O_RDWR | O_WRONLY) > 0";
    hold(&event, &[(flags, true)]);
}

#[test]
fn type_errors_name_their_place_as_in_section_2() {
    let model = Neutral::new();
    refused(
        &model,
        &[
            ("(g.path != \"/usr/bin/vi\") == \"abc\"", "1:30 |"),
            ("n.a == -100 && s.text == \"/etc/passwd\"", "n.a is never negative"),
            ("\"!\" != A", "unknown name `A`"),
            ("rv in [ 1, \"x\" ]", "a string in a list of numbers"),
            ("s.text == 1", "a string is compared with a number"),
            ("n.a == \"1\"", "write the number without quotes: 1"),
            ("s.text < \"x\"", "operator `<` is not for strings"),
            ("ar.f == (n.a == 1)", "several booleans"),
            ("b.flag > true", "operator `>` is not for booleans"),
            ("n.a =~ 1", "operator `=~` is not for numbers"),
            ("n.a", "not true or false"),
            ("!n.a == 1", "not true or false"),
            ("b.flag & b.flag", "join conditions"),
            ("l.ints & 1 == 1", "cannot calculate with several values"),
            ("s.text in n.a", "no list"),
            ("\"a\" in s.text", "no list"),
            ("n.a == [ 1, 2 ]", "a list stands behind `in`"),
            ("n.a.length == 1", "has no length"),
            ("it == 1", "it is an iterator"),
            ("vpid == 1", "it is a variable"),
            ("${n.a} == 1", "it is a field"),
            ("open.file == \"x\"", "it has fields"),
            ("open.file.pth == \"x\"", "did you mean `open.file.path`"),
            ("open.flags & O_CRAT > 0", "did you mean `O_CREAT`"),
        ],
    );
    let both = errors(&model, "nope == 1 && s.text == 1 && neither == 2").unwrap();
    assert_eq!(both.matches("error: ").count(), 3, "all errors at once: {both}");
}

/// Words and signs of other languages: each message names what to write here.
#[test]
fn habits_of_other_languages_are_told_what_to_write() {
    let model = Neutral::new();
    refused(
        &model,
        &[
            ("s.text <> \"x\"", "`!=`"),
            ("s.text is \"x\"", "to compare, write `==`"),
            ("s.text not \"x\"", "write `!=`, or `not in`"),
            ("b.flag xor x", "write `(a) != (b)`"),
            ("n.a has O_CREAT", "`flags & BIT > 0`"),
            ("s.text matches \"x\"", "use a pattern"),
            ("s.text.startswith(\"x\")", "there are no functions"),
            ("s.text in (\"a\", \"b\")", "a list stands in brackets"),
            ("s.text == \"a\" || == \"b\"", "name the field on its left"),
            ("n.a & (1, 2) > 0", "bits are joined with `|`"),
            ("b.flag, x", "conditions with `&&`"),
            ("b.flag; x", "join two with `&&`"),
            ("s.text == \u{201c}a b\u{201d}", "write \"a b\""),
            ("s.text == \u{201c}a b", "write \"a b\""),
            ("n.a == 0o17", "write 017"),
            ("ip1 == 10.0.0.300", "four numbers from 0 to 255"),
            ("ip1 in 10.0.0.300/8 && b.flag", "four numbers from 0 to 255"),
            ("n.a == 1.5", "a number is whole"),
            ("ip1 in \"10.0.0.0/8\"", "write it without quotes: 10.0.0.0/8"),
            ("ip1 in [ 10.0.0.1, \"10.0.0.2\" ]", "without quotes: 10.0.0.2"),
            ("n.a in [ 1, \"2\" ]", "without quotes: 2"),
            ("t.start < \"5s\"", "the duration without quotes: 5s"),
            ("n.a == \"root\"", "compare another field"),
            ("s.text == root", "a string stands in double quotes: \"root\""),
            ("s.text == null", "a string stands in double quotes: \"\""),
            ("s.text == no.such", "`shrike rule fields`"),
            ("s.text == ${vpid}", "write it into a string: \"${vpid}\""),
            ("s.text != \"a\" & n.a > 0", "to join conditions, write `&&`"),
            ("ip1 + 1 == 2", "name a field that holds a number"),
            ("!s.text == \"a\"", "write `a != b`"),
            ("!n.a", "write `a != b`"),
            ("it[A] == 10", "process.ancestors[A].uid"),
            ("t.start < 1.5s", "take a smaller unit"),
            ("t.start < 1.5.2s", "four numbers from 0 to 255"),
            ("n.a == 1_000", "without `_`: 1000"),
            ("n.a == 10kb", "decimal digits alone"),
            ("n.a in { 1, 2 }", "a list stands in brackets"),
            ("{ b.flag }", "without braces around it"),
            ("s.text == /*/bin/ls", "write \"/*/bin/ls\""),
            ("/** why */ b.flag", "start each line with"),
            ("/**/ b.flag", "start each line with"),
            ("b.flag && O_CREAT", "write `flags & O_CREAT > 0`"),
            ("n.a && O_CREAT", "write `n.a & O_CREAT > 0`"),
            ("n.a & O_EXCL && O_CREAT", "write `n.a & O_CREAT > 0`"),
            ("n.a in [ \"1\", \"O_CREAT\" ]", "the members of the list without quotes"),
            ("n.a in [ \"1\", \"root\" ]", "for the name \"root\""),
            ("n.a == \"089\"", "for the name \"089\""),
            ("ip1 in [ \"10.0.0.1\", \"::1/8\" ]", "the members of the list without quotes"),
            ("ip1 in [ \"10.0.0.1\", \"10.*\" ]", "[ 10.0.0.1, 10.1.0.0/16 ]"),
        ],
    );
    for text in ["ip1 == 10.0.0.300", "{ b.flag }", "b.flag == /*/bin/ls", "/** why */"] {
        let one = errors(&model, text).unwrap();
        assert_eq!(one.matches("error: ").count(), 1, "one mistake, one message: {one}");
    }
}

#[test]
fn ages_and_sums_are_as_in_section_8() {
    const SECOND: i64 = 1_000_000_000;
    let model = Neutral::new();
    let mut event = model.event();
    event.set("t.start", 100 * SECOND);
    event.set("t.seen", 105 * SECOND);
    event.now_ns = 100 * SECOND + 1;
    hold(&event, &[("t.start < 2s", true), ("t.start > 2s", false), ("2s > t.start", true)]);
    event.now_ns = 104 * SECOND;
    hold(
        &event,
        &[
            ("t.start < 2s", false),
            ("t.start > 2s", true),
            ("t.start == 4s", true),
            ("t.start >= 4s", true),
            ("t.start <= 4000ms", true),
            ("1 + 2 == 5 - 2", true),
            ("1 + 2 != 3", false),
            ("10s + 40s == 50s", true),
            ("t.seen - t.start + 3s <= 1s", false),
            ("t.seen - t.start + 3s <= 8s", true),
            ("t.start > 1s + 1s", true),
        ],
    );
    refused(&model, &[("t.start != 2s", "not for ages"), ("t.start > 1h30m", "one unit")]);
    assert!(!rule(&model, "n.a < 2s").warnings().is_empty(), "no timestamp");
}

#[test]
fn overridden_comparisons_are_as_in_sections_4_and_9() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("o.name", "abc");
    event.list("o.arr", ["abc"]);
    event.set("ci.field", "HELLO WORLD");
    hold(
        &event,
        &[
            ("o.name == \"other\"", true),
            ("o.name != \"other\"", false),
            ("o.name in [\"other\"]", true),
            ("o.arr == \"other\"", true),
            ("o.arr in [\"other\"]", true),
            ("o.arr not in [\"other\"]", false),
            ("\"Hello World\" == ci.field", true),
        ],
    );
    event.set("ci.field", "Hello World");
    hold(&event, &[("\"Hello World\" == ci.field", true), ("\"hellO worlD\" == ci.field", false)]);
}

#[test]
fn macros_are_as_in_section_10() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("g.path", "h");
    event.set("s.text", "/e/p");
    let mut macros = Macros::default();
    macros.define("L", "[ \"/e/s\", \"/e/p\" ]", &model).unwrap();
    macros.define("P", "s.text in [ \"/e/s\", \"/e/p\" ]", &model).unwrap();
    macros.define("Q", "s.text in L", &model).unwrap();
    macros.define("FLAGS", "O_CREAT|O_RDWR", &model).unwrap();
    for (text, expected) in [
        ("\"/e/s\" in L", true),
        ("g.path == \"h\" && P", true),
        ("Q", true),
        ("!Q", false),
        ("n.a & (FLAGS) > 0", true),
    ] {
        let rule = with_macros(&model, &macros, text);
        assert_eq!(rule.matches(&event), expected, "{text}");
        assert_eq!(compiled(&rule, &event), expected, "{text}");
    }
    assert_eq!(macros.define("L", "[ 1 ]", &model).unwrap_err().to_string().matches("twice").count(), 1);
    assert!(macros.define("O_CREAT", "1", &model).is_err(), "a constant would win");
    assert!(macros.define("LATER", "s.text in AFTER", &model).is_err(), "only earlier ones are seen");
    assert!(macros.define("SELF", "SELF", &model).is_err());
    macros.merge("L", "[ \"/b\" ]", &model).unwrap();
    event.set("s.text", "/b");
    assert!(with_macros(&model, &macros, "s.text in L").matches(&event));
    event.set("s.text", "/e/s");
    assert!(with_macros(&model, &macros, "s.text in L").matches(&event));
    assert!(macros.merge("P", "[ \"x\" ]", &model).is_err(), "no list");
    assert!(macros.merge("L", "[ 1 ]", &model).is_err(), "another type");
}

#[test]
fn macros_that_double_each_other_do_not_grow_without_bound() {
    let model = Neutral::new();
    let mut macros = Macros::default();
    macros.define("M0", "b.flag", &model).unwrap();
    let mut refused = None;
    for n in 1..40 {
        let text = format!("M{0} && M{0}", n - 1);
        if let Err(error) = macros.define(&format!("M{n}"), &text, &model) {
            refused = Some(error.to_string());
            break;
        }
    }
    assert!(refused.unwrap().contains("too large"));
}

#[test]
fn bare_booleans_are_recorded_as_true_as_in_section_12() {
    let model = Neutral::new();
    for text in ["b.flag", "x && b.flag", "b.flag || x", "(b.flag) && x", "!(b.flag || x)"] {
        let rule = rule(&model, text);
        let recorded = rule.values().iter().find(|value| value.field == model.id("b.flag")).unwrap();
        assert_eq!((recorded.kind, recorded.text.as_str()), (ValueKind::Scalar, "true"), "{text}");
    }
}

/// The parts of a rule that held.
fn explained(rule: &Rule, event: &super::neutral::Facts<'_>) -> Vec<String> {
    let shown = |matched: &crate::Matched| {
        let value = matched.value.map(|value| format!(" {}", value.of(rule.text()))).unwrap_or_default();
        format!("{}{value}", matched.field.of(rule.text()))
    };
    rule.explain(event).iter().map(shown).collect()
}

#[test]
fn what_held_is_reported_as_in_section_13() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("s.text", "ls");
    for (text, expected) in [
        ("s.text in [ \"touch\", \"ls\", \"date\" ]", &["s.text \"ls\""][..]),
        ("s.text == ~\"*ls*\"", &["s.text \"*ls*\""]),
        ("s.text == r\"l.\"", &["s.text \"l.\""]),
        ("s.text in [ ~\"*ls*\", \"x\" ]", &["s.text \"*ls*\""]),
        ("s.text == \"ls\" && s.text == \"date\"", &["s.text \"ls\""]),
        ("b.flag", &["b.flag"]),
        ("b.flag == true", &["b.flag true"]),
        ("!x && n.a in [ 1, 7 ]", &["x", "n.a 7"]),
        ("s.text != \"a\"", &["s.text \"a\""]),
        ("s.text not in [ \"a\", \"b\" ]", &["s.text"]),
        ("it[A].k == 110 && it[A].s == \"bbb1\"", &["it[A].k 110", "it[A].s \"bbb1\""]),
        ("n.a & 3 > 0", &[]),
        ("n.a == ${vpid} || b.flag", &["b.flag"]),
        ("s.text == \"${vtag}\" || b.flag", &["b.flag"]),
    ] {
        assert_eq!(explained(&rule(&model, text), &event), expected, "{text}");
    }
}

#[test]
fn what_held_names_the_field_and_the_item_it_held_for() {
    let model = Neutral::new();
    let mut event = model.event();
    let found = rule(&model, "it[A].k == 110 && b.flag && it.s == \"aaa1\"").explain(&event);
    let found: Vec<_> = found.iter().map(|matched| (matched.id, matched.item)).collect();
    assert_eq!(found, [(model.id("it.k"), Some(1)), (model.id("b.flag"), None), (model.id("it.s"), None)]);
    for name in ["it.k", "it.s"] {
        event.set_items::<i64>(name, []);
    }
    assert!(
        rule(&model, "it[A].k == 110 || b.flag").explain(&event).is_empty(),
        "no item, no match, nothing held"
    );
}

#[test]
fn a_rule_belongs_to_one_event_type_as_in_section_14() {
    let model = Neutral::new();
    let bound = |text: &str| check_rule(text, &model, &Macros::default(), Binding::OneEventType);
    let message = |text: &str| bound(text).unwrap_err()[0].message.clone();
    assert!(message("open.file.name == \"t\" && unlink.file.name == \"u\"").contains("belongs to unlink"));
    assert_eq!(bound("open.filename =~ \"/sbin/*\" && process.uid != 0").unwrap().event_type(), Some(0));
    assert_eq!(bound("mkdir.filename =~ \"/sbin/*\"").unwrap().event_type(), Some(2));
    assert_eq!(message("process.uid != 0"), "no event in the rule definition");
    assert!(message("open.flags > 0 && network.size > 0").contains("not available for open"));
    let rule =
        bound("mkdir.filename =~ \"/x/*\" && network.size > 0 && mkdir.file.path != \"/x/y\"").unwrap();
    assert_eq!(rule.event_type(), Some(2));
    assert_eq!(rule.fields(), [model.id("mkdir.file.path"), model.id("network.size")]);
    accepted(&model, &["process.uid != 0"]);
}

#[test]
fn a_cheap_operand_is_asked_first_as_in_section_7() {
    let model = Neutral::new();
    let event = model.event();
    let rule = rule(&model, "n.a in [ 66, 77, 88 ] && n.b == 55");
    assert!(!rule.matches(&event));
    assert!(!event.read.borrow().contains(&model.id("n.a")), "{:?}", event.read);
}

/// A bucket looks up what fewest events meet: a whole text rather than a number, the longer end of a pattern.
#[test]
fn a_bucket_reads_the_field_that_says_most() {
    let model = Neutral::new();
    for (text, field) in [
        ("n.a == 7 && s.text == \"x\"", "s.text"),
        ("s.text == \"x\" && n.a == 7", "s.text"),
        ("n.a in [ 1, 2 ] && n.b == 1", "n.b"),
        ("g.path == ~\"/tmp/*\" && s.text =~ \"/usr/lib/x*\"", "s.text"),
        ("g.path =~ \"/home/*/.netrc\" && s.text =~ \"abcdef*\"", "g.path"),
    ] {
        let mut event = model.event();
        event.set("s.text", "?");
        event.set("n.a", 100);
        event.set("n.b", 100);
        assert!(!compiled(&rule(&model, text), &event), "{text}");
        assert_eq!(*event.read.borrow(), [model.id(field)], "{text}");
    }
}

/// However long a start is, it says less than a whole text.
#[test]
fn a_whole_text_says_more_than_the_longest_start() {
    let model = Neutral::new();
    for length in [200, 400] {
        let text = format!("s.text =~ \"{}*\" && g.path == \"/x\"", "a".repeat(length));
        let event = model.event();
        assert!(!compiled(&rule(&model, &text), &event));
        assert_eq!(*event.read.borrow(), [model.id("g.path")], "{length}");
    }
}

/// A look-up that other rules need anyway is worth more keys.
#[test]
fn a_field_that_others_look_up_is_preferred_to_one_more() {
    let model = Neutral::new();
    let list = (1..=20).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let mut texts: Vec<String> = (1..=10).map(|n| format!("n.b == {n}")).collect();
    texts.push(format!("s.text == \"x\" && n.b in [ {list} ]"));
    let rules: Vec<Rule> = texts.iter().map(|text| rule(&model, text)).collect();
    assert_eq!(crate::Bucket::new(&rules).shape().look_ups, 1);
}

#[test]
fn rules_share_the_fields_that_are_looked_up() {
    let model = Neutral::new();
    let rules = ["n.a == 1 && n.b == 2", "n.b == 3", "n.b == 4 && rv == 1"].map(|text| rule(&model, text));
    let shape = crate::Bucket::new(&rules).shape();
    assert_eq!((shape.look_ups, shape.always), (1, 0), "{shape:?}");
}

#[test]
fn what_is_always_so_is_warned_of() {
    let model = Neutral::new();
    for (text, expected) in [
        ("1 == 1", "always true"),
        ("b.flag && false", "always false"),
        ("s.text =~ \"abc\"", "without a wildcard"),
        ("n.a & 3 == 4", "does not have these bits"),
        ("n.a allin [ 1 ]", "means `in` here"),
        ("b.flag && x || n.a == 1", "associate to the right"),
        ("g.path == \"/etc/*\"", "ordinary character"),
        ("s.text in [ \"a\", \"b*\" ]", "ordinary character"),
        ("t.start > 5", "nanoseconds since 1970"),
        ("rv == -ENEG", "a minus makes it positive"),
    ] {
        let rule = rule(&model, text);
        let warnings: Vec<_> = rule.warnings().iter().map(|warning| warning.message.as_str()).collect();
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{text}: {warnings:?}");
    }
    for text in [
        "n.a == 1 && b.flag",
        "g.path == ~\"/etc/*\"",
        "t.start < 5s",
        "t.start > 0",
        "n.a > 5",
        "rv == ENEG",
        "rv == -EPERM",
        "rv == ^ENEG",
    ] {
        let rule = rule(&model, text);
        assert!(rule.warnings().is_empty(), "{text}: {:?}", rule.warnings());
    }
}
