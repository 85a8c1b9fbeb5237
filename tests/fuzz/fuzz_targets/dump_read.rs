//! Any bytes as a dump or a profile, in each form: what is accepted must read back the same, and can be drawn.
#![no_main]

use activity_tree::{Dump, Options, Patterns, Profile, gunzip};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let options = Options { max_bytes: 1 << 22, patterns: Some(Patterns::default()), ..Options::default() };
    drop(gunzip(data, 1 << 20));
    for read in [Dump::from_protobuf(data, options), Dump::from_json(data, options)] {
        let Ok(mut dump) = read else { continue };
        let bytes = dump.to_protobuf();
        let again = Dump::from_protobuf(&bytes, Options { max_bytes: 0, ..options }).unwrap();
        assert_eq!(again.to_protobuf(), bytes);
        let json = Dump::from_json(dump.to_json().as_bytes(), Options { max_bytes: 0, ..options }).unwrap();
        assert_eq!(json.to_protobuf(), bytes);
        drop((dump.to_dot(&|_| None), dump.to_html(&|_| None)));
        dump.tree.fold();
        dump.tree.evict("v1");
        drop(dump.to_protobuf());
    }
    if let Ok(profile) = Profile::from_protobuf(data, options) {
        let bytes = profile.to_protobuf();
        let again = Profile::from_protobuf(&bytes, Options { max_bytes: 0, ..options }).unwrap();
        assert_eq!(again.to_protobuf(), bytes);
    }
});
