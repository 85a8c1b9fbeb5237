//! What is inserted and found, kind by kind (spec 2.2 to 2.9, 8.1).

use super::made::{contains, files, insert, open, process, tags_of, with};
use crate::model::{
    AwsCredentials, AwsImds, Bind, Device, FileInfo, Flow, Generation, Imds, Open, Question, Traffic,
};
use crate::records;
use crate::{Activity, EventType, Options, Refusal, Traced, Tree, Verdict, What};

fn tree() -> Tree {
    Tree::new(Options::default())
}

fn refused(tree: &mut Tree, what: What<'_>) -> Option<Refusal> {
    with("a", what, |activity| {
        let asked = tree.contains(activity).err();
        assert_eq!(tree.insert(activity).err(), asked);
        asked
    })
}

#[test]
fn paths_become_one_node_for_each_segment() {
    let mut tree = tree();
    for path in ["/tmp/foo", "/tmp/bar", "/test/a/b/c/d/e/", "/hello", "/tmp/bar/test"] {
        assert!(contains(&tree, "a", open(path)).is_new());
        assert!(insert(&mut tree, "a", open(path)).is_new());
        assert_eq!(insert(&mut tree, "a", open(path)), Verdict::Known);
    }
    let expect = [
        "/hello",
        "/test",
        "/test/a",
        "/test/a/b",
        "/test/a/b/c",
        "/test/a/b/c/d",
        "/test/a/b/c/d/e",
        "/tmp",
        "/tmp/bar",
        "/tmp/bar/test",
        "/tmp/foo",
    ];
    assert_eq!(files(&tree), expect);
    assert_eq!(tree.stats().files, expect.len());
    // A directory on the way is known, and the root is nothing.
    assert_eq!(insert(&mut tree, "a", open("/tmp")), Verdict::Known);
    assert_eq!(insert(&mut tree, "a", open("/")), Verdict::Known);
    assert_eq!(insert(&mut tree, "a", open("")), Verdict::Known);
    assert_eq!(files(&tree), expect);
}

#[test]
fn a_file_keeps_its_first_metadata_and_result_and_all_flags() {
    let mut tree = tree();
    let path = "/etc/x";
    let file = |inode| FileInfo { inode, path: path.into(), basename: "x".into(), ..FileInfo::default() };
    let mut put = |file: Option<&FileInfo<'_>>, retval, flags, mode| {
        insert(&mut tree, "a", What::Open { path, file, open: Open { retval, flags, mode } });
    };
    put(None, 3, 1, 0o400);
    put(Some(&file(7)), 4, 2, 0o040);
    put(Some(&file(8)), 5, 4, 0o004);
    put(None, 5, 4, 0o004);
    let id = tree.find_file(0, path).unwrap();
    let (known, how) = records::leaf(&tree.texts, tree.files.get(id).unwrap().leaf, path);
    assert_eq!(known, Some(file(7)));
    assert_eq!(how, Some(Open { retval: 3, flags: 7, mode: 0o444 }));
    assert_eq!(
        tree.files.get(0).unwrap().leaf,
        crate::arena::TextId(0),
        "a directory on the way says nothing"
    );
}

#[test]
fn everything_that_is_known_of_a_file_comes_back() {
    let mut tree = tree();
    let mut file = FileInfo {
        path: "/elsewhere/y".into(),
        basename: "z".into(),
        inode: u64::MAX,
        ctime: 1,
        mtime: u64::MAX,
        mode: 2,
        uid: 3,
        user: "u".into(),
        gid: 4,
        group: "g".into(),
        mount_id: 5,
        in_upper_layer: true,
        filesystem: "overlay".into(),
        hashes: vec!["sha1:x".into(), "".into()],
        hash_state: 6,
        ..FileInfo::default()
    };
    file.package.name = "n".into();
    file.package.version = "v".into();
    file.package.source_version = "s".into();
    file.package.epoch = Some(0);
    file.package.release = Some("".into());
    file.package.source_epoch = Some(u32::MAX);
    file.package.source_release = Some("r".into());
    insert(&mut tree, "a", What::Open { path: "/x", file: Some(&file), open: Open::default() });
    let (known, how) = records::leaf(&tree.texts, tree.files.get(0).unwrap().leaf, "/x");
    assert_eq!(known.as_ref(), Some(&file));
    assert_eq!(known.unwrap().into_owned(), file);
    assert_eq!(how, Some(Open::default()));
}

fn question(name: &str, qtype: u16) -> What<'_> {
    What::Dns(Question { name: name.into(), qtype, class: 1, size: 60, count: 1 })
}

