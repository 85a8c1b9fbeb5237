/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exact accounting. Every event in scope is counted as generated once, and once more as lost if it does not reach its
 * ring; both on this CPU's own counters.
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

static __always_inline void count_generated(enum event_kind kind)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);

	if (here)
		add(&here->generated[kind], 1);
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

static __always_inline void count_lost(enum loss_cause cause, enum event_kind kind)
{
	__u32 zero = 0;
	struct cpu_counters *here = bpf_map_lookup_elem(&counters, &zero);

	if (here)
		add(&here->lost[cause * EVENT_KINDS + kind], 1);
}
