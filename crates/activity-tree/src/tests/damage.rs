//! Files that are damaged or made to do harm: refused with a reason, in bounded space and depth.

use proptest::prelude::*;

use super::made::{any_steps, bytes, insert, open, tree_of};
use crate::{DecodeError, Dump, Options, Profile, Refusal, Tree, What};

/// A message in field `number`, from inside out.
fn nested(mut inner: Vec<u8>, number: u8, depth: usize) -> Vec<u8> {
    for _ in 0..depth {
        let mut outer = vec![number << 3 | 2];
        let mut len = inner.len();
        while len > 127 {
            outer.push(u8::try_from(len % 128).unwrap() | 128);
            len /= 128;
        }
        outer.push(u8::try_from(len).unwrap());
        outer.extend(inner);
        inner = outer;
    }
    inner
}

fn process_bytes() -> Vec<u8> {
    // ProcessActivityNode.process.file.path = "/a"
    nested(b"\x5a\x02/a".to_vec(), 6, 1)
}

fn read(bytes: &[u8]) -> Result<Dump, DecodeError> {
    Dump::from_protobuf(bytes, Options { max_bytes: 1 << 20, ..Options::default() })
}

#[test]
fn nesting_is_bounded_whatever_is_nested() {
    let mut node = Vec::new();
    for _ in 0..400 {
        let mut next = nested(process_bytes(), 1, 1);
        next.extend(if node.is_empty() { Vec::new() } else { nested(node, 3, 1) });
        node = next;
    }
    assert!(matches!(read(&nested(node, 6, 1)), Err(DecodeError::Refused(Refusal::TooDeep))));
    let mut with_files = nested(process_bytes(), 1, 1);
    with_files.extend(nested(nested(Vec::new(), 6, 5000), 4, 1));
    assert!(matches!(read(&nested(with_files, 6, 1)), Err(DecodeError::Refused(Refusal::TooDeep))));
    let json = r#"{"tree":[{"children":["#.repeat(10_000);
    assert!(matches!(Dump::from_json(json.as_bytes(), Options::default()), Err(DecodeError::Json(_))));
}

#[test]
fn as_deep_as_trees_can_be_is_read_in_every_form_on_a_small_stack() {
    let mut tree = Tree::new(Options::default());
    let mut text = "p0".to_owned();
    for n in 1..crate::MAX_LINEAGE {
        text.push_str(&format!(" -> p{n}"));
    }
    let path = "/d".repeat(crate::MAX_SEGMENTS);
    insert(&mut tree, &text, open(&path));
    // In each group a chain as long as one is shown.
    let mut parent = String::new();
    for n in 0..crate::MAX_LINEAGE / 4 {
        parent.push_str(&format!("{}q{n} => r{n} => s{n} => t{n}", if n == 0 { "" } else { " -> " }));
    }
    insert(&mut tree, &parent, open(&path));
    let encoded = bytes(&tree);
    let dump = read(&encoded).unwrap();
    assert_eq!(dump.to_protobuf(), encoded);
    let json = dump.to_json();
    assert_eq!(Dump::from_json(json.as_bytes(), Options::default()).unwrap().to_protobuf(), encoded);
}

#[test]
fn what_would_be_larger_than_allowed_is_refused() {
    let mut tree = Tree::new(Options::default());
    for n in 0..2000 {
        insert(&mut tree, "a", open(&format!("/tmp/{n}")));
    }
    let small = Options { max_bytes: 20_000, ..Options::default() };
    assert!(matches!(
        Dump::from_protobuf(&bytes(&tree), small),
        Err(DecodeError::TooLarge { max_bytes: 20_000 })
    ));
    assert!(Dump::from_protobuf(&bytes(&tree), Options { max_bytes: 1 << 20, ..Options::default() }).is_ok());
}

