//! What the description of the language says and no case states: tokens, precedence, arrays, text in text.

use super::neutral::{Neutral, net};
use super::rows::{hold, refused, with_macros};
use crate::{Binding, Macros, check_rule};

#[test]
fn tokens_are_read_as_described() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("s.text", r#"a\"b#c//d"#);
    event.set("rv", -8);
    hold(
        &event,
        &[
            ("n.a\t==\n7", true),
            ("n.a == 7 // && false", true),
            ("n.a == 7 # && false", true),
            // What stands between the quotes is taken as it is, the backslash before a quote too.
            (r#"s.text == "a\"b#c//d""#, true),
            (r#"s.text == r"\w" && s.text == r"b#c//d$""#, true),
            ("+7 == n.a", true),
            ("rv == -010", true),
            ("1000ms == 1s && 60s == 1m && 60m == 1h", true),
            ("::ffff:10.20.0.1 == 10.20.0.1", true),
            ("1:2:3:4:5:6:7:8 == 1:2:3:4:5:6:7:8", true),
            ("true & & true", true),
            ("false | | true", true),
            ("n.a ! = 8", true),
            ("n.a > = 7", true),
            ("n.a not\n in [ 8 ]", true),
        ],
    );
    refused(
        &model,
        &[("n.a in []", "at least one value"), ("[].k == 1", ""), ("it[].k == 1", ""), ("n.a == 7d", "")],
    );
}

#[test]
fn operators_bind_as_described() {
    let model = Neutral::new();
    hold(
        &model.event(),
        &[
            ("6 & 3 | 1 == 2", true),
            ("10 - 3 - 2 == 5", true),
            ("1 + 2 & 2 == 3", true),
            ("4 - 1 ^ 1 == 4", true),
            ("!!b.flag", true),
            ("not not b.flag", true),
            ("^^n.a == 7", true),
            ("-n.a == -7", true),
            ("b.flag == n.a == 7", true),
            ("true || true && false", true),
            ("true || false && false", true),
            ("n.a == 7 || n.a == 8 && false", true),
            ("not b.flag || b.flag", true),
            ("n.a & 4 | 1 > 4", true),
        ],
    );
    refused(&model, &[("n.a == 7 == true", "")]);
}

#[test]
fn several_values_are_compared_as_described() {
    let model = Neutral::new();
    let mut event = model.event();
    event.list("l.ints", [1_i64, 2]);
    event.list("l.texts", ["p", "quiet"]);
    event.list("p.list", ["p", "/x/y"]);
    event.list("ips", [net("10.20.0.1"), net("10.21.0.1")]);
    event.set("ip1", net("10.20.0.9"));
    hold(
        &event,
        &[
            ("l.ints == 2", true),
            ("l.ints > 1", true),
            ("l.ints >= 3", false),
            ("l.ints != 2", false),
            ("l.ints != 5", true),
            ("l.ints not in [ 1, 9 ]", false),
            ("n.a not in l.ints", true),
            ("2 in %{l.ints}", true),
            ("l.texts =~ \"qu*\"", true),
            ("l.texts !~ \"qu*\"", false),
            ("l.texts !~ \"z*\"", true),
            ("l.texts in [ \"x\", ~\"*t\", r\"^z\" ]", true),
            ("l.texts in p.list", true),
            ("l.texts not in p.list", false),
            ("ar.f != true", false),
            ("b.flag not in [ false ]", true),
            ("10.0.0.0/8 in 10.1.2.3/32", true),
            ("::1 in 0.0.0.0/0", false),
            ("ip1 == 10.20.0.0/24", true),
            ("ip1 != 10.20.0.0/24", false),
            ("ips != 10.21.0.1", false),
            ("ips.length == 2", true),
            ("l.ints[0] == 1 && l.ints[2] == 0", true),
        ],
    );
    event.list::<i64>("l.ints", []);
    hold(
        &event,
        &[("l.ints == 0", false), ("l.ints != 0", true), ("l.ints < 1", false), ("l.ints[0] == 0", true)],
    );
    refused(&model, &[("ip1 < ip1", "operator `<`"), ("ips >= 10.0.0.1", "operator `>=`")]);
}

#[test]
fn text_in_text_is_as_described() {
    let model = Neutral::new();
    let mut event = model.event();
    event.list("l.ints", [1_i64, -2]);
    event.list("l.texts", ["p", "q"]);
    for (value, text, expected) in [
        ("1,-2", "s.text == \"%{l.ints}\"", true),
        ("0-7", "s.text == \"%{n.b}-%{n.a}\"", true),
        ("p,q!", "s.text == \"%{l.texts}!\"", true),
        ("11,110,210", "s.text == \"%{it.k}\"", true),
        ("a%{n.a", "s.text == \"a%{n.a\"", true),
        ("a${vpid", "s.text == \"a${vpid\"", true),
        ("a$b", "s.text == \"a$b\"", true),
        ("abc", "s.text =~ \"abc*\"", true),
        ("abc", "~\"a*\" == s.text", true),
        ("abc", "r\"b\" == s.text", true),
        ("abc", "s.text == r\"B\"", false),
        ("abc", "s.text =~ r\"^ab\"", true),
        ("abc", "s.text == \"a*\"", false),
    ] {
        event.set("s.text", value);
        hold(&event, &[(text, expected)]);
    }
    for (value, root) in
        [("a.b.c.d", "c.d"), ("c.d", "c.d"), ("d", "d"), ("", ""), (".d", ".d"), ("a..", ".")]
    {
        event.set("d.name", value);
        hold(&event, &[(format!("%{{d.name.root_domain}} == \"{root}\"").as_str(), true)]);
    }
    refused(
        &model,
        &[
            ("s.text == \"%{b.flag}\"", "cannot be put into a string"),
            ("s.text == \"%{ip1}\"", "cannot be put into a string"),
            ("s.text == ~\"%{n.a}*\"", "a pattern must be constant"),
            ("s.text == \"%{vpid}\"", "unknown name"),
            ("%{O_CREAT} == 1", "is no field"),
            ("${s.text} == \"x\"", "it is a field"),
        ],
    );
}

#[test]
fn paths_and_ages_are_as_described() {
    const SECOND: i64 = 1_000_000_000;
    let model = Neutral::new();
    let mut event = model.event();
    for (path, pattern, expected) in [
        ("/etc/", "/etc/*", true),
        ("/etcx", "/etc/**", false),
        ("/etc/a/b/c", "/etc/**", true),
        ("/usr/bin/ls", "*/bin/ls", true),
        ("/usr/local/bin/ls", "*/bin/ls", false),
        ("/etc/Passwd", "/etc/pass*", false),
    ] {
        event.set("g.path", path);
        hold(&event, &[(format!("g.path =~ \"{pattern}\"").as_str(), expected)]);
    }
    event.now_ns = 100 * SECOND;
    event.set("t.start", 98 * SECOND);
    event.set("t.seen", 103 * SECOND);
    hold(
        &event,
        &[
            ("t.start >= 2s", true),
            ("t.start > 2s", false),
            ("3s > t.start", true),
            ("t.seen - t.start == 5s", true),
            ("t.seen - t.start < 5s", false),
            // In the future: younger than anything.
            ("t.seen < 0s", true),
        ],
    );
}

#[test]
fn macros_are_put_in_as_described() {
    let model = Neutral::new();
    let mut macros = Macros::default();
    for (name, text) in
        [("EIGHT", "n.a == 8"), ("WRITES", "open.flags & O_RDWR > 0"), ("NETS", "[ 10.0.0.0/8, ::1 ]")]
    {
        macros.define(name, text, &model).unwrap();
    }
    let mut event = model.event();
    event.set("ip1", net("10.1.1.1"));
    for (text, expected) in
        [("EIGHT", false), ("!EIGHT", true), ("ip1 in NETS", true), ("ip1 not in NETS", false)]
    {
        assert_eq!(with_macros(&model, &macros, text).matches(&event), expected, "{text}");
    }
    let rule = check_rule("WRITES && process.uid == 0", &model, &macros, Binding::OneEventType).unwrap();
    assert_eq!(rule.event_type(), Some(0), "the fields of a macro count");
    assert!(check_rule("%{EIGHT} == true", &model, &macros, Binding::Any).is_err(), "a macro is no field");
    assert!(macros.define("x", "true", &model).is_err(), "a field has this name");
}
