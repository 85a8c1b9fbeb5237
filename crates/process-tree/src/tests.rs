use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use event::{
    Event, Exec, ExitStatus, File, KnownProcess, Lineage, Open, ProcessKey, Run, Source, Task, What,
};
use proptest::prelude::*;

use super::{Limits, Tree};

fn key(tgid: u32) -> ProcessKey {
    ProcessKey { start_ns: u64::from(tgid) * 10, tgid }
}

fn task(key: ProcessKey, ppid: u32) -> Arc<Task> {
    Arc::new(Task { process: key, tid: key.tgid, ppid, comm: "t".into(), ..Task::default() })
}

fn program(name: &str) -> Arc<Exec> {
    let executable = Arc::new(File { path: name.into(), ..File::default() });
    Arc::new(Exec { executable, ..Exec::default() })
}

fn event(boot_ns: u64, tgid: u32, ppid: u32, what: What) -> Event {
    Event { boot_ns, task: task(key(tgid), ppid), what }
}

fn fork(boot_ns: u64, tgid: u32, parent: u32) -> Event {
    event(boot_ns, tgid, parent, What::Fork(key(parent)))
}

fn exec(boot_ns: u64, tgid: u32, name: &str) -> Event {
    event(boot_ns, tgid, 0, What::Exec(program(name)))
}

fn exit(boot_ns: u64, tgid: u32) -> Event {
    event(boot_ns, tgid, 0, What::Exit(ExitStatus::Exited(0)))
}

fn open(boot_ns: u64, tgid: u32) -> Event {
    let file = Arc::new(File { path: "/f".into(), ..File::default() });
    event(boot_ns, tgid, 0, What::Open(Open { file, flags: 0, mode: 0, retval: 3 }))
}

fn known(tgid: u32, parent: Option<u32>, exec: Option<(&str, u64)>) -> KnownProcess {
    KnownProcess {
        task: task(key(tgid), parent.unwrap_or(0)),
        parent: parent.map(key),
        exec_ns: exec.map_or(0, |(_, ns)| ns),
        exec: exec.map(|(name, _)| program(name)),
    }
}

fn limits(max_processes: usize, max_bytes: usize, max_depth: usize) -> Limits {
    let count = |n| NonZeroUsize::new(n).unwrap();
    Limits {
        max_processes: count(max_processes),
        max_bytes: count(max_bytes),
        max_depth: count(max_depth),
        keep_ended: Duration::from_secs(2),
        max_ended: count(max_processes),
    }
}

fn tree() -> Tree {
    Tree::new(Limits::default())
}

/// The lineage as text, nearest first: `pid:program`, own programs marked.
fn lineage(run: &Run) -> String {
    let one = |run: &Run| {
        let name = run.exec.as_ref().map_or("?".into(), |exec| exec.executable.path.to_string());
        let own = if run.is_own_exec { "!" } else { "" };
        format!("{}:{name}{own}", run.key.tgid)
    };
    let ancestors = run.ancestors().map(|ancestor| one(ancestor));
    std::iter::once(one(run)).chain(ancestors).collect::<Vec<_>>().join(" < ")
}

fn now(tree: &mut Tree, tgid: u32) -> Arc<Run> {
    tree.apply(&open(u64::MAX / 2, tgid))
}

fn check_books(tree: &Tree) {
    assert_eq!(tree.nodes.bytes(), tree.nodes.recount());
    for id in tree.nodes.ids() {
        let node = tree.nodes.get(id).unwrap();
        let above = node.parent.map(|parent| Arc::clone(&tree.nodes.get(parent).unwrap().run));
        match (&node.run.ancestor, &above) {
            (Some(ancestor), Some(above)) => assert!(Arc::ptr_eq(ancestor, above)),
            (None, None) => {}
            other => panic!("the run and the node disagree: {other:?}"),
        }
        assert_eq!(node.run.depth as usize, node.run.ancestors().count());
        if let (true, Some(above)) = (node.is_fork, &above) {
            assert_eq!(node.run.exec, above.exec, "a fork runs the program of its parent");
        }
    }
    assert_eq!(tree.nodes.children(), &tree.nodes.naive_children());
    for process in tree.processes.values() {
        assert_eq!(tree.nodes.naive_misplaced(process.node), []);
    }
}

