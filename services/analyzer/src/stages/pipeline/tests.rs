use event::{ExitStatus, Kind, ProcessKey, Strings, Task};

use super::*;
use crate::output::render::{BatchIds, Renderer};
use crate::stages::dispatch::Stage;

fn host(boot_id: &str) -> Host {
    Host { boot_id: boot_id.to_owned(), ..Host::default() }
}

fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::new(TreeConfig::default(), Scrubber::default(), Stages::default());
    pipeline.begin(host("boot"), 1);
    pipeline
}

fn task(tgid: u32) -> Arc<Task> {
    Arc::new(Task { process: ProcessKey { start_ns: 1, tgid }, ..Task::default() })
}

fn exit(boot_ns: u64) -> Event {
    Event { boot_ns, task: task(7), what: What::Exit(ExitStatus::Exited(0)) }
}

fn exec(args: &[&str]) -> Arc<Exec> {
    let items = args.iter().map(|argument| (*argument).into()).collect();
    Arc::new(Exec { args: Strings { items, truncated: false }, ..Exec::default() })
}

fn batch(seq: u64, events: Vec<Event>) -> Decoded {
    Decoded { seq, events, ..Decoded::default() }
}

#[test]
fn a_batch_that_is_sent_again_is_ignored_and_a_missing_one_is_counted() {
    let mut pipeline = pipeline();
    assert_eq!(pipeline.process(batch(3, vec![exit(1)])).missing, 0);
    let repeated = pipeline.process(batch(3, vec![exit(1)]));
    assert!(repeated.is_repeated && repeated.events.is_empty());
    let next = pipeline.process(batch(6, vec![exit(2)]));
    assert_eq!((next.missing, next.events.len()), (2, 1));
}

#[test]
fn after_a_reconnect_to_the_same_probe_repeated_batches_are_still_known() {
    let mut pipeline = pipeline();
    pipeline.process(batch(1, vec![exit(1)]));
    pipeline.begin(host("boot"), 1);
    assert!(pipeline.process(batch(1, vec![exit(1)])).is_repeated);
    assert_eq!(pipeline.process(batch(2, vec![exit(2)])).missing, 0);
}

#[test]
fn the_batches_of_a_restarted_probe_are_new_although_their_numbers_are_not() {
    let mut pipeline = pipeline();
    pipeline.process(batch(1, vec![exit(1)]));
    for session in [2, 0, 0] {
        pipeline.begin(host("boot"), session);
        assert!(!pipeline.process(batch(1, vec![exit(2)])).is_repeated, "{session}");
    }
}

#[test]
fn the_table_that_opens_a_stream_is_not_part_of_the_numbering() {
    let mut pipeline = pipeline();
    pipeline.process(batch(4, vec![exit(1)]));
    pipeline.begin(host("boot"), 1);
    let known = KnownProcess { task: task(9), parent: None, exec_ns: 5, exec: Some(exec(&["x"])) };
    let table = Decoded { seq: 0, processes: vec![known], ..Decoded::default() };
    assert!(!pipeline.process(table).is_repeated);
    assert_eq!(pipeline.process(batch(5, vec![exit(2)])).missing, 0);
}

#[test]
fn an_empty_table_does_not_touch_the_numbering() {
    let mut pipeline = pipeline();
    pipeline.process(batch(4, vec![exit(1)]));
    pipeline.begin(host("boot"), 1);
    assert!(!pipeline.process(batch(0, Vec::new())).is_repeated);
    assert!(pipeline.process(batch(4, vec![exit(1)])).is_repeated);
    assert_eq!(pipeline.process(batch(5, vec![exit(2)])).missing, 0);
}

#[test]
fn a_batch_that_cannot_be_decoded_has_its_number_and_is_not_missed() {
    let mut pipeline = pipeline();
    pipeline.process(batch(1, vec![exit(1)]));
    assert_eq!(pipeline.pass(2), (false, 0));
    assert_eq!(pipeline.pass(2), (true, 0));
    assert_eq!(pipeline.process(batch(3, vec![exit(2)])).missing, 0);
}

#[test]
fn lifecycle_events_that_the_probe_lost_are_a_gap_and_opens_are_not() {
    let orphan = |kind| {
        let mut pipeline = pipeline();
        let mut counts = event::PerKind::default();
        *counts.get_mut(kind) = 1;
        let loss =
            WorkloadLoss { cgroup: 1, workload: "w".into(), cause: event::LossCause::BacklogFull, counts };
        let news = News { lost: vec![loss], ..News::default() };
        pipeline.process(Decoded { seq: 1, events: vec![exit(5)], news, ..Decoded::default() });
        let other = Task { process: ProcessKey { start_ns: 0, tgid: 9 }, ppid: 3, ..Task::default() };
        let event = Event { boot_ns: 6, task: Arc::new(other), what: What::Exit(ExitStatus::Exited(0)) };
        pipeline.process(batch(2, vec![event])).events.remove(0).run.lineage
    };
    assert_eq!(orphan(Kind::Exec), event::Lineage::MissingParent);
    assert_eq!(orphan(Kind::Open), event::Lineage::Complete);
}