#[test]
fn a_process_without_a_program_is_refused_and_empty_input_is_an_empty_dump() {
    assert!(matches!(read(&[0x32, 0]), Err(DecodeError::NoExecutable)));
    assert!(read(&[]).unwrap().tree.is_empty());
    assert!(matches!(read(&[0x32, 5, 1]), Err(DecodeError::Wire(_))));
    assert!(matches!(Dump::from_json(b"{} x", Options::default()), Err(DecodeError::Json(_))));
    let long =
        format!(r#"{{"tree":[{{"process":{{"file":{{"path":"/{}"}}}}}}]}}"#, "x".repeat(crate::MAX_TEXT));
    assert!(matches!(
        Dump::from_json(long.as_bytes(), Options::default()),
        Err(DecodeError::Refused(Refusal::TextTooLong))
    ));
}

#[test]
fn json_of_wrong_types_is_refused_with_the_field() {
    let check = |json: &str, expect: &str| {
        let error = Dump::from_json(json.as_bytes(), Options::default()).unwrap_err().to_string();
        assert!(error.contains(expect), "{json}: {error}");
    };
    check(r#"{"host": 1}"#, "host is no number");
    check(r#"{"host": true}"#, "host is neither true nor false");
    check(r#"{"host": ["x"]}"#, "host is no list");
    check(r#"{"host": {}}"#, "host is no object");
    check(r#"{"tags": {}}"#, "tags is no object");
    check(r#"{"tags": [["x"]]}"#, "tags is no list");
    check(r#"{"metadata": "x"}"#, "\"x\" is no value for metadata");
    check(r#"{"metadata": {"start": "x"}}"#, "\"x\" is no value for start");
    check(r#"{"metadata": {"start": -1}}"#, "-1 does not fit into start");
    check(r#"{"tree": [{"process": {"pid": 4294967296}}]}"#, "4294967296 does not fit into pid");
    check(
        r#"{"tree": [{"process": {"pid": 18446744073709551615}}]}"#,
        "18446744073709551615 does not fit into pid",
    );
    check(r#"{"tree": [{"generation_type": "LATER"}]}"#, "\"LATER\" is no value for generation_type");
    check(
        r#"{"tree": [{"syscall_nodes": [{"syscall": 2147483648}]}]}"#,
        "2147483648 does not fit into syscall",
    );
    check(r#"[]"#, "an object");
}

#[test]
fn names_of_several_segments_or_none_make_no_strange_nodes() {
    let file = |name: &str| {
        format!(
            r#"{{"tree":[{{"process":{{"file":{{"path":"/a"}}}},"files":[{{"name":"{name}","children":[{{"name":"x"}}]}}]}}]}}"#
        )
    };
    for (name, expect) in
        [("etc/ssl", &["/etc", "/etc/ssl", "/etc/ssl/x"][..]), ("", &["/x"]), ("/", &["/x"])]
    {
        let dump = Dump::from_json(file(name).as_bytes(), Options::default()).unwrap();
        assert_eq!(super::made::files(&dump.tree), expect);
    }
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic_and_what_is_accepted_is_stable(
        steps in any_steps(),
        cut: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let dump = Dump { tree: tree_of(&steps, Options::default()), ..Dump::new(Options::default()) };
        for mut encoded in [dump.to_protobuf(), dump.to_json().into_bytes()] {
            for (at, byte) in &flips {
                if !encoded.is_empty() {
                    let at = at.index(encoded.len());
                    encoded[at] = *byte;
                }
            }
            encoded.truncate(cut.index(encoded.len() + 1).max(encoded.len() / 2));
            for accepted in [read(&encoded), Dump::from_json(&encoded, Options::default())].into_iter().flatten() {
                let again = accepted.to_protobuf();
                prop_assert_eq!(read(&again).unwrap().to_protobuf(), again);
            }
            drop(Profile::from_protobuf(&encoded, Options::default()));
            drop(crate::gunzip(&encoded, 1 << 16));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&bytes));
        drop(Profile::from_protobuf(&bytes, Options::default()));
        drop(Dump::from_json(&bytes, Options::default()));
    }
}

#[test]
fn a_full_tree_takes_nothing_new_and_still_updates_what_it_has() {
    let mut tree = Tree::new(Options::default());
    insert(&mut tree, "a", open("/x"));
    tree.limit(1, crate::Traced::default());
    assert_eq!(insert(&mut tree, "a", open("/x")), crate::Verdict::Known);
    super::made::with("a", open("/y"), |activity| assert_eq!(tree.insert(activity), Err(Refusal::Full)));
    super::made::with("b", What::Exec, |activity| assert_eq!(tree.insert(activity), Err(Refusal::Full)));
    assert_eq!(super::made::files(&tree), ["/x"]);
    assert_eq!(tree.stats().counters.dropped(crate::EventType::Open, Refusal::Full), 1);
}
