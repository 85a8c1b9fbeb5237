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
	struct rename_event *event;
	struct scratch *scratch;
	__u64 cgroup = take_cgroup(task);
	__u32 size;

	count_generated(EVENT_RENAME);
	scratch = take_scratch(EVENT_RENAME, cgroup);
	if (scratch) {
		event = (void *)scratch->record;
		__builtin_memset(&event->file, 0, 2 * sizeof(event->file));
		begin_walks(scratch, task);
		fill_task(&event->task, task, cgroup, false);
		read_arguments(&scratch->call, regs, task);
		event->flags = scratch->call.call == CALL_RENAMEAT2 && !scratch->call.is_compat ? regs->r8 : 0;
		event->retval = result_of(result);
		size = fill_noted(scratch, &event->file, sizeof(*event), 0);
		if (size <= RECORD_BYTES - 2 * PATH_MAX_BYTES)
			size = fill_noted(scratch, &event->destination, size, 1);
		else
			event->destination.path_state = PATH_UNREADABLE;
		fill_header(&event->header, EVENT_RENAME, size);
		send(bulk, EVENT_RENAME, cgroup, event, size & (RECORD_BYTES - 1));
		give_back(scratch);
	}
	forget_call();
	return 0;
}
