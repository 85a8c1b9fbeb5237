//! Sections 6 and 15 of the cases: partial evaluation, discarders and approvers.

use super::neutral::{Facts, Neutral};
use super::rows::rule;
use crate::Rule;
use crate::filter::*;
use crate::matcher::Matcher;

#[test]
fn partial_evaluation_is_as_in_section_6() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("g.path", "kkk");
    event.set("s.text", "mmm");
    event.set("n.a", 55);
    event.set("b.flag", true);
    event.set("o.name", "abc");
    event.list("o.arr", ["abc"]);
    for (text, field, discards) in [
        ("true || g.path == \"/x\"", "g.path", false),
        ("true || g.path == \"kkk\"", "g.path", false),
        ("false || g.path == \"kkk\"", "g.path", false),
        ("false && g.path == \"/x\"", "g.path", true),
        ("true && g.path == \"kkk\"", "g.path", false),
        ("false && g.path == \"kkk\"", "g.path", true),
        ("s.text == \"t1\" && g.path == \"/x\"", "g.path", true),
        ("s.text == \"t1\" && g.path != \"/x\"", "g.path", false),
        ("s.text == \"t1\" || g.path == \"/x\"", "g.path", false),
        ("s.text == \"t1\" || g.path != \"/x\"", "g.path", false),
        ("s.text == \"t1\" && !(g.path == \"/x\")", "g.path", false),
        ("s.text == \"t1\" && (g.path =~ \"/usr/bin/*\")", "g.path", true),
        ("s.text == \"t1\" && g.path =~ \"kk*\"", "g.path", false),
        ("s.text == \"t1\" && g.path == s.text", "g.path", false),
        ("!(s.text in [ \"t1\", \"mmm\" ] && false) && !(g.path == \"kkk\")", "g.path", true),
        ("!(s.text in [ \"t1\", \"mmm\" ] && false) && !(g.path == \"kkk\")", "s.text", false),
        ("s.text == s.text", "s.text", false),
        ("s.text == \"t1\" && n.a == 456", "n.a", true),
        ("s.text == \"t1\" && n.a == 55", "n.a", false),
        ("s.text == \"t1\" && !b.flag", "b.flag", true),
        ("s.text =~ \"*t1*\"", "s.text", true),
        ("n.a & (1 | 1024) == 1", "n.a", false),
        ("n.a == 55 && ${vb} != true", "n.a", false),
        ("n.a == 678 && ${vb} != true", "n.a", true),
        ("g.path == \"kkk\" && ^n.a != 0", "n.a", false),
        ("it[A].k == 11 && it[A].s == \"aaa1\"", "it.k", false),
        ("it[A].k in [ 55, 11 ] && it[A].s == \"aaa1\"", "it.k", false),
        ("it[A].k == 11 && it[A].s == \"zzz\"", "it.s", true),
        // Section 9.
        ("o.name != \"other\"", "o.name", true),
        ("o.arr not in [\"other\"]", "o.arr", true),
        // What a naive "true" under a negation would hide: the rule matches when s.text is not "t1".
        ("!(s.text == \"t1\" && g.path == \"kkk\")", "g.path", false),
        ("(s.text == \"t1\") == (g.path == \"/x\")", "g.path", false),
        ("it[A].s == \"aaa1\" && g.path == \"/x\"", "g.path", true),
        ("t.start < 2s && g.path == \"/x\"", "t.start", false),
        ("it.length > 3 && it.k == 9", "it.k", true),
        // How many items there are, and what time it is, is not said by the field.
        ("it.length - n.a > 100", "n.a", false),
        ("it.length > 100", "n.a", false),
        ("\"%{it.length}\" == \"100\" && n.a == 1", "s.text", false),
        ("s.text == \"%{it.length}\"", "s.text", false),
        ("s.text in [ \"x\", \"%{it.length}\" ]", "s.text", false),
        ("s.text == \"%{s.text.length}\"", "s.text", true),
    ] {
        let known = rule(&model, text).known(model.id(field), &event);
        assert_eq!(known == Known::No, discards, "{text} @{field}: {known:?}");
    }
}

