//! Weaknesses of the original (spec 10.2) that belong to the tree; the numbers are those of the specification.

use super::made::{bytes, contains, files, insert, open, process, tags_of, with};
use crate::model::{MatchedRule, Open};
use crate::{Activity, Dump, Options, Process, Tree, Verdict, What};

fn tree() -> Tree {
    Tree::new(Options::default())
}

#[test]
fn w1_what_is_the_same_does_not_depend_on_what_came_first() {
    let forward = ["/var/run/1234567/x", "/var/run/abcdefgh/x", "/var/run/1234567/y"];
    let put = |paths: &mut dyn Iterator<Item = &&str>| {
        let mut tree = tree();
        for path in paths {
            let mut process = process("x");
            process.file.path = (*path).to_owned().into();
            with("x", What::Exec, |activity| {
                tree.insert(&Activity { lineage: &[&process], ..activity.clone() })
            })
            .unwrap();
        }
        bytes(&tree)
    };
    assert_eq!(put(&mut forward.iter()), put(&mut forward.iter().rev()));
}

#[test]
fn w2_a_bare_pattern_hides_no_name_of_another_shape_and_top_directories_are_never_folded() {
    let mut tree = Tree::new(Options { patterns: Some(crate::Patterns::default()), ..Options::default() });
    for top in ["bin", "dev", "etc", "lib", "opt", "run"] {
        insert(&mut tree, "a", open(&format!("/{top}/1")));
    }
    tree.fold();
    assert_eq!(contains(&tree, "a", open("/evil/1")), Verdict::New);
    assert!(files(&tree).iter().all(|path| !path.starts_with("/*")));
}

#[test]
fn w3_a_version_that_is_not_known_is_not_called_latest() {
    let mut tree = tree();
    with("a", What::Exec, |activity| tree.insert(&Activity { image_tag: "", ..activity.clone() })).unwrap();
    assert_eq!(tags_of(&tree, "a"), [""]);
    assert!(tree.image_tags().is_empty());
}

#[test]
fn w4_a_tree_keeps_what_it_was_told_whatever_becomes_of_the_event() {
    let mut tree = tree();
    let mut process = process("a");
    process.args = vec!["secret".to_owned()];
    with("a", What::Exec, |activity| tree.insert(&Activity { lineage: &[&process], ..activity.clone() }))
        .unwrap();
    process.args.clear();
    assert_eq!(tree.process(0).unwrap().args, ["secret"]);
}

#[test]
fn w5_a_limit_bounds_texts_arguments_and_environments_too() {
    let max_bytes = 200_000;
    let mut tree = Tree::new(Options { max_bytes, ..Options::default() });
    for n in 0..10_000 {
        let mut process = process(&format!("p{}", n % 10));
        process.envs = vec![format!("{n}{}", "x".repeat(1000))];
        process.file.path = format!("/bin/{n}").into();
        let result = with("a", What::Exec, |activity| {
            tree.insert(&Activity { lineage: &[&process], ..activity.clone() })
        });
        assert!(result.is_ok() || tree.bytes() >= max_bytes);
    }
    assert!(tree.bytes() < max_bytes + max_bytes / 16 + 4096, "{}", tree.bytes());
}

#[test]
fn w6_a_look_up_adds_no_system_call_rule_version_process_or_move() {
    let mut tree = tree();
    insert(&mut tree, "p -> a", open("/x"));
    insert(&mut tree, "p -> b", What::Exec);
    let before = (bytes(&tree), tree.stats());
    let rules = [MatchedRule { rule_id: "r".to_owned(), ..MatchedRule::default() }];
    for (text, what) in [
        ("p -> a", open("/x")),
        ("p -> a", What::Syscalls(&[1])),
        ("p -> new", What::Exec),
        ("p -> a => b", What::Exec),
    ] {
        with(text, what, |activity| {
            tree.contains(&Activity { rules: &rules, image_tag: "v2", at_ns: 99, ..activity.clone() })
                .unwrap()
        });
    }
    assert_eq!((bytes(&tree), tree.stats()), before);
}

#[test]
fn w7_a_top_directory_that_another_version_uses_stays_when_the_first_goes() {
    let mut tree = tree();
    insert(&mut tree, "a", open("/etc/x"));
    with("a", open("/etc/x"), |activity| tree.insert(&Activity { image_tag: "v2", ..activity.clone() }))
        .unwrap();
    tree.evict("v1");
    assert_eq!(files(&tree), ["/etc", "/etc/x"]);
    tree.evict("v2");
    assert!(tree.is_empty());
}

#[test]
fn w8_names_system_calls_and_counts_go_with_the_version() {
    let mut tree = tree();
    insert(&mut tree, "a", What::Syscalls(&[59]));
    insert(
        &mut tree,
        "a",
        What::Dns(crate::Question { name: "x.org".into(), qtype: 1, ..crate::Question::default() }),
    );
    with("a", What::Syscalls(&[2]), |activity| {
        tree.insert(&Activity { image_tag: "v2", ..activity.clone() })
    })
    .unwrap();
    let full = tree.bytes();
    tree.evict("v1");
    assert_eq!(tree.syscalls(), [2]);
    assert!(tree.dns_names().is_empty());
    let stats = tree.stats();
    assert_eq!((stats.processes, stats.dns_names, stats.syscalls), (1, 0, 1));
    assert!(stats.bytes < full);
}

