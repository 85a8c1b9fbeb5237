/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/cgroup_mkdir and cgroup_rmdir: run when a cgroup is made or removed, in any hierarchy, before a task can be
 * in it or after the last has left. A child of a watched cgroup is watched; a child of an ignored one is undecided,
 * because a container's cgroup is made inside one that is none.
 */
#pragma once

static __always_inline __u64 id_of_cgroup(struct cgroup *cgroup)
{
	return cgroup->root->hierarchy_id ? id_of_v1(cgroup) : cgroup->kn->id;
}

static __always_inline __u64 id_of_parent(struct cgroup *cgroup)
{
	return cgroup->level ? id_of_cgroup(cgroup->self.parent->cgroup) : 0;
}

#define EEXIST 17

static __always_inline void inherit_scope(__u64 id, __u64 parent)
{
	struct cgroup_decision *decision = bpf_map_lookup_elem(&decisions, &parent);
	long error;

	if (!decision || decision->scope != SCOPE_WATCH)
		return;
	error = bpf_map_update_elem(&decisions, &id, decision, BPF_NOEXIST);
	if (error && error != -EEXIST)
		count_undecided();
}

static __always_inline void forget_scope(__u64 id)
{
	__u32 slot = cache_slot(id);
	__u64 *cached = bpf_map_lookup_elem(&decided, &slot);

	if (cached && *cached >> 1 == (id & ~CGROUP_V1))
		*cached = 0;
	bpf_map_delete_elem(&decisions, &id);
}

static __always_inline void report_cgroup(struct cgroup *cgroup, enum event_kind kind, const char *path, __u64 id,
					  __u64 parent)
{
	struct scratch *scratch = take_scratch(kind, 0);
	struct cgroup_event *event;
	long length;

	if (!scratch)
		return;
	event = (void *)scratch->record;
	event->id = id;
	event->parent_id = parent;
	event->hierarchy = cgroup->root->hierarchy_id;
	length = bpf_probe_read_kernel_str(event + 1, PATH_MAX_BYTES, path);
	event->path_len = length > 0 ? length - 1 : 0;
	fill_header(&event->header, kind, sizeof(*event) + event->path_len);
	send(never_drop, kind, 0, event, (sizeof(*event) + event->path_len) & (RECORD_BYTES - 1));
	give_back(scratch);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	__u64 id = id_of_cgroup(cgroup), parent = id_of_parent(cgroup);

	inherit_scope(id, parent);
	report_cgroup(cgroup, EVENT_CGROUP_MADE, path, id, parent);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
	__u64 id = id_of_cgroup(cgroup);

	forget_scope(id);
	report_cgroup(cgroup, EVENT_CGROUP_GONE, path, id, id_of_parent(cgroup));
	return 0;
}
