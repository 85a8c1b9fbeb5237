use std::path::Path;

use event::{Kind, Ledger, Text};
use wire::v1::from_probe::Message;

use super::*;
use crate::backlog::Backlog;
use crate::backlog::handover::Next;
use crate::context::cgroups::Hierarchy;
use crate::context::table::Table;
use crate::made::{FakeSource, exit, fork, known, open, task_in};

const ID: &str = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const LATER: u64 = 1_000_000_000;

struct Bench {
    source: FakeSource,
    handover: Arc<Handover>,
    drain: Drain<FakeSource>,
}

fn bench(scope: &str) -> Bench {
    let metrics = Metrics::default();
    let backlog = Backlog::new(1 << 20, None);
    let handover = Arc::new(Handover::new(backlog, Table::new(100, 1 << 20), metrics.clone()));
    let source = FakeSource::default();
    let nowhere = Hierarchy { number: 0, mount: "/nowhere/at/all".into(), root: "/".to_owned() };
    let drain = Drain::new(DrainParts {
        source: source.clone(),
        scope: scope.parse().unwrap(),
        workloads: Workloads::new(vec![nowhere], 100, 0),
        batcher: Batcher::new(100, 2 * STEP_NS),
        handover: Arc::clone(&handover),
        metrics,
    });
    Bench { source, handover, drain }
}

fn made(id: u64, path: &str) -> Decoded {
    Decoded::CgroupMade { id, parent_id: 0, hierarchy: 0, path: Text::from(path), boot_ns: 1 }
}

fn in_cgroup(event: Event, cgroup: u64) -> Event {
    Event { task: task_in(event.task.process.tgid, cgroup), ..event }
}

/// Everything that is in the handover, as it would be sent.
fn sent(bench: &Bench) -> Vec<Event> {
    batches(bench).into_iter().flat_map(|batch| batch.events).collect()
}

/// Every batch that is in the handover, acknowledged as delivered.
fn batches(bench: &Bench) -> Vec<wire::batch::Decoded> {
    let (session, _) = bench.handover.connect(0);
    let mut batches = Vec::new();
    while let Next::Send(message) = bench.handover.next(session) {
        let Message::Batch(bytes) = *message else { panic!("only batches are kept") };
        let batch = wire::batch::parse(bytes).unwrap();
        let ledger = Ledger { delivered: wire::batch::kinds(&batch), ..Ledger::default() };
        batches.push(wire::batch::decode(&batch).unwrap());
        bench.handover.ack(session, batch.seq, &ledger).unwrap();
    }
    batches
}

#[test]
fn events_of_containers_pass_with_their_workload_and_others_are_counted_as_suppressed() {
    let mut bench = bench("containers");
    bench.source.tell(made(7, &format!("/docker/{ID}")));
    bench.source.tell(made(8, "/system.slice/nginx.service"));
    bench.source.see(in_cgroup(open(1, 10), 7));
    bench.source.see(in_cgroup(open(2, 11), 8));
    bench.source.see(in_cgroup(exit(2, 12), 8));
    bench.drain.step(LATER);
    assert_eq!(bench.source.decisions(), [(7, true), (8, false)]);
    let events = sent(&bench);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].task.cgroup.workload.container_id().map(|id| &**id), Some(ID));
    let (counters, _) = bench.drain.counters();
    assert_eq!((counters.suppressed.get(Kind::Open), counters.suppressed.get(Kind::Exit)), (1, 1));
    assert!(Kind::ALL.into_iter().all(|kind| counters.in_flight(kind) == 0));
}

#[test]
fn services_are_watched_when_asked_for() {
    let mut bench = bench("services");
    bench.source.tell(made(8, "/system.slice/nginx.service"));
    bench.source.tell(made(9, "/user.slice"));
    bench.drain.step(LATER);
    assert_eq!(bench.source.decisions(), [(8, true), (9, false)]);
}

#[test]
fn the_host_scope_decides_nothing_and_a_cgroup_scope_only_what_is_below() {
    let mut host = bench("host");
    host.source.tell(made(8, "/user.slice"));
    host.drain.step(LATER);
    assert_eq!(host.source.decisions(), []);
    let mut below = bench("cgroup=/a");
    below.source.tell(made(8, "/a/b"));
    below.source.tell(made(9, "/b"));
    below.drain.step(LATER);
    assert_eq!(below.source.decisions(), [(8, true)]);
}

