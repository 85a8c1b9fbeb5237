//! Telling a refused peer why, in HTTP/2 and without having read anything from it.
//!
//! A server may speak first: empty settings, then GOAWAY with the reason as its debug data, which gRPC clients show.

use std::fmt;

use tokio::net::UnixStream;

/// `INADEQUATE_SECURITY`: gRPC makes "permission denied" of it.
const NOT_ALLOWED: u32 = 0xc;
/// `ENHANCE_YOUR_CALM`: gRPC makes "resource exhausted" of it.
const TOO_MUCH: u32 = 0xb;

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

fn frames(code: u32, text: &str) -> Vec<u8> {
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    let mut frames = vec![0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
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
    fn the_frames_are_settings_and_a_goaway_that_holds_the_text() {
        let frames = frames(NOT_ALLOWED, "no");
        assert_eq!(frames, *b"\0\0\0\x04\0\0\0\0\0\0\0\x0a\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cno");
    }
}
