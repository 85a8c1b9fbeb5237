//! Messages as JSON and back, as the JSON mapping of protobuf has it: names of the schema, what is empty too, 64-bit
//! numbers as texts, enumerations by name (spec 5.4).
//!
//! Both ways go through protobuf and the table, so no field is named here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::schema::{Field, Message, Number, Type};
use super::wire::{Reader, Value, Writer};
use crate::varint::unzigzag;

/// Messages one in the other: what a decoder of protobuf accepts, with the few below the nodes.
const MAX_DEPTH: usize = 320;

/// Why a text is no JSON of a message.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(#[from] serde_json::Error);

/// A message as JSON.
pub(super) fn from_protobuf(message: &'static Message, bytes: &[u8]) -> String {
    let mut json = String::new();
    write_message(&mut json, message, bytes);
    json
}

fn write_message(json: &mut String, message: &'static Message, bytes: &[u8]) {
    let mut values: Vec<(u32, Value<'_>)> = Vec::new();
    let mut reader = Reader::new(bytes);
    // What is written here was encoded here.
    while let Ok(Some(field)) = reader.next() {
        values.push((field.number, field.value));
    }
    json.push('{');
    let mut is_first = true;
    for field in message.fields {
        let mut of_field =
            values.iter().filter(|(number, _)| *number == field.number).map(|(_, value)| *value);
        let last = if field.how_many == Number::Many { None } else { of_field.clone().next_back() };
        if field.how_many == Number::Optional && last.is_none() {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            json.push(',');
        }
        write_text(json, field.name);
        json.push(':');
        match (field.how_many, field.holds) {
            (Number::Many, Type::Map(entry)) => {
                json.push('{');
                for (n, value) in of_field.enumerate() {
                    if n > 0 {
                        json.push(',');
                    }
                    let (key, value) = halves(value);
                    let mut name = String::new();
                    write_value(&mut name, entry.key, key);
                    // Every key of JSON is a text.
                    if name.starts_with('"') {
                        json.push_str(&name)
                    } else {
                        write_text(json, &name)
                    }
                    json.push(':');
                    write_value(json, entry.value, value);
                }
                json.push('}');
            }
            (Number::Many, holds) => {
                json.push('[');
                let mut n = 0;
                of_field
                    .try_for_each(|value| {
                        each(holds, value, |value| {
                            if n > 0 {
                                json.push(',');
                            }
                            n += 1;
                            write_value(json, holds, Some(value));
                        })
                    })
                    .unwrap_or_default();
                json.push(']');
            }
            (Number::One | Number::Optional, holds) => write_value(json, holds, last),
        }
    }
    json.push('}');
}

/// One value, or each of several that are packed.
fn each<'a>(holds: Type, value: Value<'a>, mut write: impl FnMut(Value<'a>)) -> Option<()> {
    match (holds, value) {
        (
            Type::Bool | Type::U32 | Type::U64 | Type::I32 | Type::S64 | Type::Enum(_),
            Value::Bytes(mut rest),
        ) => {
            while !rest.is_empty() {
                let (value, after) = crate::varint::read(rest)?;
                write(Value::Number(value));
                rest = after;
            }
        }
        _ => write(value),
    }
    Some(())
}

/// Key and value of an entry of a map.
fn halves(entry: Value<'_>) -> (Option<Value<'_>>, Option<Value<'_>>) {
    let (mut key, mut value) = (None, None);
    if let Value::Bytes(bytes) = entry {
        let mut reader = Reader::new(bytes);
        while let Ok(Some(field)) = reader.next() {
            match field.number {
                1 => key = Some(field.value),
                _ => value = Some(field.value),
            }
        }
    }
    (key, value)
}

fn write_value(json: &mut String, holds: Type, value: Option<Value<'_>>) {
    let number = if let Some(Value::Number(number)) = value { number } else { 0 };
    let bytes = if let Some(Value::Bytes(bytes)) = value { bytes } else { &[] };
    match holds {
        Type::Bool => json.push_str(if number == 0 { "false" } else { "true" }),
        Type::U32 => json.push_str(&number.to_string()),
        Type::I32 => json.push_str(&number.cast_signed().to_string()),
        Type::U64 => write_text(json, &number.to_string()),
        Type::S64 => write_text(json, &unzigzag(number).to_string()),
        Type::Text => write_text(json, &String::from_utf8_lossy(bytes)),
        Type::Enum(names) => match usize::try_from(number).ok().and_then(|number| names.get(number)) {
            Some(name) => write_text(json, name),
            None => json.push_str(&number.to_string()),
        },
        Type::Message(_) if value.is_none() => json.push_str("null"),
        Type::Message(message) => write_message(json, message, bytes),
        // An entry is written by whoever writes the map.
        Type::Map(_) => json.push_str("null"),
    }
}

fn write_text(json: &mut String, text: &str) {
    // A text is always JSON.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// JSON as a message. What the message has no field for is passed over.
pub(super) fn to_protobuf(message: &'static Message, text: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut writer = Writer::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    // Depth is counted here, as objects in objects; what is passed over is passed over without recursion.
    json.disable_recursion_limit();
    Fields { message, writer: &mut writer, depth: 1 }.deserialize(&mut json)?;
    json.end()?;
    Ok(writer.into_bytes())
}

/// An object as a message.
struct Fields<'w> {
    message: &'static Message,
    writer: &'w mut Writer,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let Some(field) = self.message.named(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            map.next_value_seed(OneField {
                field,
                writer: &mut *self.writer,
                depth: self.depth,
                is_in_list: false,
            })?;
        }
        Ok(())
    }
}

