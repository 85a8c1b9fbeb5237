//! Values of the contract whose text form is not their own: byte strings, times and argument lists.

use std::fmt;

use event::{Strings, Text};
use jiff::Timestamp;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// Bytes of one argument or variable that are written; a longer one is cut there and ends with [`CUT_MARK`].
pub(crate) const MAX_ITEM_BYTES: usize = 256;
/// Arguments (argv[0] included) or variables that are written.
pub(crate) const MAX_ITEMS: usize = 128;
const CUT_MARK: &str = "...";

/// A byte string as text; what is not UTF-8 becomes U+FFFD.
#[derive(Clone, Copy)]
pub(crate) struct Lossy<'a>(pub(crate) &'a [u8]);

impl Lossy<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Lossy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_str(&String::from_utf8_lossy(self.0)),
        }
    }
}

/// A moment, written as RFC 3339 in UTC with nine sub-second digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(i64);

impl Time {
    /// A moment in nanoseconds since the epoch; 0 means that it is not known.
    pub(crate) fn known(epoch_ns: i64) -> Option<Self> {
        (epoch_ns != 0).then_some(Self(epoch_ns))
    }

    /// A moment of the boot-time clock.
    pub(crate) fn since_boot(boot_ns: u64, wall_offset_ns: i64) -> Self {
        let wall = i128::from(boot_ns) + i128::from(wall_offset_ns);
        Self(i64::try_from(wall).unwrap_or(if wall < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(9));
        let mut buffer = TimeBuffer { bytes: [0; _], length: 0 };
        // Every i64 of nanoseconds is a timestamp (years 1677 to 2262), and the buffer holds all of them.
        let moment = Timestamp::from_nanosecond(self.0.into()).map_err(serde::ser::Error::custom)?;
        PRINTER.print_timestamp(&moment, StdFmtWrite(&mut buffer)).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(buffer.text())
    }
}

/// Room for `2026-01-02T03:04:05.678901234Z`.
struct TimeBuffer {
    bytes: [u8; 32],
    length: usize,
}

impl TimeBuffer {
    fn text(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for TimeBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Arguments or variables within the limits of the contract.
#[derive(Clone, Copy)]
pub(crate) struct Items<'a>(&'a [Text]);

impl<'a> Items<'a> {
    /// The first `limit` strings, or nothing when there is none; and whether anything is missing or cut.
    pub(crate) fn new(items: &'a [Text], limit: usize) -> (Option<Self>, bool) {
        let kept = items.get(..limit).unwrap_or(items);
        let cut = kept.len() < items.len() || kept.iter().any(is_cut);
        ((!kept.is_empty()).then_some(Self(kept)), cut)
    }
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            list.serialize_element(&Item(item))?;
        }
        list.end()
    }
}

/// One argument or variable, cut when it is too long.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a>(pub(crate) &'a Text);

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.as_bytes();
        if !is_cut(self.0) {
            return Lossy(bytes).serialize(serializer);
        }
        // Not inside a character: step back over its continuation bytes, at most three.
        let mut end = MAX_ITEM_BYTES;
        while end > MAX_ITEM_BYTES - 3 && bytes.get(end).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
        {
            end -= 1;
        }
        let mut text = String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned();
        text.push_str(CUT_MARK);
        serializer.serialize_str(&text)
    }
}

/// True when a string is longer than the contract allows.
pub(crate) fn is_cut(item: &Text) -> bool {
    item.len() > MAX_ITEM_BYTES
}

/// What of a command line is written: argv[0], the rest, and whether it is incomplete.
pub(crate) fn arguments(args: &Strings) -> (Option<Item<'_>>, Option<Items<'_>>, bool) {
    let Some((first, rest)) = args.items.split_first() else { return (None, None, args.truncated) };
    let (rest, cut) = Items::new(rest, MAX_ITEMS - 1);
    (Some(Item(first)), rest, args.truncated || cut || is_cut(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_in_utc_with_nanoseconds() {
        let check = |ns: i64, expect: &str| assert_eq!(json(Time(ns)), format!("\"{expect}\""));
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z");
        check(-1, "1969-12-31T23:59:59.999999999Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z");
        check(i64::MAX, "2262-04-11T23:47:16.854775807Z");
        check(i64::MIN, "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn boot_time_becomes_wall_time_and_saturates() {
        assert_eq!(Time::since_boot(5, 10), Time(15));
        assert_eq!(Time::since_boot(5, -10), Time(-5));
        assert_eq!(Time::since_boot(u64::MAX, i64::MAX), Time(i64::MAX));
        assert_eq!(Time::since_boot(0, i64::MIN), Time(i64::MIN));
        assert_eq!(Time::known(0), None);
    }

    #[test]
    fn bytes_that_are_not_utf_8_become_replacement_characters() {
        assert_eq!(json(Lossy(b"/tmp/\xff\xfe\"\n")), "\"/tmp/\u{fffd}\u{fffd}\\\"\\n\"");
    }

    #[test]
    fn an_item_is_cut_after_256_bytes_and_never_inside_a_character() {
        let check = |item: String, kept: usize| {
            let text: String = serde_json::from_str(&json(Item(&item.clone().into()))).unwrap();
            let expect = if kept == item.len() { item } else { format!("{}...", item.get(..kept).unwrap()) };
            assert_eq!(text, expect);
        };
        check("a".repeat(256), 256);
        check("a".repeat(257), 256);
        check(format!("{}é", "a".repeat(255)), 255);
        check(format!("{}😀", "a".repeat(254)), 254);
        check(format!("{}😀b", "a".repeat(252)), 256);
    }

    #[test]
    fn invalid_continuation_bytes_do_not_stop_the_cut() {
        let text: String = serde_json::from_str(&json(Item(&vec![0x80; 400].into()))).unwrap();
        assert_eq!(text, format!("{}...", "\u{fffd}".repeat(253)));
    }

    #[test]
    fn arguments_within_the_limits_are_complete() {
        let strings = |count: usize, truncated| Strings { items: vec!["x".into(); count], truncated };
        let check = |count, truncated, expect_rest, expect_truncated| {
            let strings = strings(count, truncated);
            let (first, rest, is_truncated) = arguments(&strings);
            assert_eq!(first.is_some(), count > 0);
            assert_eq!(rest.map_or(0, |items| items.0.len()), expect_rest);
            assert_eq!(is_truncated, expect_truncated, "{count} arguments");
        };
        check(0, false, 0, false);
        check(0, true, 0, true);
        check(1, false, 0, false);
        check(128, false, 127, false);
        check(128, true, 127, true);
        check(129, false, 127, true);
    }
}
