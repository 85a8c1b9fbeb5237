use super::*;

fn glob(text: &str) -> Glob {
    Glob::new(text, false).unwrap()
}

/// Cases 3.2.
#[test]
fn a_double_star_stands_at_the_end_alone() {
    for text in ["**/site.d", "/etc/**/*.cfg", "/etc/**.cfg"] {
        assert!(Glob::new(text, false).is_err(), "{text}");
    }
    assert!(Pattern::new("a**b", false).unwrap_err().help().contains("slashes too"));
    assert!(Glob::new("/**/a", false).unwrap_err().help().contains("\"/etc/**\""));
    assert!(Regexp::new("a(").unwrap_err().help().contains("a backslash"));
}

/// Cases 3.3.
#[test]
fn a_glob_accepts_whole_paths() {
    for (text, subject, expected) in [
        ("/a/b/file42*", "/a/b", false),
        ("/a/b/*le*", "/a/b", false),
        ("/a/b/*le*", "/a/b/ale", true),
        ("*", "/a/b/c", false),
        ("**", "/a/b/c", true),
        ("/var/*", "/var/x/y", false),
        ("/var/x", "/var/x", true),
        ("/var/run", "/var/x", false),
        ("/var/run", "/var/run/x", false),
        ("ab*", "abc", true),
        ("*b*", "abc", true),
        ("*d*", "abc", false),
        ("*/*/daemon", "/var/x/daemon", true),
        ("daemon", "daemon", true),
        ("other", "daemon", false),
        ("/", "/daemon", false),
        ("/*", "/daemon", true),
        ("/*", "", false),
        ("**", "", false),
        ("", "", false),
        // Section 4.8.
        ("/var/*", "/var/", true),
        ("/*", "/a/b", false),
        ("/etc/**", "/etc", false),
        ("/etc/**", "/etc/", true),
        ("*/bin/*", "/usr/bin/ls", true),
        ("*/bin/*", "/usr/local/bin/ls", false),
    ] {
        assert_eq!(glob(text).matches(subject.as_bytes()), expected, "{text} ~ {subject}");
    }
}

/// Cases 3.4.
#[test]
fn a_glob_knows_what_it_may_accept_below_a_directory() {
    for (text, subject, expected) in [
        ("/var/x/*", "/var/x", true),
        ("/var/x/*", "/var/x/y", true),
        ("*/x/y", "/var/x/y", true),
        ("*/x", "/var/x/y", true),
        ("*/*/y*", "/var/x/yz", true),
        ("/var/*/y", "/var/x/y", true),
        ("/var/*/y", "/var/x/z", false),
        ("/var/**", "/var/x/z", true),
        ("/var/*", "/var/x/z", true),
        ("/var/x/z*", "/var/x/zed", true),
        ("/var/*o*/z", "/var/foo/z", true),
        ("/etc/c.d/ab*", "/etc/c.d/", true),
        ("/etc/c.d/*", "/etc/s.d/q.conf", false),
        ("/etc/passwd", "/etc", true),
        ("/etc/passwd", "/", true),
        ("", "/etc", false),
    ] {
        assert_eq!(glob(text).may_match_below(subject.as_bytes()), expected, "{text} | {subject}");
    }
}

/// Cases 3.5.
#[test]
fn a_plain_pattern_crosses_slashes() {
    for (text, subject, is_folded, expected) in [
        ("*abc*", "/abc/", false, true),
        ("*end9", "xxxend9", false, true),
        ("*end8", "xxxend9", false, false),
        ("*", "anything", false, true),
        ("e*d*", "end9", false, true),
        ("*e*d*9", "xend9", false, true),
        ("*END8", "xxxend9", true, false),
        ("end*", "END9", true, true),
        ("E*9", "end9", true, true),
        ("ab*ba", "aba", false, false),
        ("a*b*a", "aba", false, true),
        ("abc", "abc", false, true),
        ("abc", "abcd", false, false),
        ("a*bc*bc", "abcbc", false, true),
        ("*bc*bc*", "abc", false, false),
        ("*b*b*", "abcb", false, true),
        ("*ab*ab*", "ab", false, false),
        ("*ab*ba*", "xaba", false, false),
        ("*xyz*z", "axyz", false, false),
        ("*end9", "d9", false, false),
        ("start*", "st", false, false),
    ] {
        let pattern = Pattern::new(text, is_folded).unwrap();
        assert_eq!(pattern.matches(subject.as_bytes()), expected, "{text} ~ {subject}");
    }
}

