//! Whether a document is what the output contract says: the schema, and no key twice.
//!
//! What is around an event (`agent`, `title`) is taken off first. Documents that the system writes about itself are no
//! events; they have their own rule.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Checks documents.
pub struct Contract {
    schema: jsonschema::Validator,
}

impl Contract {
    /// The contract of this build.
    ///
    /// # Errors
    /// When the schema is none.
    pub fn new() -> anyhow::Result<Self> {
        let schema = event_json::schema()?;
        Ok(Self { schema: jsonschema::options().should_validate_formats(true).build(&schema)? })
    }

    /// Whether every `one_in`th line of this file is valid; gives how many were looked at.
    ///
    /// # Errors
    /// With the first that is not, and when there is none.
    pub fn check_file(&self, path: &Path, one_in: usize) -> anyhow::Result<usize> {
        let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut checked = 0;
        for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).step_by(one_in) {
            self.check(std::str::from_utf8(line)?)?;
            checked += 1;
        }
        ensure!(checked > 0, "{} is empty", path.display());
        Ok(checked)
    }

    /// Whether `document` is valid.
    ///
    /// # Errors
    /// With what is wrong and the document.
    pub fn check(&self, document: &str) -> anyhow::Result<()> {
        let mut keys = serde_json::Deserializer::from_str(document);
        keys.deserialize_any(Unique).with_context(|| format!("not valid: {document}"))?;
        let mut json: Value = serde_json::from_str(document)?;
        let agent = event_json::take_envelope(&mut json);
        let has_id =
            agent.get("event_id").and_then(Value::as_str).is_some_and(|id| id.split('-').count() == 3);
        ensure!(has_id, "no event id in {agent}: {document}");
        if is_custom(&agent) {
            return Ok(());
        }
        if let Err(error) = self.schema.validate(&json) {
            anyhow::bail!("not valid: {error} at {}: {document}", error.instance_path());
        }
        Ok(())
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contract").finish_non_exhaustive()
    }
}

/// Whether the system wrote the document about itself.
#[must_use]
pub fn is_custom(agent: &Value) -> bool {
    agent.get("rule_id").is_some()
}

/// Walks through a document and refuses an object that has a key twice.
struct Unique;

impl<'de> serde::de::DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Unique)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key.clone()) {
                return Err(serde::de::Error::custom(format!("the key {key:?} is there twice")));
            }
            entries.next_value_seed(Unique)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(document: &str) -> String {
        format!("{:#}", Contract::new().unwrap().check(document).unwrap_err())
    }

    #[test]
    fn a_key_that_is_there_twice_is_found_at_any_depth() {
        assert!(problem(r#"{"a":[{"b":1,"b":2}]}"#).contains(r#"the key "b" is there twice"#));
    }

    #[test]
    fn a_document_needs_an_event_id_and_what_the_schema_needs() {
        assert!(problem(r#"{"evt":{}}"#).contains("no event id"));
        assert!(problem(r#"{"agent":{"event_id":"1"}}"#).contains("no event id"));
        assert!(problem(r#"{"agent":{"event_id":"1-2-3"},"evt":{"name":5}}"#).contains("not valid"));
    }
}
