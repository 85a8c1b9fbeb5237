//! One exit per process, whichever way the kernel tells which thread is the last.

use event::ExitStatus;

use super::*;

/// With the program for 6.16 and later, then with the one for kernels before.
fn with_each_program(name: &str, check: impl Fn(&mut Watch)) {
    for skipped in ["", "on_exit_group_dead"] {
        programs::SKIPPED_PROGRAM.set(skipped);
        let mut watch = Watch::new(&format!("{name}{}", skipped.len()));
        let programs: Vec<_> = watch.sensor.hooks().iter().map(|hook| hook.program.as_str()).collect();
        assert_eq!(programs.contains(&"on_exit_count_threads"), !skipped.is_empty(), "{programs:?}");
        let exit = watch.sensor.hooks().iter().find(|hook| hook.kind == "exit").unwrap();
        let is_told = exit.refused.iter().any(|why| why.starts_with("on_exit_group_dead: "));
        assert_eq!(is_told, !skipped.is_empty(), "{exit:?}");
        check(&mut watch);
        programs::SKIPPED_PROGRAM.set("");
    }
}

fn exits_with(watch: &Watch, code: u8) -> usize {
    let is_it = |event: &&Event| event.what == What::Exit(ExitStatus::Exited(code));
    watch.events.iter().filter(is_it).count()
}

/// The last threads race to the exit hook; both ways of telling the last one must agree on exactly one.
#[test]
fn a_process_whose_threads_end_at_once_exits_exactly_once() {
    if !can_load() {
        return;
    }
    with_each_program("threads", |watch| {
        assert!(watch.run("threads").success());
        assert_eq!(watch.count(Kind::Exit), workload::PROCESSES + 1);
        assert_eq!(exits_with(watch, 5), workload::PROCESSES);
        watch.assert_nothing_lost();
    });
}

/// A pid is used again, and a thread takes over the pid of its leader by exec: each process still has its own exit.
#[test]
fn processes_that_have_the_same_pid_exit_once_each() {
    if !can_load() {
        return;
    }
    with_each_program("one-pid", |watch| {
        assert!(watch.run("one-pid").success());
        assert_eq!(watch.count(Kind::Fork), workload::SAME_PID);
        assert_eq!(exits_with(watch, 5), workload::SAME_PID);
        assert_eq!((watch.count(Kind::Exec), watch.count(Kind::Exit)), (1, workload::SAME_PID + 1));
        watch.assert_nothing_lost();
    });
}
