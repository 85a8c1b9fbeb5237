/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory in which records are built: some pieces per CPU, because a program that is preempted keeps its piece while
 * another one runs. Up to 6.19 that does not happen and the first piece is always free; since then tracepoints can be
 * preempted (https://git.kernel.org/torvalds/c/a46023d5616ed3ed781e56ca93400eb9490e3646). When all are taken, the event
 * is counted as lost instead of being mixed with another.
 */
#pragma once

/*
 * RECORD_BYTES is a power of two, so that a position can be bounded with a mask; the tail takes what is written at the
 * last position.
 */
#define RECORD_BYTES 16384
#define RECORD_TAIL_BYTES PATH_MAX_BYTES

/*
 * Neighbours in struct mount and struct dentry, each read at once. No type proves that they are neighbours. They are in
 * fs/mount.h (mnt_parent, mnt_mountpoint, mnt, whose first member is mnt_root) and include/linux/dcache.h (d_parent,
 * d_name, d_inode, the inline name) of 6.1.192 and 6.12.117, and so they have been since 3.3. A kernel that shuffles
 * structures (CONFIG_RANDSTRUCT, none of a distribution) would not have them there.
 */
struct mount_part {
	__u64 parent;
	__u64 mountpoint;
	__u64 root;
};

#define INLINE_NAME_BYTES 32

struct dentry_part {
	__u64 parent;
	__u32 hash;
	__u32 len;
	__u64 name;
	__u64 inode;
	__u64 inline_name[INLINE_NAME_BYTES / 8]; /* DNAME_INLINE_LEN is 32 in 6.1 and 40 in 6.12, on 64 bits */
};

/* State of a path walk, see path.h. */
struct walk {
	__u64 dentry;
	__u64 mount;
	struct mount_part at;
	__u64 top; /* the first mount of the namespace */
	struct mount_part at_top;
	struct dentry_part name;
	__u32 position;
	__u32 end;
	__u32 state;
	__u32 flags;
};

/* Addresses in the kernel that a path begins at, as struct path has them. */
struct place {
	__u64 mount; /* of the struct vfsmount */
	__u64 dentry;
};

/* State of sending arguments or environment, see args.h. */
struct strings_walk {
	__u64 exec_id;
	__u64 cgroup;
	__u64 begin;
	__u64 next;
	__u64 end;
	__u32 list;
	__u32 room;  /* for what is not sent yet */
	__u32 run;   /* bytes of the string that fills pages */
	__u32 limit; /* and how many it may have */
	__u32 is_long;
	__u32 is_skipping; /* up to the next string */
};

/* Where the lists of an exec are, and whose they are. */
struct strings_of_exec {
	__u64 exec_id;
	__u64 cgroup;
	__u64 arg_start;
	__u64 arg_end;
	__u64 env_start;
	__u64 env_end;
};

/* What was sent of a list. In memory because the verifier forgets it there. */
struct strings_sent {
	__u32 sent;
	__u32 flags;
};

/* What a system call was asked for, see syscall/dispatch.h. Here because the verifier forgets what it knows of it. */
struct call_arguments {
	__u64 at[4];
	__u32 call;
	__u32 is_compat;
};

/* A path as it was asked for, see syscall/argument.h. */
struct asked_path {
	__u64 path;
	__s32 directory;
	__u32 pad;
};

/* What a system call that opens was asked for besides, see file/open.h. */
struct open_arguments {
	__u64 how; /* openat2: where the structure is */
	__u32 flags;
	__u32 mode;
	__u32 is_flags_known;
	__u32 pad;
};

/* State of a digest, see syscall/argument.h. */
struct digest {
	__u64 value;
	__u32 position;
	__u32 len;
};

/* State of the search for a script that is being closed, see process/exec.h. */
struct closing_walk {
	__u64 work;
	__u64 file;
	__u64 name; /* what was asked for, in the kernel's copy; 0 = no script */
};

/* The beginning of a kernel structure, read at once because every read is a call. */
struct first_bytes {
	__u64 words[18];
};

/*
 * Name of the file system of a type and magic number, so that it need not be read for every file. Types live as long
 * as their module; should another one take the place of one that was unloaded, its magic number tells.
 */
struct filesystem_name {
	__u64 type;
	__u64 magic;
	__u64 name[FILESYSTEM_BYTES / 8];
};

#define FILESYSTEM_SLOTS 16

/*
 * What does not fit on the stack of 512 bytes, and the record. The callbacks of bpf_loop get it through a pointer on
 * the stack, because they may get nothing else.
 */
struct scratch {
	__u64 level;
	struct walk walk;
	struct place from;
	struct strings_of_exec lists;
	struct strings_walk strings;
	struct strings_sent args;
	struct strings_sent envs;
	struct closing_walk closing;
	struct digest digest;
	struct call_arguments call;
	struct asked_path asked;
	struct open_arguments open;
	struct first_bytes inode;
	struct first_bytes super_block;
	struct first_bytes file;
	__u64 file_at;    /* a file as a number */
	__u64 inode_at;   /* and an inode */
	__u32 file_flags; /* f_flags of the file that was described last, see fill_file_at */
	__u32 pad;
	struct filesystem_name filesystems[FILESYSTEM_SLOTS];
	__u8 record[RECORD_BYTES + RECORD_TAIL_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_LEVELS);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline bool take_level(struct cpu_counters *here, __u32 level)
{
	__u64 bit = 1ULL << level;

	if (is_preemptible)
		return !(__sync_fetch_and_or(&here->taken, bit) & bit);
	if (here->taken & bit)
		return false;
	here->taken |= bit;
	return true;
}

/*
 * The number of a piece that is now the caller's, or SCRATCH_LEVELS. Not static, so that the verifier looks at what
 * follows once and not for each number.
 */
__noinline int take_free_level(void)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);

	_Static_assert(SCRATCH_LEVELS == 4, "each level is tried");
	if (!here)
		return SCRATCH_LEVELS;
	return take_level(here, 0) ? 0 : take_level(here, 1) ? 1 : take_level(here, 2) ? 2 : take_level(here, 3) ? 3 : 4;
}

/* Scratch that no other program on this CPU uses, or NULL. Give it back on every path. */
static __always_inline struct scratch *find_scratch(void)
{
	__u32 level = take_free_level();
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &level);

	if (scratch)
		scratch->level = level;
	return scratch;
}

/* The same for an event, which is lost (counted) without. */
static __always_inline struct scratch *take_scratch(enum event_kind kind, __u64 cgroup)
{
	struct scratch *scratch = find_scratch();

	if (!scratch)
		count_lost(LOSS_KERNEL_BUSY, kind, cgroup);
	return scratch;
}

static __always_inline void give_back(struct scratch *scratch)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);
	__u64 bit = 1ULL << (scratch->level & 63);

	if (!here)
		return;
	if (is_preemptible)
		__sync_fetch_and_and(&here->taken, ~bit);
	else
		here->taken &= ~bit;
}
