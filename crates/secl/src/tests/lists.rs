//! Sections 4 and 7 of the cases: lists, constants, variables, references, arrays and iterators.

use super::neutral::Neutral;
use super::rows::{accepted, hold, refused};

#[test]
fn lists_variables_and_references_are_as_in_section_4() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("s.text", "kkk");
    hold(
        &event,
        &[
            ("\"a\" in [ \"a\", \"b\", \"c\" ]", true),
            ("\"d\" in [ \"x\", \"b\", \"c\" ]", false),
            ("\"d\" not in [ \"x\", \"b\", \"c\" ]", true),
            ("4 in [ 1, 2, 3 ]", false),
            ("n.a in [ 1, 2, 7 ]", true),
            ("3 not in [ 1, 2, 3 ]", false),
            ("s.text in [ ~\"*d*\" ]", false),
            ("s.text in [ ~\"*d*\", \"kk*\" ]", false),
            ("s.text in [ ~\"*d*\", ~\"kk*\" ]", true),
            ("s.text in [ r\".*d.*\", r\"kk.*\" ]", true),
            ("s.text in [ r\".*d.*\", r\"kq.*\" ]", false),
            ("rv in [ EPERM, EACCES, EPFNOSUPPORT ]", true),
            ("rv in [ EPERM, EPIPE, EPFNOSUPPORT ]", false),
            ("b.flag in [ true, false ]", true),
            ("b.flag in [ false ]", false),
            ("%{s.text} == \"kkk\"", true),
            ("%{n.a} == 7", true),
            ("\"%{s.text}\" == \"kkk\"", true),
            ("\"%{s.text}%{n.a}\" == \"kkk7\"", true),
            ("\"${vlist}\" == \"p,q\"", true),
            ("\"p\" in ${vlist}", true),
            ("\"r\" in ${vlist}", false),
            ("${vpid} == 4242", true),
            ("${vb} != true", true),
            ("s.text in [ \"x\", \"%{s.text}\" ]", true),
            ("s.text in [ \"x\", \"${vtag}\" ]", false),
            ("SC1 == \"one\"", true),
            ("s.text in [ SC1, SC2 ]", false),
        ],
    );
    event.set("g.path", "/proc/4242/task/zz");
    hold(
        &event,
        &[
            ("g.path == \"/proc/${vpid}/task/${vtag}\"", true),
            ("g.path == \"/proc/${vpid/task/${vtag\"", false),
            ("\"/proc/${vpid}/task/${vtag}\" == g.path", true),
        ],
    );
    accepted(&model, &["rv in [ EPERM, EACCES ]", "b.flag in [ true, false ]"]);
    refused(
        &model,
        &[
            ("rv in [ EPERM, true ]", "a boolean in a list of numbers"),
            ("rv in [ 1, \"x\" ]", "a string in a list of numbers"),
            ("${no.such} == \"x\"", "unknown variable"),
            ("s.text == \"${no.such}\"", "unknown variable"),
            ("s.text =~ \"pre-${vtag}\"", "a pattern must be constant"),
            ("s.text == ~\"pre-${vtag}\"", "a pattern must be constant"),
            ("s.text == \"${vb}\"", "cannot be put into a string"),
            ("rv in [ n.a ]", "in a list of"),
            ("n.a in [ \"a\" ]", "cannot be in a list of strings"),
        ],
    );
}

/// An interpolated text longer than what fits on the stack is compared all the same.
#[test]
fn a_long_interpolated_text_is_whole() {
    let model = Neutral::new();
    let mut event = model.event();
    let long = "x".repeat(1000);
    event.set("s.text", long.as_str());
    event.set("g.path", format!("/a/{long}/{long}").as_str());
    hold(&event, &[("g.path == \"/a/%{s.text}/%{s.text}\"", true), ("g.path == \"/a/%{s.text}/\"", false)]);
    event.set("n.a", i64::MIN);
    event.set("s.text", "-9223372036854775808!");
    hold(&event, &[("s.text == \"%{n.a}!\"", true)]);
}

