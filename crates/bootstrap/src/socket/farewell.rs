//! Telling a refused peer why, in HTTP/2 and without having read anything from it.
//!
//! A server may speak first: empty settings, then GOAWAY with the reason as its debug data, which gRPC clients show.

use std::fmt;

use tokio::net::UnixStream;

/// `INADEQUATE_SECURITY`: gRPC makes "permission denied" of it.
const NOT_ALLOWED: u32 = 0xc;
/// `ENHANCE_YOUR_CALM`: gRPC makes "resource exhausted" of it.
const TOO_MUCH: u32 = 0xb;

/// Settings without any: no service that lets somebody in sends them like this.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: u8 = 7;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// This uid may not connect.
    OtherUid(u32),
    /// It has enough connections.
    TooMany { uid: u32, limit: usize },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUid(uid) => write!(f, "uid {uid} may not use this socket"),
            Self::TooMany { uid, limit } => {
                write!(f, "uid {uid} has {limit} connections open, which is the limit")
            }
        }
    }
}

/// Says the reason to a peer that was just accepted. There is always room for it in a new connection.
pub(super) fn farewell(stream: &UnixStream, reason: &Reason) {
    let code = match reason {
        Reason::OtherUid(_) => NOT_ALLOWED,
        Reason::TooMany { .. } => TOO_MUCH,
    };
    // It may be gone already.
    stream.try_write(&frames(code, &reason.to_string())).ok();
}

/// The reason in a farewell; `None` when these bytes are none.
pub(super) fn reason(bytes: &[u8]) -> Option<String> {
    let goaway = bytes.strip_prefix(&SETTINGS)?;
    let (&[high, middle, low, GOAWAY, ..], rest) = goaway.split_first_chunk::<9>()? else { return None };
    let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
    Some(String::from_utf8_lossy(rest.get(8..length)?).into_owned())
}

fn frames(code: u32, text: &str) -> Vec<u8> {
    let mut frames = SETTINGS.to_vec();
    let length = u32::try_from(8 + text.len()).unwrap_or(u32::MAX).to_be_bytes();
    frames.extend_from_slice(length.get(1..).unwrap_or_default());
    // No flags, stream 0; then: no stream was accepted.
    frames.extend_from_slice(&[GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    frames.extend_from_slice(&code.to_be_bytes());
    frames.extend_from_slice(text.as_bytes());
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farewell_is_told_from_every_other_beginning() {
        let frames = frames(TOO_MUCH, "enough");
        assert_eq!(reason(&frames).as_deref(), Some("enough"));
        assert!((0..frames.len()).all(|length| reason(&frames[..length]).is_none()));
        assert_eq!(reason(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x10"), None);
    }

    #[test]
    fn the_frames_are_settings_and_a_goaway_that_holds_the_text() {
        let frames = frames(NOT_ALLOWED, "no");
        assert_eq!(frames, *b"\0\0\0\x04\0\0\0\0\0\0\0\x0a\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cno");
    }
}
