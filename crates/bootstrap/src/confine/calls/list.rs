//! System calls by their names.
//!
//! They are what the services and the libraries in them (the standard library, tokio, the C library) call once they run. What
//! has a second call for the same on newer kernels or other processors is there with both.

use libc::c_long;

/// A system call.
#[derive(Debug, Clone, Copy)]
pub(in crate::confine) struct Call {
    /// As `linux/unistd.h` has it, behind `SYS_`.
    pub(in crate::confine) constant: &'static str,
    pub(in crate::confine) number: c_long,
}

macro_rules! calls {
    ($($constant:ident),* $(,)?) => {
        &[$(Call { constant: stringify!($constant), number: libc::$constant }),*]
    };
}

/// Without a condition.
pub(in crate::confine) const ALWAYS: &[Call] = calls![
    // memory
    SYS_brk,
    SYS_madvise,
    SYS_membarrier,
    SYS_mincore,
    SYS_mremap,
    SYS_munmap,
    // threads
    SYS_exit,
    SYS_exit_group,
    SYS_futex,
    SYS_get_robust_list,
    SYS_getcpu,
    SYS_rseq,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_set_robust_list,
    SYS_set_tid_address,
    // who and where
    SYS_getegid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getpid,
    SYS_getppid,
    SYS_getrandom,
    SYS_getrusage,
    SYS_gettid,
    SYS_getuid,
    SYS_pidfd_open,
    SYS_sysinfo,
    SYS_uname,
    // signals
    SYS_restart_syscall,
    SYS_rt_sigaction,
    SYS_rt_sigpending,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    // time
    SYS_clock_getres,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_timerfd_create,
    SYS_timerfd_gettime,
    SYS_timerfd_settime,
    // descriptors
    SYS_close,
    SYS_close_range,
    SYS_copy_file_range,
    SYS_dup,
    SYS_dup3,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_lseek,
    SYS_pipe2,
    SYS_ppoll,
    SYS_pread64,
    SYS_preadv,
    SYS_pselect6,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_read,
    SYS_readv,
    SYS_write,
    SYS_writev,
    // files, whose place Landlock decides about
    SYS_faccessat,
    SYS_faccessat2,
    SYS_fadvise64,
    SYS_fallocate,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_fdatasync,
    SYS_flock,
    SYS_fstat,
    SYS_fstatfs,
    SYS_fsync,
    SYS_ftruncate,
    SYS_getcwd,
    SYS_getdents64,
    SYS_newfstatat,
    SYS_openat,
    SYS_readlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_statfs,
    SYS_statx,
    SYS_umask,
    SYS_unlinkat,
    // sockets that are there; which can be made is decided by their family
    SYS_accept,
    SYS_accept4,
    SYS_bind,
    SYS_connect,
    SYS_getpeername,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_listen,
    SYS_recvfrom,
    SYS_recvmmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_sendmsg,
    SYS_sendto,
    SYS_setsockopt,
    SYS_shutdown,
];

/// Calls that only this processor has, for which others have the newer ones above.
#[cfg(target_arch = "x86_64")]
pub(in crate::confine) const OF_THE_PROCESSOR: &[Call] = calls![
    SYS_access,
    SYS_arch_prctl,
    SYS_chmod,
    SYS_chown,
    SYS_dup2,
    SYS_epoll_wait,
    SYS_getdents,
    SYS_lchown,
    SYS_lstat,
    SYS_open,
    SYS_poll,
    SYS_readlink,
    SYS_rename,
    SYS_select,
    SYS_stat,
    SYS_time,
    SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
pub(in crate::confine) const OF_THE_PROCESSOR: &[Call] = &[];

/// What a service calls before it confines itself, and whoever starts it in a container calls before that: it makes itself a
/// program with these, under the profile of the container.
pub(in crate::confine) const TO_START: &[Call] = calls![
    SYS_capget,
    SYS_capset,
    SYS_execve,
    SYS_execveat,
    SYS_landlock_add_rule,
    SYS_landlock_create_ruleset,
    SYS_landlock_restrict_self,
    SYS_seccomp,
];

/// Of these a running service makes some with certain arguments alone (see `super::rules`); its container lets it make any.
pub(in crate::confine) const WITH_ARGUMENTS: &[Call] = calls![
    SYS_fcntl,
    SYS_ioctl,
    SYS_mmap,
    SYS_mprotect,
    SYS_prctl,
    SYS_prlimit64,
    SYS_socketpair,
    SYS_tgkill,
];
