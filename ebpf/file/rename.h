/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rename, renameat and renameat2; a handler of syscall/dispatch.h.
 *
 * Both paths are those that were asked for, compared with what was noted at the beginning of the call
 * (syscall/argument.h): after a success the old name is gone, and the new one has no descriptor that would lead to it.
 *
 * The record has room for both paths unless the first takes nearly all that a path can take; the second is then
 * unreadable. Misses: io_uring; the flags of i386 callers of renameat2, which are in a register that is not read.
 */
#pragma once

/* Not attached: on_sys_exit goes on here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_rename_noted, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct call_arguments arguments;
	struct rename_event *event;
	struct noted_call *noted = noted_call();
	struct scratch *scratch;
	__u64 cgroup = cgroup_id(task);
	__u32 call = call_of(regs, task), size;

	count_generated(EVENT_RENAME);
	scratch = take_scratch(EVENT_RENAME, cgroup);
	if (scratch) {
		event = (void *)scratch->record;
		read_arguments(&arguments, regs, task);
		__builtin_memset(&event->file, 0, 2 * sizeof(event->file));
		begin_walks(scratch, task);
		fill_task(&event->task, task, cgroup);
		event->flags = call == CALL_RENAMEAT2 && !arguments.is_compat ? regs->r8 : 0;
		event->retval = result_of(result);
		size = fill_noted(scratch, sizeof(*event), &event->file, task, &arguments, call, 0, noted);
		if (size <= RECORD_BYTES - 2 * PATH_MAX_BYTES)
			size = fill_noted(scratch, size, &event->destination, task, &arguments, call, 1, noted);
		else
			event->destination.path_state = PATH_UNREADABLE;
		fill_header(&event->header, EVENT_RENAME, size);
		send(bulk, EVENT_RENAME, cgroup, event, size & (RECORD_BYTES - 1));
		give_back(scratch);
	}
	forget_call();
	return 0;
}
