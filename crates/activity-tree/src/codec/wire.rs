//! Protobuf on the wire: fields written in the order of the calls, and read one after the other.
//!
//! A reader never allocates and never follows what it reads: a message inside is a slice that somebody may read in turn.

use std::borrow::Cow;

use crate::varint::{self, unzigzag, zigzag};

/// Bytes of a message that is being written. What is 0 or empty is left out, as proto3 has it.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// Where a message began.
#[must_use]
pub(crate) struct Open(usize);

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

impl Writer {
    pub(crate) fn number(&mut self, field: u32, value: impl Into<u64>) {
        let value = value.into();
        if value != 0 {
            self.tag(field, VARINT);
            varint::write(&mut self.bytes, value);
        }
    }

    pub(crate) fn signed(&mut self, field: u32, value: i64) {
        self.number(field, zigzag(value));
    }

    pub(crate) fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.always(field, text);
        }
    }

    /// A text that is written even if it is empty: one of a list, or an optional one.
    pub(crate) fn always(&mut self, field: u32, text: &str) {
        self.message(field, text.as_bytes());
    }

    /// An optional number, which is written even if it is 0.
    pub(crate) fn optional(&mut self, field: u32, value: Option<u32>) {
        if let Some(value) = value {
            self.tag(field, VARINT);
            varint::write(&mut self.bytes, value.into());
        }
    }

    /// A list of numbers, packed.
    pub(crate) fn packed(&mut self, field: u32, values: impl IntoIterator<Item = u32>) {
        let mut bytes = Vec::new();
        values.into_iter().for_each(|value| varint::write(&mut bytes, value.into()));
        if !bytes.is_empty() {
            self.message(field, &bytes);
        }
    }

    /// A message that is there already.
    pub(crate) fn message(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, LENGTH);
        varint::write(&mut self.bytes, u64::try_from(bytes.len()).unwrap_or(0));
        self.bytes.extend_from_slice(bytes);
    }

    /// Begins a message; its length follows when it is closed.
    pub(crate) fn open(&mut self, field: u32) -> Open {
        self.tag(field, LENGTH);
        self.bytes.push(0);
        Open(self.bytes.len())
    }

    /// Ends a message. A long one moves to make room for its length: less than to measure every message first.
    pub(crate) fn close(&mut self, Open(start): Open) {
        let mut length = Vec::new();
        varint::write(&mut length, u64::try_from(self.bytes.len() - start).unwrap_or(0));
        self.bytes.splice(start - 1..start, length);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn tag(&mut self, field: u32, kind: u8) {
        varint::write(&mut self.bytes, u64::from(field) << 3 | u64::from(kind));
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed width, which none of our messages has.
    Fixed,
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They end in the middle of a field.
    #[error("message ends in the middle of a field")]
    Truncated,
    /// A field of a kind that there is not, or no longer.
    #[error("field {0} has a wire type that nothing writes")]
    WireType(u64),
    /// A field holds something else than its type.
    #[error("field {0} holds another type")]
    Type(u32),
    /// Field 0, or one above 2²⁹.
    #[error("{0} is no number of a field")]
    Field(u64),
}

/// The fields of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// A field with its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(WireError::Field(tag >> 3))?;
        let value = match (tag & 7).to_le_bytes() {
            [VARINT, ..] => Value::Number(self.varint()?),
            [LENGTH, ..] => {
                let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Value::Bytes(self.take(len)?)
            }
            [FIXED64, ..] => self.take(8).map(|_| Value::Fixed)?,
            [FIXED32, ..] => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(WireError::WireType(number.into())),
        };
        Ok(Some(Field { number, value }))
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let (value, rest) = varint::read(self.rest).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(value)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}

impl<'a> Field<'a> {
    pub(crate) fn u64(self) -> Result<u64, WireError> {
        match self.value {
            Value::Number(value) => Ok(value),
            Value::Bytes(_) | Value::Fixed => Err(WireError::Type(self.number)),
        }
    }