#[test]
fn an_event_of_a_control_group_nobody_knows_is_delivered_without_a_path() {
    let mut bench = bench("containers");
    bench.source.see(in_cgroup(open(1, 10), 77));
    bench.drain.step(LATER);
    let events = sent(&bench);
    assert_eq!((events[0].task.cgroup.id, events[0].task.cgroup.path.is_empty()), (77, true));
    assert_eq!(bench.drain.metrics().cgroups_unresolved.get(), 1);
}

#[test]
fn a_control_group_that_no_record_told_of_is_found_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let group = dir.path().join(format!("docker-{ID}.scope"));
    std::fs::create_dir(&group).unwrap();
    let id = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&group).unwrap());
    let mut bench = bench("containers");
    bench.drain.workloads = Workloads::new(
        vec![Hierarchy { number: 0, mount: dir.path().to_owned(), root: "/".to_owned() }],
        100,
        0,
    );
    // The kernel is asked who runs there; files in /proc are not: a confined probe can open none.
    bench.source.set_oldest([(id, 5)].into());
    bench.source.see(in_cgroup(open(1, 10), id));
    bench.drain.step(LATER);
    let cgroup = &sent(&bench)[0].task.cgroup;
    assert_eq!(cgroup.workload.container_id().map(|id| &**id), Some(ID));
    assert_eq!(cgroup.created_ns, 5);
    assert!(bench.source.decisions().contains(&(id, true)), "the kernel is told");
}

#[test]
fn a_removed_control_group_is_forgotten_by_the_filter_after_its_last_events() {
    let mut bench = bench("containers");
    bench.source.tell(made(7, &format!("/docker/{ID}")));
    bench.source.tell(Decoded::CgroupGone { id: 7, hierarchy: 0 });
    bench.source.see(in_cgroup(exit(1, 10), 7));
    bench.drain.step(LATER);
    assert_eq!(sent(&bench)[0].task.cgroup.workload.container_id().map(|id| &**id), Some(ID));
    assert_eq!(bench.source.forgotten(), [] as [u64; 0]);
    bench.drain.step(10 * LATER);
    assert_eq!(bench.source.forgotten(), [7]);
}

#[test]
fn events_newer_than_the_slack_wait_and_the_deadline_says_until_when() {
    let mut bench = bench("host");
    bench.source.see(open(1, LATER - 1));
    bench.drain.step(LATER);
    assert_eq!(bench.drain.deadline_ns(), Some(LATER - 1 + order::SLACK_NS));
    assert_eq!(sent(&bench).len(), 0);
    bench.drain.step(LATER + order::SLACK_NS);
    assert_eq!(bench.drain.deadline_ns(), Some(LATER - 1 + 2 * STEP_NS), "now the batch waits to be full");
    bench.drain.step(LATER + STEP_NS);
    assert_eq!(
        (sent(&bench).len(), bench.drain.deadline_ns()),
        (1, None),
        "at the next step it would be too old"
    );
}

#[test]
fn at_the_end_everything_that_was_seen_is_accounted_for() {
    let mut bench = bench("containers");
    bench.source.tell(made(7, &format!("/docker/{ID}")));
    bench.source.tell(made(8, "/user.slice"));
    for number in 0..250_u64 {
        let tgid = u32::try_from(number % 50).unwrap();
        let cgroup = 7 + u64::from(number % 5 == 0);
        let event = match number % 3 {
            0 => open(tgid, LATER + number),
            1 => exit(tgid, LATER + number),
            _ => fork(tgid, 1, LATER + number),
        };
        bench.source.see(in_cgroup(event, cgroup));
        if number % 7 == 0 {
            bench.source.see_and_lose(Kind::Open);
        }
        if number % 11 == 0 {
            bench.source.see_and_damage(Kind::Exec);
        }
        if number % 40 == 0 {
            bench.drain.step(LATER + number);
        }
    }
    bench.drain.stop();
    bench.drain.finish(LATER);
    let delivered = sent(&bench).len();
    assert_eq!(delivered, 200);
    let (counters, _) = bench.drain.counters();
    for kind in Kind::ALL {
        assert_eq!(counters.in_flight(kind), 0, "{}", kind.name());
    }
    let lost = |cause: LossCause| counters.lost.of(cause).total();
    assert_eq!((counters.generated.total(), counters.suppressed.total()), (250 + 36 + 23, 50));
    assert_eq!(
        (lost(LossCause::RingFull), lost(LossCause::Undecodable), lost(LossCause::BacklogFull)),
        (36, 23, 0)
    );
}

