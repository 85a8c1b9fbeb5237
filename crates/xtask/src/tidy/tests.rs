//! Each rule finds what it is for, and the repository itself breaks none.

use super::*;

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.to_owned() }
}

/// The texts of what the rules find in one file of an empty repository.
fn found(path: &str, text: &str) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    check(root.path(), &[source(path, text)]).into_iter().map(|finding| finding.to_string()).collect()
}

#[track_caller]
fn check_one(path: &str, text: &str, expected: &str) {
    let found = found(path, text);
    assert!(matches!(found.as_slice(), [one] if one.contains(expected)), "{found:#?}");
}

#[test]
fn this_repository_is_tidy() {
    run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
}

#[test]
fn a_file_over_the_limit_fails_and_its_unit_tests_do_not_count() {
    let code = format!("//! A.\n{}", "const A: u8 = 0;\n".repeat(599));
    assert_eq!(found("crates/a/src/lib.rs", &code).len(), 1);
    assert!(found("crates/a/src/lib.rs", &code)[0].starts_with("warning"));
    check_one("crates/a/src/lib.rs", &format!("{code}\n"), "error: crates/a/src/lib.rs: 601 lines");
    let tests = format!("//! A.\n\n#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(700));
    assert_eq!(found("crates/a/src/lib.rs", &tests), [] as [String; 0]);
    assert_eq!(found("tests/e2e/tests/all.rs", &code), [] as [String; 0]);
}

#[test]
fn a_module_without_a_header_fails() {
    check_one("crates/a/src/lib.rs", "\nfn a() {}\n", ":1: starts without `//!`");
    check_one("ebpf/open.h", "#pragma once\n", "starts without a comment");
}

#[test]
fn a_dumping_ground_fails_as_a_file_and_as_a_folder() {
    check_one("crates/a/src/utils.rs", "//! A.\n", "`utils` says nothing");
    check_one("crates/common/src/lib.rs", "//! A.\n", "`common` says nothing");
}

#[test]
fn only_ring_h_writes_to_a_ring() {
    for way in [
        "bpf_ringbuf_reserve(&r, 1, 0)",
        "bpf_ringbuf_reserve_dynptr(&r, 1, 0, &p)",
        "bpf_ringbuf_output(&r)",
    ] {
        for path in ["ebpf/open.h", "ebpf/file/ring.h"] {
            check_one(path, &format!("// A.\n  {way};\n"), ".h:2: writes to a ring directly");
        }
    }
    assert_eq!(found("ebpf/ring.h", "// A.\nbpf_ringbuf_output(&r);\n"), [] as [String; 0]);
}

#[test]
fn unfinished_work_fails() {
    check_one("docs/a.md", concat!("fine\nTO", "DO later\n"), "a.md:2");
}

#[test]
fn a_metric_has_the_name_of_its_service_and_ends_in_total_or_a_unit() {
    let file = |name: &str| format!("//! A.\nlet a =\n registry.counter(\n  \"{name}\", &[]);\n");
    for good in ["probe_ring_lost_total", "probe_buffer_bytes"] {
        assert_eq!(found("services/probe/src/metrics.rs", &file(good)), [] as [String; 0]);
    }
    check_one("services/probe/src/metrics.rs", &file("analyzer_a_total"), ":3: metric `analyzer_a_total`");
    check_one("services/probe/src/metrics.rs", &file("probe_lost"), "ends neither in `_total`");
    check_one("services/probe/src/metrics.rs", &file("probe_Lost_total"), "is not lower_snake_case");
}

#[test]
fn a_counter_that_nobody_counts_fails() {
    let declared = "//! A.\npub(crate) struct Metrics {\n    pub(crate) lost: Counter,\n}\n";
    check_one("services/probe/src/metrics.rs", declared, ":3: counter `lost` is declared and never counted");
    let counted = format!("{declared}fn f(m: &Metrics) {{\n    m.lost\n        .inc();\n}}\n");
    assert_eq!(found("services/probe/src/metrics.rs", &counted), [] as [String; 0]);
}

#[test]
fn a_link_that_leads_nowhere_fails_and_one_to_a_heading_does_not() {
    check_one("docs/a.md", "see [b](b.md)\n", "a.md:1: the link to `b.md` leads nowhere");
    check_one("a.md", "# Two words\n[x](#two-word)\n", "`#two-word` leads nowhere");
    let fine = "# Two words\n[x](#two-words) [y](https://example.com/)\n```\n[z](z.md)\n```\n";
    assert_eq!(found("a.md", fine), [] as [String; 0]);
}

#[test]
fn a_document_that_names_a_test_or_a_module_that_is_not_there_fails() {
    let code = source(
        "services/a/src/b.rs",
        "//! A.\n#[test]\nfn a_test_with_a_name() {}\nconst T: &str = \"a_trial_with_a_name\";\n// an_old_test_in_words\n",
    );
    let found = |text: &str| {
        let page = source("ARCHITECTURE.md", &format!("# A\n\n## Invariants\n\n{text}\n"));
        let findings = proofs::missing(&[page, source("services/a/src/b.rs", &code.text)]);
        findings.into_iter().map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    let there = "`a_test_with_a_name`, `a_trial_with_a_name`, `a::b` tests, `two_words`, `deny.toml`";
    assert_eq!(found(there), [] as [String; 0]);
    for gone in ["an_old_test_in_words", "a::c", "a_test_with_another_name"] {
        let findings = found(&format!("`two_words` and `{gone}`"));
        assert!(
            matches!(findings.as_slice(), [one] if one.contains(gone) && one.contains(":5")),
            "{findings:?}"
        );
    }
}

#[test]
fn a_test_or_an_example_that_cargo_leaves_out_fails() {
    let all = |program: &str, library: &str| {
        let root = tempfile::tempdir().unwrap();
        let manifest = "[lib]\ndoctest = false\n\n[[bin]]\npath = \"src/main.rs\"\ntest = false\n";
        let sources = [
            source("crates/a/Cargo.toml", manifest),
            source("crates/a/src/main.rs", &format!("//! A.\n{program}")),
            source("crates/a/src/lib.rs", &format!("//! A.\n{library}")),
        ];
        let found = check(root.path(), &sources);
        found.into_iter().map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    let (test, example) = ("#[test]\nfn a() {}\n", "//! ```\n//! a();\n//! ```\n");
    let text = "//! ```text\n//! a\n//! ```\n#[cfg(test)]\nmod tests {\n#[test]\nfn a() {}\n}\n";
    assert_eq!(all("fn main() {}\n", text), [] as [String; 0]);
    let found = [all(test, ""), all("", example)].concat();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("main.rs:2: no one runs this: the manifest says `test = false`"));
    assert!(found[1].contains("lib.rs:2: no one runs this: the manifest says `doctest = false`"));
}
