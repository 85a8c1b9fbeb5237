//! What an answer of the intake means. Pure.

use std::time::{Duration, SystemTime};

use crate::metrics::{DropCause, RetryCause};

/// What to do with the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The intake has it.
    Delivered,
    /// Repeating would get the same answer.
    Refused(DropCause),
    /// Try again, if asked not before some time.
    Retry(RetryCause, Option<Duration>),
}

/// Judges an HTTP status and the `Retry-After` header beside it.
///
/// A redirect is not a success: nothing was stored, and following it would send payloads and the API key to an
/// address that nobody configured.
pub(crate) fn judge(status: u16, retry_after: Option<&str>, now: SystemTime) -> Verdict {
    let after = || retry_after.and_then(|text| parse_retry_after(text, now));
    match status {
        200..=299 => Verdict::Delivered,
        400 => Verdict::Refused(DropCause::Status400),
        401 => Verdict::Refused(DropCause::Status401),
        403 => Verdict::Refused(DropCause::Status403),
        413 => Verdict::Refused(DropCause::Status413),
        429 => Verdict::Retry(RetryCause::Throttled, after()),
        503 => Verdict::Retry(RetryCause::ServerError, after()),
        500..=599 => Verdict::Retry(RetryCause::ServerError, None),
        _ => Verdict::Retry(RetryCause::OtherStatus, None),
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_one_meaning() {
        let judge = |status| judge(status, None, SystemTime::UNIX_EPOCH);
        for ok in [200, 202, 204] {
            assert_eq!(judge(ok), Verdict::Delivered);
        }
        assert_eq!(judge(400), Verdict::Refused(DropCause::Status400));
        assert_eq!(judge(401), Verdict::Refused(DropCause::Status401));
        assert_eq!(judge(403), Verdict::Refused(DropCause::Status403));
        assert_eq!(judge(413), Verdict::Refused(DropCause::Status413));
        assert_eq!(judge(429), Verdict::Retry(RetryCause::Throttled, None));
        for status in [500, 502, 503, 599] {
            assert_eq!(judge(status), Verdict::Retry(RetryCause::ServerError, None));
        }
        for status in [0, 100, 301, 302, 404, 408, 422, 600] {
            assert_eq!(judge(status), Verdict::Retry(RetryCause::OtherStatus, None));
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_nonsense_is_ignored() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |text| {
            let Verdict::Retry(_, after) = judge(429, Some(text), now) else { panic!("not repeated") };
            after
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:00 GMT"), Some(Duration::from_secs(23)));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(after(nonsense), None);
        }
    }
}
