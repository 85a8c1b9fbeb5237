/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/*
 * The layout of the records that leave the kernel. This file is the truth: crates/event-abi/src/generated.rs is made
 * from it (`cargo run -p xtask -- codegen`), and CI compares.
 *
 * Rules: only fixed-width integers and byte arrays; padding is a named field; one struct per kind of record, each
 * beginning with `struct event_header`; numbers are never reused. Variable parts follow the struct in the order and
 * with the lengths that the struct states, without gaps.
 *
 * A path is written leaf first, every component followed by '/': "/usr/bin/env" is "env/bin/usr/". With PATH_NO_PLACE
 * it is one name, and a '/' in it is part of that.
 */
#pragma once

#include "ints.h"

/* Kinds of records. Those below 256 are the kinds of events, with the numbers of event::Kind; the others serve the probe. */
enum event_kind {
	EVENT_EXEC = 1,
	EVENT_FORK = 2,
	EVENT_EXIT = 3,
	EVENT_OPEN = 4,
	EVENT_BIND = 5,
	EVENT_CONNECT = 6,
	EVENT_UNLINK = 7,
	EVENT_RENAME = 8,
	EVENT_KINDS, /* one more than the last: size of tables indexed by kind, whose place 0 is for what serves the probe */

	EVENT_CGROUP_MADE = 256,
	EVENT_CGROUP_GONE = 257,
	EVENT_EXEC_STRINGS = 258,
	EVENT_KNOWN = 259,
};

/* Why the kernel side lost a record. */
enum loss_cause {
	LOSS_RING_FULL = 0,
	LOSS_KERNEL_BUSY = 1,
	LOSS_RING_SHARE = 2, /* there was room, but its cgroup had used up its share of the ring */
	LOSS_CAUSES = 3,
};

/* The rings, for tables indexed by ring. */
enum ring {
	RING_NEVER_DROP = 0,
	RING_BULK = 1,
	RING_STRINGS = 2,
	RINGS = 3,
};

/* How much of a path is true; the numbers of event::PathState. */
enum path_state {
	PATH_RESOLVED = 0,
	PATH_TRUNCATED_PARENTS = 1,
	PATH_ARGUMENT = 2,
	PATH_UNREADABLE = 3,
	PATH_NO_PLACE = 4,
	PATH_DETACHED = 5,
};

/* Bits of file_info.flags. */
enum file_flag {
	FILE_PRESENT = 1,      /* the struct describes a file; otherwise it is all zero */
	FILE_NO_ROOT = 2,      /* the path does not begin at a root */
	FILE_UPPER = 4,        /* on overlayfs, in the upper layer */
	FILE_LOWER = 8,        /* on overlayfs, only in a lower layer */
	FILE_UNLINKED = 16,    /* its directory entry was removed */
	FILE_ARGUMENT_CUT = 32, /* the argument was longer than what is here */
};

/* Bits of exec_event.args_flags and envs_flags. */
enum strings_flag {
	STRINGS_TRUNCATED = 1,  /* longer than STRINGS_MAX_BYTES, or a chunk found no room in its ring */
	STRINGS_UNREADABLE = 2, /* a page of it was not in memory */
};

/* Which list a chunk of an exec belongs to. */
enum strings_list {
	STRINGS_ARGS = 0,
	STRINGS_ENVS = 1,
};

/* What the scope map says of a cgroup. */
enum scope_decision {
	SCOPE_IGNORE = 1,
	SCOPE_WATCH = 2,
};

/* What an undecided cgroup means. */
enum scope_mode {
	SCOPE_CONTAINERS = 0, /* watch, until user space has decided */
	SCOPE_CGROUP = 1,     /* ignore */
	SCOPE_HOST = 2,       /* everything is in scope, no cgroup is looked at */
};

enum limits {
	/*
	 * Cgroups that are known, in user space and in the map `decisions`. The memory controller cannot have more
	 * (MEM_CGROUP_ID_MAX, include/linux/memcontrol.h of Linux 6.1 and 6.12), so neither has a host that uses it.
	 */
	MAX_CGROUPS = 65536,
	COMM_BYTES = 16,
	FILESYSTEM_BYTES = 16,
	TTY_BYTES = 32,
	PATH_MAX_BYTES = 4096,      /* path and argument, each */
	STRINGS_MAX_BYTES = 65536,  /* args and envs of an exec, each */
	STRINGS_CHUNK_BYTES = 4096, /* of them in one record */
	SCOPE_CACHE_SLOTS = 1024,   /* a power of two */
	LOSS_CGROUPS = 4096,        /* cgroups whose losses are counted apart */
	SHARE_SLOTS = 4096,         /* a power of two; cgroups that can have a share of the rings at the same time */
	SCRATCH_LEVELS = 4,         /* programs on one CPU that can have begun and not ended */
};

/* What is to be done about a cgroup, in the map `decisions`. */
struct cgroup_decision {
	__u64 kinds; /* bit n: events of kind n are reported, if it is watched */
	__u32 scope; /* enum scope_decision */
	__u32 pad;
	__u64 reserved[2]; /* for the rate and the end of a dump */
};

struct event_header {
	__u64 boot_ns; /* CLOCK_BOOTTIME */
	__u32 size;    /* of the whole record */
	__u16 kind;    /* enum event_kind */
	__u16 cpu;
};

/* The acting task. */
struct task_context {
	__u64 start_ns; /* of the thread group leader, CLOCK_BOOTTIME */
	__u64 cgroup_id; /* kernfs id; bit 63: of a v1 hierarchy, whose number is in bits 48 to 62 */
	__u64 cap_effective;
	__u64 cap_permitted;
	__u32 tgid;
	__u32 tid;
	__u32 ppid; /* tgid of real_parent */
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 egid;
	__u32 fsuid;
	__u32 fsgid;
	__u32 mnt_ns; /* inode numbers of namespaces; 0 = not known */
	__u32 pid_ns;
	__u32 net_ns;
	__u32 user_ns;
	__u32 pad;
	__u8 comm[COMM_BYTES];
};

