/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/sched_process_exec: runs in the task after its new image is in place, before that runs. Everything is read
 * from there: the file from mm->exe_file, arguments and environment from the new memory, which no other thread can
 * reach any more (exec has ended them; a process that shares the memory got none of the new one).
 *
 * A script has been closed by now. The kernel closes files when it returns to user space, so its struct file is still
 * in the list of that work, complete with dentry and inode: fput() of the last user puts the file's own callback_head in
 * front of task->task_works (fs/file_table.c, task_work_add() in kernel/task_work.c; it is f_rcuhead in 6.1.192 and
 * f_task_work in 6.12.117), and ____fput() takes it apart only when that work runs. The tracepoint comes before that, in
 * exec_binprm() (fs/exec.c).
 *
 * Misses: exec that fails.
 */
#pragma once

/* Set in f_flags of files that were opened to be executed. */
#define FMODE_EXEC 0x20
#define S_IFMT 0170000
#define S_IFREG 0100000

/* Files that wait to be closed are few; more work than this is not looked at. */
#define CLOSING_STEPS 64

static __always_inline __u64 work_offset_in_file(void)
{
	if (bpf_core_field_exists(struct file, f_task_work))
		return bpf_core_field_offset(struct file, f_task_work);
	if (bpf_core_field_exists(struct file___rcuhead, f_rcuhead))
		return bpf_core_field_offset(struct file___rcuhead, f_rcuhead);
	return bpf_core_field_offset(struct file___fu_rcuhead, f_u.fu_rcuhead);
}

/* The work may be of another kind. It is a file if what would be its dentry and inode agree with each other. */
static __always_inline bool is_closing_executable(struct scratch *scratch, __u64 file)
{
	struct first_bytes *block = &scratch->file;
	__u64 dentry = 0, inode = 0, inode_of_dentry = 0;
	__u32 flags = 0;
	__u16 mode = 0;

	if (bpf_probe_read_kernel(block, sizeof(*block), (void *)file))
		return false;
	READ_PART(flags, block, file, struct file, f_flags);
	READ_PART(inode, block, file, struct file, f_inode);
	READ_PART(dentry, block, file, struct file, f_path.dentry);
	if (!(flags & FMODE_EXEC))
		return false;
	bpf_probe_read_kernel(&mode, sizeof(mode), (void *)inode + bpf_core_field_offset(struct inode, i_mode));
	bpf_probe_read_kernel(&inode_of_dentry, sizeof(inode_of_dentry),
			      (void *)dentry + bpf_core_field_offset(struct dentry, d_inode));
	return inode && inode == inode_of_dentry && (mode & S_IFMT) == S_IFREG;
}

/* The newest work is first, and a script may be interpreted by a script: the one that was asked for is the last. */
static long closing_step(__u32 index, struct scratch **cell)
{
	struct scratch *scratch = *cell;
	struct closing_walk *walk = &scratch->closing;
	__u64 file = walk->work - work_offset_in_file();

	if (!walk->work)
		return 1;
	if (is_closing_executable(scratch, file))
		walk->file = file;
	if (bpf_probe_read_kernel(&walk->work, sizeof(walk->work),
				  (void *)walk->work + bpf_core_field_offset(struct callback_head, next)))
		return 1;
	return 0;
}

/* Reads what the search needs, once and not on every way to its use. */
static __always_inline void begin_closing(struct closing_walk *walk, struct task_struct *task, struct linux_binprm *bprm)
{
	const char *name = bprm->filename;

	/* Kept open when the interpreter gets the script as a descriptor (binfmt_misc). */
	walk->file = (__u64)bprm->executable;
	walk->work = (__u64)task->task_works;
	walk->name = name == bprm->interp ? 0 : (__u64)name;
}

/* The script; returns where the record ends. Not static, so that the verifier looks at it once. */
__noinline int fill_script(struct scratch *scratch, struct file_info *info, __u32 position)
{
	struct closing_walk *walk;
	char first = 0;
	long length;

	if (!scratch || !info)
		return position;
	walk = &scratch->closing;
	if (!walk->name)
		return position;
	if (!walk->file)
		bpf_loop(CLOSING_STEPS, closing_step, &scratch, 0);
	if (walk->file)
		return fill_file_at(scratch, info, walk->file, position);

	/* Only the name is left. */
	info->flags = FILE_PRESENT;
	bpf_probe_read_kernel(&first, sizeof(first), (void *)walk->name);
	find_directory(scratch, first == '/' ? OF_ROOT : AT_FDCWD);
	position = walk_at(scratch, info, position);
	info->path_state = PATH_ARGUMENT;
	length = bpf_probe_read_kernel_str(&scratch->record[position & (RECORD_BYTES - 1)], PATH_MAX_BYTES,
					   (void *)walk->name);
	if (length > 1) {
		info->argument_len = length - 1;
		position += length - 1;
	}
	return position;
}

static __always_inline void report_exec(struct scratch *scratch, struct task_struct *task, struct linux_binprm *bprm,
					__u64 cgroup)
{
	struct exec_event *event = (void *)scratch->record;
	struct strings_of_exec *lists = &scratch->lists;
	struct mm_struct *mm = task->mm;
	__u64 exec_id = bpf_ktime_get_boot_ns();
	__u32 size = sizeof(*event);

	lists->exec_id = exec_id;
	lists->cgroup = cgroup;
	lists->arg_start = mm->arg_start;
	lists->arg_end = mm->arg_end;
	lists->env_start = mm->env_start;
	lists->env_end = mm->env_end;
	send_lists(scratch);
	__builtin_memset(event, 0, sizeof(*event));
	begin_walks(scratch, task);
	scratch->file_at = (__u64)mm->exe_file;
	fill_task(&event->task, task, cgroup, false);
	event->exec_id = exec_id;
	event->parent_start_ns = parent_start(task);
	event->args_len = scratch->args.sent;
	event->envs_len = scratch->envs.sent;
	event->args_flags = scratch->args.flags;
	event->envs_flags = scratch->envs.flags;
	fill_tty(event->tty, task);
	begin_closing(&scratch->closing, task, bprm);
	/* A pointer becomes a number in memory; a global function takes nothing else. */
	size = fill_file_at(scratch, &event->executable, *(volatile __u64 *)&scratch->file_at, size);
	size = fill_script(scratch, &event->script, size);
	fill_header(&event->header, EVENT_EXEC, size);
	send(never_drop, EVENT_EXEC, cgroup, event, size & (RECORD_BYTES - 1));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct scratch *scratch;
	__u64 cgroup;

	if (!in_scope(task, EVENT_EXEC, &cgroup, false))
		return 0;
	count_generated(EVENT_EXEC);
	scratch = take_scratch(EVENT_EXEC, cgroup);
	if (!scratch)
		return 0;
	report_exec(scratch, task, bprm, cgroup);
	give_back(scratch);
	return 0;
}
