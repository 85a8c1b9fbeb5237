/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/sched_process_exit: runs for every thread that ends. One event per process, by the last thread.
 *
 * Since 6.16 the kernel says which one that is. Before, two threads that end at the same time can both find that no
 * thread is left (each runs this after it was subtracted), so the first to mark the process reports it.
 */
#pragma once

#define SIGNAL_GROUP_EXIT 4

/* What wait(2) reports: the code of the whole group if it was ended as one, else that of its leader. */
static __always_inline int exit_code_of(struct task_struct *task)
{
	struct signal_struct *signal = task->signal;

	return signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : task->group_leader->exit_code;
}

static __always_inline void report_exit(struct task_struct *task, __u64 cgroup)
{
	struct exit_event event = {};

	fill_header(&event.header, EVENT_EXIT, sizeof(event));
	fill_task(&event.task, task, cgroup);
	event.code = exit_code_of(task);
	send(never_drop, EVENT_EXIT, &event, sizeof(event));
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_group_dead, struct task_struct *task, bool is_last)
{
	__u64 cgroup;

	if (!is_last || task->flags & PF_KTHREAD || !in_scope(task, &cgroup))
		return 0;
	count_generated(EVENT_EXIT);
	report_exit(task, cgroup);
	return 0;
}

/* One mark per process; the kernel frees it with the task. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} exits SEC(".maps");

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_count_threads, struct task_struct *task)
{
	__u64 cgroup, *mark;

	if (task->signal->live.counter || task->flags & PF_KTHREAD || !in_scope(task, &cgroup))
		return 0;
	mark = bpf_task_storage_get(&exits, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (mark && __sync_fetch_and_add(mark, 1))
		return 0;
	count_generated(EVENT_EXIT);
	if (!mark) {
		/* No memory for the mark: whether the other thread reports it is not known, so say that it is lost. */
		count_lost(LOSS_KERNEL_BUSY, EVENT_EXIT);
		return 0;
	}
	report_exit(task, cgroup);
	return 0;
}
