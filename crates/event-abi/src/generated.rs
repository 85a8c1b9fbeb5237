//! Made from `ebpf/include/probe/events.h` by `cargo run -p xtask -- codegen`; do not edit.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub type __u8 = ::core::ffi::c_uchar;
pub type __u16 = ::core::ffi::c_ushort;
pub type __u32 = ::core::ffi::c_uint;
pub type __s32 = ::core::ffi::c_int;
pub type __u64 = ::core::ffi::c_ulonglong;
pub type __s64 = ::core::ffi::c_longlong;
impl event_kind {
    pub const EVENT_EXEC: event_kind = event_kind(1);
    pub const EVENT_FORK: event_kind = event_kind(2);
    pub const EVENT_EXIT: event_kind = event_kind(3);
    pub const EVENT_OPEN: event_kind = event_kind(4);
    pub const EVENT_BIND: event_kind = event_kind(5);
    pub const EVENT_CONNECT: event_kind = event_kind(6);
    pub const EVENT_UNLINK: event_kind = event_kind(7);
    pub const EVENT_RENAME: event_kind = event_kind(8);
    pub const EVENT_KINDS: event_kind = event_kind(9);
    pub const EVENT_CGROUP_MADE: event_kind = event_kind(256);
    pub const EVENT_CGROUP_GONE: event_kind = event_kind(257);
    pub const EVENT_EXEC_STRINGS: event_kind = event_kind(258);
    pub const EVENT_KNOWN: event_kind = event_kind(259);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct event_kind(pub ::core::ffi::c_uint);
impl loss_cause {
    pub const LOSS_RING_FULL: loss_cause = loss_cause(0);
    pub const LOSS_KERNEL_BUSY: loss_cause = loss_cause(1);
    pub const LOSS_RING_SHARE: loss_cause = loss_cause(2);
    pub const LOSS_CAUSES: loss_cause = loss_cause(3);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct loss_cause(pub ::core::ffi::c_uint);
impl ring {
    pub const RING_NEVER_DROP: ring = ring(0);
    pub const RING_BULK: ring = ring(1);
    pub const RING_STRINGS: ring = ring(2);
    pub const RINGS: ring = ring(3);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct ring(pub ::core::ffi::c_uint);
impl path_state {
    pub const PATH_RESOLVED: path_state = path_state(0);
    pub const PATH_TRUNCATED_PARENTS: path_state = path_state(1);
    pub const PATH_ARGUMENT: path_state = path_state(2);
    pub const PATH_UNREADABLE: path_state = path_state(3);
    pub const PATH_NO_PLACE: path_state = path_state(4);
    pub const PATH_DETACHED: path_state = path_state(5);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct path_state(pub ::core::ffi::c_uint);
impl file_flag {
    pub const FILE_PRESENT: file_flag = file_flag(1);
    pub const FILE_NO_ROOT: file_flag = file_flag(2);
    pub const FILE_UPPER: file_flag = file_flag(4);
    pub const FILE_LOWER: file_flag = file_flag(8);
    pub const FILE_UNLINKED: file_flag = file_flag(16);
    pub const FILE_ARGUMENT_CUT: file_flag = file_flag(32);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct file_flag(pub ::core::ffi::c_uint);
impl strings_flag {
    pub const STRINGS_TRUNCATED: strings_flag = strings_flag(1);
    pub const STRINGS_UNREADABLE: strings_flag = strings_flag(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct strings_flag(pub ::core::ffi::c_uint);
impl strings_list {
    pub const STRINGS_ARGS: strings_list = strings_list(0);
    pub const STRINGS_ENVS: strings_list = strings_list(1);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct strings_list(pub ::core::ffi::c_uint);
impl scope_decision {
    pub const SCOPE_IGNORE: scope_decision = scope_decision(1);
    pub const SCOPE_WATCH: scope_decision = scope_decision(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct scope_decision(pub ::core::ffi::c_uint);
impl scope_mode {
    pub const SCOPE_CONTAINERS: scope_mode = scope_mode(0);
    pub const SCOPE_CGROUP: scope_mode = scope_mode(1);
    pub const SCOPE_HOST: scope_mode = scope_mode(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct scope_mode(pub ::core::ffi::c_uint);
impl limits {
    pub const MAX_CGROUPS: limits = limits(65536);
    pub const COMM_BYTES: limits = limits(16);
    pub const FILESYSTEM_BYTES: limits = limits(16);
    pub const TTY_BYTES: limits = limits(32);
    pub const PATH_MAX_BYTES: limits = limits(4096);
    pub const STRINGS_MAX_BYTES: limits = limits(65536);
    pub const STRINGS_CHUNK_BYTES: limits = limits(4096);
    pub const SCOPE_CACHE_SLOTS: limits = limits(1024);
    pub const LOSS_CGROUPS: limits = limits(4096);
    pub const SHARE_SLOTS: limits = limits(4096);
    pub const SCRATCH_LEVELS: limits = limits(4);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct limits(pub ::core::ffi::c_uint);
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct cgroup_decision {
    pub kinds: __u64,
    pub scope: __u32,
    pub pad: __u32,
    pub reserved: [__u64; 2usize],
}
const _: () = {
    ["Size of cgroup_decision"][::core::mem::size_of::<cgroup_decision>() - 32usize];
    ["Alignment of cgroup_decision"][::core::mem::align_of::<cgroup_decision>() - 8usize];
    ["Offset of field: cgroup_decision::kinds"][::core::mem::offset_of!(cgroup_decision, kinds) - 0usize];
    ["Offset of field: cgroup_decision::scope"][::core::mem::offset_of!(cgroup_decision, scope) - 8usize];
    ["Offset of field: cgroup_decision::pad"][::core::mem::offset_of!(cgroup_decision, pad) - 12usize];
    ["Offset of field: cgroup_decision::reserved"]
        [::core::mem::offset_of!(cgroup_decision, reserved) - 16usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct event_header {
    pub boot_ns: __u64,
    pub size: __u32,
    pub kind: __u16,
    pub cpu: __u16,
}
const _: () = {
    ["Size of event_header"][::core::mem::size_of::<event_header>() - 16usize];
    ["Alignment of event_header"][::core::mem::align_of::<event_header>() - 8usize];
    ["Offset of field: event_header::boot_ns"][::core::mem::offset_of!(event_header, boot_ns) - 0usize];
    ["Offset of field: event_header::size"][::core::mem::offset_of!(event_header, size) - 8usize];
    ["Offset of field: event_header::kind"][::core::mem::offset_of!(event_header, kind) - 12usize];
    ["Offset of field: event_header::cpu"][::core::mem::offset_of!(event_header, cpu) - 14usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct task_context {
    pub start_ns: __u64,
    pub cgroup_id: __u64,
    pub cap_effective: __u64,
    pub cap_permitted: __u64,
    pub tgid: __u32,
    pub tid: __u32,
    pub ppid: __u32,
    pub uid: __u32,
    pub gid: __u32,
    pub euid: __u32,
    pub egid: __u32,
    pub fsuid: __u32,
    pub fsgid: __u32,
    pub mnt_ns: __u32,
    pub pid_ns: __u32,
    pub net_ns: __u32,
    pub user_ns: __u32,
    pub pad: __u32,
    pub comm: [__u8; 16usize],
}
const _: () = {
    ["Size of task_context"][::core::mem::size_of::<task_context>() - 104usize];
    ["Alignment of task_context"][::core::mem::align_of::<task_context>() - 8usize];
    ["Offset of field: task_context::start_ns"][::core::mem::offset_of!(task_context, start_ns) - 0usize];
    ["Offset of field: task_context::cgroup_id"][::core::mem::offset_of!(task_context, cgroup_id) - 8usize];
    ["Offset of field: task_context::cap_effective"]
        [::core::mem::offset_of!(task_context, cap_effective) - 16usize];
    ["Offset of field: task_context::cap_permitted"]
        [::core::mem::offset_of!(task_context, cap_permitted) - 24usize];
    ["Offset of field: task_context::tgid"][::core::mem::offset_of!(task_context, tgid) - 32usize];
    ["Offset of field: task_context::tid"][::core::mem::offset_of!(task_context, tid) - 36usize];
    ["Offset of field: task_context::ppid"][::core::mem::offset_of!(task_context, ppid) - 40usize];
    ["Offset of field: task_context::uid"][::core::mem::offset_of!(task_context, uid) - 44usize];
    ["Offset of field: task_context::gid"][::core::mem::offset_of!(task_context, gid) - 48usize];
    ["Offset of field: task_context::euid"][::core::mem::offset_of!(task_context, euid) - 52usize];
    ["Offset of field: task_context::egid"][::core::mem::offset_of!(task_context, egid) - 56usize];
    ["Offset of field: task_context::fsuid"][::core::mem::offset_of!(task_context, fsuid) - 60usize];
    ["Offset of field: task_context::fsgid"][::core::mem::offset_of!(task_context, fsgid) - 64usize];
    ["Offset of field: task_context::mnt_ns"][::core::mem::offset_of!(task_context, mnt_ns) - 68usize];
    ["Offset of field: task_context::pid_ns"][::core::mem::offset_of!(task_context, pid_ns) - 72usize];
    ["Offset of field: task_context::net_ns"][::core::mem::offset_of!(task_context, net_ns) - 76usize];
    ["Offset of field: task_context::user_ns"][::core::mem::offset_of!(task_context, user_ns) - 80usize];
    ["Offset of field: task_context::pad"][::core::mem::offset_of!(task_context, pad) - 84usize];
    ["Offset of field: task_context::comm"][::core::mem::offset_of!(task_context, comm) - 88usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct file_info {
    pub inode: __u64,
    pub access_ns: __s64,
    pub modification_ns: __s64,
    pub change_ns: __s64,
    pub magic: __u64,
    pub device: __u32,
    pub generation: __u32,
    pub mount_id: __u32,
    pub nlink: __u32,
    pub uid: __u32,
    pub gid: __u32,
    pub mode: __u16,
    pub flags: __u8,
    pub path_state: __u8,
    pub path_len: __u16,
    pub argument_len: __u16,
    pub filesystem: [__u8; 16usize],
}
const _: () = {
    ["Size of file_info"][::core::mem::size_of::<file_info>() - 88usize];
    ["Alignment of file_info"][::core::mem::align_of::<file_info>() - 8usize];
    ["Offset of field: file_info::inode"][::core::mem::offset_of!(file_info, inode) - 0usize];
    ["Offset of field: file_info::access_ns"][::core::mem::offset_of!(file_info, access_ns) - 8usize];
    ["Offset of field: file_info::modification_ns"]
        [::core::mem::offset_of!(file_info, modification_ns) - 16usize];
    ["Offset of field: file_info::change_ns"][::core::mem::offset_of!(file_info, change_ns) - 24usize];
    ["Offset of field: file_info::magic"][::core::mem::offset_of!(file_info, magic) - 32usize];
    ["Offset of field: file_info::device"][::core::mem::offset_of!(file_info, device) - 40usize];
    ["Offset of field: file_info::generation"][::core::mem::offset_of!(file_info, generation) - 44usize];
    ["Offset of field: file_info::mount_id"][::core::mem::offset_of!(file_info, mount_id) - 48usize];
    ["Offset of field: file_info::nlink"][::core::mem::offset_of!(file_info, nlink) - 52usize];
    ["Offset of field: file_info::uid"][::core::mem::offset_of!(file_info, uid) - 56usize];
    ["Offset of field: file_info::gid"][::core::mem::offset_of!(file_info, gid) - 60usize];
    ["Offset of field: file_info::mode"][::core::mem::offset_of!(file_info, mode) - 64usize];
    ["Offset of field: file_info::flags"][::core::mem::offset_of!(file_info, flags) - 66usize];
    ["Offset of field: file_info::path_state"][::core::mem::offset_of!(file_info, path_state) - 67usize];
    ["Offset of field: file_info::path_len"][::core::mem::offset_of!(file_info, path_len) - 68usize];
    ["Offset of field: file_info::argument_len"][::core::mem::offset_of!(file_info, argument_len) - 70usize];
    ["Offset of field: file_info::filesystem"][::core::mem::offset_of!(file_info, filesystem) - 72usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct event_start {
    pub header: event_header,
    pub task: task_context,
}
const _: () = {
    ["Size of event_start"][::core::mem::size_of::<event_start>() - 120usize];
    ["Alignment of event_start"][::core::mem::align_of::<event_start>() - 8usize];
    ["Offset of field: event_start::header"][::core::mem::offset_of!(event_start, header) - 0usize];
    ["Offset of field: event_start::task"][::core::mem::offset_of!(event_start, task) - 16usize];
};
impl address_state {
    pub const ADDRESS_KERNEL: address_state = address_state(0);
    pub const ADDRESS_ARGUMENT: address_state = address_state(1);
    pub const ADDRESS_UNREADABLE: address_state = address_state(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct address_state(pub ::core::ffi::c_uint);
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct address_info {
    pub ip: [__u8; 16usize],
    pub family: __u16,
    pub port: __u16,
    pub len: __u16,
    pub state: __u8,
    pub pad: __u8,
}
const _: () = {
    ["Size of address_info"][::core::mem::size_of::<address_info>() - 24usize];
    ["Alignment of address_info"][::core::mem::align_of::<address_info>() - 2usize];
    ["Offset of field: address_info::ip"][::core::mem::offset_of!(address_info, ip) - 0usize];
    ["Offset of field: address_info::family"][::core::mem::offset_of!(address_info, family) - 16usize];
    ["Offset of field: address_info::port"][::core::mem::offset_of!(address_info, port) - 18usize];
    ["Offset of field: address_info::len"][::core::mem::offset_of!(address_info, len) - 20usize];
    ["Offset of field: address_info::state"][::core::mem::offset_of!(address_info, state) - 22usize];
    ["Offset of field: address_info::pad"][::core::mem::offset_of!(address_info, pad) - 23usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct socket_call {
    pub retval: __s32,
    pub protocol: __u32,
    pub address: address_info,
}
const _: () = {
    ["Size of socket_call"][::core::mem::size_of::<socket_call>() - 32usize];
    ["Alignment of socket_call"][::core::mem::align_of::<socket_call>() - 4usize];
    ["Offset of field: socket_call::retval"][::core::mem::offset_of!(socket_call, retval) - 0usize];
    ["Offset of field: socket_call::protocol"][::core::mem::offset_of!(socket_call, protocol) - 4usize];
    ["Offset of field: socket_call::address"][::core::mem::offset_of!(socket_call, address) - 8usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct exec_event {
    pub header: event_header,
    pub task: task_context,
    pub exec_id: __u64,
    pub parent_start_ns: __u64,
    pub args_len: __u32,
    pub envs_len: __u32,
    pub args_flags: __u8,
    pub envs_flags: __u8,
    pub pad: __u16,
    pub pad2: __u32,
    pub tty: [__u8; 32usize],
    pub executable: file_info,
    pub script: file_info,
}
const _: () = {
    ["Size of exec_event"][::core::mem::size_of::<exec_event>() - 360usize];
    ["Alignment of exec_event"][::core::mem::align_of::<exec_event>() - 8usize];
    ["Offset of field: exec_event::header"][::core::mem::offset_of!(exec_event, header) - 0usize];
    ["Offset of field: exec_event::task"][::core::mem::offset_of!(exec_event, task) - 16usize];
    ["Offset of field: exec_event::exec_id"][::core::mem::offset_of!(exec_event, exec_id) - 120usize];
    ["Offset of field: exec_event::parent_start_ns"]
        [::core::mem::offset_of!(exec_event, parent_start_ns) - 128usize];
    ["Offset of field: exec_event::args_len"][::core::mem::offset_of!(exec_event, args_len) - 136usize];
    ["Offset of field: exec_event::envs_len"][::core::mem::offset_of!(exec_event, envs_len) - 140usize];
    ["Offset of field: exec_event::args_flags"][::core::mem::offset_of!(exec_event, args_flags) - 144usize];
    ["Offset of field: exec_event::envs_flags"][::core::mem::offset_of!(exec_event, envs_flags) - 145usize];
    ["Offset of field: exec_event::pad"][::core::mem::offset_of!(exec_event, pad) - 146usize];
    ["Offset of field: exec_event::pad2"][::core::mem::offset_of!(exec_event, pad2) - 148usize];
    ["Offset of field: exec_event::tty"][::core::mem::offset_of!(exec_event, tty) - 152usize];
    ["Offset of field: exec_event::executable"][::core::mem::offset_of!(exec_event, executable) - 184usize];
    ["Offset of field: exec_event::script"][::core::mem::offset_of!(exec_event, script) - 272usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct exec_strings_event {
    pub header: event_header,
    pub exec_id: __u64,
    pub len: __u32,
    pub list: __u16,
    pub pad: __u16,
}
const _: () = {
    ["Size of exec_strings_event"][::core::mem::size_of::<exec_strings_event>() - 32usize];
    ["Alignment of exec_strings_event"][::core::mem::align_of::<exec_strings_event>() - 8usize];
    ["Offset of field: exec_strings_event::header"]
        [::core::mem::offset_of!(exec_strings_event, header) - 0usize];
    ["Offset of field: exec_strings_event::exec_id"]
        [::core::mem::offset_of!(exec_strings_event, exec_id) - 16usize];
    ["Offset of field: exec_strings_event::len"][::core::mem::offset_of!(exec_strings_event, len) - 24usize];
    ["Offset of field: exec_strings_event::list"]
        [::core::mem::offset_of!(exec_strings_event, list) - 28usize];
    ["Offset of field: exec_strings_event::pad"][::core::mem::offset_of!(exec_strings_event, pad) - 30usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct fork_event {
    pub header: event_header,
    pub task: task_context,
    pub parent_start_ns: __u64,
}
const _: () = {
    ["Size of fork_event"][::core::mem::size_of::<fork_event>() - 128usize];
    ["Alignment of fork_event"][::core::mem::align_of::<fork_event>() - 8usize];
    ["Offset of field: fork_event::header"][::core::mem::offset_of!(fork_event, header) - 0usize];
    ["Offset of field: fork_event::task"][::core::mem::offset_of!(fork_event, task) - 16usize];
    ["Offset of field: fork_event::parent_start_ns"]
        [::core::mem::offset_of!(fork_event, parent_start_ns) - 120usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct exit_event {
    pub header: event_header,
    pub task: task_context,
    pub code: __s32,
    pub pad: __u32,
}
const _: () = {
    ["Size of exit_event"][::core::mem::size_of::<exit_event>() - 128usize];
    ["Alignment of exit_event"][::core::mem::align_of::<exit_event>() - 8usize];
    ["Offset of field: exit_event::header"][::core::mem::offset_of!(exit_event, header) - 0usize];
    ["Offset of field: exit_event::task"][::core::mem::offset_of!(exit_event, task) - 16usize];
    ["Offset of field: exit_event::code"][::core::mem::offset_of!(exit_event, code) - 120usize];
    ["Offset of field: exit_event::pad"][::core::mem::offset_of!(exit_event, pad) - 124usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct open_event {
    pub header: event_header,
    pub task: task_context,
    pub flags: __u32,
    pub mode: __u32,
    pub retval: __s32,
    pub pad: __u32,
    pub file: file_info,
}
const _: () = {
    ["Size of open_event"][::core::mem::size_of::<open_event>() - 224usize];
    ["Alignment of open_event"][::core::mem::align_of::<open_event>() - 8usize];
    ["Offset of field: open_event::header"][::core::mem::offset_of!(open_event, header) - 0usize];
    ["Offset of field: open_event::task"][::core::mem::offset_of!(open_event, task) - 16usize];
    ["Offset of field: open_event::flags"][::core::mem::offset_of!(open_event, flags) - 120usize];
    ["Offset of field: open_event::mode"][::core::mem::offset_of!(open_event, mode) - 124usize];
    ["Offset of field: open_event::retval"][::core::mem::offset_of!(open_event, retval) - 128usize];
    ["Offset of field: open_event::pad"][::core::mem::offset_of!(open_event, pad) - 132usize];
    ["Offset of field: open_event::file"][::core::mem::offset_of!(open_event, file) - 136usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct bind_event {
    pub header: event_header,
    pub task: task_context,
    pub call: socket_call,
}
const _: () = {
    ["Size of bind_event"][::core::mem::size_of::<bind_event>() - 152usize];
    ["Alignment of bind_event"][::core::mem::align_of::<bind_event>() - 8usize];
    ["Offset of field: bind_event::header"][::core::mem::offset_of!(bind_event, header) - 0usize];
    ["Offset of field: bind_event::task"][::core::mem::offset_of!(bind_event, task) - 16usize];
    ["Offset of field: bind_event::call"][::core::mem::offset_of!(bind_event, call) - 120usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct connect_event {
    pub header: event_header,
    pub task: task_context,
    pub call: socket_call,
}
const _: () = {
    ["Size of connect_event"][::core::mem::size_of::<connect_event>() - 152usize];
    ["Alignment of connect_event"][::core::mem::align_of::<connect_event>() - 8usize];
    ["Offset of field: connect_event::header"][::core::mem::offset_of!(connect_event, header) - 0usize];
    ["Offset of field: connect_event::task"][::core::mem::offset_of!(connect_event, task) - 16usize];
    ["Offset of field: connect_event::call"][::core::mem::offset_of!(connect_event, call) - 120usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct unlink_event {
    pub header: event_header,
    pub task: task_context,
    pub flags: __u32,
    pub retval: __s32,
    pub file: file_info,
}
const _: () = {
    ["Size of unlink_event"][::core::mem::size_of::<unlink_event>() - 216usize];
    ["Alignment of unlink_event"][::core::mem::align_of::<unlink_event>() - 8usize];
    ["Offset of field: unlink_event::header"][::core::mem::offset_of!(unlink_event, header) - 0usize];
    ["Offset of field: unlink_event::task"][::core::mem::offset_of!(unlink_event, task) - 16usize];
    ["Offset of field: unlink_event::flags"][::core::mem::offset_of!(unlink_event, flags) - 120usize];
    ["Offset of field: unlink_event::retval"][::core::mem::offset_of!(unlink_event, retval) - 124usize];
    ["Offset of field: unlink_event::file"][::core::mem::offset_of!(unlink_event, file) - 128usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct rename_event {
    pub header: event_header,
    pub task: task_context,
    pub flags: __u32,
    pub retval: __s32,
    pub file: file_info,
    pub destination: file_info,
}
const _: () = {
    ["Size of rename_event"][::core::mem::size_of::<rename_event>() - 304usize];
    ["Alignment of rename_event"][::core::mem::align_of::<rename_event>() - 8usize];
    ["Offset of field: rename_event::header"][::core::mem::offset_of!(rename_event, header) - 0usize];
    ["Offset of field: rename_event::task"][::core::mem::offset_of!(rename_event, task) - 16usize];
    ["Offset of field: rename_event::flags"][::core::mem::offset_of!(rename_event, flags) - 120usize];
    ["Offset of field: rename_event::retval"][::core::mem::offset_of!(rename_event, retval) - 124usize];
    ["Offset of field: rename_event::file"][::core::mem::offset_of!(rename_event, file) - 128usize];
    ["Offset of field: rename_event::destination"]
        [::core::mem::offset_of!(rename_event, destination) - 216usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct cgroup_event {
    pub header: event_header,
    pub id: __u64,
    pub parent_id: __u64,
    pub hierarchy: __u32,
    pub path_len: __u32,
}
const _: () = {
    ["Size of cgroup_event"][::core::mem::size_of::<cgroup_event>() - 40usize];
    ["Alignment of cgroup_event"][::core::mem::align_of::<cgroup_event>() - 8usize];
    ["Offset of field: cgroup_event::header"][::core::mem::offset_of!(cgroup_event, header) - 0usize];
    ["Offset of field: cgroup_event::id"][::core::mem::offset_of!(cgroup_event, id) - 16usize];
    ["Offset of field: cgroup_event::parent_id"][::core::mem::offset_of!(cgroup_event, parent_id) - 24usize];
    ["Offset of field: cgroup_event::hierarchy"][::core::mem::offset_of!(cgroup_event, hierarchy) - 32usize];
    ["Offset of field: cgroup_event::path_len"][::core::mem::offset_of!(cgroup_event, path_len) - 36usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct known_event {
    pub header: event_header,
    pub task: task_context,
    pub parent_start_ns: __u64,
    pub tty: [__u8; 32usize],
    pub executable: file_info,
}
const _: () = {
    ["Size of known_event"][::core::mem::size_of::<known_event>() - 248usize];
    ["Alignment of known_event"][::core::mem::align_of::<known_event>() - 8usize];
    ["Offset of field: known_event::header"][::core::mem::offset_of!(known_event, header) - 0usize];
    ["Offset of field: known_event::task"][::core::mem::offset_of!(known_event, task) - 16usize];
    ["Offset of field: known_event::parent_start_ns"]
        [::core::mem::offset_of!(known_event, parent_start_ns) - 120usize];
    ["Offset of field: known_event::tty"][::core::mem::offset_of!(known_event, tty) - 128usize];
    ["Offset of field: known_event::executable"][::core::mem::offset_of!(known_event, executable) - 160usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct living_process {
    pub start_ns: __u64,
    pub tgid: __u32,
    pub pad: __u32,
}
const _: () = {
    ["Size of living_process"][::core::mem::size_of::<living_process>() - 16usize];
    ["Alignment of living_process"][::core::mem::align_of::<living_process>() - 8usize];
    ["Offset of field: living_process::start_ns"][::core::mem::offset_of!(living_process, start_ns) - 0usize];
    ["Offset of field: living_process::tgid"][::core::mem::offset_of!(living_process, tgid) - 8usize];
    ["Offset of field: living_process::pad"][::core::mem::offset_of!(living_process, pad) - 12usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct cgroup_losses {
    pub lost: [__u64; 27usize],
}
const _: () = {
    ["Size of cgroup_losses"][::core::mem::size_of::<cgroup_losses>() - 216usize];
    ["Alignment of cgroup_losses"][::core::mem::align_of::<cgroup_losses>() - 8usize];
    ["Offset of field: cgroup_losses::lost"][::core::mem::offset_of!(cgroup_losses, lost) - 0usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct cpu_counters {
    pub generated: [__u64; 9usize],
    pub lost: [__u64; 27usize],
    pub sent_bytes: [__u64; 3usize],
    pub undecided: __u64,
    pub taken: __u64,
}
const _: () = {
    ["Size of cpu_counters"][::core::mem::size_of::<cpu_counters>() - 328usize];
    ["Alignment of cpu_counters"][::core::mem::align_of::<cpu_counters>() - 8usize];
    ["Offset of field: cpu_counters::generated"][::core::mem::offset_of!(cpu_counters, generated) - 0usize];
    ["Offset of field: cpu_counters::lost"][::core::mem::offset_of!(cpu_counters, lost) - 72usize];
    ["Offset of field: cpu_counters::sent_bytes"]
        [::core::mem::offset_of!(cpu_counters, sent_bytes) - 288usize];
    ["Offset of field: cpu_counters::undecided"][::core::mem::offset_of!(cpu_counters, undecided) - 312usize];
    ["Offset of field: cpu_counters::taken"][::core::mem::offset_of!(cpu_counters, taken) - 320usize];
};
