use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> String {
    parse_rule(text).map_or_else(
        |errors| errors.iter().map(|error| error.render(text)).collect(),
        |parsed| parsed.expr.to_string(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_printed_tree_is_read_as_the_same_tree(expr in arbitrary::expr()) {
        let text = expr.to_string();
        match parse_macro(&text) {
            Ok(parsed) => prop_assert_eq!(parsed.expr, expr, "{}", text),
            Err(errors) => prop_assert!(false, "{}\n{}", text, errors[0].render(&text)),
        }
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "[ -~\n\"é]{0,80}") {
        if let Err(errors) = parse_rule(&text) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(!error.render(&text).is_empty());
            }
        }
    }
}

/// Precedence and associativity: the text, and the same with every parenthesis written.
#[test]
fn operators_bind_as_the_grammar_says() {
    for (text, meaning) in [
        ("false && true || true", "false && (true || true)"),
        ("true || false && true", "true || (false && true)"),
        ("a or b and c or d", "a || (b && (c || d))"),
        ("(a && b) || c", "(a && b) || c"),
        ("a && b && c", "a && b && c"),
        ("1 == 1 & 1", "1 == 1 & 1"),
        ("n & 1 | 2 ^ 3", "n & 1 | 2 ^ 3"),
        ("(n & 1) | 2", "(n & 1) | 2"),
        ("not true && false", "!true && false"),
        ("!(a && b)", "!(a && b)"),
        ("--3 == 3", "-(-3) == 3"),
        ("^0 == -1", "^(0) == -1"),
        ("a - 1 - 2", "a - 1 - 2"),
        ("a - (1 - 2)", "a - (1 - 2)"),
        ("a == b == c", "a == b == c"),
        ("(a == b) == c", "(a == b) == c"),
        ("a & & b", "a && b"),
        ("a | | b", "a || b"),
        ("a ! = 1", "a != 1"),
        ("a > = 1", "a >= 1"),
        ("a =~\"x*\"", "a =~ \"x*\""),
        ("a == ~\"x*\"", "a == ~\"x*\""),
        ("a in[1, 2]", "a in [ 1, 2 ]"),
        ("a in [X,Y]", "a in [ X, Y ]"),
        ("n == 010", "n == 8"),
        ("t < 500ms", "t < 500ms"),
        ("t < 120s", "t < 2m"),
        ("a # note\n // another\n && b", "a && b"),
        ("ip in ::ffff:10.0.0.0/104", "ip in ::ffff:10.0.0.0/104"),
        ("r\"x\"  ", "r\"x\""),
        (r#"s == "a\"b""#, r#"s == "a\"b""#),
    ] {
        assert_eq!(shown(text), meaning, "{text}");
    }
}

/// Cases 1, 4, 11 and 7 "syntax": what the grammar refuses.
#[test]
fn what_the_grammar_does_not_know_is_refused() {
    for text in [
        "",
        "   ",
        "a -1 == 6",
        "t > 1h30m",
        "a in []",
        "a in [1, ]",
        "a == ",
        "(a",
        "a)",
        "a b",
        "a = 1",
        "a == 'x'",
        "a == \"x",
        "a == 0x10",
        "a == 08",
        "a == 99999999999999999999",
        "a < 10min",
        "a < 10d",
        "ip in 10.0.0.0/33",
        "ip in 10.0.0.1",
        "a in \"x\"",
        "a in [ ${v} ]",
        "${v == 1",
        "a == 1.5",
        "a == {1}",
        "a &&",
        "&& a",
        "()",
    ] {
        assert!(parse_rule(text).is_err(), "{text}");
    }
}

/// Cases 11: what is read as a macro.
#[test]
fn a_macro_is_an_expression_a_list_or_a_value() {
    for text in [
        "[ 1, 2, 3 ]",
        "true",
        "1 in [ 1, 2, 3 ]",
        "\"x\"",
        "O_CREAT|O_RDWR",
        "[ ::1, 127.0.0.1, ::1/128, 127.0.0.1/32 ]",
        "a in [~\"p\", \"q\"]",
        "a in [r\"p\", \"q\"]",
        "1 in [ 1, 2 ]",
        "ip in 192.0.2.0/24",
        "ip in ::1/128",
        "ip in [ ::1, 127.0.0.1, ::1/128, 127.0.0.1/32 ]",
        "net allin 192.0.2.0/24",
        "net allin [ 192.0.2.0/24, ::1/128 ]",
        "r\"p\" ",
    ] {
        assert!(parse_macro(text).is_ok(), "{text}");
    }
}

#[test]
fn every_error_of_a_text_is_reported_at_once() {
    let errors = parse_rule("a = 1 && (b == 'x' || c 2) && d ==").unwrap_err();
    let columns: Vec<_> = errors.iter().map(|error| error.span.start).collect();
    assert_eq!(columns, [2, 15, 24, 34], "{errors:?}");
}

#[test]
fn mixing_and_with_or_is_warned_of_unless_parentheses_say_what_is_meant() {
    let warnings = |text| parse_rule(text).unwrap().warnings.len();
    assert_eq!(warnings("a && b || c"), 1);
    assert_eq!(warnings("a || b and c or d"), 1);
    assert_eq!(warnings("a && (b || c)"), 0);
    assert_eq!(warnings("(a && b) || c"), 0);
    assert_eq!(warnings("a && b && c"), 0);
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |unit: &str, n| format!("{}a", unit.repeat(n));
    for unit in ["(", "!", "^", "a & ", "a == ", "a - ", "a && b || ", "-", "(a - ", "not "] {
        for n in [300, 5_000] {
            let errors = parse_rule(&deep(unit, n)).unwrap_err();
            assert!(errors.iter().any(|error| error.message.contains("levels deep")), "{unit}: {errors:?}");
        }
    }
    // The tallest trees still come back from their own text, which has more parentheses than they have levels.
    for tallest in [format!("{}3", "- ".repeat(98)), format!("{}a", "!(a == ".repeat(49)) + &")".repeat(49)] {
        let expr = parse_rule(&tallest).unwrap().expr;
        assert!(expr.height >= MAX_HEIGHT - 3, "{}", expr.height);
        assert_eq!(parse_rule(&expr.to_string()).unwrap().expr, expr);
    }
    assert!(parse_rule(&"a && ".repeat(1000)).is_err(), "ends with an operator");
    assert!(parse_rule(&deep("a && ", 5_000)).is_ok(), "a long chain is not deep");
    assert!(parse_rule(&"a".repeat(MAX_TEXT_BYTES + 1)).unwrap_err()[0].message.contains("longer"));
}

/// Twice the text is twice the work, and none is looked at more than some times, whatever it repeats.
#[test]
fn work_grows_with_the_text_and_no_faster() {
    let units = [
        "a && ",
        "a && b || ",
        "a == 1 && ",
        "(a) && ",
        "(a || b) && ",
        "a in [ 1, 2 ] && ",
        "!a && ",
        "a ! ",
        "a b ",
        "(",
        "(a && ",
        "!(a == ",
        "not ",
        "- ",
        "a - 1 ",
        "a -1 ",
        "a & ",
        "a & & ",
        "1, ",
        "[",
        "[1,",
        "a[",
        "a[b].c",
        "a[b",
        "\"x\" ",
        "\"",
        "\\",
        "\"\\\"",
        "~\"x\" ",
        "r\"",
        "'x' ",
        "# x\n",
        "# x",
        "//",
        "/*",
        "/",
        "f",
        "1",
        "1.",
        "1:",
        "::",
        "f:1 ",
        "10.0.0.1 ",
        "10.0.0.1/8",
        "1h",
        "${v} ",
        "${v",
        "$",
        "%{a[b]} ",
        "\u{201c}",
        "\u{201c}x",
        "{ ",
        "}",
        "é",
        " ",
        "\n",
        "<",
        "> = ",
    ];
    for unit in units {
        let work = |length: usize| {
            let text = unit.repeat(length / unit.len());
            work::done_by(|| drop(parse_rule(&text))) + work::done_by(|| drop(parse_macro(&text)))
        };
        let (half, whole) = (work(MAX_TEXT_BYTES / 2), work(MAX_TEXT_BYTES));
        assert!(whole <= half * 2 + half / 20 + 1_000, "{unit:?}: {half} steps, then {whole}");
        assert!(whole <= 60 * MAX_TEXT_BYTES, "{unit:?}: {whole} steps");
    }
    let list = |members: usize| {
        let text = format!("a in [ {}1 ]", "1, ".repeat(members));
        work::done_by(|| assert!(parse_rule(&text).is_ok()))
    };
    assert!(list(20_000) <= list(10_000) * 2 + 1_000);
}