/// What one field says for certain, and what it leaves open.
#[test]
fn what_one_field_says_is_yes_no_or_open() {
    let model = Neutral::new();
    let event = model.event();
    for (text, field, expected) in [
        ("n.a == 7", "n.a", Known::Yes),
        ("n.a == 8", "n.a", Known::No),
        ("!(n.a == 8)", "n.a", Known::Yes),
        ("n.b == 0", "n.a", Known::Maybe),
        ("!(n.b == 0)", "n.a", Known::Maybe),
        ("n.a == 7 && n.b == 0", "n.a", Known::Maybe),
        ("n.a == 8 && n.b == 0", "n.a", Known::No),
        ("n.a == 7 || n.b == 0", "n.a", Known::Yes),
        ("n.a == 8 || n.b == 0", "n.a", Known::Maybe),
        ("(n.a == 7) == (n.a == 7)", "n.a", Known::Yes),
        ("(n.a == 7) == (n.a == 8)", "n.a", Known::No),
        ("(n.a == 7) == (n.b == 0)", "n.a", Known::Maybe),
        ("it[A].k == 11", "it.k", Known::Yes),
        ("it[A].k == 12", "it.k", Known::No),
        ("it[A].k == 11 && it[A].s == \"aaa1\"", "it.k", Known::Maybe),
        // Without an item the rule does not match, and `b.flag` does not say whether there is one.
        ("it[A].k == 11 || b.flag", "b.flag", Known::Maybe),
        ("it[A].k == 11 && !b.flag", "b.flag", Known::No),
    ] {
        assert_eq!(rule(&model, text).known(model.id(field), &event), expected, "{text} @{field}");
    }
}

#[test]
fn discarders_of_a_rule_set_are_as_in_section_6() {
    let model = Neutral::new();
    let texts =
        ["mkdir.filename =~ \"/etc/*\" && process.uid != 0", "mkdir.file.path == \"/x\" && process.uid != 0"];
    let rules: Vec<Rule> = texts.iter().map(|text| rule(&model, text)).collect();
    let rules: Vec<&Rule> = rules.iter().collect();
    let mut event = model.event();
    event.set("mkdir.file.path", "/usr/local/bin/x");
    event.set("process.uid", 0);
    let fields = [model.id("mkdir.file.path"), model.id("process.uid"), model.id("s.text")];
    assert_eq!(discarders(&rules, &fields, &event), fields[..2]);
    let forbidden = |rules: &[&Rule]| -> Vec<_> {
        discarder_report(rules, &fields).iter().map(|report| report.forbidden_by).collect()
    };
    assert_eq!(forbidden(&rules), [None, Some(0), Some(0)], "`uid != 0` names no value that it must have");
    let all = rule(&model, "mkdir.file.path != \"/x\"");
    assert_eq!(forbidden(&[rules[0], &all]), [Some(1), Some(0), Some(0)]);
}

#[test]
fn a_directory_is_discarded_only_if_nothing_below_it_can_match() {
    let model = Neutral::new();
    let field = model.id("open.file.path");
    for (text, directory, expected) in [
        ("open.file.path == \"/etc/passwd\"", "/usr/lib", true),
        ("open.file.path == \"/etc/passwd\"", "/etc", false),
        ("open.file.path == \"/etc/passwd\"", "/etc/", false),
        ("open.file.path == \"/etc/passwd\"", "/et", true),
        ("open.file.path == \"/etc/passwd\"", "/", false),
        ("open.file.path == \"/etc/passwd\"", "", false),
        ("open.file.path == \"/etc/passwd\"", "etc", false),
        ("open.file.path =~ \"/etc/*\"", "/etc", false),
        ("open.file.path =~ \"/etc/*/x\"", "/etc/a", false),
        ("open.file.path =~ \"/etc/*/x\"", "/usr", true),
        ("open.file.path =~ \"/**\"", "/usr", false),
        ("open.file.path != \"/etc/passwd\"", "/usr", false),
        ("open.file.path == r\"x\"", "/usr", false),
        ("open.flags > 0", "/usr", false),
        ("open.file.path == \"/etc/passwd\" && open.flags > 0", "/usr", true),
        ("open.file.path == \"/etc/passwd\" || open.flags > 0", "/usr", false),
        ("false && open.flags > 0", "/usr", true),
    ] {
        let rule = rule(&model, text);
        let found = is_parent_discarder(&[&rule], field, directory.as_bytes());
        assert_eq!(found.is_ok(), expected, "{text} | {directory}: {found:?}");
    }
}

