//! What every document must hold: one line of UTF-8, no key twice in an object, valid against the schema.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use event::{Event, Run};
use event_json::Writer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = event_json::schema().unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
});

/// The document of one event, checked.
pub(crate) fn document(writer: &mut Writer, event: &Event, run: &Arc<Run>) -> Value {
    let mut out = Vec::new();
    writer.write(&mut out, event, run);
    parse(&out)
}

/// Parses a document; it must be UTF-8, one line, without a key twice in one object, and valid against the schema.
pub(crate) fn parse(json: &[u8]) -> Value {
    let text = str::from_utf8(json).unwrap();
    assert!(!text.contains('\n'), "{text}");
    serde_json::from_str::<UniqueKeys>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let value = serde_json::from_str(text).unwrap();
    let problems: Vec<String> = VALIDATOR
        .iter_errors(&value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{problems:#?} in {text}");
    value
}

/// Deserializes any JSON and refuses an object that has a key twice, which `Value` would hide.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeys)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON without null")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<UniqueKeys>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some((key, _)) = entries.next_entry::<String, UniqueKeys>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("key {key} twice in one object")));
            }
        }
        Ok(self)
    }
}
