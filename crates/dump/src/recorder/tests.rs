//! What events of a workload become.

use event::{
    Address, Endpoint, Exec, ExitStatus, File, Open, PathState, ProcessKey, Runtime, Task, What as Did,
    Workload,
};
use process_tree::{Limits, Tree as Processes};

use super::*;

struct Bench {
    processes: Processes,
    recorder: Recorder,
    now_ns: u64,
}

fn bench(options: Options) -> Bench {
    let recorder = Recorder::new(Target::Container("web".into()), options, 1_000);
    Bench { processes: Processes::new(Limits::default()), recorder, now_ns: 10 }
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey { start_ns: pid.into(), tgid: pid }
}

fn file(path: &str) -> Arc<File> {
    Arc::new(File { path: path.into(), inode: 7, ..File::default() })
}

impl Bench {
    fn of(&mut self, container: &str, pid: u32, what: Did) -> Taken {
        self.now_ns += 1;
        let workload = Workload::Container { id: container.into(), runtime: Runtime::Podman, pod_uid: None };
        let cgroup = Arc::new(Cgroup { id: 5, workload, ..Cgroup::default() });
        let task = Task { process: key(pid), tid: pid, cgroup, ..Task::default() };
        let event = Event { boot_ns: self.now_ns, task: Arc::new(task), what };
        let run = self.processes.apply(&event);
        self.recorder.take(&event, &run, "1.0", || Ok(()))
    }

    fn web(&mut self, pid: u32, what: Did) -> Taken {
        self.of("web", pid, what)
    }

    fn exec(&mut self, pid: u32, path: &str) -> Taken {
        let exec = Exec { executable: file(path), ..Exec::default() };
        self.web(pid, Did::Exec(Arc::new(exec)))
    }

    fn open(&mut self, pid: u32, path: &str, retval: i32) -> Taken {
        self.web(pid, Did::Open(Open { file: file(path), flags: 0, mode: 0, retval }))
    }

    fn shown(&self) -> Vec<String> {
        let lines = self.recorder.tree().outline(crate::NO_SYSCALL_NAMES);
        lines.iter().map(|line| format!("{}{}", "  ".repeat(line.depth), line.text)).collect()
    }
}

#[test]
fn events_of_a_workload_become_its_tree_and_those_of_others_do_not() {
    let mut bench = bench(Options::default());
    assert_eq!(bench.exec(2, "/bin/sh"), Taken::New);
    assert_eq!(bench.web(3, Did::Fork(key(2))), Taken::Passed, "a fork has no node");
    assert_eq!(bench.exec(3, "/bin/cat"), Taken::New);
    assert_eq!(bench.open(3, "/proc/3/status", 4), Taken::New);
    assert_eq!(bench.open(3, "/proc/3/status", 4), Taken::Known);
    assert_eq!(
        bench.of("db", 9, Did::Open(Open { file: file("/db"), flags: 0, mode: 0, retval: 3 })),
        Taken::Passed
    );
    let address = Address { endpoint: Endpoint::Ip([0, 0, 0, 0].into(), 80), ..Address::default() };
    let bind = event::Bind { address, protocol: 6, retval: 0 };
    assert_eq!(bench.web(3, Did::Bind(bind)), Taken::New);
    assert_eq!(bench.web(3, Did::Exit(ExitStatus::Exited(0))), Taken::Known);
    assert_eq!(bench.shown(), ["/bin/sh", "  /bin/cat", "    /proc/self/status", "    0.0.0.0:80"]);
    assert_eq!(bench.recorder.missed().tags(), Vec::<String>::new());
}

#[test]
fn what_was_refused_was_reached_and_what_is_not_there_was_not() {
    let mut bench = bench(Options::default());
    bench.exec(2, "/bin/cat");
    assert_eq!(bench.open(2, "/etc/shadow", -13), Taken::New);
    assert_eq!(bench.open(2, "/missing", -2), Taken::Passed);
    let memory = File { path: "memfd:x".into(), path_state: PathState::NoPlace, inode: 1, ..File::default() };
    let open = Open { file: Arc::new(memory), flags: 0, mode: 0, retval: 3 };
    assert_eq!(bench.web(2, Did::Open(open)), Taken::Passed);
    assert_eq!(bench.shown(), ["/bin/cat", "  /etc/shadow"]);
    assert_eq!(bench.recorder.missed().events(), 0);
}

#[test]
fn an_event_that_no_tree_can_hold_is_counted_with_its_reason() {
    let mut bench = bench(Options::default());
    bench.exec(2, "/bin/cat");
    let unreadable = File { path_state: PathState::Unreadable, inode: 1, ..File::default() };
    let open = Open { file: Arc::new(unreadable), flags: 0, mode: 0, retval: 3 };
    assert_eq!(bench.web(2, Did::Open(open)), Taken::Missed);
    assert_eq!(bench.open(2, &"/a".repeat(60), 3), Taken::Missed);
    let expected = ["dump_lost:open:no_path:1", "dump_lost:open:too_deep:1"];
    assert_eq!(bench.recorder.missed().tags(), expected);
}

