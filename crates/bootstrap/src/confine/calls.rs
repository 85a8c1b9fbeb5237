//! System calls by number and arguments (seccomp).

mod list;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::ConfineError;
pub(super) use list::{ALWAYS, Call, OF_THE_PROCESSOR, TO_START, WITH_ARGUMENTS};

/// System calls that not every service needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Sockets of the Internet protocols.
    Internet,
    /// bpf(2) for what exists: elements of maps, links and iterators. Not programs, maps or types.
    BpfInUse,
}

/// Commands of bpf(2) on what exists (`enum bpf_cmd`, Linux 6.18).
const BPF_IN_USE: [u64; 15] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
    17, // BPF_RAW_TRACEPOINT_OPEN, which attaches
    21, // BPF_MAP_LOOKUP_AND_DELETE_ELEM
    24, // BPF_MAP_LOOKUP_BATCH
    25, // BPF_MAP_LOOKUP_AND_DELETE_BATCH
    26, // BPF_MAP_UPDATE_BATCH
    27, // BPF_MAP_DELETE_BATCH
    28, // BPF_LINK_CREATE
    29, // BPF_LINK_UPDATE
    33, // BPF_ITER_CREATE
    34, // BPF_LINK_DETACH
];

/// Commands of fcntl(2) on the descriptor itself. By others it signals processes (`F_SETOWN`, `F_SETSIG`, `F_NOTIFY`), holds
/// up those that open a file (`F_SETLEASE`) or takes memory of the kernel (`F_SETPIPE_SZ`).
const FCNTL: [i32; 6] =
    [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];

/// The flags of clone(2) by which a thread is made, and those by which there would be new namespaces.
const A_THREAD: u64 = (libc::CLONE_THREAD | libc::CLONE_VM).unsigned_abs() as u64;
pub(super) const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .unsigned_abs() as u64;

const PROT_EXEC: u64 = libc::PROT_EXEC as u64;
/// Not in `libc`: `PR_SET_VMA` (linux/prctl.h), by which allocators and thread stacks get names.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Restricts all threads of the process.
pub(super) fn restrict(more: &[Calls]) -> Result<(), ConfineError> {
    // The last one forbids seccomp(2).
    for program in programs(more)? {
        seccompiler::apply_filter_all_threads(&program)?;
    }
    Ok(())
}

/// Of several programs the strictest answer counts.
fn programs(more: &[Calls]) -> Result<[BpfProgram; 2], BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let errno = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    // The flags of clone3(2) are in memory, where no filter reads. Without it the C library takes clone(2).
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let missing = SeccompFilter::new(clone3.clone(), SeccompAction::Allow, errno(libc::ENOSYS), arch)?;
    let mut rules = rules(more)?;
    rules.extend(clone3);
    let refused = SeccompFilter::new(rules, errno(libc::EPERM), SeccompAction::Allow, arch)?;
    Ok([missing.try_into()?, refused.try_into()?])
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn rules(more: &[Calls]) -> Result<Rules, BackendError> {
    let mut rules: Rules =
        ALWAYS.iter().chain(OF_THE_PROCESSOR).map(|call| (call.number, Vec::new())).collect();
    let one_of = |argument, values: &[u64]| -> Result<Vec<SeccompRule>, BackendError> {
        values.iter().map(|value| when(argument, SeccompCmpOp::Eq, *value)).collect()
    };
    let families: Vec<u64> =
        families(more).iter().map(|(_, family)| u64::from(family.unsigned_abs())).collect();
    rules.insert(libc::SYS_socket, one_of(0, &families)?);
    rules.insert(libc::SYS_socketpair, one_of(0, &[libc::AF_UNIX.unsigned_abs().into()])?);
    // Threads, and no processes.
    let thread = when(0, SeccompCmpOp::MaskedEq(A_THREAD | NEW_NAMESPACES), A_THREAD)?;
    rules.insert(libc::SYS_clone, vec![thread]);
    rules.insert(libc::SYS_fcntl, one_of(1, &FCNTL.map(|command| command.unsigned_abs().into()))?);
    // Names of threads and of their stacks.
    rules.insert(libc::SYS_prctl, one_of(0, &[libc::PR_SET_NAME.unsigned_abs().into(), PR_SET_VMA])?);
    // Whether a descriptor is a terminal, how many bytes wait, and that nothing blocks.
    rules.insert(libc::SYS_ioctl, one_of(1, &[libc::TCGETS, libc::FIONREAD, libc::FIONBIO].map(u64::from))?);
    // To ask for a limit, and not to set one.
    rules.insert(
        libc::SYS_prlimit64,
        vec![SeccompRule::new(vec![SeccompCondition::new(
            2,
            SeccompCmpArgLen::Qword,
            SeccompCmpOp::Eq,
            0,
        )?])?],
    );
    // A panic that ends the process is a signal to itself.
    rules.insert(libc::SYS_tgkill, one_of(0, &[std::process::id().into()])?);
    // No memory becomes a program.
    let plain = || when(2, SeccompCmpOp::MaskedEq(PROT_EXEC), 0);
    rules.insert(libc::SYS_mprotect, vec![plain()?]);
    rules.insert(libc::SYS_mmap, vec![plain()?]);
    if more.contains(&Calls::BpfInUse) {
        rules.insert(libc::SYS_bpf, one_of(0, &BPF_IN_USE)?);
    }
    Ok(rules)
}

/// The families of sockets that can be made, by name and number.
pub(super) fn families(more: &[Calls]) -> Vec<(&'static str, i32)> {
    let mut families = vec![("AF_UNIX", libc::AF_UNIX)];
    if more.contains(&Calls::Internet) {
        families.extend([("AF_INET", libc::AF_INET), ("AF_INET6", libc::AF_INET6)]);
    }
    families
}

fn when(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])
}