#[test]
fn a_fork_inherits_the_program_and_an_exec_replaces_it_with_the_old_run_as_ancestor() {
    let mut tree = tree();
    tree.apply(&exec(100, 1, "sh"));
    let forked = tree.apply(&fork(200, 2, 1));
    assert_eq!(lineage(&forked), "2:sh < 1:sh!");
    let ls = tree.apply(&exec(300, 2, "ls"));
    assert_eq!(lineage(&ls), "2:ls! < 2:sh < 1:sh!");
    assert_eq!((ls.lineage, ls.depth, ls.exec_ns, ls.fork_ns), (Lineage::Complete, 2, 300, 20));
    assert_eq!(ls.source, Source::Event);
    check_books(&tree);
}

#[test]
fn an_exit_shows_its_time_and_the_process_stays_for_late_events_only() {
    let mut tree = tree();
    tree.apply(&exec(100, 1, "sh"));
    assert_eq!(tree.apply(&exit(200, 1)).exit_ns, 200);
    assert_eq!(lineage(&tree.apply(&open(150, 1))), "1:sh!");
    tree.apply(&open(200 + 3_000_000_000, 9));
    assert_eq!(lineage(&tree.apply(&open(150, 1))), "1:?");
}

#[test]
fn an_open_that_arrives_after_the_exec_is_given_the_image_of_its_time() {
    let mut tree = tree();
    tree.apply(&exec(100, 1, "a"));
    tree.apply(&exec(200, 1, "b"));
    assert_eq!(lineage(&tree.apply(&open(150, 1))), "1:a!");
    assert_eq!(lineage(&tree.apply(&open(200, 1))), "1:b! < 1:a!");
}

#[test]
fn an_open_that_arrives_after_the_exec_and_the_exit_of_its_process_is_given_the_image_of_its_time() {
    let mut tree = tree();
    tree.complete_until(1);
    tree.apply(&exec(100, 1, "a"));
    tree.apply(&exec(300, 1, "b"));
    tree.apply(&exit(400, 1));
    // Longer than ended processes are kept otherwise.
    tree.apply(&open(60_000_000_000, 9));
    assert_eq!(lineage(&tree.apply(&open(200, 1))), "1:a!");
    assert_eq!(lineage(&tree.apply(&open(350, 1))), "1:b! < 1:a!");
    tree.complete_until(400);
    assert_eq!(lineage(&tree.apply(&open(200, 1))), "1:a!", "its end itself is not covered yet");
    tree.complete_until(401);
    assert_eq!(lineage(&tree.apply(&open(200, 1))), "1:?");
}

#[test]
fn ended_processes_that_are_awaited_go_at_the_limit_of_the_tree_and_are_counted() {
    let mut tree = Tree::new(limits(4, 1 << 30, 64));
    tree.complete_until(1);
    for pid in 1..20 {
        tree.apply(&exec(100 + u64::from(pid), pid, "p"));
        tree.apply(&exit(100 + u64::from(pid), pid));
    }
    assert_eq!((tree.stats().processes, tree.stats().ended_early, tree.stats().evicted), (4, 15, 0));
}

#[test]
fn the_promise_of_a_probe_does_not_bind_the_next_one() {
    let mut tree = tree();
    tree.complete_until(1);
    tree.begin_probe();
    tree.apply(&exec(100, 1, "a"));
    tree.apply(&exit(200, 1));
    tree.apply(&open(60_000_000_000, 9));
    assert_eq!(tree.stats().processes, 1);
}

