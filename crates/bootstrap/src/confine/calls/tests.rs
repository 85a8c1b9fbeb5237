use seccompiler::sock_filter;

use super::*;

const EVERYTHING: [Calls; 2] = [Calls::Internet, Calls::BpfInUse];

#[test]
fn what_starts_programs_or_reaches_others_is_in_no_list() {
    let rules = rules(&EVERYTHING).unwrap();
    for call in [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_fork,
        libc::SYS_vfork,
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
        libc::SYS_seccomp,
    ] {
        assert!(!rules.contains_key(&call), "{call}");
    }
}

/// Runs a program as the kernel does, for the instructions that filters are made of; gives what it answers.
fn run(program: &[sock_filter], call: c_long, arguments: &[u64]) -> u32 {
    let architecture: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
    let mut data = vec![u32::try_from(call).unwrap(), architecture, 0, 0];
    for argument in arguments {
        data.extend([u32::try_from(argument & 0xffff_ffff).unwrap(), u32::try_from(argument >> 32).unwrap()]);
    }
    data.resize(16, 0);
    let (mut accumulator, mut at) = (0_u32, 0);
    loop {
        let instruction = &program[at];
        at += 1;
        let k = instruction.k;
        let jump = |is: bool| usize::from(if is { instruction.jt } else { instruction.jf });
        match instruction.code {
            0x20 => accumulator = data[usize::try_from(k).unwrap() / 4],
            0x54 => accumulator &= k,
            0x05 => at += usize::try_from(k).unwrap(),
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x06 => return k,
            other => panic!("no filter has the instruction {other:#x}"),
        }
    }
}

/// What the kernel makes of a call: `None` = it is done, otherwise the error.
fn error(more: &[Calls], call: c_long, arguments: &[u64]) -> Option<i32> {
    let answers = programs(more).unwrap().map(|program| run(&program, call, arguments));
    // The lowest action is the strictest; of equal ones that of the program that came last.
    let answer = answers.into_iter().rev().min_by_key(|answer| answer & 0xffff_0000).unwrap();
    match answer & 0xffff_0000 {
        libc::SECCOMP_RET_ALLOW => None,
        libc::SECCOMP_RET_ERRNO => Some(i32::try_from(answer & 0xffff).unwrap()),
        action => panic!("{action:#x}"),
    }
}

fn flags(flags: &[i32]) -> u64 {
    flags.iter().map(|flag| u64::from(flag.unsigned_abs())).sum()
}

#[test]
fn threads_can_be_made_and_neither_processes_nor_namespaces() {
    // What the C library asks for.
    let thread = [
        libc::CLONE_VM,
        libc::CLONE_FS,
        libc::CLONE_FILES,
        libc::CLONE_SIGHAND,
        libc::CLONE_THREAD,
        libc::CLONE_SYSVSEM,
        libc::CLONE_SETTLS,
        libc::CLONE_PARENT_SETTID,
        libc::CLONE_CHILD_CLEARTID,
    ];
    let clone = |flags| error(&EVERYTHING, libc::SYS_clone, &[flags]);
    assert_eq!(clone(flags(&thread)), None);
    for namespace in [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ] {
        assert_eq!(clone(flags(&thread) | flags(&[namespace])), Some(libc::EPERM), "{namespace:#x}");
        assert_eq!(clone(flags(&[namespace, libc::SIGCHLD])), Some(libc::EPERM), "{namespace:#x}");
    }
    assert_eq!(clone(flags(&[libc::SIGCHLD])), Some(libc::EPERM), "as fork does");
    assert_eq!(clone(flags(&[libc::CLONE_VM, libc::CLONE_VFORK, libc::SIGCHLD])), Some(libc::EPERM));
}

#[test]
fn the_call_whose_flags_no_filter_can_read_is_missing_as_on_an_old_kernel() {
    assert_eq!(error(&[], libc::SYS_clone3, &[0x1000, 88]), Some(libc::ENOSYS));
}

#[test]
fn a_descriptor_can_be_copied_and_signals_nobody() {
    let fcntl =
        |command: i32| error(&EVERYTHING, libc::SYS_fcntl, &[3, u64::from(command.unsigned_abs()), 1]);
    for command in FCNTL {
        assert_eq!(fcntl(command), None, "{command}");
    }
    // F_SETOWN_EX is 15 (asm-generic/fcntl.h), which `libc` does not have for every target.
    for command in
        [libc::F_SETOWN, 15, 10, libc::F_NOTIFY, libc::F_SETLEASE, libc::F_SETPIPE_SZ, libc::F_SETLK]
    {
        assert_eq!(fcntl(command), Some(libc::EPERM), "{command}");
    }
}

#[test]
fn sockets_are_of_the_families_that_are_needed_and_never_of_the_kernels() {
    let socket = |more: &[Calls], family: i32| error(more, libc::SYS_socket, &[family.unsigned_abs().into()]);
    for family in [libc::AF_INET, libc::AF_INET6] {
        assert_eq!(socket(&[Calls::Internet], family), None);
        assert_eq!(socket(&[Calls::BpfInUse], family), Some(libc::EPERM));
    }
    for family in [libc::AF_NETLINK, libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG] {
        assert_eq!(socket(&EVERYTHING, family), Some(libc::EPERM), "{family}");
    }
}

#[test]
fn no_memory_becomes_code() {
    let executable = [0, 4096, flags(&[libc::PROT_READ, libc::PROT_EXEC])];
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        assert_eq!(error(&EVERYTHING, call, &executable), Some(libc::EPERM));
        assert_eq!(error(&EVERYTHING, call, &[0, 4096, flags(&[libc::PROT_READ, libc::PROT_WRITE])]), None);
    }
}

#[test]
fn what_a_call_is_named_is_what_it_is() {
    for call in ALWAYS.iter().chain(OF_THE_PROCESSOR).chain(TO_START).chain(WITH_ARGUMENTS) {
        assert!(call.constant.starts_with("SYS_"), "{call:?}");
    }
}
