//! The order in which the stages see an event.
//!
//! Profile lookup, dump mark, handlers (rules), consumers, then either the anomaly branch or the dump, then the
//! monitors. The order is a contract: marks are set before rules run, an anomaly is never added to a running dump,
//! and monitors count what everybody has seen. A stage that is not configured is not there.

use std::sync::Arc;

use event::{Event, Host, Run};
use wire::batch::News;

use crate::context::tags::Tags;
use crate::stages::out::Out;

/// An event with what the stages know of it.
#[derive(Debug, Clone)]
pub struct Dispatched {
    /// Number of the event in this analyzer, from 1.
    pub number: u64,
    /// What happened, scrubbed.
    pub event: Event,
    /// The run that was acting, with its lineage.
    pub run: Arc<Run>,
    /// The tags of the container it happened in, if there is one and they are known by now.
    pub tags: Option<Arc<Tags>>,
    /// What the stages found out.
    pub marks: Marks,
}

/// What the stages found out about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The profile of the workload holds it.
    pub is_in_profile: bool,
    /// It is outside what the profile holds.
    pub is_anomaly: bool,
    /// A running dump covers it.
    pub is_in_dump: bool,
}

/// A batch of which every event was looked at.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// What it said beside its events: losses by workload, times that nobody observed.
    pub news: &'a News,
    /// The newest time that is known, `CLOCK_BOOTTIME`: the only clock there is.
    pub last_ns: u64,
    /// The processes that are known.
    pub processes: &'a process_tree::Tree,
}

/// One step of the dispatch. It sees the events one by one, in order, must not block, and asks for what is to happen
/// through [`Out`].
pub trait Stage: Send {
    /// Called once, before anything else: what it needs to be observed, for example.
    fn start(&mut self, _: &mut Out) {}

    /// A stream of this host begins.
    fn begin(&mut self, _: &Arc<Host>, _: &mut Out) {}

    /// Looks at one event, and may mark it.
    fn event(&mut self, _: &mut Dispatched, _: &mut Out) {}

    /// All events of a batch were looked at.
    fn end_of_batch(&mut self, _: &Ending<'_>, _: &mut Out) {}

    /// About a second has passed; `now_ns` is the newest time that is known, `CLOCK_BOOTTIME`. It comes behind a batch, live and
    /// in a replay behind the same one; while the probe sends nothing, no time passes.
    fn tick(&mut self, _now_ns: u64, _: &mut Out) {}

    /// Nothing came for a second or more, so that it is about `now_ns` by now. Only live, where somebody waits for the end of
    /// what has one; a stage that makes events by this replays differently.
    fn quiet(&mut self, _now_ns: u64, _: &mut Out) {}
}

/// Which events a stage sees.
enum Branch {
    Every,
    Anomaly,
    NoAnomaly,
}

/// The stages, in the order in which they run.
#[derive(Default)]
pub struct Stages {
    /// Looks the event up in the profile of its workload.
    pub profile: Option<Box<dyn Stage>>,
    /// Marks events that a running dump covers.
    pub dump_mark: Option<Box<dyn Stage>>,
    /// Wildcard handlers, the rule engine first.
    pub handlers: Vec<Box<dyn Stage>>,
    /// Consumers, which keep a copy of what they need.
    pub consumers: Vec<Box<dyn Stage>>,
    /// Reports events that are marked as anomalies.
    pub anomaly: Option<Box<dyn Stage>>,
    /// Adds the other events to running dumps.
    pub dump_insert: Option<Box<dyn Stage>>,
    /// Run last, whatever the others did.
    pub monitors: Vec<Box<dyn Stage>>,
}

impl Stages {
    /// Shows one event to every stage.
    pub fn event(&mut self, event: &mut Dispatched, out: &mut Out) {
        let mut is_anomaly = None;
        for (place, (branch, stage)) in self.each().enumerate() {
            let sees = match branch {
                Branch::Every => true,
                Branch::Anomaly => *is_anomaly.get_or_insert(event.marks.is_anomaly),
                Branch::NoAnomaly => !*is_anomaly.get_or_insert(event.marks.is_anomaly),
            };
            if sees {
                out.of(place);
                stage.event(event, out);
            }
        }
    }

