/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/cgroup_attach_task: runs when a process was moved into another cgroup, whoever moved it. One that comes into the
 * scope this way began outside, so nothing of it was reported: it is told of as in a snapshot, before what it does next.
 *
 * Misses: arguments and environment, as in a snapshot; a single thread that is moved (threaded cgroups).
 */
#pragma once

/* A process that came into scope. Not inlined, because the verifier has looked at what is in it once. */
static __noinline void tell_of(struct task_struct *task, __u64 cgroup)
{
	struct scratch *scratch = take_scratch(EVENT_KNOWN, cgroup);
	__u32 size;

	if (!scratch)
		return;
	size = fill_known(scratch, task, cgroup) & (RECORD_BYTES - 1);
	send(never_drop, EVENT_KNOWN, cgroup, scratch->record, size);
	give_back(scratch);
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_cgroup_attach, struct cgroup *destination, const char *path, struct task_struct *task)
{
	__u64 cgroup;

	/* In the scope of a whole host everything was known already. */
	if (scope_mode == SCOPE_HOST || !is_living(task) || !in_scope(task, EVENT_KNOWN, &cgroup, false))
		return 0;
	tell_of(task, cgroup);
	return 0;
}