#[test]
fn only_running_processes_in_scope_are_known_and_parents_outside_are_not_named() {
    let mut bench = bench("containers");
    bench.drain.workloads.made(7, 0, &Text::from(format!("/docker/{ID}")), 1);
    bench.drain.workloads.made(8, 0, &Text::from("/init.scope"), 1);
    let process = |tgid, parent, cgroup| {
        let task = task_in(tgid, cgroup);
        Decoded::Known(KnownProcess { task, ..known(tgid, parent, "/bin/a") })
    };
    let snapshot = vec![process(1, None, 8), process(2, Some(1), 7), process(3, Some(2), 7)];
    let mut completed = Vec::new();
    let known =
        bench.drain.known_in_scope(snapshot, 0, &mut |process| completed.push(process.task.process.tgid));
    let got: Vec<_> = known
        .iter()
        .map(|process| (process.task.process.tgid, process.parent.map(|parent| parent.tgid)))
        .collect();
    assert_eq!(got, [(2, None), (3, Some(2))]);
    assert_eq!(completed, [2, 3], "nothing is read of a process outside the scope");
    assert!(known.iter().all(|process| process.task.cgroup.path == Text::from(format!("/docker/{ID}"))));
    assert!(!Path::new("/nowhere/at/all").exists());
}

#[test]
fn what_the_kernel_lost_of_a_workload_is_told_with_the_next_batch_and_once() {
    let mut bench = bench("containers");
    bench.source.tell(made(7, &format!("/docker/{ID}")));
    bench.source.see_and_lose_in(7, LossCause::RingFull, Kind::Open);
    bench.source.see_and_lose_in(7, LossCause::RingFull, Kind::Open);
    bench.source.see_and_lose_in(9, LossCause::RingFull, Kind::Exec);
    bench.drain.step(LATER);
    let _counters = bench.drain.counters();
    let told = |bench: &mut Bench| {
        bench.source.see(in_cgroup(open(1, 10), 7));
        bench.drain.step(LATER);
        let batches = batches(bench);
        let lost = batches.into_iter().flat_map(|batch| batch.news.lost);
        lost.map(|loss| (loss.cgroup, loss.workload.to_string(), loss.counts)).collect::<Vec<_>>()
    };
    let first = [
        (7, ID.to_owned(), PerKind::from([(Kind::Open, 2)])),
        (9, String::new(), PerKind::from([(Kind::Exec, 1)])),
    ];
    assert_eq!(told(&mut bench), first);
    bench.source.see_and_lose_in(7, LossCause::RingFull, Kind::Open);
    let _counters = bench.drain.counters();
    assert_eq!(told(&mut bench), [(7, ID.to_owned(), PerKind::from([(Kind::Open, 1)]))]);
    let _counters = bench.drain.counters();
    assert_eq!(told(&mut bench), []);
}

#[test]
fn a_batch_says_until_when_everything_was_sent() {
    let mut bench = bench("host");
    bench.source.see(open(1, LATER - 30_000_000));
    bench.source.see(open(1, LATER - 1));
    bench.drain.step(LATER);
    let until = |bench: &Bench| batches(bench).first().map(|batch| batch.news.complete_until_ns);
    assert_eq!(until(&bench), Some(LATER - order::SLACK_NS + 1), "the second one waits for the next drain");
    bench.source.see(open(1, LATER + 10));
    bench.drain.step(LATER + 30_000_000);
    assert_eq!(until(&bench), Some(LATER + 30_000_000 - order::SLACK_NS + 1));
}

/// Compares the table with the living, as the drainer does.
fn tick(bench: &mut Bench, now_ns: u64) {
    let (counters, _) = bench.drain.counters();
    bench.drain.reconcile(now_ns, &counters.lost);
}

fn processes(bench: &Bench) -> Vec<u32> {
    bench.handover.connect(0).1.iter().map(|process| process.task.process.tgid).collect()
}

#[test]
fn processes_whose_exit_was_lost_do_not_stay_for_ever() {
    let mut bench = bench("host");
    // The table has room for 100.
    bench.handover.know((1..=100).map(|tgid| known(tgid, None, "/bin/a")).collect());
    tick(&mut bench, LATER);
    (0..90).for_each(|_| bench.source.see_and_lose(Kind::Exit));
    bench.source.set_living((91..=100).map(crate::made::key).collect());
    tick(&mut bench, LATER + 1);
    assert_eq!(processes(&bench), (91..=100).collect::<Vec<_>>());
    assert_eq!(bench.drain.metrics().table_reconciled.get(), 90);
    (200..290).for_each(|tgid| bench.source.see(fork(tgid, 91, LATER + 2)));
    bench.drain.step(2 * LATER);
    sent(&bench);
    assert_eq!((processes(&bench).len(), bench.drain.metrics().table_refused.get()), (100, 0));
}

