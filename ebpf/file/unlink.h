/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unlink, unlinkat and rmdir; a handler of syscall/dispatch.h.
 *
 * What was removed is gone when this runs, so the path is the one that was asked for, compared with what was noted at the
 * beginning of the call (syscall/argument.h), and nothing else is known of the object.
 *
 * Misses: io_uring, and files that a file system removes by itself.
 */
#pragma once

#define AT_REMOVEDIR 0x200

/* Not attached: on_sys_exit goes on here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_unlink_noted, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cgroup = take_cgroup(task);
	struct scratch *scratch = begin_call(task, regs, EVENT_UNLINK, cgroup, false);
	struct unlink_event *event;
	__u32 call, size;

	if (scratch) {
		event = (void *)scratch->record;
		__builtin_memset(&event->file, 0, sizeof(event->file));
		begin_walks(scratch, task);
		call = scratch->call.call;
		event->flags = call == CALL_RMDIR ? AT_REMOVEDIR : call == CALL_UNLINKAT ? scratch->call.at[2] : 0;
		event->retval = result_of(result);
		size = fill_noted(scratch, &event->file, sizeof(*event), 0);
		end_call(scratch, EVENT_UNLINK, cgroup, size);
	}
	forget_call();
	return 0;
}
