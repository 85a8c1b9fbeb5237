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
	struct unlink_event *event;
	struct scratch *scratch;
	__u64 cgroup = take_cgroup(task);
	__u32 call, size;

	count_generated(EVENT_UNLINK);
	scratch = take_scratch(EVENT_UNLINK, cgroup);
	if (scratch) {
		event = (void *)scratch->record;
		__builtin_memset(&event->file, 0, sizeof(event->file));
		begin_walks(scratch, task);
		fill_task(&event->task, task, cgroup, false);
		read_arguments(&scratch->call, regs, task);
		call = scratch->call.call;
		event->flags = call == CALL_RMDIR ? AT_REMOVEDIR : call == CALL_UNLINKAT ? scratch->call.at[2] : 0;
		event->retval = result_of(result);
		size = fill_noted(scratch, &event->file, sizeof(*event), 0);
		fill_header(&event->header, EVENT_UNLINK, size);
		send(bulk, EVENT_UNLINK, cgroup, event, size & (RECORD_BYTES - 1));
		give_back(scratch);
	}
	forget_call();
	return 0;
}