#[test]
fn whoever_was_moved_here_and_started_no_program_is_no_part_of_the_workload() {
    let mut bench = bench(Options::default());
    assert_eq!(bench.open(77, "/x", 3), Taken::Passed, "a runtime that brings the container up");
    let runc = Exec { executable: file("/usr/sbin/runc"), ..Exec::default() };
    bench.of("host", 77, Did::Exec(Arc::new(runc)));
    assert_eq!(bench.open(77, "/x", 3), Taken::Passed, "also if it is known what it runs");
    assert_eq!(bench.exec(77, "/proc/runc"), Taken::Passed);
    let detached = File { path: "/x".into(), path_state: PathState::Detached, inode: 1, ..File::default() };
    let open = Open { file: Arc::new(detached), flags: 0, mode: 0, retval: 3 };
    assert_eq!(bench.web(77, Did::Open(open)), Taken::Passed, "and if it is seen to start there");
    assert_eq!(bench.exec(77, "/bin/sh"), Taken::New);
    assert_eq!(bench.open(77, "/y", 3), Taken::New);
    assert_eq!((bench.shown(), bench.recorder.missed().events()), (vec!["/bin/sh".into(), "  /y".into()], 0));
}

#[test]
fn a_full_tree_counts_what_is_new_and_still_knows_what_it_has() {
    let mut bench = bench(Options::default());
    bench.exec(2, "/bin/cat");
    bench.open(2, "/etc/passwd", 3);
    bench.recorder.tree_mut().limit(1, Traced::default());
    assert_eq!(bench.open(2, "/etc/passwd", 3), Taken::Known);
    assert_eq!(bench.open(2, "/etc/group", 3), Taken::Missed);
    assert_eq!(bench.recorder.missed().tags(), ["dump_lost:open:max_dump_size:1"]);
}

#[test]
fn a_type_that_is_not_traced_is_neither_taken_nor_missed() {
    let traced = Traced::only([]);
    let mut bench = bench(Options { traced, ..Options::default() });
    bench.exec(2, "/bin/cat");
    assert_eq!(bench.open(2, "/etc/passwd", 3), Taken::Passed);
    assert_eq!(Recorder::kinds_of(traced).collect::<Vec<_>>(), [Kind::Exec, Kind::Exit]);
    assert_eq!(bench.recorder.missed().events(), 0);
}

#[test]
fn a_process_that_ran_before_is_there_and_said_to_be_from_before() {
    let mut bench = bench(Options::default());
    bench.exec(2, "/bin/sh");
    let run = bench.processes.living().next().cloned().unwrap();
    let mut later = Recorder::new(Target::Container("web".into()), Options::default(), 0);
    later.know(&run, "", 50);
    later.know(&run, "", 50);
    let lines = later.tree().outline(crate::NO_SYSCALL_NAMES);
    assert_eq!(
        lines.iter().map(|line| (line.text.as_str(), line.generation)).collect::<Vec<_>>(),
        [("/bin/sh", Generation::Snapshot)]
    );
    let mut other = Recorder::new(Target::Container("db".into()), Options::default(), 0);
    other.know(&run, "", 50);
    assert!(other.tree().is_empty());
}

#[test]
fn lineages_are_kept_in_bounded_room_and_forgetting_them_changes_nothing() {
    let mut bench = bench(Options::default());
    bench.exec(2, "/bin/sh");
    for pid in 3..3000 {
        bench.web(pid, Did::Fork(key(2)));
        bench.exec(pid, "/bin/true");
    }
    assert!(bench.recorder.lineages.len() <= MAX_LINEAGES);
    assert_eq!(bench.shown(), ["/bin/sh", "  /bin/true"]);
}

#[test]
fn what_is_not_admitted_is_counted_and_what_is_known_needs_no_leave() {
    let mut bench = bench(Options::default());
    bench.exec(2, "/bin/cat");
    bench.open(2, "/a", 3);
    let open = |path: &str| Did::Open(Open { file: file(path), flags: 0, mode: 0, retval: 3 });
    for (path, expect) in [("/a", Taken::Known), ("/b", Taken::Missed), ("/a", Taken::Known)] {
        let event = Event {
            boot_ns: 90,
            task: bench.processes.living().next().unwrap().task.clone(),
            what: open(path),
        };
        let run = bench.processes.apply(&event);
        assert_eq!(bench.recorder.take(&event, &run, "1.0", || Err(Lacks::RateLimiter)), expect, "{path}");
    }
    assert_eq!(bench.shown(), ["/bin/cat", "  /a"]);
    assert_eq!(bench.recorder.missed().tags(), ["dump_lost:open:rate_limiter:1"]);
}
