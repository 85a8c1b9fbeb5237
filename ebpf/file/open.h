/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/sys_exit, the only hook for system calls: it runs after every one, so what is not an open leaves after a few
 * comparisons. open, openat, openat2 and creat, from 64-bit, x32 and 32-bit callers.
 *
 * A success is told by the file in the descriptor table, never by the path argument, which another thread may change
 * at any time. After a failure there is no file, and the argument as it is now is all there is; the record says so.
 *
 * Misses: files opened by io_uring, by handle, and descriptors that another thread closed before this ran (reported
 * with the argument).
 */
#pragma once

#define X32_SYSCALL_BIT 0x40000000
#define TS_COMPAT 2
#define AT_FDCWD (-100)

#define O_WRONLY 01
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_LARGEFILE 0100000
#define O_CLOEXEC 02000000
/* The kernel forgets these after the open. */
#define O_FORGOTTEN (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

#define EINTR 4
/* ERESTARTSYS and its relatives: the call was interrupted. User space never sees them. */
#define is_restart(error) ((error) <= -512 && (error) >= -516)

enum open_call { NOT_OPEN, OPEN, CREAT, OPENAT, OPENAT2 };

/* Numbers that mean an open for some kind of caller. */
static __always_inline bool may_be_open(__u32 nr)
{
	if (nr <= 8)
		return 1 << nr & (1 << 2 | 1 << 5 | 1 << 8);
	return nr == 257 || nr == 437 || nr == 85 || nr == 295;
}

/*
 * Not static, so that the verifier knows nothing of the result: else it verifies all that follows once for each number,
 * and looking up the types of the kernel's pointers each time takes longer than all the rest of the start.
 */
__noinline int open_call_of(__u32 nr, __u32 is_compat)
{
	if (nr == 437)
		return OPENAT2;
	if (is_compat)
		return nr == 5 ? OPEN : nr == 8 ? CREAT : nr == 295 ? OPENAT : NOT_OPEN;
	return nr == 2 ? OPEN : nr == 85 ? CREAT : nr == 257 ? OPENAT : NOT_OPEN;
}

