//! The intake's form of one payload. The field names and their order are a public contract.
//!
//! Its cost is the escaping of the document, which becomes a string: runs without anything to escape are found
//! eight bytes at a time and copied whole. Everything but the document's own part and its time is made once for a group.

use std::collections::HashMap;

use crate::intake::group::Group;

/// Longest entry the intake keeps whole.
pub(crate) const MAX_ENTRY_BYTES: usize = 1_000_000;
/// The intake takes timestamps up to 18 hours old; the last hour is for waiting and repeating.
const MAX_AGE_MS: i64 = 17 * 3600 * 1000;

/// The tag of an event that is not whole.
const TRIMMED: &[u8] = b"shrike.trimmed:true";
/// Bytes of escaped tails that are kept while a group is written; those of a usual group are a fraction of it.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// What the entries of one group share.
#[derive(Debug)]
pub(crate) struct EntryForm {
    end: Vec<u8>,
    /// The tails of documents, escaped when one is first needed.
    tails: HashMap<usize, Box<[u8]>>,
    kept_bytes: usize,
}

impl EntryForm {
    pub(crate) fn new(group: &Group, hostname: &str) -> Self {
        let mut end = br#","hostname":"#.to_vec();
        append_string(&mut end, hostname.as_bytes());
        end.extend_from_slice(br#","service":"#);
        append_string(&mut end, group.service().as_bytes());
        end.extend_from_slice(br#","ddsource":"runtime-security-agent","ddtags":"#);
        append_string(&mut end, group.tags().as_bytes());
        end.push(b'}');
        Self { end, tails: HashMap::new(), kept_bytes: 0 }
    }

    /// Appends the entry of one document of the group to `out`.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, group: &Group, place: u32, now_ms: i64) {
        let [own, tail] = group.documents().parts(place);
        let length = own.len() + tail.len();
        out.reserve(length + length / 4 + self.end.len() + 64);
        out.extend_from_slice(br#"{"message":""#);
        append_escaped(out, own);
        match group.documents().tail_of(place) {
            Some(index) => self.append_tail(out, index, tail),
            None => append_escaped(out, tail),
        }
        out.extend_from_slice(br#"","status":"info","timestamp":"#);
        out.extend_from_slice(timestamp(group.time_ms(place), now_ms).to_string().as_bytes());
        out.extend_from_slice(&self.end);
    }

    /// The entry of one document in a shorter form, with a tag that says so.
    pub(crate) fn trimmed(&self, group: &Group, place: u32, short: &str, now_ms: i64) -> Vec<u8> {
        let mut out = br#"{"message":"#.to_vec();
        append_string(&mut out, short.as_bytes());
        out.extend_from_slice(br#","status":"info","timestamp":"#);
        out.extend_from_slice(timestamp(group.time_ms(place), now_ms).to_string().as_bytes());
        out.extend_from_slice(self.end.strip_suffix(br#""}"#).unwrap_or(&self.end));
        if !group.tags().is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(TRIMMED);
        out.extend_from_slice(br#""}"#);
        out
    }

    fn append_tail(&mut self, out: &mut Vec<u8>, index: usize, tail: &[u8]) {
        if let Some(escaped) = self.tails.get(&index) {
            out.extend_from_slice(escaped);
            return;
        }
        let start = out.len();
        append_escaped(out, tail);
        let escaped = out.get(start..).unwrap_or_default();
        if self.kept_bytes + escaped.len() <= MAX_KEPT_BYTES {
            self.kept_bytes += escaped.len();
            self.tails.insert(index, escaped.into());
        }
    }
}

/// The time of the event, which is what a person searching the intake expects; the time of sending when the
/// intake would not take it.
fn timestamp(time_ms: i64, now_ms: i64) -> i64 {
    if (now_ms.saturating_sub(MAX_AGE_MS)..=now_ms).contains(&time_ms) { time_ms } else { now_ms }
}

/// Appends UTF-8 text as a JSON string (RFC 8259, 7).
fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    append_escaped(out, text);
    out.push(b'"');
}

/// Appends text as the inside of a JSON string. Nothing that is escaped is longer than a byte, so a text can come in
/// parts.
fn append_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while !rest.is_empty() {
        let run = plain_run(rest);
        let (plain, special) = rest.split_at_checked(run).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        append_escape(out, *byte);
        rest = after;
    }
}

/// The length of the run of bytes before one that must be escaped.
fn plain_run(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            return n * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    words.len() * 8 + tail.iter().position(is_special).unwrap_or(tail.len())
}

/// The high bit of each byte that is a quote, a backslash or a control character, exact up to the first of them.
fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Subtracting borrows from the byte above only behind a byte that is itself found.
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = is_zero(word ^ (ONES * 0x22));
    let backslash = is_zero(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

fn append_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        control => {
            let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::intake::documents::tests::with_tails;
    use crate::intake::group::tests::{group, group_for};

    #[test]
    fn an_entry_is_exactly_what_the_intake_documents() {
        let group = group(&[r#"{"a":"é\n"}"#], "shop", &["image_name:x", "image_tag:1"]);
        let mut out = b"[".to_vec();
        let now_ms = group.time_ms(0) + 500;
        EntryForm::new(&group, "node-1").append(&mut out, &group, 0, now_ms);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"[{"message":"{\"a\":\"é\\n\"}","status":"info","timestamp":1700000000000,"hostname":"node-1","service":"shop","ddsource":"runtime-security-agent","ddtags":"image_name:x,image_tag:1"}"#
        );
    }

    #[test]
    fn an_entry_is_the_same_however_its_document_came_and_a_tail_is_escaped_once() {
        let tails = [&b"\"t\":1}\n"[..], b"\"u\"}\n"];
        let (parted, _) =
            group_for(&[], with_tails(&[(b"{\"a\",", 1), (b"{\"b\"}\n", 0), (b"{", 2), (b"{", 1)], &tails));
        let whole = group(&[r#"{"a","t":1}"#, r#"{"b"}"#, r#"{"u"}"#, r#"{"t":1}"#], "", &[]);
        let (mut parted_form, mut whole_form) = (EntryForm::new(&parted, "h"), EntryForm::new(&whole, "h"));
        for place in 0..4 {
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            parted_form.append(&mut out, &parted, place, 0);
            whole_form.append(&mut expected, &whole, place, 0);
            assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(expected).unwrap());
        }
        assert_eq!((parted_form.tails.len(), whole_form.tails.len()), (2, 0));
        assert_eq!(parted_form.kept_bytes, r#"\"t\":1}\"u\"}"#.len());
    }

    #[test]
    fn a_time_that_the_intake_would_not_take_becomes_now() {
        let now_ms = 1_700_000_000_000;
        for (given, expected) in [
            (now_ms - MAX_AGE_MS, now_ms - MAX_AGE_MS),
            (now_ms - MAX_AGE_MS - 1, now_ms),
            (now_ms + 1, now_ms),
            (0, now_ms),
            (i64::MIN, now_ms),
            (i64::MAX, now_ms),
        ] {
            assert_eq!(timestamp(given, now_ms), expected);
        }
    }

    proptest! {
        #[test]
        fn a_text_is_escaped_as_everybody_else_does_it(
            text in prop_oneof![any::<String>(), r#"[\x00-\x23\x5b-\x5d\x7f-\u{ff}a]{0,40}"#],
        ) {
            let mut out = Vec::new();
            append_string(&mut out, text.as_bytes());
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
