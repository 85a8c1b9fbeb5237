/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/sched_process_fork: runs in the caller before the child does, when everything of the child is set up. Threads
 * are not reported. The parent is the child's real_parent, which is not the caller with CLONE_PARENT.
 *
 * Misses: processes the kernel makes for itself (PF_KTHREAD).
 */
#pragma once

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *caller, struct task_struct *child)
{
	struct fork_event event = {};
	__u64 cgroup, of_caller;

	if (child->pid != child->tgid || child->flags & PF_KTHREAD || !in_scope(child, EVENT_FORK, &cgroup, false))
		return 0;
	/* Begun in a cgroup of the scope by one outside (CLONE_INTO_CGROUP): what it runs was never reported. */
	if (!in_scope(caller, EVENT_KNOWN, &of_caller, false))
		tell_of(child, cgroup);
	count_generated(EVENT_FORK);
	fill_header(&event.header, EVENT_FORK, sizeof(event));
	fill_task(&event.task, child, cgroup, false);
	event.parent_start_ns = parent_start(child);
	send(never_drop, EVENT_FORK, cgroup, &event, sizeof(event));
	return 0;
}
