/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which tasks are watched. User space decides per cgroup; a descendant of a watched cgroup is watched from its first
 * instruction on, because the decision is inherited here.
 */
#pragma once

#define CGROUP_V1 (1ULL << 63)

const volatile __u32 scope_mode = SCOPE_CGROUP;

/* Bit n: the n-th controller of V1_CONTROLLERS is in a v1 hierarchy. 0 on hosts with cgroup v2 only. */
const volatile __u32 v1_controllers = 0;

/* Cgroup id to decision. Memory is taken as it is needed, because most hosts have a few hundred cgroups. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_CGROUPS);
	__type(key, __u64);
	__type(value, struct cgroup_decision);
} decisions SEC(".maps");

/*
 * The last decision per slot: id << 1 | watched, for decisions about all kinds at once. User space writes an entry with
 * each such decision; the programs add only "ignore" in a scope of one cgroup, where nobody decides anything later.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCOPE_CACHE_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} decided SEC(".maps");

static __always_inline __u64 make_id_of_v1(__u64 hierarchy, __u64 id)
{
	return CGROUP_V1 | (hierarchy & 0x7fff) << 48 | (id & ((1ULL << 48) - 1));
}

static __always_inline __u64 id_of_v1(struct cgroup *cgroup)
{
	return make_id_of_v1(cgroup->root->hierarchy_id, cgroup->kn->id);
}

/* The cgroup of one controller. The index is known only to the running kernel, hence the arithmetic. */
static __always_inline __u64 cgroup_of(struct css_set *set, __u64 controller, bool is_typed)
{
	void *slot = (void *)set + bpf_core_field_offset(struct css_set, subsys) + controller * sizeof(void *);
	struct cgroup_subsys_state *state = 0;
	struct cgroup *cgroup;

	if (is_typed) {
		state = *(struct cgroup_subsys_state **)slot;
		cgroup = state->cgroup;
		return cgroup->level ? id_of_v1(cgroup) : 0;
	}
	bpf_probe_read_kernel(&state, sizeof(state), slot);
	cgroup = BPF_CORE_READ(state, cgroup);
	if (!BPF_CORE_READ(cgroup, level))
		return 0;
	return make_id_of_v1(BPF_CORE_READ(cgroup, root, hierarchy_id), BPF_CORE_READ(cgroup, kn, id));
}

#define TRY_V1(bit, name)                                                                                       \
	if (!id && mask & (1 << (bit)) && bpf_core_enum_value_exists(enum cgroup_subsys_id, name))              \
		id = cgroup_of(set, bpf_core_enum_value(enum cgroup_subsys_id, name), is_typed);

/*
 * The cgroup that stands for a task: that of cgroup v2, unless it is the root and a v1 hierarchy says more, as on
 * hybrid hosts. The order of the controllers is that of services/probe/src/bpf/scope.rs. `is_typed` is as in task.h.
 */
static __always_inline __u64 cgroup_id(struct task_struct *task, bool is_typed)
{
	struct css_set *set = task->cgroups;
	struct cgroup *cgroup = set->dfl_cgrp;
	__u64 id = 0, any = epoch;
	__u32 mask = v1_controllers;

	if (mask && !cgroup->level) {
		TRY_V1(0, pids_cgrp_id)
		TRY_V1(1, memory_cgrp_id)
		TRY_V1(2, cpu_cgrp_id)
		TRY_V1(3, devices_cgrp_id)
		TRY_V1(4, cpuset_cgrp_id)
		TRY_V1(5, freezer_cgrp_id)
	}
	if (!id)
		id = cgroup->kn->id;
	if (mask) {
		/* The verifier forgets what it knows of an id; else it looks at what follows for ids of v2 and of v1. */
		id ^= any;
		barrier_var(id);
		id ^= any;
	}
	return id;
}

static __always_inline __u32 cache_slot(__u64 id)
{
	return (id ^ (id >> 48)) & (SCOPE_CACHE_SLOTS - 1);
}

/* Whether events of this kind are reported from this cgroup. */
static __always_inline bool is_watched(__u64 id, enum event_kind kind)
{
	__u32 slot = cache_slot(id);
	__u64 *cached = bpf_map_lookup_elem(&decided, &slot);
	struct cgroup_decision *decision;

	if (cached && *cached >> 1 == (id & ~CGROUP_V1))
		return *cached & 1;
	decision = bpf_map_lookup_elem(&decisions, &id);
	if (decision)
		return decision->scope == SCOPE_WATCH && decision->kinds >> slot_of(kind) & 1;
	if (scope_mode == SCOPE_CONTAINERS)
		return true;
	if (cached)
		*cached = id << 1;
	return false;
}

/* Whether events of this kind are reported from the task; its cgroup goes to *id in any case. */
static __always_inline bool in_scope(struct task_struct *task, enum event_kind kind, __u64 *id, bool is_typed)
{
	*id = cgroup_id(task, is_typed);
	return scope_mode == SCOPE_HOST || is_watched(*id, kind);
}