struct file_info {
	__u64 inode;
	__s64 access_ns; /* since the epoch */
	__s64 modification_ns;
	__s64 change_ns;
	__u64 magic;  /* s_magic */
	__u32 device; /* the kernel's dev_t: major << 20 | minor */
	__u32 generation;
	__u32 mount_id;
	__u32 nlink;
	__u32 uid;
	__u32 gid;
	__u16 mode;
	__u8 flags;      /* enum file_flag */
	__u8 path_state; /* enum path_state */
	__u16 path_len;     /* bytes of path that follow */
	__u16 argument_len; /* bytes of an argument, that follow the path and are relative to it; with a '/' in front it is a root */
	__u8 filesystem[FILESYSTEM_BYTES]; /* s_type->name */
};

/* What every record of an event begins with. */
struct event_start {
	struct event_header header;
	struct task_context task;
};

/* Where the address of a socket comes from; the numbers of event::AddressState. */
enum address_state {
	ADDRESS_KERNEL = 0,
	ADDRESS_ARGUMENT = 1,
	ADDRESS_UNREADABLE = 2,
};

/* The address of a socket. */
struct address_info {
	__u8 ip[16]; /* AF_INET has the first four */
	__u16 family;
	__u16 port;
	__u16 len;  /* bytes of the path of AF_UNIX, that follow; an abstract name begins with a zero */
	__u8 state; /* enum address_state */
	__u8 pad;
};

/* What became of a call that gives a socket an address. The bytes of the address follow the struct of the kind. */
struct socket_call {
	__s32 retval;
	__u32 protocol; /* IPPROTO_*; 0 = none, or not known */
	struct address_info address;
};

/* Followed by: path and argument of `executable`, path and argument of `script`. */
struct exec_event {
	struct event_header header;
	struct task_context task;
	__u64 exec_id;         /* the same in the chunks that precede it */
	__u64 parent_start_ns; /* of the parent process; with task.ppid its key */
	__u32 args_len;        /* sent in chunks */
	__u32 envs_len;
	__u8 args_flags; /* enum strings_flag */
	__u8 envs_flags;
	__u16 pad;
	__u32 pad2;
	__u8 tty[TTY_BYTES];
	struct file_info executable;
	struct file_info script; /* FILE_PRESENT only if started through #! */
};

/*
 * Followed by `len` bytes, which continue the list; sent to a ring of their own before the exec_event with the same id,
 * on the same CPU.
 */
struct exec_strings_event {
	struct event_header header;
	__u64 exec_id;
	__u32 len;
	__u16 list; /* enum strings_list */
	__u16 pad;
};

/* The task is the child. */
struct fork_event {
	struct event_header header;
	struct task_context task;
	__u64 parent_start_ns;
};

struct exit_event {
	struct event_header header;
	struct task_context task;
	__s32 code; /* as wait(2) reports it */
	__u32 pad;
};

/* Followed by: path and argument of `file`. */
struct open_event {
	struct event_header header;
	struct task_context task;
	__u32 flags;
	__u32 mode;
	__s32 retval;
	__u32 pad;
	struct file_info file;
};

/* Followed by: the path of `call.address`. */
struct bind_event {
	struct event_header header;
	struct task_context task;
	struct socket_call call;
};

/* Followed by: the path of `call.address`. */
struct connect_event {
	struct event_header header;
	struct task_context task;
	struct socket_call call;
};

/* Followed by: path and argument of `file`. */
struct unlink_event {
	struct event_header header;
	struct task_context task;
	__u32 flags; /* AT_REMOVEDIR, also of rmdir */
	__s32 retval;
	struct file_info file;
};

/* Followed by: path and argument of `file`, path and argument of `destination`. */
struct rename_event {
	struct event_header header;
	struct task_context task;
	__u32 flags; /* RENAME_* of renameat2 */
	__s32 retval;
	struct file_info file;
	struct file_info destination;
};

/* EVENT_CGROUP_MADE and EVENT_CGROUP_GONE. Followed by `path_len` bytes, a path from the root of the hierarchy. */
struct cgroup_event {
	struct event_header header;
	__u64 id;        /* as task_context.cgroup_id */
	__u64 parent_id; /* 0 = it is the root */
	__u32 hierarchy; /* 0 = cgroup v2 */
	__u32 path_len;
};

/* A process that was found by the iterator. Followed by: path and argument of `executable`. */
struct known_event {
	struct event_header header;
	struct task_context task;
	__u64 parent_start_ns;
	__u8 tty[TTY_BYTES];
	struct file_info executable; /* FILE_PRESENT unless it has no memory any more */
};

/* Who a process is. No record: the iterator of living processes gives nothing else. */
struct living_process {
	__u64 start_ns; /* as task_context.start_ns */
	__u32 tgid;
	__u32 pad;
};

/* What one cgroup lost, in the map `losses`. */
struct cgroup_losses {
	__u64 lost[LOSS_CAUSES * EVENT_KINDS]; /* cause * EVENT_KINDS + kind */
};

/* One CPU's counters, in the map `counters`. */
struct cpu_counters {
	__u64 generated[EVENT_KINDS];
	__u64 lost[LOSS_CAUSES * EVENT_KINDS]; /* cause * EVENT_KINDS + kind */
	__u64 sent_bytes[RINGS];
	__u64 undecided; /* cgroups that did not inherit their decision, because the map refused it */
	__u64 taken; /* bit n: scratch memory n is in use */
};
