/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory in which records are built, one per CPU. Programs of a CPU do not interrupt each other today; the mark
 * makes a kernel where they do a counted loss instead of a mixed record.
 */
#pragma once

/*
 * RECORD_BYTES is a power of two, so that a position can be bounded with a mask; the tail takes what is written at the
 * last position.
 */
#define RECORD_BYTES 16384
#define RECORD_TAIL_BYTES PATH_MAX_BYTES

/* Neighbours in struct mount and struct dentry, each read at once. The order is that of all kernels since 3.3. */
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
	__u64 inline_name[INLINE_NAME_BYTES / 8]; /* at least so long on all kernels */
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

/* State of sending arguments or environment, see args.h. */
struct strings_walk {
	__u64 exec_id;
	__u64 next;
	__u64 end;
	__u32 sent;
	__u32 flags;
	__u32 list;
	__u32 pad;
};

/* State of the search for a script that is being closed, see process/exec.h. */
struct closing_walk {
	__u64 work;
	__u64 file;
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
	__u64 is_busy;
	struct walk walk;
	struct strings_walk strings;
	struct closing_walk closing;
	struct first_bytes inode;
	struct first_bytes super_block;
	struct first_bytes file;
	struct filesystem_name filesystems[FILESYSTEM_SLOTS];
	__u8 record[RECORD_BYTES + RECORD_TAIL_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* This CPU's scratch, or NULL (counted) while another program on this CPU uses it. Give it back on every path. */
static __always_inline struct scratch *take_scratch(enum event_kind kind)
{
	__u32 zero = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);

	if (scratch && !scratch->is_busy) {
		scratch->is_busy = 1;
		return scratch;
	}
	count_lost(LOSS_KERNEL_BUSY, kind);
	return 0;
}

static __always_inline void give_back(struct scratch *scratch)
{
	scratch->is_busy = 0;
}
