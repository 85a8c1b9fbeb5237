/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The open calls: open, openat, openat2, open_by_handle_at and creat; a handler of syscall/dispatch.h.
 *
 * A success is told by the file in the descriptor table, never by the path argument, which another thread may change
 * at any time. After a failure there is no file, and the argument as it is now is all there is; the record says so. A handle
 * is no path: of a failed open_by_handle_at nothing is told but that.
 *
 * Misses: files opened by io_uring, and descriptors that another thread closed before this ran (reported with the
 * argument).
 */
#pragma once

#define O_WRONLY 01
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_LARGEFILE 0100000
#define O_CLOEXEC 02000000
/* The kernel forgets these after the open. */
#define O_FORGOTTEN (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

/* What the call was asked for, whichever it was. */
static __always_inline void read_open(struct scratch *scratch)
{
	struct open_arguments *out = &scratch->open;
	const __u64 *at = scratch->call.at;
	__u32 call = scratch->call.call;

	out->is_flags_known = 1;
	scratch->asked.directory = AT_FDCWD;
	scratch->asked.path = at[0];
	if (call == CALL_OPEN) {
		out->flags = at[1];
		out->mode = at[2];
	} else if (call == CALL_CREAT) {
		out->flags = O_CREAT | O_WRONLY | O_TRUNC;
		out->mode = at[1];
	} else if (call == CALL_OPEN_BY_HANDLE) {
		/* Nothing is at this address, so there is no argument. */
		scratch->asked.path = 0;
		out->flags = at[2];
		out->mode = 0;
	} else {
		scratch->asked.directory = at[0];
		scratch->asked.path = at[1];
		out->flags = at[2];
		out->mode = at[3];
	}
	if (call == CALL_OPENAT2) {
		out->how = at[2];
		out->flags = 0;
		out->mode = 0;
		out->is_flags_known = 0;
	}
}

/*
 * The flags of openat2 are in user memory. What the kernel remembers of them is true; the bits it forgets (O_CLOEXEC
 * belongs to the descriptor) are taken from user memory only if the rest there still agrees. O_LARGEFILE is added by
 * the kernel itself.
 */
static __always_inline void read_how(struct open_arguments *arguments, __u32 file_flags, bool is_open)
{
	struct open_how how = {};

	if (bpf_probe_read_user(&how, sizeof(how), (void *)arguments->how)) {
		arguments->flags = file_flags & ~O_LARGEFILE;
		return;
	}
	if (is_open && ((how.flags ^ file_flags) & ~(__u64)(O_FORGOTTEN | O_LARGEFILE))) {
		arguments->flags = file_flags & ~O_LARGEFILE;
		return;
	}
	arguments->flags = how.flags;
	arguments->mode = how.mode;
}

/* The barrier keeps the compiler from computing the place, which would lose the type. */
#define PLACE(n)                                                                                                \
	case n:                                                                                                 \
		file = files->fd_array[n];                                                                      \
		barrier_var(file);                                                                              \
		break;
#define EIGHT_PLACES(n)                                                                                         \
	PLACE(n) PLACE(n + 1) PLACE(n + 2) PLACE(n + 3) PLACE(n + 4) PLACE(n + 5) PLACE(n + 6) PLACE(n + 7)

/* Whether the table is the one inside of files_struct, which serves processes with at most 64 descriptors. */
static __always_inline bool is_table_inside(struct files_struct *files)
{
	return (__u64)files->fdt->fd == (__u64)files + bpf_core_field_offset(struct files_struct, fd_array);
}

/*
 * The file of a descriptor in that table as a pointer of known type, or NULL. The verifier knows the type only there,
 * and only at constant places.
 */
static __always_inline struct file *typed_file_of_descriptor(struct files_struct *files, __u32 descriptor)
{
	struct file *file = 0;

	switch (descriptor) {
		EIGHT_PLACES(0)
		EIGHT_PLACES(8)
		EIGHT_PLACES(16)
		EIGHT_PLACES(24)
		EIGHT_PLACES(32)
		EIGHT_PLACES(40)
		EIGHT_PLACES(48)
		EIGHT_PLACES(56)
	}
	return file;
}

/* `result` is negative, or a descriptor. */
static __always_inline __u32 fill_opened(struct scratch *scratch, __u32 position, struct file_info *info,
					 struct task_struct *task, __s32 result)
{
	struct files_struct *files = task->files;
	struct file *file = 0;
	__u64 address = 0;
	__u32 flags = 0;

	/* One or the other: each place of the table would be a path of its own through what follows. */
	if (result >= 0 && is_table_inside(files))
		file = typed_file_of_descriptor(files, result);
	else if (result >= 0)
		address = file_of_descriptor(result);
	if (file)
		position = fill_file(scratch, position, info, file, &flags, true);
	else if (address)
		position = fill_file_at(scratch, info, address, position);
	else
		position = fill_argument(scratch, info, position);
	if (address)
		flags = scratch->file_flags;
	if (!scratch->open.is_flags_known)
		read_how(&scratch->open, flags, file || address);
	return position;
}

/* Not attached: on_sys_exit goes on here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_open, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cgroup = take_cgroup(task);
	struct scratch *scratch = begin_call(task, regs, EVENT_OPEN, cgroup, true);
	struct open_event *event;
	__u32 size = sizeof(*event);

	if (!scratch)
		return 0;
	event = (void *)scratch->record;
	read_open(scratch);
	__builtin_memset(&event->file, 0, sizeof(event->file));
	begin_walks(scratch, task);
	event->retval = result_of(result);
	/* Read back from memory, where the verifier loses it: else it verifies the rest once per descriptor. */
	size = fill_opened(scratch, size, &event->file, task, *(volatile __s32 *)&event->retval);
	event->flags = scratch->open.flags;
	event->mode = scratch->open.mode;
	event->pad = 0;
	end_call(scratch, EVENT_OPEN, cgroup, size);
	return 0;
}
