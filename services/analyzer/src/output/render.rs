//! The documents of events: the envelope with the event's id around what `event-json` writes.
//!
//! Invariant: the same batch of the same probe gives the same bytes, live, for a subscriber and in a replay.

use bytes::Bytes;
use event::Host;
use event_json::{CustomBody, CustomEvent};

use crate::stages::dispatch::Dispatched;
use crate::stages::out::{About, Custom};

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
        self.enveloped(out, ids, index, None, |writer, out| writer.write(out, &event.event, &event.run));
    }

    /// The same in two parts, for an event that this rule matched, if one did: appends the first, and returns the second
    /// with its line break, which is shared with other documents. `None`: all of it is appended, without a line break.
    pub fn event_parted(
        &mut self,
        out: &mut Vec<u8>,
        ids: &BatchIds,
        index: usize,
        event: &Dispatched,
        rule_id: Option<&str>,
    ) -> Option<Bytes> {
        let write = |writer: &mut event_json::Writer, out: &mut Vec<u8>| {
            writer.write_parted(out, &event.event, &event.run)
        };
        self.enveloped(out, ids, index, rule_id, write)
    }

    fn enveloped<T>(
        &mut self,
        out: &mut Vec<u8>,
        ids: &BatchIds,
        index: usize,
        rule_id: Option<&str>,
        write: impl FnOnce(&mut event_json::Writer, &mut Vec<u8>) -> T,
    ) -> T {
        ids.write(out, index);
        if let Some(rule_id) = rule_id {
            out.extend_from_slice(b",\"rule_id\":");
            // Writing to memory cannot fail.
            serde_json::to_writer(&mut *out, rule_id).unwrap_or_default();
        }
        out.push(b'}');
        let start = out.len();
        let written = write(&mut self.writer, out);
        // The event's fields follow the envelope in the same object.
        if let Some(begin) = out.get_mut(start) {
            *begin = b',';
        }
        written
    }

    /// Appends a custom event, without a newline. Its index is behind those of the batch's events, which it may show one of.
    pub fn custom(
        &mut self,
        out: &mut Vec<u8>,
        ids: &BatchIds,
        index: usize,
        custom: &Custom,
        events: &[Dispatched],
    ) {
        ids.write(out, index);
        out.extend_from_slice(b",\"rule_id\":\"");
        out.extend_from_slice(custom.rule.id().as_bytes());
        out.extend_from_slice(b"\"},");
        let (body, trigger) = match &custom.about {
            About::NotObserved(gap) => (CustomBody::NotObserved(gap), None),
            About::Unwanted(unwanted) => (CustomBody::Unwanted(unwanted), None),
            About::Lost(loss) => (CustomBody::Lost(loss), None),
            About::Event { position, error } => (CustomBody::Abnormal { error }, events.get(*position)),
        };
        let Custom { rule, boot_ns, suppressed, .. } = *custom;
        let event = CustomEvent { title: rule.title(), boot_ns, suppressed, body };
        event_json::write_custom(out, &event, self.wall_offset_ns);
        if let Some(trigger) = trigger {
            // In front of the end of the object.
            out.pop();
            out.extend_from_slice(b",\"triggering_event\":");
            self.writer.write(out, &trigger.event, &trigger.run);
            out.push(b'}');
        }
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

    use event::{
        Event, ExitStatus, Kind, LossCause, NotObserved, PerKind, ProcessKey, Task, Unwanted, What,
        WorkloadLoss,
    };
    use serde_json::Value;

    use super::*;
    use crate::stages::dispatch::Marks;
    use crate::stages::rules::Rule;
    use process_tree::{Limits, Tree};

    #[test]
    fn a_document_begins_with_its_id_and_is_the_event_without_the_envelope() {
        let task = Task { process: ProcessKey { start_ns: 1, tgid: 7 }, ..Task::default() };
        let event = Event { boot_ns: 1, task: Arc::new(task), what: What::Exit(ExitStatus::Exited(3)) };
        let run = Tree::new(Limits::default()).apply(&event);
        let event = Dispatched { number: 1, event, run, tags: None, marks: Marks::default() };
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

    fn rendered(custom: &Custom, events: &[Dispatched]) -> Value {
        let mut out = Vec::new();
        let mut renderer = Renderer::new(&Host::default(), event_json::Names::default());
        renderer.custom(&mut out, &BatchIds::new(1, 2), events.len(), custom, events);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_time_that_nobody_observed_is_a_custom_event() {
        let gap = NotObserved { from_ns: 1_000_000_000, to_ns: 3_000_000_000, reason: "killed".into() };
        let about = About::NotObserved(gap);
        let custom = Custom { rule: Rule::NotObserved, boot_ns: 3_000_000_000, suppressed: 0, about };
        let expected = serde_json::json!({
            "agent": {"event_id": "1-2-0", "rule_id": "not_observed"},
            "title": "Events not observed",
            "date": "1970-01-01T00:00:03.000000000Z",
            "service": "runtime-security-agent",
            "from": "1970-01-01T00:00:01.000000000Z",
            "to": "1970-01-01T00:00:03.000000000Z",
            "reason": "killed",
        });
        assert_eq!(rendered(&custom, &[]), expected);
    }

    #[test]
    fn kinds_that_nobody_wanted_are_a_custom_event_without_an_end_while_it_goes_on() {
        let kinds = [Kind::Rename, Kind::Open].into();
        let off = Unwanted { kinds, from_ns: 1_000_000_000, to_ns: None };
        let say = |off: &Unwanted| {
            let about = About::Unwanted(off.clone());
            rendered(&Custom { rule: Rule::Unwanted, boot_ns: 1_000_000_000, suppressed: 0, about }, &[])
        };
        let document = say(&off);
        assert_eq!(document["agent"]["rule_id"], "kinds_not_observed");
        assert_eq!(document["kinds"], serde_json::json!(["open", "rename"]));
        assert_eq!(document["from"], "1970-01-01T00:00:01.000000000Z");
        assert_eq!(document.get("to"), None);
        let document = say(&Unwanted { to_ns: Some(2_000_000_000), ..off });
        assert_eq!(document["to"], "1970-01-01T00:00:02.000000000Z");
    }

    #[test]
    fn an_abnormal_event_is_shown_whole_and_what_was_held_back_is_told() {
        let event = Event { boot_ns: 1, task: Arc::default(), what: What::Exit(ExitStatus::Exited(3)) };
        let run = Tree::new(Limits::default()).apply(&event);
        let event = Dispatched { number: 1, event, run, tags: None, marks: Marks::default() };
        let about = About::Event { position: 0, error: "no" };
        let custom = Custom { rule: Rule::NoProcessContext, boot_ns: 1, suppressed: 4, about };
        let document = rendered(&custom, std::slice::from_ref(&event));
        assert_eq!(document["agent"]["rule_id"], "no_process_context");
        assert_eq!((&document["error"], &document["suppressed"]), (&"no".into(), &4.into()));
        assert_eq!(document["triggering_event"]["evt"]["name"], "exit");
    }

    #[test]
    fn what_was_lost_is_told_by_kind() {
        let counts = PerKind::from([(Kind::Open, 3), (Kind::Exec, 1)]);
        let loss = WorkloadLoss { cgroup: 7, workload: "web".into(), cause: LossCause::RingFull, counts };
        let custom = Custom { rule: Rule::LostEvents, boot_ns: 1, suppressed: 0, about: About::Lost(loss) };
        let document = rendered(&custom, &[]);
        assert_eq!(document["per_event"], serde_json::json!({"exec": 1, "open": 3}));
        assert_eq!((&document["workload"], &document["lost"]), (&"web".into(), &4.into()));
    }

    #[test]
    fn an_event_that_matched_names_its_rule() {
        let event = Event { boot_ns: 1, task: Arc::default(), what: What::Exit(ExitStatus::Exited(3)) };
        let run = Tree::new(Limits::default()).apply(&event);
        let event = Dispatched { number: 1, event, run, tags: None, marks: Marks::default() };
        let mut out = Vec::new();
        let mut renderer = Renderer::new(&Host::default(), event_json::Names::default());
        let tail = renderer.event_parted(&mut out, &BatchIds::new(1, 2), 0, &event, Some("a\"b"));
        out.extend_from_slice(&tail.unwrap_or_default());
        let document: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(document["agent"], serde_json::json!({"event_id": "1-2-0", "rule_id": "a\"b"}));
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
