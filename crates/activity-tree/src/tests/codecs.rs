//! What is written: times of the day, extensions, heads.

use super::made::{insert, open};
use crate::{Dump, Metadata, Options, Selector, Tree, What};

#[test]
fn a_profile_of_a_dump_has_times_of_the_day_for_each_version() {
    let mut dump = Dump::new(Options::default());
    dump.tags = vec!["image_name:x".to_owned()];
    insert(&mut dump.tree, "a", What::Syscalls(&[9, 1]));
    super::made::with("a", What::Exec, |activity| {
        dump.tree.insert(&crate::Activity { image_tag: "v2", at_ns: 50, ..activity.clone() })
    })
    .unwrap();
    let profile = dump.into_profile(Selector { image_name: "x".to_owned(), image_tag: "*".to_owned() });
    let spans: Vec<_> = profile
        .contexts
        .iter()
        .map(|(tag, context)| (&**tag, context.first_seen, context.last_seen))
        .collect();
    assert_eq!(spans, [("v1", 10, 10), ("v2", 50, 50)]);
    assert!(
        profile
            .contexts
            .values()
            .all(|context| context.syscalls == [1, 9] && context.tags == ["image_name:x"])
    );
}

#[test]
fn a_profile_of_a_dump_whose_version_nobody_knows_has_the_one_it_is_called() {
    let mut dump = Dump::new(Options::default());
    (dump.metadata.start, dump.metadata.end) = (3, 4);
    let profile = dump.into_profile(Selector { image_name: "x".to_owned(), image_tag: "t".to_owned() });
    assert_eq!((profile.contexts["t"].first_seen, profile.contexts["t"].last_seen), (3, 4));
}

#[test]
fn every_field_of_the_head_comes_back() {
    let text = |n: u8| format!("text {n}");
    let metadata = Metadata {
        agent_version: text(1),
        agent_commit: text(2),
        kernel_version: text(3),
        linux_distribution: text(4),
        arch: text(5),
        name: text(6),
        protobuf_version: text(7),
        differentiate_args: true,
        comm: text(8),
        container_id: text(9),
        cgroup_id: text(10),
        cgroup_manager: text(11),
        start: 12,
        end: 13,
        size: 14,
        serialization: text(15),
    };
    let dump = Dump {
        host: text(16),
        service: text(17),
        source: text(18),
        metadata,
        tags: vec![text(19), text(20)],
        tree: Tree::new(Options::default()),
    };
    for read in [
        Dump::from_protobuf(&dump.to_protobuf(), Options::default()).unwrap(),
        Dump::from_json(dump.to_json().as_bytes(), Options::default()).unwrap(),
    ] {
        assert_eq!(read.metadata, dump.metadata);
        assert_eq!((&read.host, &read.service, &read.source), (&dump.host, &dump.service, &dump.source));
        assert_eq!(read.tags, dump.tags);
        assert!(read.tree.options().differentiate_args);
    }
}

#[test]
fn empty_fields_are_in_the_json_as_the_mapping_has_it() {
    let mut dump = Dump::new(Options::default());
    insert(&mut dump.tree, "a", open("/x"));
    let json = dump.to_json();
    for expect in [
        r#""host":"""#,
        r#""tags":[]"#,
        r#""start":"0""#,
        r#""generation_type":"RUNTIME""#,
        r#""seen":{"v1":{"first_seen":"10","last_seen":"10"}}"#,
        r#""retval":"0""#,
        r#""file":null"#,
    ] {
        assert!(json.contains(expect), "{expect} is not in {json}");
    }
    assert!(!json.contains("package_epoch"), "an optional field that is not there");
}