#[test]
fn case_counts_beyond_ascii_unless_the_field_says_otherwise() {
    for (is_folded, expected) in [(false, false), (true, true)] {
        assert_eq!(Pattern::new("*É", is_folded).unwrap().matches("xé".as_bytes()), expected);
        assert_eq!(Pattern::new("*k", is_folded).unwrap().matches("É\u{212a}".as_bytes()), expected);
    }
}

/// Cases 3.6.
#[test]
fn case_counts_unless_the_field_says_otherwise() {
    let matches = |kind, literal, text: &str, value: &str| {
        for_kind(kind, &TextLiteral { kind: literal, text: text.to_owned() })
            .unwrap()
            .matches(value.as_bytes())
    };
    assert!(!matches(TextKind::Plain, LiteralKind::Exact, "ab1", "AB1"));
    assert!(matches(TextKind::Insensitive, LiteralKind::Exact, "ab1", "AB1"));
    assert!(matches(TextKind::Insensitive, LiteralKind::Exact, "straÉe", "STRAée"), "beyond ASCII");
    // Simple folding is by single characters: other forms of one letter are equal, `ß` has no capital among them.
    for (text, value, expected) in [
        ("k", "\u{212a}", true),
        ("\u{212a}1", "K1", true),
        ("s", "\u{17f}", true),
        ("σ", "ς", true),
        ("ß", "SS", false),
        ("ß", "ß", true),
        ("i\u{307}", "\u{130}", false),
        ("é", "e", false),
    ] {
        assert_eq!(
            matches(TextKind::Insensitive, LiteralKind::Exact, text, value),
            expected,
            "{text} {value}"
        );
    }
    for (text, value, expected) in [
        ("MÜNCHEN*", "münchen.example", true),
        ("*ÜN*", "münchen.example", true),
        ("*.ÉX*MPLE", "a.éxample", true),
        ("*K", "o\u{212a}", true),
        ("\u{212a}*", "kelvin", true),
        ("\u{212a}*", "kelvín", true),
        ("é*", "É", true),
        ("é*é", "É", false),
        ("a*é*b", "AxÉb", true),
        ("a*é*é*b", "AxÉb", false),
        ("é", "É", true),
        ("é", "Éa", false),
        ("é*e", "Éa", false),
        ("a*", "ÉA", false),
    ] {
        assert_eq!(
            matches(TextKind::Insensitive, LiteralKind::Pattern, text, value),
            expected,
            "pattern {text} {value}"
        );
    }
    assert!(Glob::new("/ÉTC/*", true).unwrap().matches("/étc/Á".as_bytes()));
    assert!(Glob::new("/ÉTC", true).unwrap().matches("/étc".as_bytes()));
    assert!(Pattern::new("A*B", true).unwrap().matches(b"a\xffb"), "what is no UTF-8");
    assert!(equal_folded(b"a\xff", b"A\xff") && !equal_folded(b"a\xff", b"a\xfe"), "what is no UTF-8");
    assert!(!matches(TextKind::Path, LiteralKind::Pattern, "/etc/ab*", "/etc/AB1"));
    assert!(Glob::new("/etc/ab*", true).unwrap().matches(b"/etc/AB1"));
    assert!(Glob::new("/etc/ab", true).unwrap().matches(b"/etc/AB"));
}

#[test]
fn what_an_accepted_text_starts_and_ends_with_is_known() {
    assert_eq!(glob("/etc/ssh/*_key").literal_prefix(), b"/etc/ssh/");
    assert_eq!(glob("/etc/ssh/*_key").literal_suffix(), b"_key");
    assert_eq!(glob("*/bin/sh").literal_prefix(), b"");
    assert!(glob("/etc/ssh").is_exact() && !glob("/etc/*").is_exact());
    let pattern = Pattern::new("ab*cd*ef", false).unwrap();
    assert_eq!((pattern.literal_prefix(), pattern.literal_suffix()), (&b"ab"[..], &b"ef"[..]));
    let folded = Pattern::new("ab*ef", true).unwrap();
    assert_eq!((folded.literal_prefix(), folded.literal_suffix()), (&b""[..], &b""[..]));
    assert_eq!(Glob::new("/a*b", true).unwrap().literal_prefix(), b"");
}

#[test]
fn a_regexp_is_unanchored_over_bytes_and_says_what_is_wrong_with_it() {
    assert!(Regexp::new("b+").unwrap().matches(b"\xffabbc"));
    assert!(!Regexp::new("^b+$").unwrap().matches(b"abbc"));
    let error = Regexp::new("a(b").unwrap_err().to_string();
    assert!(error.contains("unclosed group"), "{error}");
    assert!(Regexp::new("(a{1000}){1000}").is_err(), "memory is bounded");
    let [a, again, other] = ["a", "a", "b"].map(|text| Regexp::new(text).unwrap());
    assert!(a == again && a != other, "a regexp is its text");
}
