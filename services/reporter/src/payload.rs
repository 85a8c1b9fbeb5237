//! One payload in the reporter's care: a JSON document with what the intake wants to know about it.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::OwnedSemaphorePermit;

/// Longest document; the intake keeps no more of one log.
pub const MAX_CONTENT_BYTES: usize = 1_000_000;

/// Payloads that were submitted together, shared by the destinations.
pub(crate) type Group = Arc<[Arc<Payload>]>;

/// An accepted payload. Dropping the last reference frees its room in the queue.
#[derive(Debug)]
pub(crate) struct Payload {
    /// The document, one line.
    pub(crate) content: Box<str>,
    /// Tags joined by commas.
    pub(crate) tags: Box<str>,
    /// May be empty.
    pub(crate) service: Box<str>,
    /// When the event happened, milliseconds since the epoch; 0 = not known.
    pub(crate) time_ms: i64,
    /// When the reporter accepted it, milliseconds since the epoch.
    pub(crate) accepted_ms: i64,
    /// Its share of the queue's bytes.
    #[expect(dead_code, reason = "it is held to be dropped with the payload")]
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Why a document is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the document is {0} bytes, the limit is {MAX_CONTENT_BYTES}")]
    TooLarge(usize),
    #[error("the document is not UTF-8")]
    NotUtf8,
    #[error("the document is not JSON")]
    NotJson,
}

/// The document as one line of text.
pub(crate) fn check(content: &[u8]) -> Result<Box<str>, Unfit> {
    if content.len() > MAX_CONTENT_BYTES {
        return Err(Unfit::TooLarge(content.len()));
    }
    let Ok(text) = std::str::from_utf8(content) else { return Err(Unfit::NotUtf8) };
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(Unfit::NotJson);
    }
    // JSON allows raw line breaks between tokens only, where a blank means the same.
    Ok(if content.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        text.replace(['\n', '\r'], " ").into_boxed_str()
    } else {
        Box::from(text)
    })
}

/// Joins tags as the intake wants them; a comma inside a tag would make two of it and becomes `_`.
pub(crate) fn join_tags(tags: &[String]) -> Box<str> {
    let mut joined = String::with_capacity(tags.iter().map(|tag| tag.len() + 1).sum());
    for tag in tags {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.extend(tag.chars().map(|c| if c == ',' { '_' } else { c }));
    }
    joined.into_boxed_str()
}

/// The wall clock in milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_json_document_of_bounded_size_is_taken() {
        assert_eq!(check(br#"{"a":"\n"}"#).as_deref(), Ok(r#"{"a":"\n"}"#));
        assert_eq!(check(b"{\r\n\"a\":\n1}").as_deref(), Ok("{  \"a\": 1}"));
        assert_eq!(check(b"{\"a\":\xff}"), Err(Unfit::NotUtf8));
        for bad in ["", "{", "{} {}", "nope"] {
            assert_eq!(check(bad.as_bytes()), Err(Unfit::NotJson), "{bad}");
        }
        let longest = format!("\"{}\"", "x".repeat(MAX_CONTENT_BYTES - 2));
        assert!(check(longest.as_bytes()).is_ok());
        assert_eq!(check(format!("{longest} ").as_bytes()), Err(Unfit::TooLarge(MAX_CONTENT_BYTES + 1)));
    }

    #[test]
    fn deeply_nested_documents_do_not_overflow_the_stack() {
        let deep = "[".repeat(500_000) + &"]".repeat(500_000);
        assert!(
            check(deep.as_bytes()).is_ok_and(|text| text.len() == deep.len())
                || check(deep.as_bytes()).is_err()
        );
    }

    #[test]
    fn tags_are_joined_and_stay_as_many_as_they_were() {
        assert_eq!(&*join_tags(&["a:1".into(), "b:2,3".into()]), "a:1,b:2_3");
        assert_eq!(&*join_tags(&[]), "");
    }
}