#[test]
fn names_are_matched_by_depth() {
    for (depth, cases) in [
        (
            0,
            &[
                ("a.b.c.example.com", 1, true),
                ("a.b.c.example.com", 28, true),
                ("x.b.c.example.com", 1, false),
            ][..],
        ),
        (
            3,
            &[
                ("z.c.example.com", 1, true),
                ("c.example.com", 1, true),
                ("example.com", 1, false),
                ("d.example.com", 1, false),
                ("z.c.example.com", 28, false),
                ("C.EXAMPLE.com", 1, true),
            ],
        ),
        (1, &[("anything.com", 1, true), ("com", 1, true), ("anything.org", 1, false)]),
        (9, &[("a.b.c.example.com", 1, true), ("b.c.example.com", 1, false)]),
    ] {
        let mut tree = Tree::new(Options { dns_match_max_depth: depth, ..Options::default() });
        insert(&mut tree, "a", question("A.b.c.example.com", 1));
        for (name, qtype, is_known) in cases {
            let verdict = contains(&tree, "a", question(name, *qtype));
            assert_eq!(verdict == Verdict::Known, *is_known, "{name} {qtype} at depth {depth}");
        }
        assert_eq!(contains(&tree, "b", question("a.b.c.example.com", 1)), Verdict::NewProcess);
        assert_eq!(contains(&tree.merge(&tree).unwrap(), "a", question(cases[0].0, 1)), Verdict::Known);
    }
}

#[test]
fn a_type_that_was_not_asked_for_is_new_and_the_name_is_not() {
    let mut tree = tree();
    for (name, qtype, expect) in [
        ("x.org", 1, true),
        ("x.org", 1, false),
        ("x.org", 28, true),
        ("X.ORG", 28, false),
        ("y.org", 28, true),
    ] {
        insert(&mut tree, "a", What::Exec);
        assert_eq!(insert(&mut tree, "a", question(name, qtype)).is_new(), expect, "{name} {qtype}");
    }
    assert_eq!(tree.dns_names(), ["x.org", "y.org"]);
    assert_eq!(tree.stats().dns_names, 2);
}

fn bind(family: &str, port: u16, protocol: u16, retval: i64) -> What<'_> {
    What::Bind(Bind { family: family.into(), ip: "0.0.0.0".into(), port, protocol }, retval)
}

#[test]
fn binds_differ_by_family_address_port_and_protocol_and_those_that_failed_are_not_there() {
    let mut tree = tree();
    assert_eq!(insert(&mut tree, "a", bind("AF_INET", 80, 6, -13)), Verdict::NewProcess);
    assert_eq!(insert(&mut tree, "a", bind("AF_INET", 80, 6, -13)), Verdict::Known);
    assert_eq!(tree.stats().binds, 0);
    for (family, port, protocol, expect) in [
        ("AF_INET", 80, 6, true),
        ("AF_INET", 80, 6, false),
        ("AF_INET", 80, 17, true),
        ("AF_INET", 81, 6, true),
        ("AF_INET6", 80, 6, true),
    ] {
        assert_eq!(insert(&mut tree, "a", bind(family, port, protocol, 0)).is_new(), expect);
    }
    assert_eq!((tree.stats().sockets, tree.stats().binds), (2, 4));
    assert_eq!(refused(&mut tree, bind("AF_UNIX", 0, 0, 0)), Some(Refusal::BindFamily));
}

#[test]
fn requests_to_metadata_services_that_say_nothing_are_refused() {
    let mut tree = tree();
    let imds = |kind: &str, url: &str, key: Option<&str>| Imds {
        kind: kind.to_owned(),
        url: url.to_owned(),
        aws: key.map(|key| AwsImds {
            is_imds_v2: true,
            credentials: Some(AwsCredentials { access_key_id: key.to_owned(), ..AwsCredentials::default() }),
        }),
        ..Imds::default()
    };
    assert_eq!(refused(&mut tree, What::Imds(&imds("request", "", None))), Some(Refusal::ImdsRequest));
    assert_eq!(refused(&mut tree, What::Imds(&imds("response", "/x", None))), Some(Refusal::ImdsResponse));
    assert_eq!(
        refused(&mut tree, What::Imds(&imds("response", "/x", Some("")))),
        Some(Refusal::ImdsResponse)
    );
    for (event, expect) in [
        (imds("request", "/x", None), true),
        (imds("request", "/x", None), false),
        (imds("request", "/y", None), true),
        (imds("response", "", Some("AKIA")), true),
    ] {
        assert_eq!(insert(&mut tree, "a", What::Imds(&event)).is_new(), expect);
    }
    assert_eq!(tree.stats().imds_events, 3);
}