const SCALAR: Kinds = Kinds { scalar: true, glob: false, mask: false, range: false };
const GLOB: Kinds = Kinds { scalar: true, glob: true, mask: false, range: false };
const MASK: Kinds = Kinds { scalar: true, glob: false, mask: true, range: false };
const RANGE: Kinds = Kinds { scalar: true, glob: false, mask: false, range: true };

/// The chosen fields with their values, as text.
fn chosen(model: &Neutral, texts: &[&str], capabilities: &[Capability]) -> Option<String> {
    let rules: Vec<Rule> = texts.iter().map(|text| rule(model, text)).collect();
    let found = approvers(&rules.iter().collect::<Vec<_>>(), capabilities).ok()?;
    let field = |approvers: &_| {
        let FieldApprovers { field, values, .. } = approvers;
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        format!("{}: {}", crate::Model::fields(model)[usize::from(field.0)].name, values.join(", "))
    };
    Some(found.fields.iter().map(field).collect::<Vec<_>>().join("; "))
}

#[test]
fn approvers_of_paths_flags_and_ids_are_as_in_section_15() {
    let model = Neutral::new();
    let can = |name: &str, kinds, weight| Capability::new(model.id(name), kinds, weight);
    let path = |kinds, weight| can("open.file.path", kinds, weight);
    let flags = |kinds, weight| can("open.flags", kinds, weight);
    let uid = |weight| can("process.uid", SCALAR, weight);
    let both =
        ["open.file.path == \"/1\" && process.uid == 1", "open.file.path == \"/2\" && process.uid == 2"];
    let name = |suffix: &'static str| {
        let weigh: fn(&Approval) -> Option<u32> = match suffix {
            "456" => {
                |value| matches!(value, Approval::Text(Matcher::Exact(t)) if t.ends_with(b"456")).then_some(1)
            }
            _ => {
                |value| matches!(value, Approval::Text(Matcher::Exact(t)) if t.ends_with(b"777")).then_some(1)
            }
        };
        Capability { weigh: Some(weigh), ..can("unlink.file.name", SCALAR, 1) }
    };
    for (texts, capabilities, expected) in [
        (&both[..], vec![path(SCALAR, 0)], Some("open.file.path: \"/1\", \"/2\"")),
        (
            &["open.file.path in [\"/1\", \"/2\"]", "process.uid == 7 && s.text == \"x\""],
            vec![path(SCALAR, 3), uid(2)],
            Some("open.file.path: \"/1\", \"/2\"; process.uid: 7"),
        ),
        (&both, vec![path(GLOB, 0)], Some("open.file.path: \"/1\", \"/2\"")),
        // Of equally good ones the first.
        (&both, vec![path(SCALAR, 2), uid(2)], Some("open.file.path: \"/1\", \"/2\"")),
        (&both, vec![uid(2), path(SCALAR, 2)], Some("process.uid: 1, 2")),
        (&["open.file.path in [~\"/e/p\", \"/e/s\"]"], vec![path(SCALAR, 0)], None),
        // Another field that must have one of a few values will do: see docs/secl.md.
        (
            &["open.file.path in [~\"/e/p\", \"/e/s\"] && process.auid == 1000"],
            vec![path(SCALAR, 0), can("process.auid", SCALAR, 10)],
            Some("process.auid: 1000"),
        ),
        (&["open.file.path == \"/a\"", "open.flags & O_CREAT > 0"], vec![path(SCALAR, 0)], None),
        (
            &["(open.flags & O_CREAT > 0 || open.flags & O_EXCL > 0) && open.flags & O_RDWR > 0"],
            vec![flags(MASK, 0)],
            Some("open.flags: any bit of 0x42, any bit of 0x82, any bit of 0xc2"),
        ),
        (&["unlink.file.name == \"123456\""], vec![name("456")], Some("unlink.file.name: \"123456\"")),
        (&["unlink.file.name == \"123456\""], vec![name("777")], None),
        (
            &["open.flags & (O_CREAT | O_EXCL) == O_CREAT && open.file.path in [\"/2\"]"],
            vec![flags(SCALAR, 0), path(SCALAR, 3)],
            Some("open.file.path: \"/2\""),
        ),
        (
            &["open.flags & (O_CREAT | O_EXCL) == O_CREAT && open.file.path not in [\"/2\"]"],
            vec![flags(MASK, 0), path(SCALAR, 3)],
            Some("open.flags: any bit of 0x40"),
        ),
        (
            &["open.flags & 1 > 0 || open.flags & 2 > 0"],
            vec![flags(MASK, 0)],
            Some("open.flags: any bit of 0x1, any bit of 0x2, any bit of 0x3"),
        ),
        (&["open.flags & 1 > 0 || open.flags > 0"], vec![flags(MASK, 0)], None),
        (&["open.flags & 1 > 0 && open.flags > 0"], vec![flags(MASK, 0)], Some("open.flags: any bit of 0x1")),
        (&["open.flags & 1 > 0 && open.flags > 2"], vec![flags(MASK, 0)], None),
        (
            &["open.flags & 3 > 0 && open.flags & 2 > 0"],
            vec![flags(MASK, 0)],
            Some("open.flags: any bit of 0x3"),
        ),
        (
            &["open.flags & (O_SYNC | O_NOCTTY) > 0"],
            vec![flags(MASK, 0)],
            Some("open.flags: any bit of 0x101100"),
        ),
        (
            &[
                "open.file.path in [~\"/proc/*/mem\"] && open.file.path not in [\"/proc/${process.pid}/mem\", \"/proc/self/mem\"]",
            ],
            vec![path(GLOB, 0)],
            Some("open.file.path: ~\"/proc/*/mem\""),
        ),
        (
            &[
                "open.file.path == \"/e/p\" && process.ancestors.file.name == \"v\"",
                "open.file.path == \"/e/q\" && process.ancestors.file.name == \"v\"",
            ],
            vec![path(SCALAR, 0)],
            Some("open.file.path: \"/e/p\", \"/e/q\""),
        ),
        (
            &["open.file.path == \"/a\" && open.file.path != \"/b\""],
            vec![path(SCALAR, 0)],
            Some("open.file.path: \"/a\""),
        ),
        (
            &["open.file.path in [\"/a\", \"/b\"] && open.file.path != \"/b\""],
            vec![path(SCALAR, 0)],
            Some("open.file.path: \"/a\""),
        ),
        (&["process.uid in [ 1, 2 ] && s.text == \"x\""], vec![uid(1)], Some("process.uid: 1, 2")),
        (&["process.uid not in [ 1, 2 ]"], vec![uid(1)], None),
        (&["b.flag && s.text == \"x\""], vec![can("b.flag", SCALAR, 1)], Some("b.flag: true")),
        (&["!b.flag && s.text == \"x\""], vec![can("b.flag", SCALAR, 1)], Some("b.flag: false")),
        (&["b.flag == false"], vec![can("b.flag", SCALAR, 1)], Some("b.flag: false")),
        (&["x && s.text == \"x\""], vec![can("b.flag", SCALAR, 1)], None),
    ] {
        assert_eq!(chosen(&model, texts, &capabilities).as_deref(), expected, "{texts:?}");
    }
    // Pairs of too many masks are not worth making: the shorter side alone will do.
    let many: Vec<String> = (0..17).map(|bit| format!("open.flags & {} > 0", 1 << bit)).collect();
    let text = format!("({}) && open.flags & 1 > 0", many.join(" || "));
    assert_eq!(chosen(&model, &[&text], &[flags(MASK, 0)]).as_deref(), Some("open.flags: any bit of 0x1"));
    assert_eq!(mask_combinations(&[0]), [0]);
    assert_eq!(mask_combinations(&[1, 2]), [1, 2, 3]);
    assert_eq!(mask_combinations(&[1, 2, 4]), [1, 2, 3, 4, 5, 6, 7]);
    let bits = |count: u32| (0..count).map(|bit| 1_i64 << bit).collect::<Vec<_>>();
    assert_eq!(mask_combinations(&bits(8)).len(), 255);
    assert_eq!(mask_combinations(&bits(9)), bits(9), "too many to try together");
}

