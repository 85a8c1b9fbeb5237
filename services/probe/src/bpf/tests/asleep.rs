//! A reader that has no timer, because nothing happened for a while.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;

/// Runs the workload without reading anything, and says whether the reader would have been woken.
fn wakes(watch: &Watch) -> bool {
    let mut child = spawn_with(&watch.cgroup.procs(), &watch.path(""), "nothing", Table::Any);
    assert!(child.wait().unwrap().success());
    let mut fds = [PollFd::new(watch.sensor.ready_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
}

#[test]
fn a_sleeping_reader_is_woken_by_the_next_record_and_one_that_comes_back_by_itself_is_not() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("asleep");
    watch.drain();
    assert!(!wakes(&watch), "a few records are not worth a wake-up");
    assert!(watch.sensor.sleep());
    watch.drain();
    assert!(wakes(&watch), "the question holds over the drain that is made before the sleep");
    watch.drain();
    assert!(!wakes(&watch), "it is answered once");
    watch.sensor.sleep();
    watch.drain();
    watch.drain();
    assert!(!wakes(&watch), "whoever drains again without asking is awake");
    assert_eq!(watch.count(Kind::Exit), 3);
    watch.drain();
    assert_eq!(watch.count(Kind::Exit), 4);
    watch.assert_nothing_lost();
}