#[test]
fn a_late_fact_visits_what_changes_and_not_the_rest_of_the_tree() {
    let mut tree = tree();
    tree.apply(&exec(1, 1, "server"));
    for pid in 2..2_000 {
        tree.apply(&fork(u64::from(pid) * 10, pid, 1));
    }
    // Late for a process with a thousand siblings, and late for the parent, whose last two children it concerns.
    tree.apply(&exec(30_000, 500, "b"));
    tree.apply(&exec(29_000, 500, "a"));
    assert!(tree.stats().visited <= 3, "{}", tree.stats().visited);
    tree.apply(&exec(19_975, 1, "server2"));
    assert!(tree.stats().visited <= 10, "{}", tree.stats().visited);
    assert_eq!(lineage(&now(&mut tree, 1_999)), "1999:server2 < 1:server2! < 1:server!");
    assert_eq!(lineage(&now(&mut tree, 1_997)), "1997:server < 1:server!");
    check_books(&tree);
}

#[test]
fn opening_a_file_gives_the_same_image_without_making_one() {
    let mut tree = tree();
    let run = tree.apply(&exec(100, 1, "a"));
    let nodes = tree.nodes.len();
    assert!(Arc::ptr_eq(&run, &tree.apply(&open(150, 1))));
    assert_eq!(tree.nodes.len(), nodes);
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut tree = tree();
    tree.apply(&exec(100, 1, "old"));
    let reused = ProcessKey { start_ns: 77, tgid: 1 };
    let event = Event { boot_ns: 300, task: task(reused, 0), what: What::Exec(program("new")) };
    assert_eq!(lineage(&tree.apply(&event)), "1:new!");
    assert_eq!(lineage(&tree.apply(&open(300, 1))), "1:old!");
}

#[test]
fn an_exec_by_another_thread_belongs_to_the_same_process() {
    let mut tree = tree();
    tree.apply(&exec(100, 1, "a"));
    let mut task = (*task(key(1), 0)).clone();
    task.tid = 55;
    let event = Event { boot_ns: 200, task: Arc::new(task), what: What::Exec(program("b")) };
    assert_eq!(lineage(&tree.apply(&event)), "1:b! < 1:a!");
}

#[test]
fn a_parent_outside_the_scope_leaves_the_lineage_complete() {
    let mut tree = tree();
    tree.apply(&exec(100, 1, "sh"));
    assert_eq!(tree.apply(&fork(200, 7, 999)).lineage, Lineage::Complete);
    assert_eq!(tree.apply(&exec(300, 8, "x")).lineage, Lineage::Complete);
}

#[test]
fn a_process_whose_parent_is_in_the_tree_but_whose_fork_is_not_lacks_its_parent() {
    let mut tree = tree();
    tree.apply(&exec(100, 1, "sh"));
    let orphan = tree.apply(&event(200, 2, 1, What::Exec(program("x"))));
    assert_eq!(orphan.lineage, Lineage::MissingParent);
    assert_eq!(orphan.depth, 0);
}

#[test]
fn after_a_gap_only_processes_that_are_younger_prove_that_a_parent_is_outside() {
    let mut tree = tree();
    tree.apply(&open(1000, 1));
    tree.note_gap();
    assert_eq!(tree.apply(&fork(1100, 90, 80)).lineage, Lineage::MissingParent);
    assert_eq!(tree.apply(&fork(9000, 800, 700)).lineage, Lineage::Complete);
}

#[test]
fn a_late_fork_repairs_the_lineage_of_the_child_and_of_its_descendants() {
    let mut tree = tree();
    tree.apply(&exec(10, 1, "sh"));
    tree.apply(&exec(120, 2, "make"));
    let early = tree.apply(&fork(130, 3, 2));
    assert_eq!(lineage(&early), "3:make < 2:make!");
    tree.apply(&fork(110, 2, 1));
    assert_eq!(lineage(&now(&mut tree, 3)), "3:make < 2:make! < 2:sh < 1:sh!");
    assert_eq!(lineage(&early), "3:make < 2:make!", "a run that was passed on never changes");
    check_books(&tree);
}

