//! Decides what the real intake would answer. Pure: headers and bytes in, entries or a refusal out.
//!
//! The limits are those of the public documentation of the logs API (v2): 5 MB uncompressed, 1000 entries, 1 MB
//! for one entry (larger ones are accepted and cut), timestamps up to 18 hours old. Megabytes are decimal, the
//! stricter reading.

use std::io::Read;

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Uncompressed bytes of one request.
pub const MAX_BODY_BYTES: usize = 5_000_000;
/// Entries of one request.
pub const MAX_ENTRIES: usize = 1000;
/// Bytes of one entry; what is longer is cut.
pub const MAX_ENTRY_BYTES: usize = 1_000_000;
/// Age of a timestamp.
pub const MAX_AGE_MS: i64 = 18 * 3600 * 1000;

/// One entry as the intake keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The `message` text: for events, one JSON document. Cut at the limit when `truncated`.
    pub message: Box<str>,
    /// `ddtags`, comma separated.
    pub tags: Box<str>,
    /// `hostname`.
    pub hostname: Box<str>,
    /// `service`.
    pub service: Box<str>,
    /// `ddsource`.
    pub source: Box<str>,
    /// `status`.
    pub status: Box<str>,
    /// `timestamp`, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The entry was longer than the intake keeps.
    pub truncated: bool,
    /// The message is a JSON document.
    pub is_json: bool,
}

impl Received {
    /// The message as JSON; null when it is not.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.message).unwrap_or_default()
    }

    /// The message as one line.
    #[must_use]
    pub fn line(&self) -> String {
        // JSON allows raw line breaks between tokens only, where a blank means the same.
        self.message.replace(['\n', '\r'], " ")
    }

    /// `{"ddtags":…,"message":…}` as one line; a message that is not JSON becomes a string.
    #[must_use]
    pub fn wrapped_line(&self) -> String {
        let message = if self.is_json { self.line() } else { quoted(&self.message) };
        format!("{{\"ddtags\":{},\"message\":{message}}}", quoted(&self.tags))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What the intake answers to a request it does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Why, for people.
    pub why: String,
}

fn refuse(status: StatusCode, why: impl Into<String>) -> Refusal {
    Refusal { status, why: why.into() }
}

/// A request that is taken.
#[derive(Debug)]
pub struct Accepted {
    /// Its entries in order.
    pub entries: Vec<Received>,
    /// Its uncompressed size.
    pub raw_bytes: usize,
}

#[derive(Deserialize)]
struct Entry {
    message: String,
    #[serde(default)]
    status: Box<str>,
    timestamp: Option<i64>,
    #[serde(default)]
    hostname: Box<str>,
    #[serde(default)]
    service: Box<str>,
    #[serde(default)]
    ddsource: Box<str>,
    #[serde(default)]
    ddtags: Box<str>,
}

/// Applies every documented rule. Without `api_key` any key will do, but there must be one.
///
/// # Errors
/// The status and text of the refusal.
pub fn check(
    headers: &HeaderMap,
    body: &[u8],
    api_key: Option<&str>,
    now_ms: i64,
) -> Result<Accepted, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match (header("dd-api-key"), api_key) {
        ("", _) => return Err(refuse(StatusCode::UNAUTHORIZED, "DD-API-KEY is missing")),
        (given, Some(expected)) if given != expected => {
            return Err(refuse(StatusCode::FORBIDDEN, "DD-API-KEY is not known"));
        }
        _ => {}
    }
    let content_type = header("content-type");
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(refuse(StatusCode::BAD_REQUEST, format!("content type {content_type:?} is not JSON")));
    }
    // The question whether anybody is here.
    if body == b"{}" {
        return Ok(Accepted { entries: Vec::new(), raw_bytes: body.len() });
    }
    let raw = decode(header("content-encoding"), body)?;
    let list: Vec<&RawValue> = serde_json::from_slice(&raw)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, format!("body is not a JSON array: {error}")))?;
    if list.len() > MAX_ENTRIES {
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("{} entries", list.len())));
    }
    let entries = list.into_iter().map(|one| entry(one, now_ms)).collect::<Result<_, _>>()?;
    Ok(Accepted { entries, raw_bytes: raw.len() })
}

/// Decompresses at most one byte more than the limit, so that a small bomb cannot fill the memory.
fn decode(encoding: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let limit = MAX_BODY_BYTES as u64 + 1;
    let mut raw = Vec::new();
    let read = match encoding {
        "" | "identity" => body.take(limit).read_to_end(&mut raw),
        "gzip" => flate2::read::GzDecoder::new(body).take(limit).read_to_end(&mut raw),
        "zstd" => zstd::stream::read::Decoder::new(body).and_then(|d| d.take(limit).read_to_end(&mut raw)),
        other => return Err(refuse(StatusCode::BAD_REQUEST, format!("content encoding {other:?}"))),
    };
    if let Err(error) = read {
        return Err(refuse(StatusCode::BAD_REQUEST, format!("body is not {encoding}: {error}")));
    }
    if raw.len() > MAX_BODY_BYTES {
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "more than 5 MB uncompressed"));
    }
    Ok(raw)
}