static __always_inline void read_arguments(struct open_arguments *out, struct pt_regs *regs, int call,
					   bool is_compat)
{
	__u64 first = is_compat ? (__u32)regs->bx : regs->di;
	__u64 second = is_compat ? (__u32)regs->cx : regs->si;
	__u64 third = regs->dx;
	__u64 fourth = is_compat ? (__u32)regs->si : 0;

	out->is_flags_known = 1;
	out->directory = AT_FDCWD;
	out->path = first;
	if (call == OPEN) {
		out->flags = second;
		out->mode = third;
	} else if (call == CREAT) {
		out->flags = O_CREAT | O_WRONLY | O_TRUNC;
		out->mode = second;
	} else {
		out->directory = first;
		out->path = second;
		out->flags = third;
		out->mode = is_compat ? fourth : regs->r10;
	}
	if (call == OPENAT2) {
		out->how = is_compat ? (__u32)third : third;
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

static __always_inline __u64 file_of_descriptor(struct files_struct *files, __u32 descriptor)
{
	struct fdtable *table = files->fdt;
	__u64 file = 0;

	if (descriptor < table->max_fds)
		bpf_probe_read_kernel(&file, sizeof(file), (void *)table->fd + (__u64)descriptor * sizeof(file));
	return file;
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

/* The argument, after the directory that it is relative to. */
static __always_inline __u32 fill_argument(struct scratch *scratch, __u32 position, struct file_info *info,
					   struct task_struct *task, struct open_arguments *arguments)
{
	__u64 vfsmount = 0, dentry = 0, file;
	__u32 start = position;
	char first = 0;
	long length;

	bpf_probe_read_user(&first, sizeof(first), (void *)arguments->path);
	if (first != '/') {
		if (arguments->directory == AT_FDCWD) {
			vfsmount = (__u64)task->fs->pwd.mnt;
			dentry = (__u64)task->fs->pwd.dentry;
		} else {
			file = file_of_descriptor(task->files, arguments->directory);
			bpf_probe_read_kernel(&vfsmount, sizeof(vfsmount),
					      (void *)file + bpf_core_field_offset(struct file, f_path.mnt));
			bpf_probe_read_kernel(&dentry, sizeof(dentry),
					      (void *)file + bpf_core_field_offset(struct file, f_path.dentry));
		}
		if (dentry)
			position = walk_path(scratch, position, vfsmount, (void *)dentry, info, false);
		else
			info->flags |= FILE_NO_ROOT;
	}
	length = bpf_probe_read_user_str(&scratch->record[position & (RECORD_BYTES - 1)], PATH_MAX_BYTES,
					 (void *)arguments->path);
	if (length <= 0) {
		info->path_len = 0;
		info->path_state = PATH_UNREADABLE;
		return start;
	}
	info->path_state = PATH_ARGUMENT;
	info->argument_len = length - 1;
	if (length == PATH_MAX_BYTES)
		info->flags |= FILE_ARGUMENT_CUT;
	return position + length - 1;
}

/* `result` is negative, or a descriptor. */
static __always_inline __u32 fill_opened(struct scratch *scratch, __u32 position, struct file_info *info,
					 struct task_struct *task, struct open_arguments *arguments, __s32 result)
{
	struct files_struct *files = task->files;
	struct file *file = 0;
	__u64 address = 0;
	__u32 flags = 0;

	/* One or the other: each place of the table would be a path of its own through what follows. */
	if (result >= 0 && is_table_inside(files))
		file = typed_file_of_descriptor(files, result);
	else if (result >= 0)
		address = file_of_descriptor(files, result);
	if (file)
		position = fill_file(scratch, position, info, file, &flags, true);
	else if (address)
		position = fill_file(scratch, position, info, (void *)address, &flags, false);
	else
		position = fill_argument(scratch, position, info, task, arguments);
	if (!arguments->is_flags_known)
		read_how(arguments, flags, file || address);
	return position;
}

static __always_inline void report_open(struct scratch *scratch, struct task_struct *task, long result, __u64 cgroup)
{
	struct open_arguments *arguments = &scratch->arguments;
	struct open_event *event = (void *)scratch->record;
	__u32 size = sizeof(*event);

	__builtin_memset(&event->file, 0, sizeof(event->file));
	begin_walks(scratch, task);
	fill_task(&event->task, task, cgroup);
	event->retval = is_restart(result) ? -EINTR : result;
	/* Read back from memory, where the verifier loses it: else it verifies the rest once per descriptor. */
	size = fill_opened(scratch, size, &event->file, task, arguments, *(volatile __s32 *)&event->retval);
	event->flags = arguments->flags;
	event->mode = arguments->mode;
	event->pad = 0;
	fill_header(&event->header, EVENT_OPEN, size);
	send(bulk, EVENT_OPEN, cgroup, event, size & (RECORD_BYTES - 1));
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
	__u32 nr = (__u32)regs->orig_ax & ~X32_SYSCALL_BIT;
	struct task_struct *task;
	struct scratch *scratch;
	bool is_compat;
	__u64 cgroup;
	int call;

	if (!may_be_open(nr))
		return 0;
	task = bpf_get_current_task_btf();
	is_compat = task->thread_info.status & TS_COMPAT;
	call = open_call_of(nr, is_compat);
	if (call == NOT_OPEN || !in_scope(task, EVENT_OPEN, &cgroup))
		return 0;
	count_generated(EVENT_OPEN);
	scratch = take_scratch(EVENT_OPEN, cgroup);
	if (!scratch)
		return 0;
	read_arguments(&scratch->arguments, regs, call, is_compat);
	report_open(scratch, task, result, cgroup);
	give_back(scratch);
	return 0;
}
