/* SPDX-License-Identifier: GPL-2.0 */
/*
 * iter/task: runs once per task when user space reads the iterator, and writes one record per process in scope: all of
 * what is known of it (on_task), or only who it is (on_living). The first can be preempted, so it has memory of its own
 * instead of a CPU's; only one snapshot is taken at a time.
 *
 * Misses: arguments and environment, which are in another process's memory; user space reads them from /proc.
 */
#pragma once

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} snapshot_scratch SEC(".maps");

/* Whether this task stands for a process that has not ended. */
static __always_inline bool is_living(struct task_struct *task)
{
	return task->pid == task->tgid && !(task->flags & PF_KTHREAD) && task->signal->live.counter;
}

SEC("iter/task")
int on_living(struct bpf_iter__task *context)
{
	struct seq_file *seq = context->meta->seq;
	struct task_struct *task = context->task;
	struct living_process process = {};
	__u64 cgroup;

	if (!task || !is_living(task) || !in_scope(task, EVENT_KNOWN, &cgroup, false))
		return 0;
	process.start_ns = task->start_boottime;
	process.tgid = task->tgid;
	bpf_seq_write(seq, &process, sizeof(process));
	return 0;
}

/* All that is known of a process; gives the size of the record. */
static __always_inline __u32 fill_known(struct scratch *scratch, struct task_struct *task, __u64 cgroup)
{
	struct known_event *event = (void *)scratch->record;
	struct task_struct *parent = task->real_parent;
	__u32 size = sizeof(*event);
	__u64 of_parent;

	__builtin_memset(event, 0, sizeof(*event));
	fill_task(&event->task, task, cgroup, false);
	/* One outside is nobody's parent: nothing of it is reported. */
	if (in_scope(parent, EVENT_KNOWN, &of_parent, false))
		event->parent_start_ns = parent_start(task);
	fill_tty(event->tty, task);
	begin_walks(scratch, task);
	scratch->file_at = (__u64)task->mm->exe_file;
	if (scratch->file_at)
		/* As in process/exec.h. */
		size = fill_file_at(scratch, &event->executable, *(volatile __u64 *)&scratch->file_at, size);
	fill_header(&event->header, EVENT_KNOWN, size);
	return size;
}

SEC("iter/task")
int on_task(struct bpf_iter__task *context)
{
	struct seq_file *seq = context->meta->seq;
	struct task_struct *task = context->task;
	struct scratch *scratch;
	__u32 zero = 0, size;
	__u64 cgroup;

	if (!task || !is_living(task))
		return 0;
	if (!in_scope(task, EVENT_KNOWN, &cgroup, false))
		return 0;
	scratch = bpf_map_lookup_elem(&snapshot_scratch, &zero);
	if (!scratch)
		return 0;
	size = fill_known(scratch, task, cgroup);
	bpf_seq_write(seq, scratch->record, size & (RECORD_BYTES - 1));
	return 0;
}
