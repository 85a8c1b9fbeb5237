/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/sched_process_exit: runs for every thread that ends. One event per process, by the last thread.
 *
 * Since 6.16 the kernel says which one that is. Before, two threads that end at the same time can both find that no
 * thread is left, because each runs this some time after it was subtracted: do_exit() does atomic_dec_and_test() of
 * signal->live, then taskstats_exit(), perf_event_exit_task() and exit_mm(), then trace_sched_process_exit()
 * (kernel/exit.c, read in 6.1.192 and 6.12.117). So the first to mark the process reports it.
 *
 * The mark is a bit per pid, because setting it needs no memory and cannot fail. It is good for one life of a pid. Read in
 * kernel/exit.c, kernel/fork.c and fs/exec.c of 6.1.192, the oldest kernel that needs it:
 *
 * - A pid is given away only after its process was released, and that is after each of its threads ran this. A task is
 *   released by exit_notify() of its own, which do_exit() calls after the tracepoint, or by who waits for it, who finds it
 *   only as EXIT_ZOMBIE, which exit_notify() makes it. A leader is waited for only when the group is empty
 *   (delay_group_leader() in wait_consider_task()), and a thread leaves the group in its own release_task()
 *   (__exit_signal(), __unhash_process()).
 * - A new process takes the mark back from its pid before it can run, so before it can end: kernel_clone() passes
 *   trace_sched_process_fork() before wake_up_new_task(). create_io_thread() and vhost_task_create() (6.12) do not pass
 *   it, and make threads only (CLONE_THREAD), which have no mark.
 * - An exec by a thread gives it the pid of its leader: de_thread() kills the other threads and waits for the leader to
 *   be a zombie, then exchanges the pids and releases it. That ends nobody's process: the thread that execs was not
 *   subtracted from signal->live, so nobody found that none is left.
 * - A process that is older than the probe has a pid without a mark, as all have at the start.
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
	fill_task(&event.task, task, cgroup, false);
	event.code = exit_code_of(task);
	send(never_drop, EVENT_EXIT, cgroup, &event, sizeof(event));
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_group_dead, struct task_struct *task, bool is_last)
{
	__u64 cgroup;

	if (!is_last || task->flags & PF_KTHREAD || !in_scope(task, EVENT_EXIT, &cgroup, false))
		return 0;
	count_generated(EVENT_EXIT);
	report_exit(task, cgroup);
	return 0;
}

#define PIDS (4 << 20) /* PID_MAX_LIMIT */
#define PIDS_PER_WORD 64

/* One bit per pid. User space makes it as small as can be if nobody needs it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PIDS / PIDS_PER_WORD);
	__type(key, __u32);
	__type(value, __u64);
} exited SEC(".maps");

static __always_inline __u64 mark_of(__u32 pid)
{
	return 1ULL << (pid & (PIDS_PER_WORD - 1));
}

/* The word that holds the mark; NULL only for a pid that no kernel gives. */
static __always_inline __u64 *word_of(__u32 pid)
{
	__u32 index = pid / PIDS_PER_WORD;

	return bpf_map_lookup_elem(&exited, &index);
}

/* Goes with on_exit_count_threads, for every process of the machine: whose pid comes into the scope is not known yet. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_unmark, struct task_struct *caller, struct task_struct *child)
{
	__u32 pid = child->tgid;
	__u64 *word;

	if (child->pid != child->tgid)
		return 0;
	word = word_of(pid);
	if (word && *word & mark_of(pid))
		__sync_fetch_and_and(word, ~mark_of(pid));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_count_threads, struct task_struct *task)
{
	__u32 pid = task->tgid;
	__u64 cgroup, *word;

	if (task->signal->live.counter || task->flags & PF_KTHREAD || !in_scope(task, EVENT_EXIT, &cgroup, false))
		return 0;
	word = word_of(pid);
	if (word && __sync_fetch_and_or(word, mark_of(pid)) & mark_of(pid))
		return 0;
	count_generated(EVENT_EXIT);
	report_exit(task, cgroup);
	return 0;
}
