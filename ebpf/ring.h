/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rings.
 *
 * A record is copied with its exact length. A CPU wakes the reader once per so many bytes that it has sent; below that
 * the reader's timer is soon enough, and a wake-up would cost more than the record. Counting what was sent, instead of
 * asking the ring what waits, keeps CPUs from reading each other's positions.
 */
#pragma once

/* The process lifecycle and cgroups: small, and every later event needs it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} never_drop SEC(".maps");

/*
 * Arguments and environment: large, and an exec is worth reporting without them. An exec sends them before its own
 * record, so whoever takes that record finds them here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} strings SEC(".maps");

/* Files: many, and each stands for itself. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} bulk SEC(".maps");

/* Powers of two; the ring divided by the number of CPUs, and then some. */
const volatile __u64 never_drop_mark = 1 << 17;
const volatile __u64 strings_mark = 1 << 17;
const volatile __u64 bulk_mark = 1 << 18;

enum { INDEX_OF_never_drop = RING_NEVER_DROP, INDEX_OF_bulk = RING_BULK, INDEX_OF_strings = RING_STRINGS };

static __always_inline void fill_header(struct event_header *header, enum event_kind kind, __u32 size)
{
	header->boot_ns = bpf_ktime_get_boot_ns();
	header->size = size;
	header->kind = kind;
	header->cpu = bpf_get_smp_processor_id();
}

/* The only way into a ring: what does not fit is counted. */
#define send(ring, kind, record, size)                                                                          \
	({                                                                                                      \
		__u64 _size = (size);                                                                           \
		bool _wakes = crosses_mark(INDEX_OF_##ring, _size, ring##_mark);                                \
		long _error = bpf_ringbuf_output(&ring, (record), _size,                                        \
						 _wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);              \
		if (_error)                                                                                     \
			count_lost(LOSS_RING_FULL, (kind));                                                     \
		_error;                                                                                         \
	})