fn entry(raw: &RawValue, now_ms: i64) -> Result<Received, Refusal> {
    let entry: Entry = serde_json::from_str(raw.get())
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, format!("an entry is not a log: {error}")))?;
    let timestamp_ms = entry.timestamp.unwrap_or(now_ms);
    if now_ms.saturating_sub(timestamp_ms) > MAX_AGE_MS {
        return Err(refuse(StatusCode::BAD_REQUEST, format!("timestamp {timestamp_ms} is over 18 h old")));
    }
    let truncated = raw.get().len() > MAX_ENTRY_BYTES;
    let mut message = entry.message;
    if truncated {
        let excess = raw.get().len() - MAX_ENTRY_BYTES;
        message.truncate(message.floor_char_boundary(message.len().saturating_sub(excess)));
    }
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&message).is_ok();
    Ok(Received {
        message: message.into_boxed_str(),
        tags: entry.ddtags,
        hostname: entry.hostname,
        service: entry.service,
        source: entry.ddsource,
        status: entry.status,
        timestamp_ms,
        truncated,
        is_json,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.insert(*name, value.parse().unwrap());
        }
        map
    }

    fn status(pairs: &[(&'static str, &'static str)], body: &[u8]) -> u16 {
        match check(&headers(pairs), body, Some("key"), NOW_MS) {
            Ok(_) => 202,
            Err(refusal) => refusal.status.as_u16(),
        }
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const KEY: (&str, &str) = ("dd-api-key", "key");

    #[test]
    fn each_documented_rule_has_its_status() {
        assert_eq!(status(&[KEY, JSON], b"[]"), 202);
        assert_eq!(status(&[JSON], b"[]"), 401);
        assert_eq!(status(&[("dd-api-key", "other"), JSON], b"[]"), 403);
        assert_eq!(status(&[KEY], b"[]"), 400);
        assert_eq!(status(&[KEY, JSON], b"{\"message\":\"1\"}"), 400);
        assert_eq!(status(&[KEY, JSON], b"[{}]"), 400);
        assert_eq!(status(&[KEY, JSON], b"\xff\xfe"), 400);
        assert_eq!(status(&[KEY, JSON, ("content-encoding", "gzip")], b"[]"), 400);
        assert_eq!(status(&[KEY, JSON, ("content-encoding", "br")], b"[]"), 400);
        let one = r#"{"message":"1"},"#;
        let many = |n: usize| format!("[{}{{\"message\":\"1\"}}]", one.repeat(n - 1));
        assert_eq!(status(&[KEY, JSON], many(1000).as_bytes()), 202);
        assert_eq!(status(&[KEY, JSON], many(1001).as_bytes()), 413);
        assert_eq!(status(&[KEY, JSON], &[b' '; MAX_BODY_BYTES + 1]), 413);
        let old = format!(r#"[{{"message":"1","timestamp":{}}}]"#, NOW_MS - MAX_AGE_MS - 1);
        assert_eq!(status(&[KEY, JSON], old.as_bytes()), 400);
    }

    #[test]
    fn a_decompression_bomb_is_refused_in_bounded_memory() {
        let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 1).unwrap();
        assert_eq!(status(&[KEY, JSON, ("content-encoding", "zstd")], &bomb), 413);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&vec![b' '; MAX_BODY_BYTES + 1]).unwrap();
        assert_eq!(status(&[KEY, JSON, ("content-encoding", "gzip")], &gzip.finish().unwrap()), 413);
    }

    #[test]
    fn a_long_entry_is_taken_and_cut() {
        let body = format!(r#"[{{"message":"{}"}}]"#, "é".repeat(MAX_ENTRY_BYTES / 2 + 100));
        let accepted = check(&headers(&[KEY, JSON]), body.as_bytes(), None, NOW_MS).unwrap();
        assert!(accepted.entries[0].truncated && !accepted.entries[0].is_json);
        assert!(accepted.entries[0].message.len() < MAX_ENTRY_BYTES);
    }

    #[test]
    fn a_wrapped_line_holds_the_document_and_the_tags() {
        let body = br#"[{"message":"{\"a\":\n1}","ddtags":"x:1,y:2"}]"#;
        let accepted = check(&headers(&[KEY, JSON]), body, None, NOW_MS).unwrap();
        assert_eq!(accepted.entries[0].wrapped_line(), r#"{"ddtags":"x:1,y:2","message":{"a": 1}}"#);
        assert_eq!(accepted.entries[0].json()["a"], 1);
    }
}