#[test]
fn a_parent_that_arrives_after_its_child_gets_it() {
    let mut tree = tree();
    tree.apply(&fork(130, 3, 2));
    tree.apply(&exec(140, 3, "x"));
    tree.apply(&exec(10, 1, "sh"));
    tree.apply(&fork(110, 2, 1));
    assert_eq!(lineage(&now(&mut tree, 3)), "3:x! < 3:sh < 2:sh < 1:sh!");
    assert_eq!(tree.retention_is_settled(), 0);
}

#[test]
fn events_sent_again_change_nothing() {
    let history = [exec(10, 1, "sh"), fork(20, 2, 1), exec(30, 2, "ls"), open(40, 2), fork(50, 3, 2)];
    let mut tree = tree();
    for event in &history {
        tree.apply(event);
    }
    let before = (lineage(&now(&mut tree, 2)), lineage(&now(&mut tree, 3)), tree.nodes.len());
    for event in &history {
        tree.apply(event);
    }
    assert_eq!(before, (lineage(&now(&mut tree, 2)), lineage(&now(&mut tree, 3)), tree.nodes.len()));
    assert_eq!(tree.stats().duplicates, 4);
}

#[test]
fn the_table_of_the_probe_gives_the_lineage_before_the_first_event() {
    let mut tree = tree();
    tree.know(&known(1, None, Some(("init", 12))));
    tree.know(&known(2, Some(1), None));
    tree.know(&known(3, Some(2), Some(("app", 33))));
    tree.end_table();
    let run = now(&mut tree, 3);
    assert_eq!(lineage(&run), "3:app! < 2:init < 1:init!");
    assert_eq!((run.source, run.lineage), (Source::Snapshot, Lineage::Complete));
}

#[test]
fn the_order_of_the_table_does_not_matter_and_a_parent_it_never_sends_is_missing() {
    let mut tree = tree();
    tree.know(&known(3, Some(2), Some(("app", 33))));
    assert_eq!(now(&mut tree, 3).lineage, Lineage::MissingParent);
    tree.know(&known(2, Some(1), None));
    tree.know(&known(1, None, Some(("init", 12))));
    let run = now(&mut tree, 3);
    assert_eq!(lineage(&run), "3:app! < 2:init < 1:init!");
    assert_eq!(run.lineage, Lineage::Complete);
}

#[test]
fn a_known_child_of_a_parent_that_has_changed_since_is_not_given_the_wrong_program() {
    let mut tree = tree();
    tree.know(&known(1, None, Some(("later", 1_000_000))));
    tree.know(&known(2, Some(1), None));
    assert_eq!(lineage(&now(&mut tree, 2)), "2:? < 1:later!");
}

#[test]
fn a_second_table_ends_what_it_does_not_list_and_keeps_what_the_tree_knows_better() {
    let mut tree = tree();
    tree.know(&known(1, None, Some(("sh", 12))));
    tree.end_table();
    tree.apply(&fork(200, 2, 1));
    tree.apply(&exec(300, 2, "ls"));
    tree.apply(&fork(400, 3, 1));
    tree.begin_table();
    tree.know(&known(1, None, Some(("sh", 12))));
    tree.know(&known(2, Some(1), Some(("ls", 300))));
    tree.end_table();
    tree.apply(&open(400 + 3_000_000_000, 2));
    assert_eq!(lineage(&now(&mut tree, 2)), "2:ls! < 2:sh < 1:sh!");
    assert_eq!(tree.stats().processes, 2);
}

#[test]
fn a_lineage_over_the_depth_limit_is_cut_and_says_so() {
    let mut tree = Tree::new(limits(100, 1 << 30, 8));
    for n in 0..50 {
        tree.apply(&exec(100 + n, 1, "self"));
    }
    let run = now(&mut tree, 1);
    assert_eq!(run.lineage, Lineage::Truncated);
    assert!(run.depth <= 8 && run.depth >= 3, "{}", run.depth);
    let child = tree.apply(&fork(1000, 2, 1));
    assert_eq!((child.lineage, child.exec.is_some()), (Lineage::Truncated, true));
    check_books(&tree);
}

