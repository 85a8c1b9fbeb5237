//! Custom events: what the system says of itself. They have `date`, `service` and fields of their own.

use event::NotObserved;
use serde::Serialize;
use serde_json::Value;

use crate::text::{Lossy, Time};

/// The rule id of [`write_not_observed`].
pub const NOT_OBSERVED: &str = "not_observed";
/// The service that custom events are of.
const SERVICE: &str = "runtime-security-agent";

#[derive(Serialize)]
struct NotObservedEvent<'a> {
    title: &'static str,
    date: Time,
    service: &'static str,
    from: Time,
    to: Time,
    reason: Lossy<'a>,
}

/// Appends the fields of the custom event that tells of a time that nobody observed, and the end of the object: its
/// envelope comes before.
pub fn write_not_observed(out: &mut Vec<u8>, gap: &NotObserved, wall_offset_ns: i64) {
    let to = Time::since_boot(gap.to_ns, wall_offset_ns);
    let event = NotObservedEvent {
        title: "Events not observed",
        date: to,
        service: SERVICE,
        from: Time::since_boot(gap.from_ns, wall_offset_ns),
        to,
        reason: Lossy(gap.reason.as_bytes()),
    };
    let start = out.len();
    let result = serde_json::to_writer(&mut *out, &event);
    debug_assert!(result.is_ok(), "writing to memory cannot fail: {result:?}");
    if out.len() > start {
        out.remove(start);
    }
}

/// Takes the envelope off a document: what is left is valid against [`crate::schema`], if it is an event. Gives
/// `agent`, or null.
pub fn take_envelope(document: &mut Value) -> Value {
    let Some(fields) = document.as_object_mut() else { return Value::Null };
    fields.remove("title");
    fields.remove("agent").unwrap_or_default()
}
