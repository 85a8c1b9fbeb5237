//! The documents of events: the envelope with the event's id around what `event-json` writes.
//!
//! Invariant: the same batch of the same probe gives the same bytes, live, for a subscriber and in a replay.

use bytes::Bytes;
use event::{Host, NotObserved};

use crate::stages::dispatch::Dispatched;

/// Writes the documents of one host.
pub struct Renderer {
    writer: event_json::Writer,
    wall_offset_ns: i64,
}

/// Where the ids of a batch's documents begin: `<session>-<batch>-`.
#[derive(Debug, Clone)]
pub struct BatchIds(String);

impl BatchIds {
    /// The ids of this batch of this session.
    #[must_use]
    pub fn new(session: u64, seq: u64) -> Self {
        Self(format!("{session:x}-{seq}-"))
    }

    fn write(&self, out: &mut Vec<u8>, index: usize) {
        out.extend_from_slice(br#"{"agent":{"event_id":""#);
        out.extend_from_slice(self.0.as_bytes());
        push_number(out, index);
        out.push(b'"');
    }
}

impl Renderer {
    /// A renderer for the events of one host, whose users and groups have these names.
    #[must_use]
    pub fn new(host: &Host, names: event_json::Names) -> Self {
        Self { writer: event_json::Writer::new(host).with_names(names), wall_offset_ns: host.wall_offset_ns }
    }

    /// Appends the document of the event at this position in its batch, without a line break.
    pub fn event(&mut self, out: &mut Vec<u8>, ids: &BatchIds, index: usize, event: &Dispatched) {
        self.enveloped(out, ids, index, |writer, out| writer.write(out, &event.event, &event.run));
    }

    /// The same in two parts: appends the first, and returns the second with its line break, which is shared with
    /// other documents. `None`: all of it is appended, without a line break.
    pub fn event_parted(
        &mut self,
        out: &mut Vec<u8>,
        ids: &BatchIds,
        index: usize,
        event: &Dispatched,
    ) -> Option<Bytes> {
        self.enveloped(out, ids, index, |writer, out| writer.write_parted(out, &event.event, &event.run))
    }

    fn enveloped<T>(
        &mut self,
        out: &mut Vec<u8>,
        ids: &BatchIds,
        index: usize,
        write: impl FnOnce(&mut event_json::Writer, &mut Vec<u8>) -> T,
    ) -> T {
        ids.write(out, index);
        out.push(b'}');
        let start = out.len();
        let written = write(&mut self.writer, out);
        // The event's fields follow the envelope in the same object.
        if let Some(begin) = out.get_mut(start) {
            *begin = b',';
        }
        written
    }

    /// Appends the document that tells of a time that nobody observed, without a newline. Its index is behind those
    /// of the batch's events.
    pub fn not_observed(&self, out: &mut Vec<u8>, ids: &BatchIds, index: usize, gap: &NotObserved) {
        ids.write(out, index);
        out.extend_from_slice(b",\"rule_id\":\"");
        out.extend_from_slice(event_json::NOT_OBSERVED.as_bytes());
        out.extend_from_slice(b"\"},");
        event_json::write_not_observed(out, gap, self.wall_offset_ns);
    }
}

/// Appends a number; faster than a formatter, and every document has one.
fn push_number(out: &mut Vec<u8>, mut number: usize) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::{Event, ExitStatus, ProcessKey, Task, What};
    use serde_json::Value;

    use super::*;
    use crate::stages::dispatch::Marks;
    use process_tree::{Limits, Tree};

    #[test]
    fn a_document_begins_with_its_id_and_is_the_event_without_the_envelope() {
        let task = Task { process: ProcessKey { start_ns: 1, tgid: 7 }, ..Task::default() };
        let event = Event { boot_ns: 1, task: Arc::new(task), what: What::Exit(ExitStatus::Exited(3)) };
        let run = Tree::new(Limits::default()).apply(&event);
        let event = Dispatched { number: 1, event, run, marks: Marks::default() };
        let mut out = Vec::new();
        let host = Host::default();
        Renderer::new(&host, event_json::Names::default()).event(
            &mut out,
            &BatchIds::new(0xab, 12),
            907,
            &event,
        );
        assert!(out.starts_with(br#"{"agent":{"event_id":"ab-12-907"},"evt":{"#));
        let mut document: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(event_json::take_envelope(&mut document)["event_id"], "ab-12-907");
        let mut bare = Vec::new();
        event_json::write_uncached(&mut bare, &event.event, &event.run, &host, &event_json::Names::default());
        assert_eq!(document, serde_json::from_slice::<Value>(&bare).unwrap());
    }

    #[test]
    fn a_time_that_nobody_observed_is_a_custom_event() {
        let gap = NotObserved { from_ns: 1_000_000_000, to_ns: 3_000_000_000, reason: "killed".into() };
        let mut out = Vec::new();
        let renderer = Renderer::new(&Host::default(), event_json::Names::default());
        renderer.not_observed(&mut out, &BatchIds::new(1, 2), 0, &gap);
        let document: Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "agent": {"event_id": "1-2-0", "rule_id": "not_observed"},
            "title": "Events not observed",
            "date": "1970-01-01T00:00:03.000000000Z",
            "service": "runtime-security-agent",
            "from": "1970-01-01T00:00:01.000000000Z",
            "to": "1970-01-01T00:00:03.000000000Z",
            "reason": "killed",
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn numbers_are_decimal() {
        let text = |number| {
            let mut out = Vec::new();
            push_number(&mut out, number);
            String::from_utf8(out).unwrap()
        };
        assert_eq!([text(0), text(10), text(1024)], ["0", "10", "1024"]);
    }
}
