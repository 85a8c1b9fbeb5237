//! Folding siblings, and what folding must not hide (spec 2.12, 8.3).

use super::made::{bytes, contains, files, insert, open};
use crate::{Dump, Options, Patterns, Tree, Verdict};

fn learned(paths: &[&str]) -> Tree {
    let mut tree = Tree::new(Options { patterns: Some(Patterns::default()), ..Options::default() });
    for path in paths {
        insert(&mut tree, "a", open(path));
    }
    tree.fold();
    tree
}

fn check(paths: &[&str], expect: &[&str]) -> Tree {
    let tree = learned(paths);
    assert_eq!(files(&tree), expect, "{paths:?}");
    for path in paths {
        assert_eq!(contains(&tree, "a", open(path)), Verdict::Known, "{path}");
    }
    tree
}

#[test]
fn siblings_of_one_shape_become_one_pattern() {
    check(&["/tmp/1", "/tmp/2", "/tmp/3"], &["/tmp", "/tmp/*"]);
    check(&["/tmp/sess-1", "/tmp/sess-2", "/tmp/sess-3"], &["/tmp", "/tmp/sess-*"]);
    check(&["/tmp/1", "/tmp/2"], &["/tmp", "/tmp/1", "/tmp/2"]);
    check(&["/t/1/x", "/t/2/y", "/t/3/x"], &["/t", "/t/*", "/t/*/x", "/t/*/y"]);
    check(&["/t/1/s/4", "/t/2/s/5", "/t/3/s/6"], &["/t", "/t/*", "/t/*/s", "/t/*/s/*"]);
}

#[test]
fn a_bare_pattern_needs_numbers_and_no_other_shape_beside_it() {
    let beside = ["/t/1", "/t/2", "/t/3", "/t/x"];
    check(&beside, &["/t", "/t/1", "/t/2", "/t/3", "/t/x"]);
    let two = ["/t/1", "/t/2", "/t/3", "/t/a1", "/t/b2", "/t/c3"];
    check(&two, &["/t", "/t/1", "/t/2", "/t/3", "/t/a1", "/t/b2", "/t/c3"]);
    check(&["/bin", "/dev", "/etc", "/lib"], &["/bin", "/dev", "/etc", "/lib"]);
}

#[test]
fn a_pattern_stands_only_for_names_of_its_shape() {
    let tree = check(&["/t/1", "/t/2", "/t/3"], &["/t", "/t/*"]);
    for (path, expect) in [
        ("/t/4", Verdict::Known),
        ("/t/x", Verdict::New),
        ("/t/..", Verdict::New),
        ("/t/4/x", Verdict::New),
        ("/u/4", Verdict::New),
    ] {
        assert_eq!(contains(&tree, "a", open(path)), expect, "{path}");
    }
    let tree = check(&["/t/sess-1", "/t/sess-2", "/t/sess-3"], &["/t", "/t/sess-*"]);
    for (path, expect) in [
        ("/t/sess-99", Verdict::Known),
        ("/t/sess-root", Verdict::New),
        ("/t/sess-", Verdict::New),
        ("/t/user-1", Verdict::New),
    ] {
        assert_eq!(contains(&tree, "a", open(path)), expect, "{path}");
    }
}

#[test]
fn a_new_variant_is_known_and_makes_nothing() {
    let mut tree = learned(&["/t/1", "/t/2", "/t/3"]);
    let said = tree.stats().files;
    assert_eq!(insert(&mut tree, "a", open("/t/1234")), Verdict::Known);
    assert_eq!(tree.stats().files, said);
    assert_eq!(insert(&mut tree, "a", open("/t/1234/x")), Verdict::New);
    assert_eq!(files(&tree), ["/t", "/t/*", "/t/*/x"]);
}

#[test]
fn folding_is_off_by_default_and_done_once() {
    let mut plain = Tree::new(Options::default());
    for n in 0..200 {
        insert(&mut plain, "a", open(&format!("/t/{n}")));
    }
    assert_eq!((plain.fold(), plain.stats().files), (0, 201));
    let mut tree = learned(&["/t/1", "/t/2", "/t/3"]);
    let said = bytes(&tree);
    assert_eq!(tree.fold(), 0);
    assert_eq!(bytes(&tree), said);
}

#[test]
fn a_flood_of_names_is_folded_while_it_comes() {
    let mut tree = Tree::new(Options { patterns: Some(Patterns::default()), ..Options::default() });
    for n in 0..5000 {
        insert(&mut tree, "a", open(&format!("/tmp/job-{n}.log")));
        assert!(tree.stats().files < 100, "{n}");
    }
    assert_eq!(files(&tree), ["/tmp", "/tmp/job-*.log"]);
    assert_eq!(tree.fold(), 0);
}

#[test]
fn fewer_children_than_the_limit_are_left_alone_until_the_end() {
    let mut tree = Tree::new(Options { patterns: Some(Patterns::default()), ..Options::default() });
    for directory in 0..20 {
        for n in 0..15 {
            insert(&mut tree, "a", open(&format!("/d{}/{n}", char::from(b'a' + directory))));
        }
    }
    assert_eq!(tree.stats().files, 20 * 16);
    assert!(tree.fold() >= 20 * 14);
}

#[test]
fn the_shape_of_a_pattern_survives_a_file_and_a_name_with_a_star_is_no_pattern() {
    let tree = learned(&["/t/1", "/t/2", "/t/3", "/u/*"]);
    let options = Options { patterns: Some(Patterns::default()), ..Options::default() };
    for tree in [Dump::from_protobuf(&bytes(&tree), options).unwrap().tree, tree] {
        assert_eq!(contains(&tree, "a", open("/t/9")), Verdict::Known);
        assert_eq!(contains(&tree, "a", open("/t/x")), Verdict::New);
        assert_eq!(contains(&tree, "a", open("/u/9")), Verdict::New, "somebody made a file with this name");
        assert!(Dump { tree, ..Dump::new(options) }.to_json().contains(r#""is_pattern":true"#));
    }
}

#[test]
fn what_is_folded_keeps_versions_times_flags_and_metadata() {
    use crate::model::{FileInfo, Open};
    use crate::{Activity, What};
    let mut tree = learned(&[]);
    for (n, at_ns) in [(3, 30), (1, 10), (2, 20)] {
        let path = format!("/t/{n}");
        let file = FileInfo {
            path: path.clone().into(),
            basename: n.to_string().into(),
            inode: n,
            ..FileInfo::default()
        };
        let open = Open { flags: 1 << n, mode: 0, retval: 5 };
        super::made::with("a", What::Open { path: &path, file: Some(&file), open }, |activity| {
            tree.insert(&Activity { at_ns, image_tag: "v2", ..activity.clone() }).unwrap();
        });
    }
    assert_eq!(tree.fold(), 2);
    let id = tree.find_file(0, "/t/77").unwrap();
    let node = tree.files.get(id).unwrap();
    let (file, open) = crate::records::leaf(&tree.texts, node.leaf, "/t/*");
    let file = file.unwrap();
    assert_eq!((&*file.path, &*file.basename, file.inode), ("/t/*", "*", 1));
    assert_eq!(open.unwrap().flags, 0b1110);
    let seen: Vec<_> = tree.seen(node.base, crate::node::NodeKind::File.at(id)).collect();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].1.first, seen[0].1.last), (10, 30));
}
