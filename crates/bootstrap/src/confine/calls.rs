//! System calls by number and arguments (seccomp).
//!
//! The lists are of what the services and the libraries in them (the standard library, tokio, the C library) call once they
//! run. What has a second call for the same on newer kernels or other processors is there with both.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::ConfineError;

/// System calls that not every service needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Sockets of the Internet protocols, and of the kernel's routing tables for the resolver of the C library.
    Internet,
    /// Code of shared libraries that are loaded later: the resolver of the C library does.
    Libraries,
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

const PROT_WRITE_EXEC: u64 = (libc::PROT_WRITE | libc::PROT_EXEC) as u64;
const PROT_EXEC: u64 = libc::PROT_EXEC as u64;
/// Not in `libc`: `PR_SET_VMA` (linux/prctl.h), by which allocators and thread stacks get names.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Without a condition.
const ALWAYS: &[c_long] = &[
    // memory
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // threads
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    // who and where
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_pidfd_open,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // signals
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    // time
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    // descriptors
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // files, whose place Landlock decides about
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_readlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    // sockets that are there; which can be made is decided by their family
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// Calls that only this processor has, for which others have the newer ones above.
#[cfg(target_arch = "x86_64")]
const OF_THE_PROCESSOR: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_lchown,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_THE_PROCESSOR: &[c_long] = &[];

/// Restricts all threads of the process.
pub(super) fn restrict(more: &[Calls]) -> Result<(), ConfineError> {
    seccompiler::apply_filter_all_threads(&program(more)?)?;
    Ok(())
}

fn program(more: &[Calls]) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules(more)?, refuse, SeccompAction::Allow, arch)?.try_into()
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn rules(more: &[Calls]) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALWAYS.iter().chain(OF_THE_PROCESSOR).map(|call| (*call, Vec::new())).collect();
    let one_of = |argument, values: &[u64]| -> Result<Vec<SeccompRule>, BackendError> {
        values.iter().map(|value| when(argument, SeccompCmpOp::Eq, *value)).collect()
    };
    let mut families = vec![family(libc::AF_UNIX)];
    if more.contains(&Calls::Internet) {
        families.extend([libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(family));
    }
    rules.insert(libc::SYS_socket, one_of(0, &families)?);
    rules.insert(libc::SYS_socketpair, one_of(0, &[family(libc::AF_UNIX)])?);
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
    let mut mmap = vec![plain()?];
    if more.contains(&Calls::Libraries) {
        mmap.push(when(2, SeccompCmpOp::MaskedEq(PROT_WRITE_EXEC), PROT_EXEC)?);
    }
    rules.insert(libc::SYS_mmap, mmap);
    if more.contains(&Calls::BpfInUse) {
        rules.insert(libc::SYS_bpf, one_of(0, &BPF_IN_USE)?);
    }
    Ok(rules)
}

/// Address families are small and not negative.
fn family(family: i32) -> u64 {
    family.unsigned_abs().into()
}

fn when(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_programs_or_reaches_others_is_in_no_list() {
        let all = [Calls::Internet, Calls::Libraries, Calls::BpfInUse];
        let rules = rules(&all).unwrap();
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_kill,
            libc::SYS_tkill,
            libc::SYS_pidfd_getfd,
            libc::SYS_pidfd_send_signal,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_setuid,
            libc::SYS_setresuid,
            libc::SYS_capset,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_kexec_load,
            libc::SYS_perf_event_open,
            libc::SYS_open_by_handle_at,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_keyctl,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }

    #[test]
    fn every_list_makes_a_program() {
        for more in [&[][..], &[Calls::Internet, Calls::Libraries], &[Calls::BpfInUse]] {
            assert!(!program(more).unwrap().is_empty());
        }
    }
}