    /// The low half, as protobuf has it for numbers that are too large.
    pub(crate) fn u32(self) -> Result<u32, WireError> {
        let [a, b, c, d, ..] = self.u64()?.to_le_bytes();
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    /// One that is too large becomes the largest.
    pub(crate) fn u16(self) -> Result<u16, WireError> {
        self.u32().map(|value| u16::try_from(value).unwrap_or(u16::MAX))
    }

    pub(crate) fn bool(self) -> Result<bool, WireError> {
        self.u64().map(|value| value != 0)
    }

    pub(crate) fn signed(self) -> Result<i64, WireError> {
        self.u64().map(unzigzag)
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Number(_) | Value::Fixed => Err(WireError::Type(self.number)),
        }
    }

    pub(crate) fn reader(self) -> Result<Reader<'a>, WireError> {
        self.bytes().map(Reader::new)
    }

    /// As text; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, WireError> {
        self.bytes().map(String::from_utf8_lossy)
    }

    pub(crate) fn string(self) -> Result<String, WireError> {
        self.text().map(Cow::into_owned)
    }

    /// One number of a list, or several that are packed.
    pub(crate) fn each_number(self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        match self.value {
            Value::Number(value) => each(value),
            Value::Bytes(mut rest) => {
                while !rest.is_empty() {
                    let (value, after) = varint::read(rest).ok_or(WireError::Truncated)?;
                    each(value);
                    rest = after;
                }
            }
            Value::Fixed => return Err(WireError::Type(self.number)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_zeros_are_left_out() {
        let mut writer = Writer::default();
        writer.number(1, 0_u32);
        writer.text(2, "");
        writer.always(2, "");
        writer.optional(3, Some(0));
        writer.optional(3, None);
        writer.signed(4, -2);
        writer.packed(5, [1, 300]);
        writer.packed(6, []);
        let outer = writer.open(7);
        let inner = writer.open(1);
        writer.text(1, &"x".repeat(200));
        writer.close(inner);
        writer.close(outer);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        let mut numbers = Vec::new();
        while let Some(field) = reader.next().unwrap() {
            numbers.push(field.number);
            match field.number {
                2 => assert_eq!(field.text().unwrap(), ""),
                3 => assert_eq!(field.u32(), Ok(0)),
                4 => assert_eq!(field.signed(), Ok(-2)),
                5 => {
                    let mut values = Vec::new();
                    field.each_number(|value| values.push(value)).unwrap();
                    assert_eq!(values, [1, 300]);
                }
                _ => {
                    let inner = field.reader().unwrap().next().unwrap().unwrap().reader().unwrap();
                    assert_eq!(inner.rest.len(), 203);
                }
            }
        }
        assert_eq!(numbers, [2, 3, 4, 5, 7]);
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_reason() {
        let check = |bytes: &[u8], expect: WireError| {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.next().unwrap_err(), expect, "{bytes:?}");
        };
        check(&[0x08], WireError::Truncated);
        check(&[0x0a, 5, 1], WireError::Truncated);
        check(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], WireError::Truncated);
        check(&[0x0b], WireError::WireType(1));
        check(&[0x00, 1], WireError::Field(0));
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], WireError::Field((1 << 61) - 1));
        check(&[0x09, 1, 2, 3, 4, 5, 6, 7], WireError::Truncated);
        check(&[0x0d, 1, 2, 3], WireError::Truncated);
        let mut fixed = Reader::new(&[0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x0d, 1, 2, 3, 4]);
        for _ in 0..2 {
            let field = fixed.next().unwrap().unwrap();
            assert_eq!((field.u64(), field.bytes()), (Err(WireError::Type(1)), Err(WireError::Type(1))));
        }
        assert!(fixed.next().unwrap().is_none());
    }

    #[test]
    fn a_number_that_is_too_large_for_its_field_is_cut_as_protobuf_does_or_the_largest() {
        let field = Field { number: 1, value: Value::Number(0x1_0001_0002) };
        assert_eq!((field.u32(), field.u16(), field.bool()), (Ok(0x1_0002), Ok(u16::MAX), Ok(true)));
    }
}
