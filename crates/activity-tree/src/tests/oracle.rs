//! What an independent implementation of protobuf reads in what is written here: the schema compiled at test time, and
//! messages that know nothing of this crate.

use proptest::prelude::*;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions, prost::Message as _};
use serde_json::Value;

use super::made::{any_steps, tree_of};
use crate::{Dump, Options, Selector};

pub(crate) fn pool() -> DescriptorPool {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    let files = protox::compile(["datadog/cws/dumpsv1/activity_dump.proto"], [root]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

fn read(pool: &DescriptorPool, name: &str, bytes: &[u8]) -> DynamicMessage {
    let name = format!("datadog.cws.dumpsv1.{name}");
    DynamicMessage::decode(pool.get_message_by_name(&name).unwrap(), bytes).unwrap()
}

fn json_of(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .use_proto_field_name(true)
        .stringify_64_bit_integers(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

/// Without what is null: whether an absent message is shown is a matter of the printer.
fn without_nulls(value: Value) -> Value {
    if let Value::Object(map) = value {
        let kept = map.into_iter().filter(|(_, value)| !value.is_null());
        return Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect());
    }
    if let Value::Array(list) = value {
        return Value::Array(list.into_iter().map(without_nulls).collect());
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn another_decoder_reads_every_field_and_prints_the_same_json(steps in any_steps()) {
        let pool = pool();
        let dump = Dump { tree: tree_of(&steps, Options::default()), ..Dump::new(Options::default()) };
        let bytes = dump.to_protobuf();
        let message = read(&pool, "SecDump", &bytes);
        prop_assert_eq!(message.unknown_fields().count(), 0);
        let ours: Value = serde_json::from_str(&dump.to_json()).unwrap();
        prop_assert_eq!(without_nulls(ours), without_nulls(json_of(&message)));
        let decoded = Dump::from_protobuf(&message.encode_to_vec(), Options::default()).unwrap();
        prop_assert_eq!(decoded.to_protobuf(), bytes);

        let profile = dump.into_profile(Selector { image_name: "x".to_owned(), image_tag: "*".to_owned() });
        let bytes = profile.to_protobuf();
        let message = read(&pool, "SecurityProfile", &bytes);
        let ours: Value = serde_json::from_str(&profile.to_json()).unwrap();
        prop_assert_eq!(without_nulls(ours), without_nulls(json_of(&message)));
    }
}