#[test]
fn w9_versions_reach_the_ancestors_of_a_chain_that_was_put_together() {
    let mut tree = tree();
    insert(&mut tree, "bash -> ls -> x", What::Exec);
    with("bash -> webserver => ls -> x", open("/f"), |activity| {
        tree.insert(&Activity { image_tag: "v2", ..activity.clone() })
    })
    .unwrap();
    for text in ["bash", "bash -> webserver", "bash -> webserver => ls", "bash -> ls -> x"] {
        assert!(tags_of(&tree, text).contains(&"v2".to_owned()), "{text}");
    }
    tree.evict("v1");
    assert_eq!(contains(&tree, "bash -> webserver => ls -> x", open("/f")), Verdict::Known);
}

#[test]
fn w13_patterns_are_marked_and_the_same_content_is_the_same_bytes() {
    let mut paths: Vec<String> = (0..50).map(|n| format!("/proc/*/{n}")).collect();
    let put = |paths: &[String]| {
        let mut tree = tree();
        for path in paths {
            insert(&mut tree, "a", open(path));
        }
        Dump { tree, ..Dump::new(Options::default()) }
    };
    let forward = put(&paths);
    paths.reverse();
    let backward = put(&paths);
    assert_eq!(forward.to_protobuf(), backward.to_protobuf());
    assert_eq!(forward.to_json(), backward.to_json());
    assert!(
        forward.to_json().contains(r#""name":"*","file":null"#)
            || forward.to_json().contains(r#""is_pattern":true"#)
    );
}

#[test]
fn w14_how_a_file_was_opened_in_a_snapshot_can_be_said() {
    let mut tree = tree();
    let open = Open { retval: 0, flags: 0o2000002, mode: 0 };
    with("a", What::Open { path: "/x", file: None, open }, |activity| {
        tree.insert(&Activity { generation: crate::Generation::Snapshot, ..activity.clone() })
    })
    .unwrap();
    assert!(Dump { tree, ..Dump::new(Options::default()) }.to_json().contains(r#""flags":524290"#));
}

#[test]
fn w15_what_differs_by_arguments_still_does_after_a_file() {
    let mut tree = Tree::new(Options { differentiate_args: true, ..Options::default() });
    for arg in ["-u", "-R"] {
        let process = Process { args: vec![arg.to_owned()], ..process("date") };
        with("a", What::Exec, |activity| tree.insert(&Activity { lineage: &[&process], ..activity.clone() }))
            .unwrap();
    }
    let mut dump = Dump::new(*tree.options());
    dump.tree = tree;
    let read = Dump::from_protobuf(&dump.to_protobuf(), Options::default()).unwrap();
    let process = Process { args: vec!["--help".to_owned()], ..process("date") };
    with("a", What::Exec, |activity| {
        let activity = Activity { lineage: &[&process], ..activity.clone() };
        assert_eq!(read.tree.contains(&activity), Ok(Verdict::NewProcess));
    });
}

#[test]
fn rules_stay_with_what_matched_them_once_and_survive_a_file() {
    let rule = |id: &str| MatchedRule {
        rule_id: id.to_owned(),
        rule_tags: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
        ..MatchedRule::default()
    };
    let mut tree = tree();
    for rules in [[rule("r1"), rule("r2")], [rule("r2"), rule("r1")]] {
        with("a", open("/etc/x"), |activity| tree.insert(&Activity { rules: &rules, ..activity.clone() }))
            .unwrap();
    }
    assert_eq!(tree.rules.len(), 2);
    let json = Dump { tree, ..Dump::new(Options::default()) }.to_json();
    assert_eq!(json.matches(r#""rule_tags":{"a":"1","b":"2"}"#).count(), 2);
    let read = Dump::from_json(json.as_bytes(), Options::default()).unwrap();
    assert_eq!(read.tree.rules.len(), 2);
    assert_eq!(read.to_json(), json);
}

#[test]
fn a_refresh_keeps_what_another_version_uses_and_adds_nothing() {
    let mut tree = Tree::new(Options::default());
    insert(&mut tree, "sh", open("/a"));
    let stats = |tree: &Tree| (tree.stats().files, tree.stats().processes);
    let before = stats(&tree);
    with("sh", open("/a"), |known| {
        let verdict = tree.refresh(&Activity { image_tag: "v2", ..known.clone() });
        assert_eq!(verdict, Ok(Verdict::Known));
    });
    with("sh", open("/b"), |new| assert_eq!(tree.refresh(new), Ok(Verdict::New)));
    with("bash", What::Exec, |new| assert_eq!(tree.refresh(new), Ok(Verdict::NewProcess)));
    assert_eq!(stats(&tree), before);
    tree.evict("v1");
    assert_eq!(stats(&tree), before);
    assert_eq!(contains(&tree, "sh", open("/a")), Verdict::Known);
}