/// What is compared with bits: a value approves when it is needed for the rule, also behind a negation. The sign bit is
/// the one that makes a number negative.
#[test]
fn bits_are_approved_in_every_order() {
    let model = Neutral::new();
    let flags = Capability::new(model.id("open.flags"), MASK, 1);
    let (sign, low) = (Some("open.flags: any bit of 0x8000000000000000"), Some("open.flags: any bit of 0x3"));
    for (comparison, expected) in [
        ("SIGN < 0", sign),
        ("SIGN < 1", None),
        ("SIGN <= -1", sign),
        ("SIGN <= 0", None),
        ("LOW > 0", low),
        ("LOW > -1", None),
        ("LOW >= 1", low),
        ("LOW >= 0", None),
        ("LOW == 3", low),
        ("LOW == 0", None),
        ("LOW == 4", Some("open.flags: ")),
        ("!(LOW == 0)", low),
        ("!(LOW == 3)", None),
        ("!(LOW < 1)", low),
        ("!(LOW < 0)", None),
        ("!(LOW <= 0)", low),
        ("!(LOW <= -1)", None),
        ("!(SIGN > -1)", sign),
        ("!(SIGN > 0)", None),
        ("!(SIGN >= 0)", sign),
        ("!(SIGN >= 1)", None),
    ] {
        let text =
            comparison.replace("SIGN", "open.flags & -9223372036854775808").replace("LOW", "open.flags & 3");
        assert_eq!(chosen(&model, &[&text], &[flags]).as_deref(), expected, "{text}");
    }
}

