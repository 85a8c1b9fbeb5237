//! Files of every era (spec 6.3), written with the schema as the encoders of that time did.

use prost_reflect::{DynamicMessage, prost::Message as _};
use serde_json::{Value, json};

use super::made::{bytes, shape};
use super::oracle::pool;
use crate::node::NodeKind;
use crate::{Dump, Generation, Options, Profile, Times};

/// JSON as a message, by the schema alone.
fn encoded(name: &str, value: Value) -> Vec<u8> {
    let descriptor = pool().get_message_by_name(&format!("datadog.cws.dumpsv1.{name}")).unwrap();
    DynamicMessage::deserialize(descriptor, value).unwrap().encode_to_vec()
}

fn dump(value: Value) -> Dump {
    let protobuf = Dump::from_protobuf(&encoded("SecDump", value.clone()), Options::default()).unwrap();
    let json = Dump::from_json(value.to_string().as_bytes(), Options::default()).unwrap();
    assert_eq!(json.to_protobuf(), protobuf.to_protobuf());
    protobuf
}

#[test]
fn tags_in_lists_syscalls_in_numbers_and_short_cookies_are_read() {
    let old = dump(json!({
        "host": "h",
        "tree": [{
            "process": {"file": {"path": "/a", "package_src_version": "3"}, "cookie": 7},
            "syscalls": [1, 2, 2],
            "image_tags": ["v1", "v2"],
            "generation_type": "SNAPSHOT",
            "files": [{"name": "etc", "first_seen": "5", "image_tags": ["v1"], "generation_type": 3,
                       "children": [{"name": "x", "first_seen": "6", "image_tags": ["v2"]}]}],
            "dns_names": [{"requests": [{"name": "A.example", "type": 1}, {"name": "A.example", "type": 28}], "image_tags": ["v1"]},
                          {"requests": []}],
            "sockets": [{"family": "AF_INET", "bind": [{"port": 80, "ip": "0.0.0.0", "image_tags": ["v1"]}]}],
            "imds_events": [{"event": {"type": "request", "url": "/"}, "image_tags": ["v2"]}],
            "syscall_nodes": [{"syscall": 59, "image_tags": ["v1"]}],
        }],
    }));
    let tree = &old.tree;
    assert_eq!(tree.process(0).unwrap().cookie, 7);
    assert_eq!(tree.process(0).unwrap().file.package.source_version, "3");
    assert_eq!(tree.syscalls(), [1, 2, 59]);
    assert_eq!(tree.dns_names(), ["a.example"]);
    assert_eq!(tree.questions.len(), 2);
    let generations: Vec<Generation> = tree.files.iter().map(|(_, node)| node.base.generation()).collect();
    assert_eq!(generations, [Generation::ProfileDrift, Generation::Unknown]);
    assert_eq!(tree.processes.get(0).unwrap().base.generation(), Generation::Snapshot);
    let seen = |id: u32| -> Vec<(&str, Times)> {
        let base = tree.files.get(id).unwrap().base;
        tree.seen(base, NodeKind::File.at(id)).map(|(tag, times)| (tree.tag_name(tag), times)).collect()
    };
    // A directory was seen whenever what is in it was.
    assert_eq!(seen(0), [("v1", Times::at(5)), ("v2", Times::at(6))]);
    assert_eq!(seen(1), [("v2", Times::at(6))]);
    assert_eq!(
        Dump::from_protobuf(&old.to_protobuf(), Options::default()).unwrap().to_protobuf(),
        old.to_protobuf()
    );
}

#[test]
fn the_wide_cookie_wins_whichever_comes_first() {
    let both = dump(json!({"tree": [{"process": {"file": {"path": "/a"}, "cookie": 7, "cookie64": "9"}}]}));
    assert_eq!(both.tree.process(0).unwrap().cookie, 9);
}

