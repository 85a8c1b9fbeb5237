/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bind; a handler of syscall/dispatch.h.
 *
 * A success is told by the socket: the port that was asked for as 0 is the one that the kernel chose. After a failure the
 * argument as it is now is all there is; the record says so.
 *
 * Misses: io_uring, and socketcall(2), through which i386 programs older than 4.3 bind.
 */
#pragma once

/* Not attached: on_sys_exit goes on here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_bind, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bind_event *event;
	struct scratch *scratch;
	__u64 cgroup = take_cgroup(task);
	__u32 size;

	count_generated(EVENT_BIND);
	scratch = take_scratch(EVENT_BIND, cgroup);
	if (!scratch)
		return 0;
	event = (void *)scratch->record;
	fill_task(&event->task, task, cgroup, false);
	read_arguments(&scratch->call, regs, task);
	size = fill_socket_call(scratch, &event->call, sizeof(*event), result ? OF_ARGUMENT : OF_SOCKET);
	event->call.retval = result_of(result);
	fill_header(&event->header, EVENT_BIND, size);
	send(bulk, EVENT_BIND, cgroup, event, size & (RECORD_BYTES - 1));
	give_back(scratch);
	return 0;
}