/// Rules of another event type are in another bucket, whose filters are its own.
#[test]
fn a_rule_about_another_event_type_takes_no_approver_away() {
    let model = Neutral::new();
    let texts = ["open.file.path == \"/a\"", "unlink.file.name != \"b\""];
    let rules: Vec<Rule> = texts.iter().map(|text| rule(&model, text)).collect();
    let path = Capability::new(model.id("open.file.path"), SCALAR, 1);
    let all: Vec<&Rule> = rules.iter().collect();
    assert!(approvers(&all, &[path]).is_err(), "together, the second has none");
    let of_open: Vec<&Rule> = rules.iter().filter(|rule| rule.event_type() == Some(0)).collect();
    assert_eq!(of_open.len(), 1);
    assert_eq!(approvers(&of_open, &[path]).unwrap().chosen, [model.id("open.file.path")]);
}

#[test]
fn login_ids_are_approved_as_in_section_15() {
    let model = Neutral::new();
    let auid = Capability {
        last_valid: Some(4_294_967_294),
        ..Capability::new(model.id("process.auid"), RANGE, 10)
    };
    for (text, expected) in [
        ("process.auid == 1000", Some("process.auid: 1000")),
        ("process.auid != 1000", None),
        ("process.auid != AUDIT_AUID_UNSET", Some("process.auid: 0 to 4294967294")),
        // An unset login id is larger than any other, so it is approved too: see docs/secl.md.
        ("process.auid >= 1000", Some("process.auid: 1000 to 4294967294, 4294967295")),
        (
            "process.auid >= 1000 and process.auid > 1500",
            Some("process.auid: 1000 to 4294967294, 4294967295"),
        ),
        ("process.auid >= 1000 and process.auid != AUDIT_AUID_UNSET", Some("process.auid: 0 to 4294967294")),
        ("process.auid < 1000 and process.auid < 500", Some("process.auid: 0 to 999")),
        ("process.auid < 500 and process.auid < 1000", Some("process.auid: 0 to 999")),
        ("process.auid <= 999", Some("process.auid: 0 to 999")),
        ("process.auid > 4294967294", Some("process.auid: 4294967295")),
        ("process.auid > 4294967295", Some("process.auid: ")),
        ("process.auid < 0", Some("process.auid: ")),
        ("process.auid >= 0", Some("process.auid: 0 to 4294967294, 4294967295")),
        ("!(process.auid >= 1000)", Some("process.auid: 0 to 999")),
    ] {
        assert_eq!(chosen(&model, &[text], &[auid]).as_deref(), expected, "{text}");
    }
    // A rule that is approved by its login id alone does not stop discarders of paths.
    let path = Capability::new(model.id("open.file.path"), SCALAR, 3);
    let texts = ["open.file.path == \"/a\"", "open.flags > 0 && process.auid == 1000"];
    let rules: Vec<Rule> = texts.iter().map(|text| rule(&model, text)).collect();
    let rules: Vec<&Rule> = rules.iter().collect();
    let found = approvers(&rules, &[path, Capability { is_approver_only: true, ..auid }]).unwrap();
    assert_eq!(found.is_excluded, [false, true]);
    let mut event: Facts<'_> = model.event();
    event.set("process.auid", 1000);
    assert_eq!(found.verdict(&event), Verdict::Keep);
    event.set("process.auid", 1001);
    assert_eq!(found.verdict(&event), Verdict::Drop);
    event.set("open.file.path", "/a");
    assert_eq!(found.verdict(&event), Verdict::Approve);
}

