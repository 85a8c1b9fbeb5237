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
	__u64 cgroup = take_cgroup(task);
	struct scratch *scratch = begin_call(task, regs, EVENT_RENAME, cgroup, false);
	struct rename_event *event;
	__u32 size;

	if (scratch) {
		event = (void *)scratch->record;
		__builtin_memset(&event->file, 0, 2 * sizeof(event->file));
		begin_walks(scratch, task);
		event->flags = scratch->call.call == CALL_RENAMEAT2 && !scratch->call.is_compat ? regs->r8 : 0;
		event->retval = result_of(result);
		size = fill_noted(scratch, &event->file, sizeof(*event), 0);
		if (size <= RECORD_BYTES - 2 * PATH_MAX_BYTES)
			size = fill_noted(scratch, &event->destination, size, 1);
		else
			event->destination.path_state = PATH_UNREADABLE;
		end_call(scratch, EVENT_RENAME, cgroup, size);
	}
	forget_call();
	return 0;
}
