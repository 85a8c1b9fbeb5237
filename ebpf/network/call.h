/* SPDX-License-Identifier: GPL-2.0 */
/* What calls have in common that give a socket an address; handlers of syscall/dispatch.h. */
#pragma once

_Static_assert(sizeof(struct bind_event) == sizeof(struct connect_event), "one layout for both");

#define EINPROGRESS 115

/* `of` says what tells the address once it is done; a connection that is being made has its peer already. */
static __always_inline void report_socket_call(struct pt_regs *regs, long result, enum event_kind kind,
					       enum address_of of)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cgroup = take_cgroup(task);
	struct scratch *scratch = begin_call(task, regs, kind, cgroup, false);
	struct connect_event *event;
	__u32 size;

	if (!scratch)
		return;
	event = (void *)scratch->record;
	if (result && result != -EINPROGRESS)
		of = OF_ARGUMENT;
	size = fill_socket_call(scratch, &event->call, sizeof(*event), of);
	event->call.retval = result_of(result);
	end_call(scratch, kind, cgroup, size);
}
