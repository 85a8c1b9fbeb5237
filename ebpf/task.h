/* SPDX-License-Identifier: GPL-2.0 */
/* The acting task: identity, credentials, namespaces. */
#pragma once

#define PF_KTHREAD 0x00200000

/* Eight bytes of a text at once. */
typedef __u64 __attribute__((may_alias)) words;

static __always_inline void fill_capabilities(struct task_context *out, const struct cred *cred)
{
	if (bpf_core_field_exists(cred->cap_effective.val)) {
		out->cap_effective = cred->cap_effective.val;
		out->cap_permitted = cred->cap_permitted.val;
	} else {
		struct cred___words *words = (void *)cred;

		out->cap_effective = words->cap_effective.cap[0] | (__u64)words->cap_effective.cap[1] << 32;
		out->cap_permitted = words->cap_permitted.cap[0] | (__u64)words->cap_permitted.cap[1] << 32;
	}
}

/*
 * The pid namespace in which the task has its innermost pid; it never changes. The one for its children is a descendant
 * or the same, so it is the same if it is as deep. Only the task's own is at a place that is not constant.
 */
static __always_inline __u32 pid_namespace_of(struct task_struct *task, struct nsproxy *namespaces)
{
	struct pid_namespace *of_children = namespaces->pid_ns_for_children;
	struct pid_namespace *namespace = 0;
	struct pid *pid = task->thread_pid;
	__u32 level = pid->level, inum = 0, known, offset;

	if (of_children && of_children->level == level) {
		known = of_children->ns.inum;
		/* Keeps the compiler from sharing one load with the other branch: the pointers differ in kind. */
		barrier_var(known);
		return known;
	}
	/* At most 32 levels of 16 bytes; the mask tells the verifier of 6.1, which does not bound a product. */
	offset = level * bpf_core_type_size(struct upid) & 511;
	bpf_probe_read_kernel(&namespace, sizeof(namespace),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) + offset +
				      bpf_core_field_offset(struct upid, ns));
	bpf_probe_read_kernel(&inum, sizeof(inum),
			      (void *)namespace + bpf_core_field_offset(struct pid_namespace, ns.inum));
	return inum;
}

/*
 * For each pointer that is loaded from the task itself the verifier of 6.18 searches all types of the kernel, for what a
 * helper copies it does not. `is_typed` says that the time of the kernel matters more than that of the start.
 */
static __always_inline void fill_relatives(struct task_context *out, struct task_struct *task, bool is_typed)
{
	if (is_typed) {
		out->start_ns = task->group_leader->start_boottime;
		out->ppid = task->real_parent->tgid;
	} else {
		BPF_CORE_READ_INTO(&out->start_ns, task, group_leader, start_boottime);
		BPF_CORE_READ_INTO(&out->ppid, task, real_parent, tgid);
	}
}

/* When the parent process began; with its pid that is its key. */
static __always_inline __u64 parent_start(struct task_struct *task)
{
	return BPF_CORE_READ(task, real_parent, group_leader, start_boottime);
}

static __always_inline void fill_task(struct task_context *out, struct task_struct *task, __u64 cgroup, bool is_typed)
{
	const struct cred *cred = task->cred;
	struct nsproxy *namespaces = task->nsproxy;

	fill_relatives(out, task, is_typed);
	out->cgroup_id = cgroup;
	fill_capabilities(out, cred);
	out->tgid = task->tgid;
	out->tid = task->pid;
	out->uid = cred->uid.val;
	out->gid = cred->gid.val;
	out->euid = cred->euid.val;
	out->egid = cred->egid.val;
	out->fsuid = cred->fsuid.val;
	out->fsgid = cred->fsgid.val;
	out->mnt_ns = namespaces->mnt_ns->ns.inum;
	out->pid_ns = pid_namespace_of(task, namespaces);
	out->net_ns = namespaces->net_ns->ns.inum;
	out->user_ns = cred->user_ns->ns.inum;
	out->pad = 0;
	((words *)out->comm)[0] = *(words *)&task->comm[0];
	((words *)out->comm)[1] = *(words *)&task->comm[8];
}

/*
 * The file of a descriptor of the current task as a bare address; 0 if there is none. Not static, so that the verifier
 * looks at it once and not on every way that leads to it.
 */
__noinline __u64 file_of_descriptor(__u32 descriptor)
{
	struct fdtable *table = bpf_get_current_task_btf()->files->fdt;
	__u64 file = 0;

	if (descriptor < table->max_fds)
		bpf_probe_read_kernel(&file, sizeof(file), (void *)table->fd + (__u64)descriptor * sizeof(file));
	return file;
}

static __always_inline void fill_tty(__u8 *out, struct task_struct *task)
{
	struct tty_struct *tty = task->signal->tty;

	__builtin_memset(out, 0, TTY_BYTES);
	if (tty)
		bpf_probe_read_kernel_str(out, TTY_BYTES, tty->name);
}