#[test]
fn a_cut_lineage_of_forks_keeps_its_program() {
    let mut tree = Tree::new(limits(100, 1 << 30, 8));
    tree.apply(&exec(1, 1, "sh"));
    for n in 2..60 {
        tree.apply(&fork(u64::from(n) * 10, n, n - 1));
    }
    assert_eq!(now(&mut tree, 59).exec.as_ref().unwrap().executable.path, "sh".into());
    check_books(&tree);
}

#[test]
fn processes_that_fork_their_ancestors_are_a_contradiction_and_not_a_loop() {
    let mut tree = tree();
    tree.apply(&exec(10, 1, "a"));
    tree.apply(&fork(20, 2, 1));
    tree.apply(&fork(30, 1, 2));
    tree.apply(&fork(40, 3, 3));
    assert_eq!(tree.stats().contradictions, 2);
    assert_eq!(lineage(&now(&mut tree, 2)), "2:a < 1:a! < 1:?");
}

#[test]
fn a_million_forks_stay_within_the_limits() {
    let mut tree = Tree::new(limits(1000, 4 << 20, 64));
    tree.apply(&exec(1, 1, "bomb"));
    for n in 2..1_000_000_u32 {
        tree.apply(&fork(u64::from(n) * 10, n, n / 2));
        debug_assert!(tree.stats().processes <= 1000);
    }
    let stats = tree.stats();
    assert!(stats.processes <= 1000 && stats.bytes <= 4 << 20, "{stats:?}");
    assert!(stats.evicted > 900_000);
    check_books(&tree);
}

#[test]
fn eviction_takes_the_ended_first_and_then_the_quiet() {
    let mut tree = Tree::new(limits(3, 1 << 30, 64));
    tree.apply(&exec(1, 1, "quiet"));
    tree.apply(&exec(2, 2, "busy"));
    tree.apply(&exec(3, 3, "ended"));
    tree.apply(&exit(4, 3));
    tree.apply(&open(5, 2));
    tree.apply(&exec(6, 4, "new"));
    assert_eq!(tree.stats().evicted, 0);
    tree.apply(&exec(7, 5, "newer"));
    assert_eq!(lineage(&tree.apply(&open(8, 2))), "2:busy!");
    assert_eq!(tree.stats().evicted, 1);
    assert_eq!(lineage(&tree.apply(&open(9, 1))), "1:?");
}

#[test]
fn the_memory_of_long_arguments_counts_once_and_goes_with_the_last_user() {
    let mut tree = tree();
    let args = event::Strings { items: vec!["x".repeat(1 << 20).into()], truncated: false };
    let big = Arc::new(Exec { args, ..(*program("big")).clone() });
    tree.apply(&event(10, 1, 0, What::Exec(big)));
    tree.apply(&fork(20, 2, 1));
    let bytes = tree.stats().bytes;
    assert!(bytes > 1 << 20 && bytes < 2 << 20, "{bytes}");
    tree.apply(&exit(30, 1));
    tree.apply(&exit(31, 2));
    tree.apply(&open(10_000_000_000, 9));
    assert!(tree.stats().bytes < 1 << 16, "{}", tree.stats().bytes);
}

#[test]
fn what_is_known_of_a_tree_makes_another_one_with_the_same_parents() {
    let mut first = tree();
    first.apply(&exec(10, 1, "sh"));
    first.apply(&fork(200, 20, 1));
    first.apply(&exec(300, 20, "make"));
    first.apply(&fork(400, 30, 20));
    first.apply(&exit(500, 20));
    let mut second = tree();
    for process in first.known() {
        second.know(&process);
    }
    assert_eq!(lineage(&now(&mut second, 30)), "30:make < 20:make! < 1:sh!");
    assert_eq!(first.known(), first.known());
}

impl Tree {
    fn retention_is_settled(&self) -> u64 {
        self.awaiting()
    }
}