#[test]
fn one_new_system_call_or_flow_makes_all_of_them_new() {
    let mut tree = tree();
    for (numbers, expect) in
        [(&[1, 2][..], true), (&[2], false), (&[2, 3], true), (&[3, 1, 2], false), (&[], false)]
    {
        assert_eq!(contains(&tree, "a", What::Syscalls(numbers)).is_new(), expect);
        assert_eq!(insert(&mut tree, "a", What::Syscalls(numbers)).is_new(), expect);
    }
    assert_eq!(tree.syscalls(), [1, 2, 3]);
    let flow = |port, bytes| Flow {
        source: ("10.0.0.1".into(), port),
        destination: ("10.0.0.2".into(), 80),
        ingress: Traffic { bytes, packets: 1 },
        egress: Traffic { bytes: 2 * bytes, packets: 2 },
        ..Flow::default()
    };
    let device = |ifindex| Device { netns: 4, ifindex, ifname: "eth0".into() };
    for (ifindex, flows, expect) in [
        (1, &[flow(1, 10)][..], true),
        (1, &[flow(1, 5)], false),
        (1, &[flow(1, 1), flow(2, 1)], true),
        (2, &[flow(1, 1)], true),
        (1, &[], false),
    ] {
        assert_eq!(insert(&mut tree, "a", What::Flows(device(ifindex), flows)).is_new(), expect);
    }
    assert_eq!(tree.stats().flows, 3);
    let first = *tree.flows.get(0).unwrap();
    assert_eq!((first.ingress, first.egress.bytes), (Traffic { bytes: 16, packets: 3 }, 32));
    // To merge is not to see again.
    let merged = tree.merge(&tree).unwrap();
    assert_eq!(merged.flows.get(0).unwrap().ingress, Traffic { bytes: 16, packets: 3 });
}

#[test]
fn a_capability_that_is_held_and_one_that_is_not_are_two() {
    let mut tree = tree();
    for (number, is_held, expect) in
        [(21, true, true), (21, false, true), (21, true, false), (22, true, true)]
    {
        assert_eq!(insert(&mut tree, "a", What::Capability(number, is_held)).is_new(), expect);
    }
    assert_eq!(tree.stats().capabilities, 3);
}

#[test]
fn an_exit_is_never_new_and_its_time_is_kept() {
    let mut tree = tree();
    insert(&mut tree, "a", What::Exec);
    for at in [7, 9, 8] {
        assert_eq!(insert(&mut tree, "a", What::Exit(at)), Verdict::Known);
    }
    assert_eq!(tree.process(0).unwrap().exit_time, 9);
}

#[test]
fn a_process_is_added_only_for_those_who_may() {
    let mut tree = tree();
    with("a -> b", open("/x"), |activity| {
        let activity = Activity { adds_processes: false, ..activity.clone() };
        assert_eq!(tree.insert(&activity), Ok(Verdict::NewProcess));
        assert!(tree.is_empty());
        assert_eq!(tree.contains(&activity), Ok(Verdict::NewProcess));
    });
    insert(&mut tree, "a -> b", What::Other);
    with("a -> b", open("/x"), |activity| {
        let activity = Activity { adds_processes: false, ..activity.clone() };
        assert_eq!(tree.insert(&activity), Ok(Verdict::New));
        assert_eq!(tree.insert(&activity), Ok(Verdict::Known));
    });
    assert_eq!(tree.stats().processes, 2);
}

#[test]
fn what_cannot_be_in_a_tree_is_refused_and_counted_and_leaves_nothing() {
    let mut tree =
        Tree::new(Options { traced: Traced::only([EventType::Open, EventType::Dns]), ..Options::default() });
    assert_eq!(refused(&mut tree, What::Syscalls(&[1])), Some(Refusal::EventType));
    let deep = "/d".repeat(crate::MAX_SEGMENTS + 1);
    assert_eq!(refused(&mut tree, open(&deep)), Some(Refusal::TooDeep));
    let long = "x".repeat(crate::MAX_TEXT + 1);
    assert_eq!(refused(&mut tree, open(&long)), Some(Refusal::TextTooLong));
    assert_eq!(refused(&mut tree, question(&long, 1)), Some(Refusal::TextTooLong));
    let a = process("a");
    let base = with("a", What::Exec, |activity| Activity {
        lineage: &[],
        what: What::Exec,
        image_tag: "v1",
        ..activity_of(activity)
    });
    let mut no_program = a.clone();
    no_program.file.path = "".into();
    let mut long_argument = a.clone();
    long_argument.argv0 = long.clone();
    let many = vec![&a; crate::MAX_LINEAGE + 1];
    for (lineage, expect) in [
        (&[][..], Refusal::BrokenLineage),
        (&[&a, &no_program], Refusal::BrokenLineage),
        (&[&long_argument], Refusal::TextTooLong),
        (&many, Refusal::TooDeep),
    ] {
        assert_eq!(tree.insert(&Activity { lineage, ..base.clone() }), Err(expect));
    }
    assert_eq!(
        tree.insert(&Activity { lineage: &[&a], generation: Generation::Unknown, ..base.clone() }),
        Err(Refusal::Generation)
    );
    assert!(tree.is_empty() && tree.text_bytes() == 0);
    let counters = tree.stats().counters;
    assert_eq!(counters.dropped(EventType::Exec, Refusal::BrokenLineage), 2);
    assert_eq!(counters.dropped(EventType::Syscalls, Refusal::EventType), 1);
    assert_eq!(counters.dropped(EventType::Open, Refusal::TooDeep), 1);
    assert_eq!(counters.processed(EventType::Exec), 0);
    let whole = "/d".repeat(crate::MAX_SEGMENTS);
    assert_eq!(insert(&mut tree, "a", open(&whole)), Verdict::NewProcess);
}

