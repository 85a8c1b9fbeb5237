//! The intake's form of one payload. The field names and their order are a public contract.

use serde::Serialize;

use crate::payload::Payload;

/// Longest entry the intake keeps whole.
pub(crate) const MAX_ENTRY_BYTES: usize = 1_000_000;
/// The intake takes timestamps up to 18 hours old; the last hour is for waiting and repeating.
const MAX_AGE_MS: i64 = 17 * 3600 * 1000;

#[derive(Serialize)]
struct Entry<'a> {
    /// The document as a string, not as an object.
    message: &'a str,
    status: &'static str,
    timestamp: i64,
    hostname: &'a str,
    service: &'a str,
    ddsource: &'static str,
    ddtags: &'a str,
}

/// Appends the entry of `payload` to `out`.
///
/// # Errors
/// Never with the payloads we make; the caller counts it all the same.
pub(crate) fn append(
    out: &mut Vec<u8>,
    payload: &Payload,
    hostname: &str,
    now_ms: i64,
) -> Result<(), serde_json::Error> {
    let entry = Entry {
        message: &payload.content,
        status: "info",
        timestamp: timestamp(payload.time_ms, now_ms),
        hostname,
        service: &payload.service,
        ddsource: "runtime-security-agent",
        ddtags: &payload.tags,
    };
    serde_json::to_writer(out, &entry)
}

/// The time of the event, which is what a person searching the intake expects; the time of sending when the
/// intake would not take it.
fn timestamp(time_ms: i64, now_ms: i64) -> i64 {
    if (now_ms.saturating_sub(MAX_AGE_MS)..=now_ms).contains(&time_ms) { time_ms } else { now_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_exactly_what_the_intake_documents() {
        let payload = Payload {
            content: r#"{"a":"é\n"}"#.into(),
            tags: "image_name:x,image_tag:1".into(),
            service: "shop".into(),
            time_ms: 1_700_000_000_000,
            accepted_ms: 0,
            room: None,
        };
        let mut out = b"[".to_vec();
        append(&mut out, &payload, "node-1", 1_700_000_000_500).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"[{"message":"{\"a\":\"é\\n\"}","status":"info","timestamp":1700000000000,"hostname":"node-1","service":"shop","ddsource":"runtime-security-agent","ddtags":"image_name:x,image_tag:1"}"#
        );
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
}
