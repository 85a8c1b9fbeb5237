/* SPDX-License-Identifier: GPL-2.0 */
/*
 * connect; a handler of syscall/dispatch.h.
 *
 * A success, and a connection that is being made (EINPROGRESS), are told by the peer that the socket has. AF_UNSPEC takes
 * the peer away and is reported as what is left, an address of zeros. After a failure the argument as it is now is all
 * there is; the record says so. Of a unix socket the peer's name is as the peer bound it, and a socket that lost its
 * peer meanwhile is told by the argument.
 *
 * Misses: io_uring, sendto(2) to an address, TCP Fast Open, and socketcall(2), through which i386 programs older than
 * 4.3 connect.
 */
#pragma once

#define EINPROGRESS 115

/* Not attached: on_sys_exit goes on here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_connect, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct connect_event *event;
	struct scratch *scratch;
	__u64 cgroup = take_cgroup(task);
	__u32 size;

	count_generated(EVENT_CONNECT);
	scratch = take_scratch(EVENT_CONNECT, cgroup);
	if (!scratch)
		return 0;
	event = (void *)scratch->record;
	fill_task(&event->task, task, cgroup, false);
	read_arguments(&scratch->call, regs, task);
	size = fill_socket_call(scratch, &event->call, sizeof(*event), !result || result == -EINPROGRESS ? OF_PEER : OF_ARGUMENT);
	event->call.retval = result_of(result);
	fill_header(&event->header, EVENT_CONNECT, size);
	send(bulk, EVENT_CONNECT, cgroup, event, size & (RECORD_BYTES - 1));
	give_back(scratch);
	return 0;
}
