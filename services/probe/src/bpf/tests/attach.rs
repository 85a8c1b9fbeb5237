//! Kinds that are attached and detached while the sensor runs.

use super::*;

/// Attaches and detaches opens without a capability, as a running probe would, until the workload has ended.
fn run_while_toggling(watch: &mut Watch, what: &str) -> (ExitStatus, usize) {
    let mut child = spawn_with(&watch.cgroup.procs(), &watch.path(""), what, Table::Any);
    let mut turns = 0;
    // Capabilities belong to a thread, and this one ends.
    let status = std::thread::scope(|scope| {
        let toggle = || {
            assert_eq!(crate::privileges::drop_all_but(&[], None).unwrap().effective, 0);
            loop {
                watch.sensor.detach_kind(Kind::Open).unwrap();
                watch.drain();
                watch.sensor.attach_kind(Kind::Open).unwrap();
                watch.drain();
                turns += 1;
                if let Some(status) = child.try_wait().unwrap() {
                    return status;
                }
            }
        };
        scope.spawn(toggle).join().unwrap()
    });
    watch.drain();
    (status, turns)
}

#[test]
fn a_kind_is_attached_and_detached_without_a_capability_and_no_other_kind_loses_an_event() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("toggle");
    let (status, turns) = run_while_toggling(&mut watch, "counts");
    assert!(status.success());
    assert!(turns > 10, "{turns}");
    let n = workload::COUNT;
    assert_eq!(
        (watch.count(Kind::Fork), watch.count(Kind::Exec), watch.count(Kind::Exit)),
        (2 * n, n, 2 * n + 1)
    );
    // Those that were seen while it was attached, and none of the others.
    assert!(watch.count(Kind::Open) > 0);
    watch.assert_nothing_lost();
}

#[test]
fn what_no_attached_kind_needs_is_not_attached() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("detached");
    let all = watch.sensor.attachments.programs();
    assert!(all.contains("on_sys_exit") && all.contains("on_open"), "{all:?}");
    let optional = || Kind::ALL.into_iter().filter(|kind| kind.ring() == event::Ring::Bulk);
    optional().for_each(|kind| watch.sensor.detach_kind(kind).unwrap());
    let left = watch.sensor.attachments.programs();
    assert!(!left.contains("on_sys_exit") && !left.contains("on_open"), "{left:?}");
    assert!(watch.run("few-opens").success());
    assert_eq!((watch.count(Kind::Open), watch.count(Kind::Exit)), (0, 1));
    optional().for_each(|kind| watch.sensor.attach_kind(kind).unwrap());
    assert_eq!(watch.sensor.attachments.programs(), all);
    assert!(watch.run("few-opens").success());
    assert!(watch.count(Kind::Open) >= workload::FEW);
    watch.assert_nothing_lost();
}

#[test]
fn the_process_lifecycle_stays_attached() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("lifecycle");
    for kind in [Kind::Exec, Kind::Fork, Kind::Exit] {
        assert!(matches!(watch.sensor.detach_kind(kind), Err(SensorError::NotOptional { .. })));
    }
    assert!(watch.run("nothing").success());
    assert_eq!(watch.count(Kind::Exit), 1);
}

#[test]
fn whoever_does_something_after_a_busy_start_was_running_or_was_seen_beginning() {
    if !can_load() {
        return;
    }
    let cgroup = OwnCgroup::new("busy-start").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut churn = spawn(&cgroup.procs(), directory.path(), "churn");
    wait_until("processes come and go", || directory.path().join("churns").exists());
    let scope = Scope::Cgroup { ids: vec![cgroup.id()] };
    let mut watch = Watch::with_scope(cgroup, scope);
    let mut known = std::collections::HashSet::new();
    for record in watch.sensor.take_running().unwrap() {
        let Ok(Some(Decoded::Known(process))) = watch.decoder.decode(&record) else { panic!("{record:?}") };
        assert!(process.exec.is_some(), "{process:?}");
        known.insert(process.task.process);
    }
    wait_until("processes end", || {
        watch.drain();
        watch.count(Kind::Exit) > 500
    });
    std::fs::write(directory.path().join("stop"), b"").unwrap();
    while churn.try_wait().unwrap().is_none() {
        watch.drain();
        pause();
    }
    watch.drain();
    watch.events.sort_by_key(|event| event.boot_ns);
    let mut unknown = Vec::new();
    for event in &watch.events {
        if event.kind() == Kind::Fork {
            known.insert(event.task.process);
        } else if !known.contains(&event.task.process) {
            unknown.push((event.kind(), event.task.process));
        }
    }
    assert_eq!(unknown, []);
    watch.assert_nothing_lost();
}