/// A tree that knows the process all histories begin with from the table of the probe.
fn rooted() -> Tree {
    let mut tree = tree();
    tree.know(&known(1, None, Some(("init", 12))));
    tree
}

/// Histories as a kernel makes them: children of living parents, execs and opens in between, times that grow.
fn history() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec((0..4_u8, any::<proptest::sample::Index>()), 1..60).prop_map(|steps| {
        let mut living = vec![1_u32];
        let mut events = Vec::new();
        let mut next = 2;
        for (boot_ns, (step, who)) in (1000..).step_by(10).zip(steps) {
            let pid = *who.get(&living);
            match step {
                0 => {
                    events.push(fork(boot_ns, next, pid));
                    living.push(next);
                    next += 1;
                }
                1 => events.push(exec(boot_ns, pid, &format!("p{boot_ns}"))),
                2 => events.push(open(boot_ns, pid)),
                _ if living.len() > 1 => {
                    events.push(exit(boot_ns, pid));
                    living.retain(|living| *living != pid);
                }
                _ => {}
            }
        }
        events
    })
}

/// Shows a failing history on one line per event.
struct Readable(Vec<Event>);

impl std::fmt::Debug for Readable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for event in &self.0 {
            let parent = if let What::Fork(parent) = event.what { parent.tgid } else { 0 };
            writeln!(f, "{} {} {} {parent}", event.boot_ns, event.kind().name(), event.task.process.tgid)?;
        }
        Ok(())
    }
}

fn living(events: &[Event]) -> Vec<u32> {
    let ended: Vec<u32> = events
        .iter()
        .filter(|event| matches!(event.what, What::Exit(_)))
        .map(|e| e.task.process.tgid)
        .collect();
    let mut all: Vec<u32> = events.iter().map(|event| event.task.process.tgid).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|pid| !ended.contains(pid));
    all
}

fn garbage() -> impl Strategy<Value = Event> {
    (any::<u64>(), 0..6_u64, 0..6_u32, 0..6_u32, 0..4_u8).prop_map(|(boot, start, tgid, other, kind)| {
        let key = ProcessKey { start_ns: start, tgid };
        let parent = ProcessKey { start_ns: start / 2, tgid: other };
        let what = match kind {
            0 => What::Fork(parent),
            1 => What::Exec(program("g")),
            2 => What::Exit(ExitStatus::Signaled(9)),
            _ => open(0, 0).what,
        };
        Event { boot_ns: boot % 50, task: task(key, other), what }
    })
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_end_in_the_same_lineage(
        events in history().prop_map(Readable),
        order in any::<u64>(),
        repeat in any::<u64>(),
    ) {
        let events = events.0;
        let mut straight = rooted();
        for event in &events {
            straight.apply(event);
        }
        let mut shuffled: Vec<&Event> = events.iter().collect();
        let mut state = order | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        let mut other = rooted();
        for (n, event) in shuffled.iter().enumerate() {
            other.apply(event);
            if repeat >> (n % 64) & 1 == 1 {
                other.apply(event);
            }
        }
        check_books(&other);
        for pid in living(&events) {
            let expected = lineage(&now(&mut straight, pid));
            let applied = Readable(shuffled.iter().map(|event| (*event).clone()).collect());
            prop_assert_eq!(expected, lineage(&now(&mut other, pid)), "applied:\n{:?}", applied);
        }
    }

    #[test]
    fn garbage_never_panics_and_never_exceeds_a_limit(
        events in proptest::collection::vec(garbage(), 0..300),
        max in 1..12_usize,
        max_bytes in 1..20_000_usize,
        depth in 1..6_usize,
    ) {
        let mut tree = Tree::new(limits(max, max_bytes, depth));
        for event in &events {
            let run = tree.apply(event);
            prop_assert!(run.ancestors().count() <= depth);
            let stats = tree.stats();
            prop_assert!(stats.processes <= max as u64 && stats.bytes <= max_bytes as u64);
            prop_assert!(tree.awaiting() <= stats.processes);
        }
        check_books(&tree);
    }
}