#[test]
fn processes_that_ended_while_the_hooks_were_attached_leave_the_table_soon() {
    let mut bench = bench("host");
    bench.handover.know([1, 2].map(|tgid| known(tgid, None, "/bin/a")).into());
    bench.source.set_living(vec![crate::made::key(1)]);
    tick(&mut bench, LATER);
    assert_eq!(processes(&bench), [1, 2]);
    tick(&mut bench, LATER + RECONCILE_PAUSE_NS);
    assert_eq!(processes(&bench), [1]);
}

#[test]
fn what_is_younger_than_the_list_or_about_to_change_stays_in_the_table() {
    let mut bench = bench("host");
    // A process with this number started at ten times that.
    bench.handover.know([1, 2, 3].map(|tgid| known(tgid, None, "/bin/a")).into());
    bench.source.set_living(vec![crate::made::key(1)]);
    bench.source.see(exit(3, 15));
    bench.drain.step(LATER);
    bench.drain.step(2 * LATER);
    tick(&mut bench, 5);
    bench.source.see_and_lose(Kind::Exit);
    tick(&mut bench, 20);
    assert_eq!(processes(&bench), [1, 2, 3], "2 started at 20, the end of 3 waits");
    bench.source.see_and_lose(Kind::Exit);
    tick(&mut bench, 20 + RECONCILE_PAUSE_NS);
    assert_eq!(processes(&bench), [1, 3]);
}

#[test]
fn the_table_is_compared_now_and_then_without_a_loss_and_not_when_there_is_no_list() {
    let mut bench = bench("host");
    bench.handover.know(vec![known(1, None, "/bin/a")]);
    tick(&mut bench, LATER);
    tick(&mut bench, LATER + RECONCILE_NS);
    assert_eq!(processes(&bench), [1], "the processes cannot be listed");
    bench.source.set_living(Vec::new());
    tick(&mut bench, LATER + RECONCILE_NS + RECONCILE_PAUSE_NS);
    assert_eq!(processes(&bench), [] as [u32; 0]);
}

#[test]
fn what_is_still_in_an_open_batch_is_not_said_to_be_sent() {
    let mut bench = bench("host");
    // Batches hold 100, so that 50 stay.
    (0..250).for_each(|number| bench.source.see(open(1, LATER + number)));
    bench.drain.step(LATER + 10_000_000);
    let batches = batches(&bench);
    let until: Vec<u64> = batches.iter().map(|batch| batch.news.complete_until_ns).collect();
    assert_eq!(until, [LATER + 100, LATER + 200]);
}

#[test]
fn a_process_that_enters_the_scope_is_told_of_before_its_events_and_to_the_next_analyzer() {
    let mut bench = bench("containers");
    bench.source.tell(made(7, &format!("/docker/{ID}")));
    bench.source.tell(made(8, "/init.scope"));
    let entering = |tgid, cgroup| {
        let task = task_in(tgid, cgroup);
        Decoded::Known(KnownProcess { task, ..known(tgid, None, "/bin/a") })
    };
    bench.source.tell(entering(2, 7));
    bench.source.tell(entering(3, 8));
    bench.drain.step(LATER);
    assert!(sent(&bench).is_empty());
    bench.source.see(in_cgroup(open(2, LATER), 7));
    bench.drain.step(3 * LATER);
    let batches = batches(&bench);
    let [batch] = batches.as_slice() else { panic!("{batches:?}") };
    let [process] = batch.processes.as_slice() else { panic!("{batch:?}") };
    assert_eq!((process.task.process.tgid, batch.events.len()), (2, 1));
    let exec = process.exec.as_ref().unwrap();
    assert_eq!(exec.executable.path.to_lossy(), "/bin/a");
    assert!(exec.args.truncated && exec.envs.truncated && exec.args.items.is_empty());
    assert_eq!(processes(&bench), [2]);
    // What was seen to begin in the scope is known better.
    bench.source.see(in_cgroup(crate::made::exec(2, 3 * LATER, "/bin/b"), 7));
    bench.source.tell(entering(2, 7));
    bench.drain.step(5 * LATER);
    let table = bench.handover.connect(0).1;
    assert_eq!(table.len(), 1);
}