fn activity_of(_: &Activity<'_>) -> Activity<'static> {
    Activity {
        lineage: &[],
        what: What::Exec,
        image_tag: "",
        at_ns: 1,
        generation: Generation::Runtime,
        rules: &[],
        adds_processes: true,
    }
}

#[test]
fn activities_are_counted_by_what_became_of_them() {
    let mut tree = tree();
    insert(&mut tree, "a -> b", What::Exec);
    insert(&mut tree, "a -> b", What::Exec);
    insert(&mut tree, "a -> c", open("/x"));
    insert(&mut tree, "a -> c", open("/x"));
    let counters = tree.stats().counters;
    assert_eq!(counters.added(EventType::Exec, Generation::Runtime), 3, "each process once");
    assert_eq!(counters.added(EventType::Open, Generation::Runtime), 1);
    assert_eq!(counters.added(EventType::Open, Generation::Snapshot), 0);
    assert_eq!((counters.processed(EventType::Exec), counters.processed(EventType::Open)), (2, 2));
}

#[test]
fn a_version_that_gets_its_name_later_is_everywhere() {
    let mut tree = tree();
    with("a -> b", open("/x"), |activity| tree.insert(&Activity { image_tag: "", ..activity.clone() }))
        .unwrap();
    insert(&mut tree, "a", What::Exec);
    assert_eq!(tags_of(&tree, "a -> b"), [""]);
    tree.name_untagged("v2").unwrap();
    assert_eq!(tags_of(&tree, "a -> b"), ["v2"]);
    let mut tags = tags_of(&tree, "a");
    tags.sort();
    assert_eq!(tags, ["v1", "v2"]);
    assert_eq!(tree.image_tags().len(), 2);
}

#[test]
fn what_was_not_seen_for_long_goes_unless_it_runs() {
    let mut tree = tree();
    let mut put = |text: &str, path: &str, at_ns| {
        with(text, open(path), |activity| tree.insert(&Activity { at_ns, ..activity.clone() })).unwrap();
    };
    put("a -> b", "/old", 10);
    put("a -> c -> d", "/old", 10);
    put("a -> e", "/old", 10);
    put("a -> e", "/new", 20);
    tree.evict_unused(20, |process| process.file.basename == "d");
    assert_eq!(super::made::shape(&tree), "->a{->c{->d} ->e}");
    assert_eq!(files(&tree), ["/new"]);
}

#[test]
fn more_versions_than_a_tree_holds_are_refused() {
    let mut tree = tree();
    for n in 0..=crate::MAX_TAGS {
        let tag = format!("v{n}");
        let result =
            with("a", What::Exec, |activity| tree.insert(&Activity { image_tag: &tag, ..activity.clone() }));
        assert_eq!(result.err(), (n == crate::MAX_TAGS).then_some(Refusal::TooManyTags));
    }
    let tags = tree.image_tags();
    assert_eq!(tags.len(), crate::MAX_TAGS);
    tree.evict("v7");
    assert_eq!(tree.image_tags().len(), crate::MAX_TAGS - 1);
    with("a", What::Exec, |activity| tree.insert(&Activity { image_tag: "next", ..activity.clone() }))
        .unwrap();
}

#[test]
fn what_is_merged_has_all_flags_and_modes_and_the_start_that_is_known() {
    let made = |exec_time, flags, mode| {
        let mut tree = tree();
        let process = crate::Process { exec_time, ..process("a") };
        let what = What::Open { path: "/x", file: None, open: Open { retval: 3, flags, mode } };
        with("a", what, |activity| tree.insert(&Activity { lineage: &[&process], ..activity.clone() }))
            .unwrap();
        tree
    };
    let merged = made(0, 1, 0o400).merge(&made(7, 2, 0o040)).unwrap();
    assert_eq!(merged.process(0).unwrap().exec_time, 7);
    let (_, how) = records::leaf(&merged.texts, merged.files.get(0).unwrap().leaf, "/x");
    assert_eq!(how, Some(Open { retval: 3, flags: 3, mode: 0o440 }));
}