#[test]
fn subscripts_are_checked_as_in_section_7() {
    let model = Neutral::new();
    refused(
        &model,
        &[
            ("it[_].k == 10 && it[_].s == \"x\"", "`_` is no name"),
            ("it[A].k == 10 && it[B].s == \"x\"", "one iterator variable"),
            ("it[A].k == 10 && ar[A].s == \"x\"", "item of another iterator"),
            ("it.k[] == 10", "subscript that means nothing"),
            ("process[].it.k == 10", "subscript that means nothing"),
            ("n[A].a == 10", "not the name of an iterator"),
            ("it[0].k == 10", "one value of an array"),
            ("it[A] == 10", "subscript that means nothing"),
        ],
    );
    accepted(&model, &["it[A].k == 10 && it.s == \"x\""]);
}

#[test]
fn any_value_and_one_item_are_as_in_section_7() {
    let model = Neutral::new();
    hold(
        &model.event(),
        &[
            ("it[A].k == 11", true),
            ("it.k != 11", false),
            ("it[A].k > 110", true),
            ("it[A].k <= 210", true),
            ("it[A].k > 9000", false),
            ("it[A].k < 11", false),
            ("it[A].k > 11", true),
            ("11 == it[A].k", true),
            ("11 != it[A].k", true),
            ("9000 != it[A].k", true),
            ("9000 not in it[A].k", true),
            ("11 > it[A].k", false),
            ("ar[A].f == true", true),
            ("true in ar[A].f", true),
            ("\"zzz\" in it[A].s", false),
            ("\"zzz\" not in it[A].s", true),
            ("~\"aa*\" in it[A].s", true),
            ("~\"aa*\" not in it[A].s", true),
            ("r\"a{1,3}\" in it[A].s", true),
            ("it[A].s == ~\"aa*\"", true),
            ("it[A].s == ~\"zz*\"", false),
            ("it[A].s =~ \"aa*\"", true),
            ("it[A].s =~ \"zz*\"", false),
            ("it[A].s in [ \"~aaa1\", ~\"aa*\", \"nope\" ]", true),
            ("it[A].s not in [ ~\"aa*\", \"nope\" ]", true),
            ("it.s in ar.s", false),
            ("ar.s in it.s", false),
            ("it[A].k == 110 && it[A].s == \"bbb1\"", true),
            ("it.k == 11 && it.s == \"bbb1\"", true),
            ("ar[A].k == 1001 && ar[A].s == \"ee\"", true),
            ("ar[A].k == 1003 && ar[A].s == \"ee\"", false),
            // Section 4.5: several values.
            ("it.k > 200", true),
            ("it.k < 11", false),
            ("ar.f == false", true),
            ("ar.f", true),
            ("!ar.f", false),
            ("11 in it.k", true),
            ("12 in it.k", false),
            ("it.k in [ 1, 110 ]", true),
            ("it.k not in [ 1, 110 ]", false),
            ("it.s =~ \"bb*\"", true),
            ("it.s !~ \"bb*\"", false),
            ("it[A].k & 1 == 1", true),
        ],
    );
    let mut tagged = model.event();
    let tags = [&["a"][..], &["b", "c"], &[]].map(|tags| tags.iter().map(|tag| (*tag).into()).collect());
    tagged.values.insert(model.id("it.tags"), tags.into());
    hold(
        &tagged,
        &[
            ("it[A].tags.length == 2 && it[A].k == 110", true),
            ("it[A].tags.length == 2 && it[A].k == 11", false),
            ("it[A].tags.length == 0 && it[A].k == 210", true),
            ("it[A].tags == \"c\" && it[A].k == 110", true),
            ("it[A].tags == \"c\" && it[A].k == 11", false),
            ("it[A].tags[1] == \"c\" && it[A].k == 110", true),
            ("it[A].tags[1] == \"\" && it[A].k == 11", true),
            ("it.tags == \"c\"", true),
            ("it.tags != \"c\"", false),
        ],
    );
    let mut nobody = model.event();
    for name in ["it.k", "it.s"] {
        nobody.set_items::<i64>(name, []);
    }
    hold(&nobody, &[("it[A].k != 5", false), ("it.k != 5", true), ("it[A].k == 0 || true", false)]);
}
