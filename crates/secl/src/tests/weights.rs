//! What conditions are taken to cost, and so which is asked first.

use super::neutral::Neutral;
use super::rows::rule;

#[test]
fn conditions_cost_what_is_read_and_what_is_compared() {
    let model = Neutral::new();
    for (text, weight) in [
        ("b.flag", 55),
        ("true && b.flag", 55),
        ("false || b.flag", 55),
        ("n.a == 7", 55),
        ("${vpid} == n.a", 60),
        ("n.a in [ 1, 2, 3 ]", 80),
        ("s.text == \"a\"", 55),
        ("s.text == g.path", 105),
        ("s.text =~ \"a*\"", 135),
        ("s.text == r\"a\"", 155),
        ("s.text in [ \"a\", \"b\" ]", 70),
        ("s.text in [ \"a\", \"${vtag}\" ]", 65),
        ("s.text in [ ~\"a*\", \"b\" ]", 1060),
        ("s.text in [ ~\"a*\", \"${vtag}\" ]", 1055),
        ("s.text in [ ~\"a*\" ]", 135),
        ("ip1 in [ 10.0.0.1, 10.0.0.2 ]", 75),
        ("ip1 == ips", 110),
        ("it.k == 1", 2055),
        ("it[A].k == 1", 2055),
        ("n.a == 7 && n.b == 1", 115),
        ("n.a == 7 || n.b == 1", 115),
        ("!(n.a == 7)", 55),
        ("(n.a == 7) == (n.b == 1)", 110),
    ] {
        assert_eq!(rule(&model, text).node.weight(), weight, "{text}");
    }
}