    /// Starts every stage.
    pub fn start(&mut self, out: &mut Out) {
        self.all(out, |stage, out| stage.start(out));
    }

    /// Tells every stage that a stream begins.
    pub fn begin(&mut self, host: &Arc<Host>, out: &mut Out) {
        self.all(out, |stage, out| stage.begin(host, out));
    }

    /// Tells every stage that a batch has ended.
    pub fn end_of_batch(&mut self, batch: &Ending<'_>, out: &mut Out) {
        self.all(out, |stage, out| stage.end_of_batch(batch, out));
    }

    /// Tells every stage the time.
    pub fn tick(&mut self, now_ns: u64, out: &mut Out) {
        self.all(out, |stage, out| stage.tick(now_ns, out));
    }

    /// Tells every stage that nothing comes.
    pub fn quiet(&mut self, now_ns: u64, out: &mut Out) {
        self.all(out, |stage, out| stage.quiet(now_ns, out));
    }

    fn all(&mut self, out: &mut Out, ask: impl Fn(&mut dyn Stage, &mut Out)) {
        for (place, (_, stage)) in self.each().enumerate() {
            out.of(place);
            ask(&mut **stage, out);
        }
    }

    /// The stages in their order, and which events each sees.
    fn each(&mut self) -> impl Iterator<Item = (Branch, &mut Box<dyn Stage>)> {
        let Self { profile, dump_mark, handlers, consumers, anomaly, dump_insert, monitors } = self;
        let first = profile.iter_mut().chain(dump_mark).chain(handlers).chain(consumers);
        let first = first.map(|stage| (Branch::Every, stage));
        let anomaly = anomaly.iter_mut().map(|stage| (Branch::Anomaly, stage));
        let others = dump_insert.iter_mut().map(|stage| (Branch::NoAnomaly, stage));
        let last = monitors.iter_mut().map(|stage| (Branch::Every, stage));
        first.chain(anomaly).chain(others).chain(last)
    }
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages")
            .field("handlers", &self.handlers.len())
            .field("consumers", &self.consumers.len())
            .field("monitors", &self.monitors.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use event::{ExitStatus, What};

    use super::*;
    use process_tree::{Limits, Tree};

    struct Recording {
        name: &'static str,
        seen: Arc<Mutex<Vec<&'static str>>>,
        finds_anomaly: bool,
    }

    impl Stage for Recording {
        fn event(&mut self, event: &mut Dispatched, _: &mut Out) {
            self.seen.lock().unwrap().push(self.name);
            event.marks.is_anomaly |= self.finds_anomaly;
        }
    }

    fn order(has_anomaly: bool) -> Vec<&'static str> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stage = |name| -> Box<dyn Stage> {
            let finds_anomaly = has_anomaly && name == "profile";
            Box::new(Recording { name, seen: Arc::clone(&seen), finds_anomaly })
        };
        let mut stages = Stages {
            monitors: vec![stage("monitor")],
            dump_insert: Some(stage("dump insert")),
            anomaly: Some(stage("anomaly")),
            consumers: vec![stage("consumer")],
            handlers: vec![stage("rules"), stage("second handler")],
            dump_mark: Some(stage("dump mark")),
            profile: Some(stage("profile")),
        };
        let event = Event { boot_ns: 1, task: Arc::default(), what: What::Exit(ExitStatus::Exited(0)) };
        let run = Tree::new(Limits::default()).apply(&event);
        stages.event(
            &mut Dispatched { number: 1, event, run, tags: None, marks: Marks::default() },
            &mut Out::default(),
        );
        seen.lock().unwrap().clone()
    }

    #[test]
    fn the_stages_run_in_the_order_of_the_contract() {
        let expected =
            ["profile", "dump mark", "rules", "second handler", "consumer", "dump insert", "monitor"];
        assert_eq!(order(false), expected);
    }

    #[test]
    fn an_anomaly_is_reported_and_not_added_to_a_running_dump() {
        let expected = ["profile", "dump mark", "rules", "second handler", "consumer", "anomaly", "monitor"];
        assert_eq!(order(true), expected);
    }
}
