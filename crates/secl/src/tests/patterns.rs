//! Section 3 of the cases: globs, patterns, regexps and case.

use super::neutral::Neutral;
use super::rows::{accepted, hold, refused, rule};
use crate::ValueKind;

#[test]
fn paths_are_matched_as_in_section_3_1() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("g.path", "/opt/app/r$n");
    event.set("s.text", "https://cdn.test");
    hold(
        &event,
        &[
            ("g.path =~ \"/opt/app/r$n/sub/*\"", false),
            ("g.path =~ \"/opt/app/r$n/sub/**\"", false),
            ("g.path =~ \"/opt/app/r$n/*\"", false),
            ("g.path =~ \"/opt/app/r$n/**\"", false),
            ("g.path =~ \"/opt/app/r*\"", true),
            ("g.path =~ \"/opt/app/**\"", true),
            ("g.path =~ \"/**\"", true),
            ("g.path =~ \"/etc/**\"", false),
            ("g.path =~ \"\"", false),
            ("g.path =~ \"/*\"", false),
            ("g.path =~ \"*/*\"", false),
            ("g.path =~ \"/*/*/*\"", true),
            ("g.path =~ \"/opt/app/*\"", true),
            ("g.path =~ \"/opt/sapp/*\"", false),
            ("g.path !~ \"/opt/sapp/*\"", true),
            ("g.path =~ \"/app/\"", false),
            ("g.path =~ \"/app/*\"", false),
            ("g.path =~ \"*/app/*\"", true),
            ("g.path =~ \"*/app\"", false),
            ("g.path =~ \"/opt/*/r$n\"", true),
            ("g.path == ~\"/opt/app/*\"", true),
            ("g.path == ~\"/opt/sapp/*\"", false),
            ("g.path =~ \"/opt/app/r$n\"", true),
            ("g.path =~ \"/opt/app/r$nzz\"", false),
            ("g.path =~ r\".*/[xyz]+/app/.*\"", false),
            ("r\".*/app/.*\" == g.path", true),
            ("s.text =~ \"https://*\"", true),
            ("s.text =~ \"*cdn.test\"", true),
        ],
    );
    refused(
        &model,
        &[
            ("g.path =~ \"/etc/**/*.cfg\"", "last whole segment"),
            ("s.text =~ \"a**b\"", "means something in paths only"),
            ("s.text == r\"a(b\"", "not a regexp"),
            ("s.text =~ s.text", "a pattern must be constant"),
            ("s.text =~ ${vtag}", "a pattern must be constant"),
        ],
    );
}

#[test]
fn domain_names_ignore_case_but_in_regexps_as_in_section_3_6() {
    let model = Neutral::new();
    for (value, text, expected) in [
        ("foo", "d.name == \"BAR\"", false),
        ("foo", "d.name == ~\"FO*\"", true),
        ("foo", "d.name == r\"FO.*\"", false),
        ("foo", "d.name in [\"aaa\", r\"FO.*\"]", false),
        ("foo", "d.name in [\"aaa\", r\"FO.*\", r\"[Ff][Oo].*\"]", true),
        ("FOO", "d.name in [\"aaa\", \"foo\"]", true),
        ("foo", "d.name in [\"aaa\", ~\"FOO*\"]", true),
        ("BAR", "d.name in [\"aaa\", \"foo\"]", false),
        ("www.Example.com", "%{d.name.root_domain} == \"example.com\"", true),
        ("com", "%{d.name.root_domain} == \"com\"", true),
    ] {
        let mut event = model.event();
        event.set("d.name", value);
        hold(&event, &[(text, expected)]);
    }
    let mut event = model.event();
    event.set("s.text", "AB1");
    event.set("w.name", "AB1");
    hold(&event, &[("s.text == \"ab1\"", false), ("w.name == \"ab1\"", true), ("w.name =~ \"ab*\"", true)]);
}

#[test]
fn lists_of_globs_are_as_in_section_3_7() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("g.path", "/2/mid/3");
    event.list("p.list", ["/2/mid/3"]);
    hold(
        &event,
        &[
            ("g.path == ~\"/mid/\"", false),
            ("g.path in [~\"*/mid/*\", ~\"mid\"]", true),
            ("p.list in [~\"*/mid/*\", ~\"mid\"]", true),
        ],
    );
}

#[test]
fn kinds_of_values_are_recorded_as_in_section_3_8() {
    let model = Neutral::new();
    for (text, kind, recorded) in [
        ("g.path == \"/proc/1/x\"", ValueKind::Scalar, "/proc/1/x"),
        ("g.path =~ r\"/proc/1/.*\"", ValueKind::Regexp, "/proc/1/.*"),
        ("g.path == \"/proc/${vpid}/x\"", ValueKind::Variable, "\"/proc/${vpid}/x\""),
        ("s.text =~ \"/proc/1/*\"", ValueKind::Pattern, "/proc/1/*"),
        ("g.path =~ \"/proc/1/*\"", ValueKind::Glob, "/proc/1/*"),
    ] {
        let rule = rule(&model, text);
        let value = &rule.values()[0];
        assert_eq!((value.kind, value.text.as_str()), (kind, recorded), "{text}");
    }
}

#[test]
fn lengths_count_bytes_and_values() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("s.text", "häh");
    event.list("l.ints", [1_i64, 2]);
    hold(
        &event,
        &[
            ("s.text.length == 4", true),
            ("l.ints.length == 2", true),
            ("it.length == 3", true),
            ("it.s.length == 4", true),
            ("it[A].s.length == 4 && it[A].k == 11", true),
            ("${vlist.length} == 2", true),
            ("${vtag.length} == 2", true),
            ("${vnets.length} == 2", true),
            ("l.ints[0] == 1", true),
            ("l.ints[1] == 2", true),
            ("l.ints[5] == 0", true),
            ("l.texts[5] == \"\"", true),
        ],
    );
    event.set("d.name", "www.Example.com");
    hold(
        &event,
        &[
            ("\"%{s.text.length}/%{l.ints.length}/%{it.length}\" == \"4/2/3\"", true),
            ("\"${vtag.length} ${vlist.length}\" == \"2 2\"", true),
            ("s.text == \"%{d.name.root_domain}\"", false),
            ("\"%{d.name.root_domain}\" == \"Example.com\"", true),
            ("s.text in [ \"%{it.length}\" ]", false),
        ],
    );
    accepted(&model, &["%{l.ints[0]} == 1"]);
    refused(
        &model,
        &[
            ("it.k.length == 1", "no length"),
            ("${vpid.length} == 1", "no length"),
            ("n.a[0] == 1", "no array"),
        ],
    );
}
