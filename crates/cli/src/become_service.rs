//! `shrike become`: the last step between the supervisor and a service.
//!
//! It runs in the new process, changes what the service may do, and turns into it. Everything here is a safe call,
//! which a closure between fork and exec would not be. Invariant: when a uid is given, the program starts without
//! root, without a way to get it back, and with the supplementary groups of the named user or none. It gets no descriptor
//! but the three standard ones.

use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, getppid, setgid, setgroups, setresgid, setresuid};

use crate::accounts;
use crate::args::BecomeArgs;
use crate::failure::Failure;

/// Drops rights and executes the program; comes back only when that failed.
pub(crate) fn run(args: BecomeArgs) -> Result<(), Failure> {
    // Before the control group is joined: what happens there is what the program does.
    close_all_but_standard();
    if let Some(cgroup) = &args.cgroup {
        join(cgroup)?;
    }
    if let Some(nice) = args.nice {
        // Needs root, and without it the service runs all the same.
        rustix::process::setpriority_process(None, nice).ok();
    }
    if args.no_network {
        // Needs root, and not every container lets root. Without it the service can still make no socket for a network.
        unshare(CloneFlags::CLONE_NEWNET).ok();
    }
    if let (Some(uid), Some(gid)) = (args.uid, args.gid) {
        drop_root(Uid::from_raw(uid), Gid::from_raw(gid), args.groups_of.as_deref())?;
    }
    let system = |action| move |errno: nix::Error| Failure::System { action, source: errno.into() };
    prctl::set_no_new_privs().map_err(system("forbid new privileges"))?;
    // After the change of user, which would clear it.
    prctl::set_pdeathsig(Signal::SIGTERM).map_err(system("end with the supervisor"))?;
    if getppid() != Pid::from_raw(args.parent) {
        // The supervisor ended before the line above: nobody would ever stop this service.
        return Err(Failure::Passed(1));
    }
    let Some((program, arguments)) = args.program.split_first() else {
        return Err(Failure::Passed(2));
    };
    let source = std::process::Command::new(program).args(arguments).exec();
    Err(Failure::File { action: "start", path: program.into(), source })
}

/// Closes what whoever started us left open. Nothing of ours is open: this is the first thing the process does.
fn close_all_but_standard() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // One of them was the directory itself, which is closed by now.
        nix::unistd::close(number).ok();
    }
}

fn join(cgroup: &Path) -> Result<(), Failure> {
    let procs = cgroup.join("cgroup.procs");
    // 0 stands for the writer itself.
    std::fs::write(&procs, "0").map_err(Failure::file("join the control group", procs))
}

fn drop_root(uid: Uid, gid: Gid, groups_of: Option<&str>) -> Result<(), Failure> {
    let system = |action| move |errno: nix::Error| Failure::System { action, source: errno.into() };
    let groups = groups_of.map(|name| accounts::groups_of(name, gid.as_raw())).unwrap_or_default();
    let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(system("change the supplementary groups"))?;
    setgid(gid).map_err(system("change the group"))?;
    setresgid(gid, gid, gid).map_err(system("change the group"))?;
    // From root to another uid the kernel clears the permitted, effective and ambient capabilities.
    setresuid(uid, uid, uid).map_err(system("change the user"))
}
