//! Custom events: what the system says of itself. They have `title`, `date`, `service` and fields of their own.

use std::collections::BTreeMap;

use event::{NotObserved, Unwanted, WorkloadLoss};
use serde::Serialize;
use serde_json::Value;

use crate::text::{Lossy, Time};

/// The rule id of [`CustomBody::NotObserved`].
pub const NOT_OBSERVED: &str = "not_observed";
/// The service that custom events are of.
const SERVICE: &str = "runtime-security-agent";

/// A custom event.
#[derive(Debug, Clone, Copy)]
pub struct CustomEvent<'a> {
    /// For people.
    pub title: &'static str,
    /// When, `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// How many like it were held back before it.
    pub suppressed: u64,
    /// What it tells.
    pub body: CustomBody<'a>,
}

/// What a custom event tells.
#[derive(Debug, Clone, Copy)]
pub enum CustomBody<'a> {
    /// A time that nobody observed.
    NotObserved(&'a NotObserved),
    /// Kinds that were not observed.
    Unwanted(&'a Unwanted),
    /// Events that a workload lost, for one cause.
    Lost(&'a WorkloadLoss),
    /// An event that is not as it should be; whoever writes it adds the event as `triggering_event`.
    Abnormal {
        /// What is wrong.
        error: &'static str,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    title: &'static str,
    date: Time,
    service: &'static str,
    #[serde(flatten)]
    body: Body<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    NotObserved {
        from: Time,
        to: Time,
        reason: Lossy<'a>,
    },
    Unwanted {
        kinds: Vec<&'static str>,
        from: Time,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Time>,
        reason: &'static str,
    },
    Lost {
        #[serde(skip_serializing_if = "str::is_empty")]
        workload: &'a str,
        cause: &'static str,
        lost: u64,
        per_event: BTreeMap<&'static str, u64>,
    },
    Abnormal {
        error: &'static str,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Appends the fields of a custom event and the end of the object: its envelope comes before.
pub fn write_custom(out: &mut Vec<u8>, event: &CustomEvent<'_>, wall_offset_ns: i64) {
    let time = |boot_ns| Time::since_boot(boot_ns, wall_offset_ns);
    let body = match event.body {
        CustomBody::NotObserved(gap) => Body::NotObserved {
            from: time(gap.from_ns),
            to: time(gap.to_ns),
            reason: Lossy(gap.reason.as_bytes()),
        },
        CustomBody::Unwanted(unwanted) => Body::Unwanted {
            kinds: unwanted.kinds.iter().map(|kind| kind.name()).collect(),
            from: time(unwanted.from_ns),
            to: unwanted.to_ns.map(time),
            reason: "no output, rule or subscriber wanted them",
        },
        CustomBody::Lost(loss) => Body::Lost {
            workload: &loss.workload,
            cause: loss.cause.name(),
            lost: loss.counts.total(),
            per_event: loss
                .counts
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(kind, count)| (kind.name(), *count))
                .collect(),
        },
        CustomBody::Abnormal { error } => Body::Abnormal { error },
    };
    let document = Document {
        title: event.title,
        date: time(event.boot_ns),
        service: SERVICE,
        body,
        suppressed: event.suppressed,
    };
    let start = out.len();
    let result = serde_json::to_writer(&mut *out, &document);
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
