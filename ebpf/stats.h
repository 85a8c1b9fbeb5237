/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exact accounting. Every event in scope is counted as generated once, and once more as lost if it does not reach its
 * ring; both on this CPU's own counters. What is lost is counted for its cgroup too.
 */
#pragma once

/* Whether another program can run on this CPU before this one ends; the counters then need atomic instructions. */
const volatile bool is_preemptible = false;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_counters);
} counters SEC(".maps");

static __always_inline void add(__u64 *counter, __u64 number)
{
	if (is_preemptible)
		__sync_fetch_and_add(counter, number);
	else
		*counter += number;
}

/* The place of a kind in tables and masks. */
static __always_inline __u32 slot_of(enum event_kind kind)
{
	return kind < EVENT_KINDS ? kind : 0;
}

static __always_inline void count_generated(enum event_kind kind)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);

	if (here)
		add(&here->generated[slot_of(kind)], 1);
}

static __always_inline void count_undecided(void)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);

	if (here)
		add(&here->undecided, 1);
}

/* Adds to what this CPU has sent, and says whether that crossed a multiple of `mark`, a power of two. */
static __always_inline bool crosses_mark(__u32 ring, __u64 size, __u64 mark)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);
	__u64 before;

	if (!here)
		return true;
	before = here->sent_bytes[ring];
	add(&here->sent_bytes[ring], size);
	return (before ^ (before + size)) & ~(mark - 1);
}

/*
 * What each cgroup lost, touched only when something is lost. User space makes the entry of cgroup 0, which takes what
 * belongs to nobody else because there is no room for more cgroups.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LOSS_CGROUPS);
	__type(key, __u64);
	__type(value, struct cgroup_losses);
} losses SEC(".maps");

/* The first value of an entry. */
const struct cgroup_losses no_losses = {};

/* Not static, so that the verifier looks at it once and not at every place from which it is called. */
__noinline int count_for_cgroup(__u64 cgroup, __u32 cause, __u32 kind)
{
	struct cgroup_losses *of_cgroup = bpf_map_lookup_elem(&losses, &cgroup);
	__u64 nobody = 0;
	__u32 index;

	if (!of_cgroup) {
		/* Should another CPU be faster, its entry is the one that is found. */
		bpf_map_update_elem(&losses, &cgroup, &no_losses, BPF_NOEXIST);
		of_cgroup = bpf_map_lookup_elem(&losses, &cgroup);
	}
	if (!of_cgroup)
		of_cgroup = bpf_map_lookup_elem(&losses, &nobody);
	index = cause * EVENT_KINDS + kind;
	barrier_var(index);
	if (of_cgroup && index < LOSS_CAUSES * EVENT_KINDS)
		__sync_fetch_and_add(&of_cgroup->lost[index], 1);
	return 0;
}

static __always_inline void count_lost(enum loss_cause cause, enum event_kind kind, __u64 cgroup)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);

	if (here)
		add(&here->lost[cause * EVENT_KINDS + slot_of(kind)], 1);
	/* Other records are not events, and nobody's loss. */
	if (kind < EVENT_KINDS)
		count_for_cgroup(cgroup, cause, kind);
}
