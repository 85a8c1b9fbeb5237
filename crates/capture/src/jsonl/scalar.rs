//! Values with a form for people: byte strings, flags, octal modes, capability masks.

use std::fmt;

use event::{Flags, Text};
use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text from the kernel: a JSON string when it is UTF-8, otherwise `{"hex": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bytes(pub(crate) Text);

impl Bytes {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(self.0.as_bytes()) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("hex", &Hex(self.0.as_bytes()))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or {\"hex\": \"…\"} for bytes that are not UTF-8")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes(Text::from(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
        let mut bytes = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "hex" {
                return Err(de::Error::unknown_field(&key, &["hex"]));
            }
            let digits: String = map.next_value()?;
            bytes = Some(from_hex(&digits).ok_or_else(|| {
                de::Error::custom("hex needs an even number of hexadecimal digits and nothing else")
            })?);
        }
        bytes.map(|bytes| Bytes(Text::from(bytes))).ok_or_else(|| de::Error::missing_field("hex"))
    }
}

/// Bytes written as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// Reads flags: `"O_WRONLY|O_CREAT"`, or the number.
pub(crate) struct FlagsSeed(pub(crate) &'static Flags);

impl<'de> DeserializeSeed<'de> for FlagsSeed {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        match NumberOrText::deserialize(deserializer)? {
            NumberOrText::Number(number) => number_in_range(number),
            NumberOrText::Text(text) => self.0.from_names(&text).map_err(de::Error::custom),
        }
    }
}

/// Capability bits: `"0x1ff"`, or the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bits(pub(crate) u64);

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match NumberOrText::deserialize(deserializer)? {
            NumberOrText::Number(number) => Ok(Self(number)),
            NumberOrText::Text(text) => {
                let bits = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
                bits.map(Self)
                    .ok_or_else(|| de::Error::custom(format!("{text:?} is not a mask like \"0x1ff\"")))
            }
        }
    }
}

/// A file mode as people write it: octal digits in a string, `"100644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OctalMode<N>(pub(crate) N);

impl<N: fmt::Octal> Serialize for OctalMode<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:o}", self.0))
    }
}

impl<'de, N: TryFrom<u32>> Deserialize<'de> for OctalMode<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mode = u32::from_str_radix(&text, 8).ok().and_then(|mode| N::try_from(mode).ok());
        mode.map(Self).ok_or_else(|| de::Error::custom(format!("{text:?} is not an octal mode like \"644\"")))
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or a string")]
enum NumberOrText {
    Number(u64),
    Text(String),
}

fn number_in_range<E: de::Error>(number: u64) -> Result<u32, E> {
    u32::try_from(number).ok().ok_or_else(|| E::custom(format!("{number} does not fit 32 bits")))
}