#[test]
fn a_node_that_says_nothing_of_when_it_was_seen_is_kept() {
    let mut old = dump(json!({"tree": [{"process": {"file": {"path": "/a"}}, "files": [{"name": "x"}]}]}));
    let said = old.to_protobuf();
    old.tree.evict("v1");
    old.tree.evict_unused(u64::MAX, |_| false);
    assert_eq!(old.to_protobuf(), said);
    assert!(!String::from_utf8_lossy(&said).contains("seen"));
}

#[test]
fn a_profile_with_its_facts_at_the_top_is_read() {
    let old = json!({
        "status": 3, "version": "1.0", "syscalls": [3, 4],
        "metadata": {"start": "5", "end": "9", "differentiate_args": true},
        "tags": ["image_name:nginx", "image_tag:1.25", "x:y"],
        "tree": [{"process": {"file": {"path": "/a"}, "args": ["1"]}}, {"process": {"file": {"path": "/a"}, "args": ["2"]}}],
    });
    let profile = Profile::from_protobuf(&encoded("SecurityProfile", old), Options::default()).unwrap();
    assert_eq!((&*profile.selector.image_name, &*profile.selector.image_tag), ("nginx", "1.25"));
    let context = &profile.contexts["1.25"];
    assert_eq!((context.first_seen, context.last_seen, &context.syscalls[..]), (5, 9, &[3, 4][..]));
    assert_eq!(context.tags.len(), 3);
    assert_eq!(profile.tree.stats().processes, 2);
}

#[test]
fn a_newer_profile_is_read_as_it_is() {
    let new = json!({
        "metadata": {"name": "p"},
        "selector": {"image_name": "n", "image_tag": "*"},
        "disabled": true,
        "profile_contexts": {"1": {"first_seen": "1", "last_seen": "2", "syscalls": [1], "tags": ["a"],
            "event_type_state": {"4": {"last_anomaly_nano": "8", "event_profile_state": "STABLE_PROFILE"}, "0": {"event_profile_state": 77}}}},
        "tags": ["image_name:other"],
    });
    let profile =
        Profile::from_protobuf(&encoded("SecurityProfile", new.clone()), Options::default()).unwrap();
    assert_eq!(profile.selector.image_name, "n");
    assert!(profile.disabled);
    assert_eq!(profile.contexts["1"].event_types[&4].state, 3);
    assert_eq!(profile.contexts["1"].event_types[&4].last_anomaly, 8);
    assert_eq!(profile.contexts["1"].event_types[&0].state, 77);
    assert_eq!(profile.contexts.len(), 1);
    let json = Profile::from_json(new.to_string().as_bytes(), Options::default()).unwrap();
    assert_eq!(json.to_protobuf(), profile.to_protobuf());
    assert!(profile.to_json().contains(r#""event_profile_state":77"#));
}

#[test]
fn both_spellings_of_the_source_package_and_of_all_names_are_read_and_what_is_unknown_is_passed_over() {
    for key in ["package_srcversion", "package_src_version", "packageSrcVersion", "packageSrcversion"] {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        let json = format!(
            r#"{{"news": {deep}, "tree": [{{"process": {{"file": {{"path": "/a", "{key}": "1.2", "mountId": 3}}, "forkTime": 12}}, "more": {{}}}}]}}"#
        );
        let dump = Dump::from_json(json.as_bytes(), Options::default()).unwrap();
        let process = dump.tree.process(0).unwrap();
        assert_eq!(
            (&*process.file.package.source_version, process.file.mount_id, process.fork_time),
            ("1.2", 3, 12)
        );
        assert!(dump.to_json().contains(r#""package_src_version":"1.2""#));
    }
}

#[test]
fn exec_children_of_a_file_are_preds_here() {
    let process = |path: &str, is_exec: bool| json!({"file": {"path": path, "basename": path}, "is_exec_child": is_exec});
    let chain = dump(json!({"tree": [{"process": process("/p", true), "children": [
        {"process": process("/a", false), "children": [{"process": process("/x", true)}]},
        {"process": process("/x", false)},
    ]}]}));
    assert_eq!(shape(&chain.tree), "->/p{->/a{=>/x}}");
    assert_eq!(bytes(&chain.tree), bytes(&chain.tree.merge(&chain.tree).unwrap()));
}