/// The value of a field, or one of its list.
struct OneField<'w> {
    field: &'static Field,
    writer: &'w mut Writer,
    depth: usize,
    is_in_list: bool,
}

impl<'de> DeserializeSeed<'de> for OneField<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl OneField<'_> {
    fn number<E: serde::de::Error>(self, bits: u64) -> Result<(), E> {
        let is_written_as_0 = self.field.how_many != Number::One;
        match self.field.holds {
            Type::Bool | Type::Text | Type::Message(_) | Type::Map(_) => {
                return Err(E::custom(format_args!("{} is no number", self.field.name)));
            }
            Type::U32 | Type::U64 | Type::I32 | Type::S64 | Type::Enum(_) => {}
        }
        if is_written_as_0 && bits == 0 {
            self.writer.optional(self.field.number, Some(0));
        } else {
            self.writer.number(self.field.number, bits);
        }
        Ok(())
    }

    fn signed<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        let bits = match self.field.holds {
            Type::S64 => Some(crate::varint::zigzag(value)),
            Type::I32 => i32::try_from(value).ok().map(|value| i64::from(value).cast_unsigned()),
            Type::U32 | Type::Enum(_) => u32::try_from(value).ok().map(u64::from),
            Type::U64 => u64::try_from(value).ok(),
            Type::Bool | Type::Text | Type::Message(_) | Type::Map(_) => Some(0),
        };
        let name = self.field.name;
        self.number(bits.ok_or_else(|| E::custom(format_args!("{value} does not fit into {name}")))?)
    }
}

impl<'de> Visitor<'de> for OneField<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for {}", self.field.name)
    }

    /// Nothing is the same as to leave it out.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        if !matches!(self.field.holds, Type::Bool) {
            return Err(E::custom(format_args!("{} is neither true nor false", self.field.name)));
        }
        self.writer.number(self.field.number, value);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match (self.field.holds, i64::try_from(value)) {
            (Type::U64, _) => self.number(value),
            (_, Ok(value)) => self.signed(value),
            (_, Err(_)) => Err(E::custom(format_args!("{value} does not fit into {}", self.field.name))),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.signed(value)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let field = self.field;
        let wrong = || E::custom(format_args!("{text:?} is no value for {}", field.name));
        match field.holds {
            Type::Text if self.is_in_list || field.how_many == Number::Optional => {
                self.writer.always(field.number, text);
                Ok(())
            }
            Type::Text => {
                self.writer.text(field.number, text);
                Ok(())
            }
            Type::Enum(names) => {
                let number =
                    names.iter().position(|name| *name == text).and_then(|at| i64::try_from(at).ok());
                self.signed(number.ok_or_else(wrong)?)
            }
            Type::U64 => self.visit_u64(text.parse().ok().ok_or_else(wrong)?),
            Type::U32 | Type::I32 | Type::S64 => self.signed(text.parse().ok().ok_or_else(wrong)?),
            Type::Bool | Type::Message(_) | Type::Map(_) => Err(wrong()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { field, writer, depth, is_in_list } = self;
        if is_in_list || field.how_many != Number::Many || matches!(field.holds, Type::Map(_)) {
            return Err(A::Error::custom(format_args!("{} is no list", field.name)));
        }
        while list
            .next_element_seed(OneField { field, writer: &mut *writer, depth, is_in_list: true })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { field, writer, depth, is_in_list } = self;
        if depth >= MAX_DEPTH {
            return Err(A::Error::custom("messages too deep"));
        }
        match field.holds {
            Type::Message(message) if is_in_list || field.how_many != Number::Many => {
                let open = writer.open(field.number);
                Fields { message, writer: &mut *writer, depth: depth + 1 }.visit_map(map)?;
                writer.close(open);
                Ok(())
            }
            Type::Map(entry) => {
                while let Some(key) = map.next_key::<String>()? {
                    let open = writer.open(field.number);
                    match (entry.key, key.parse()) {
                        (Type::U32, Ok(number)) => writer.optional(1, Some(number)),
                        (Type::U32, Err(error)) => return Err(A::Error::custom(error)),
                        // All other keys are texts.
                        (_, _) => writer.always(1, &key),
                    }
                    match entry.value {
                        Type::Message(message) => {
                            let value = writer.open(2);
                            map.next_value_seed(Fields { message, writer: &mut *writer, depth: depth + 1 })?;
                            writer.close(value);
                        }
                        Type::Bool
                        | Type::U32
                        | Type::U64
                        | Type::I32
                        | Type::S64
                        | Type::Text
                        | Type::Enum(_)
                        | Type::Map(_) => {
                            writer.always(2, &map.next_value::<String>()?);
                        }
                    }
                    writer.close(open);
                }
                Ok(())
            }
            Type::Bool
            | Type::U32
            | Type::U64
            | Type::I32
            | Type::S64
            | Type::Text
            | Type::Enum(_)
            | Type::Message(_) => Err(A::Error::custom(format_args!("{} is no object", field.name))),
        }
    }
}
