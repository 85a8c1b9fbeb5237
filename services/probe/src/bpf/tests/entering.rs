//! Processes that come into the scope without beginning there.

use std::os::fd::AsRawFd as _;

use event::KnownProcess;

use super::*;

/// From linux/sched.h; the crate `libc` has it as an `int`, of which nothing is left.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

impl Watch {
    fn entered(&self) -> Vec<&KnownProcess> {
        self.cgroups
            .iter()
            .filter_map(|decoded| if let Decoded::Known(process) = decoded { Some(process) } else { None })
            .collect()
    }
}

fn executable(process: &KnownProcess) -> String {
    process.exec.as_ref().unwrap().executable.path.to_string()
}

/// Every workload moves itself and goes on without exec.
#[test]
fn a_process_that_moves_into_the_scope_is_told_of_with_its_program() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("entering");
    assert!(watch.run("few-opens").success());
    let entered = watch.entered();
    let [process] = entered.as_slice() else { panic!("{entered:?}") };
    assert_eq!(executable(process), std::env::current_exe().unwrap().to_string_lossy());
    assert_eq!(process.parent, None, "the parent is outside");
    assert_eq!(process.task.cgroup.id, watch.cgroup.id());
    assert!(watch.count(Kind::Open) > 0);
    assert!(watch.events.iter().all(|event| event.task.process == process.task.process));
    watch.assert_nothing_lost();
}

#[test]
fn a_child_that_begins_in_the_scope_of_a_parent_outside_is_told_of_before_its_fork() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("into");
    let directory = std::fs::File::open(watch.cgroup.path()).unwrap();
    // SAFETY: all zero is a valid value of plain numbers.
    let mut asked: libc::clone_args = unsafe { std::mem::zeroed() };
    asked.flags = CLONE_INTO_CGROUP;
    asked.exit_signal = libc::SIGCHLD as u64;
    asked.cgroup = u64::try_from(directory.as_raw_fd()).unwrap();
    // SAFETY: clone3(2) with the structure of this size; the child ends without running anything of this program.
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw const asked, size_of_val(&asked)) };
    if child == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) }
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child).unwrap());
    nix::sys::wait::waitpid(pid, None).unwrap();
    watch.drain();
    let entered = watch.entered();
    let [process] = entered.as_slice() else { panic!("{entered:?}") };
    assert_eq!(i64::from(process.task.process.tgid), child);
    assert_eq!(executable(process), std::env::current_exe().unwrap().to_string_lossy());
    assert_eq!((watch.count(Kind::Fork), watch.count(Kind::Exit)), (1, 1));
    // Of a child of its own nothing more is told.
    assert!(watch.run("counts").success());
    assert_eq!(watch.entered().len(), 2);
}