#[test]
fn another_boot_is_another_tree() {
    let mut pipeline = pipeline();
    pipeline.process(batch(1, vec![exit(1)]));
    assert_eq!(pipeline.tree_stats().processes, 1);
    pipeline.begin(host("other"), 2);
    assert_eq!(pipeline.tree_stats().processes, 0);
}

#[test]
fn secrets_are_gone_from_events_from_known_processes_and_from_the_json() {
    let mut pipeline = pipeline();
    let secret = || exec(&["mysql", "--password", "hunter2"]);
    let known = KnownProcess { task: task(9), parent: None, exec_ns: 5, exec: Some(secret()) };
    let event = Event { boot_ns: 9, task: task(8), what: What::Exec(secret()) };
    let decoded = Decoded { seq: 1, processes: vec![known], events: vec![event], ..Decoded::default() };
    let processed = pipeline.process(decoded);
    let mut json = Vec::new();
    let mut renderer = Renderer::new(&host("boot"), event_json::Names::default());
    renderer.event(&mut json, &BatchIds::new(1, 1), 0, &processed.events[0]);
    let json = String::from_utf8_lossy(&json);
    let all = format!("{:?} {:?} {json:?} {:?}", processed.processes, processed.events, pipeline.known());
    assert!(all.contains("--password") && !all.contains("hunter2"), "{all}");
}

#[test]
fn every_event_passes_the_stages_once_and_in_order() {
    struct Numbers(std::sync::mpsc::Sender<u64>);
    impl Stage for Numbers {
        fn event(&mut self, event: &mut Dispatched, _: &mut Out) {
            self.0.send(event.number).unwrap();
        }
    }
    let (sender, numbers) = std::sync::mpsc::channel();
    let stages = Stages { consumers: vec![Box::new(Numbers(sender))], ..Stages::default() };
    let mut pipeline = Pipeline::new(TreeConfig::default(), Scrubber::default(), stages);
    pipeline.process(batch(1, vec![exit(1), exit(2)]));
    pipeline.process(batch(2, vec![exit(3)]));
    drop(pipeline);
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [1, 2, 3]);
}

/// Wants opens from the start, and nothing any more once it is told a time behind `until_ns`.
struct Wanting {
    until_ns: u64,
    ticks: Arc<std::sync::Mutex<Vec<u64>>>,
}

impl Stage for Wanting {
    fn start(&mut self, out: &mut Out) {
        out.want([Kind::Open]);
    }

    fn tick(&mut self, now_ns: u64, out: &mut Out) {
        self.ticks.lock().unwrap().push(now_ns);
        if now_ns > self.until_ns {
            out.want([]);
        }
    }
}

/// Wants binds as soon as something ends.
struct WantsLater;

impl Stage for WantsLater {
    fn event(&mut self, _: &mut Dispatched, out: &mut Out) {
        out.want([Kind::Bind]);
    }
}

#[test]
fn what_each_stage_wants_stands_until_it_says_something_else_and_all_of_it_is_wanted() {
    let ticks = Arc::default();
    let stages = Stages {
        profile: Some(Box::new(WantsLater)),
        monitors: vec![Box::new(Wanting { until_ns: 4 * TICK_NS, ticks: Arc::clone(&ticks) })],
        ..Stages::default()
    };
    let mut pipeline = Pipeline::new(TreeConfig::default(), Scrubber::default(), stages);
    pipeline.begin(host("boot"), 1);
    assert_eq!(pipeline.wanted(), [Kind::Open].into());
    let mut wanted_after = |seq, boot_ns| {
        pipeline.process(batch(seq, vec![exit(boot_ns)]));
        pipeline.wanted()
    };
    assert_eq!(wanted_after(1, TICK_NS), [Kind::Bind, Kind::Open].into());
    wanted_after(2, TICK_NS + 1);
    wanted_after(3, 2 * TICK_NS - 1);
    wanted_after(4, 2 * TICK_NS);
    assert_eq!(wanted_after(5, 5 * TICK_NS), [Kind::Bind].into());
    assert_eq!(*ticks.lock().unwrap(), [TICK_NS, 2 * TICK_NS, 5 * TICK_NS], "by the clock of the events");
}

#[test]
fn the_time_of_another_boot_begins_anew() {
    let ticks = Arc::default();
    let stages = Stages {
        profile: Some(Box::new(Wanting { until_ns: 0, ticks: Arc::clone(&ticks) })),
        ..Stages::default()
    };
    let mut pipeline = Pipeline::new(TreeConfig::default(), Scrubber::default(), stages);
    for (boot, boot_ns) in [("one", 100 * TICK_NS), ("two", 3)] {
        pipeline.begin(host(boot), 1);
        pipeline.process(batch(0, vec![exit(boot_ns)]));
    }
    assert_eq!(*ticks.lock().unwrap(), [100 * TICK_NS, 3]);
}