#[test]
fn a_value_approves_nothing_but_what_it_says() {
    use crate::Value::{Bool, Int, Text};
    for (approval, value, expected) in [
        (Approval::Int(2), Int(2), true),
        (Approval::Int(2), Int(3), false),
        (Approval::Mask(2), Int(3), true),
        (Approval::Mask(2), Int(1), false),
        (Approval::Mask(2), Int(0), false),
        (Approval::Range(2, 4), Int(2), true),
        (Approval::Range(2, 4), Int(4), true),
        (Approval::Range(2, 4), Int(1), false),
        (Approval::Range(2, 4), Int(5), false),
        (Approval::Bool(true), Bool(true), true),
        (Approval::Bool(true), Bool(false), false),
        (Approval::Bool(false), Int(0), false),
        (Approval::Text(Matcher::Exact(b"a"[..].into())), Text(b"a"), true),
        (Approval::Text(Matcher::Exact(b"a"[..].into())), Text(b"b"), false),
    ] {
        assert_eq!(approval.approves(value), expected, "{approval} {value:?}");
    }
}

/// A leaf without a wildcard is worth 300, a lone `*` below a name 20, the rest nothing.
fn weigh_leaf(value: &Approval) -> Option<u32> {
    let Approval::Text(Matcher::Glob(glob)) = value else { return Some(300) };
    let mut segments = glob.text().rsplit('/');
    let (leaf, parent) = (segments.next()?, segments.next()?);
    match (leaf, parent.contains('*')) {
        ("*", true) => None,
        ("*", false) => Some(20),
        _ => Some(300),
    }
}

#[test]
fn a_glob_is_as_good_as_its_last_name_as_in_section_15() {
    let model = Neutral::new();
    let path =
        Capability { weigh: Some(weigh_leaf), ..Capability::new(model.id("open.file.path"), GLOB, 300) };
    let flags = Capability::new(model.id("open.flags"), MASK, 100);
    let chosen = |text: &str| {
        chosen(&model, &[text], &[path, flags]).map(|chosen| chosen.split(':').next().unwrap().to_owned())
    };
    for (text, expected) in [
        ("open.file.path =~ \"/var/run/secrets/.../*/token*\"", Some("open.file.path")),
        ("open.file.path =~ \"/var/run/secrets/*\"", Some("open.file.path")),
        ("open.file.path =~ \"/var/run/test-*/*\"", None),
        ("open.file.path =~ \"/var/run/secrets/*\" && open.flags & O_CREAT > 0", Some("open.flags")),
        ("open.file.path =~ \"/var/run/secret*\" && open.flags & O_CREAT > 0", Some("open.file.path")),
    ] {
        assert_eq!(chosen(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn what_forbids_approvers_is_reported() {
    let model = Neutral::new();
    let rules = [
        rule(&model, "open.file.path == \"/a\""),
        rule(&model, "open.file.path == r\"x\" && open.flags > 1"),
    ];
    let path = Capability::new(model.id("open.file.path"), GLOB, 3);
    let uid = Capability::new(model.id("process.uid"), SCALAR, 3);
    let forbidden = approvers(&rules.iter().collect::<Vec<_>>(), &[path, uid]).unwrap_err();
    assert_eq!(forbidden.rule, 1);
    assert!(matches!(forbidden.refusals[0].1, Refusal::Untakeable(Approval::Text(Matcher::Regexp(_)))));
    assert_eq!(forbidden.refusals[1], (model.id("process.uid"), Refusal::NotNeeded));
}
