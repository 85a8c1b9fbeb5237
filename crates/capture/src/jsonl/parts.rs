//! The fields of an event as its line has them, for every kind by its description.
//!
//! A kind with several fields has an object under its name, one whose payload is a single value has that under the name
//! of the field. The field `file` is written as the keys `path` and `file` of the object, another file as an object of
//! its own, `file.destination` under `destination`.

use std::borrow::Cow;
use std::fmt;

use event::{Field, Flags, Kind, Leaf, Names};
use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

use super::scalar::{Bytes, FlagsSeed, OctalMode};
use super::{AddressPart, ExecPart, ExitPart, FilePart, KeyPart, LineKind, PathPart};

/// The value of one field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    File(PathPart),
    Program(Box<ExecPart>),
    /// `None` = written as null.
    Process(Option<KeyPart>),
    Status(ExitPart),
    Address(AddressPart),
    Text(Bytes),
    Flags(u32, &'static Flags),
    Number(u32, &'static Names),
    Mode(OctalMode<u32>),
    Result(i32),
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(part) => part.serialize(serializer),
            Self::Program(part) => part.serialize(serializer),
            Self::Process(part) => part.serialize(serializer),
            Self::Status(part) => part.serialize(serializer),
            Self::Address(part) => part.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::Number(number, names) => serializer.serialize_str(&names.to_name(*number)),
            Self::Flags(flags, names) => serializer.serialize_str(&names.to_names(*flags)),
            Self::Mode(mode) => mode.serialize(serializer),
            Self::Result(retval) => retval.serialize(serializer),
        }
    }
}

/// Reads the value of a field.
struct PartSeed(Leaf);

impl<'de> DeserializeSeed<'de> for PartSeed {
    type Value = Part;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        Ok(match self.0 {
            Leaf::File => Part::File(PathPart::deserialize(deserializer)?),
            Leaf::Program => Part::Program(Box::new(ExecPart::deserialize(deserializer)?)),
            Leaf::Process => Part::Process(Option::deserialize(deserializer)?),
            Leaf::Status => Part::Status(ExitPart::deserialize(deserializer)?),
            Leaf::Address => Part::Address(AddressPart::deserialize(deserializer)?),
            Leaf::Text => Part::Text(Bytes::deserialize(deserializer)?),
            Leaf::Number(names) => {
                let name: Cow<'_, str> = Cow::deserialize(deserializer)?;
                Part::Number(names.from_name(&name).map_err(de::Error::custom)?, names)
            }
            Leaf::Flags(names) => Part::Flags(FlagsSeed(names).deserialize(deserializer)?, names),
            Leaf::Mode => Part::Mode(OctalMode::deserialize(deserializer)?),
            Leaf::Descriptor | Leaf::Errno => Part::Result(i32::deserialize(deserializer)?),
        })
    }
}

/// The fields of an event of one kind, in the order of its description; `None` = left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) kind: Kind,
    pub(crate) values: Vec<Option<Part>>,
}

impl Parts {
    /// The key of the line under which they stand.
    pub(crate) fn key(&self) -> &'static str {
        key_of(self.kind)
    }
}

/// The key of a line for what an event of this kind is about.
pub(crate) fn key_of(kind: Kind) -> &'static str {
    kind.only().map_or(kind.name(), |field| field.name)
}

/// The file that an event is about first.
pub(crate) fn is_main_file(field: &Field) -> bool {
    field.name == "file" && field.leaf == Leaf::File
}

/// The key of a field within the object of its kind.
pub(crate) fn key_in_object(field: &Field) -> &'static str {
    field.name.strip_prefix("file.").unwrap_or(field.name)
}

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.kind.only().is_some() {
            return self.values.iter().flatten().next().serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.kind.fields().iter().zip(&self.values) {
            match value {
                None => {}
                Some(Part::File(PathPart { path, file })) if is_main_file(field) => {
                    map.serialize_entry("path", path)?;
                    if !file.is_empty() {
                        map.serialize_entry("file", file)?;
                    }
                }
                Some(value) => map.serialize_entry(key_in_object(field), value)?,
            }
        }
        map.end()
    }
}

/// Reads what an event of this kind is about.
pub(crate) struct PartsSeed(Kind);

impl PartsSeed {
    /// For what stands under this key of a line; the error says why nothing can.
    pub(crate) fn new(line: LineKind, key: &str) -> Result<Self, String> {
        if let LineKind::Event(kind) = line
            && key == key_of(kind)
        {
            return Ok(Self(kind));
        }
        let is_of_others = ["time", "exec_ns", "parent", "exec"].contains(&key)
            || Kind::ALL.into_iter().any(|kind| key == key_of(kind));
        Err(if is_of_others {
            format!("a line of kind {} cannot have the key `{key}`", line.name())
        } else {
            format!("unknown field `{key}`")
        })
    }
}

impl<'de> DeserializeSeed<'de> for PartsSeed {
    type Value = Parts;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parts, D::Error> {
        let Some(only) = self.0.only() else { return deserializer.deserialize_map(self) };
        let value = PartSeed(only.leaf).deserialize(deserializer)?;
        Ok(Parts { kind: self.0, values: vec![Some(value)] })
    }
}

impl<'de> Visitor<'de> for PartsSeed {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the fields of {}", self.0.name())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let fields = self.0.fields();
        let mut values: Vec<Option<Part>> = fields.iter().map(|_| None).collect();
        let (mut path, mut file) = (None, None);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let slot = fields.iter().zip(&mut values).find(|(field, _)| {
                if is_main_file(field) { key == "path" || key == "file" } else { key_in_object(field) == key }
            });
            let is_twice = match slot {
                Some((field, _)) if is_main_file(field) && key == "path" => {
                    path.replace(map.next_value::<Bytes>()?).is_some()
                }
                Some((field, _)) if is_main_file(field) => {
                    file.replace(map.next_value::<FilePart>()?).is_some()
                }
                Some((field, slot)) => slot.replace(map.next_value_seed(PartSeed(field.leaf))?).is_some(),
                None => return Err(de::Error::custom(format_args!("unknown field `{key}`"))),
            };
            if is_twice {
                return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
            }
        }
        let main = fields.iter().zip(&mut values).find(|(field, _)| is_main_file(field));
        if let Some((_, slot)) = main {
            let path = path.ok_or_else(|| de::Error::missing_field("path"))?;
            *slot = Some(Part::File(PathPart { path, file: file.unwrap_or_default() }));
        }
        Ok(Parts { kind: self.0, values })
    }
}
