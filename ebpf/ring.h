/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rings.
 *
 * A record is copied with its exact length. A CPU wakes the reader once per so many bytes that it has sent; below that
 * the reader's timer is soon enough, and a wake-up would cost more than the record. Counting what was sent, instead of
 * asking the ring what waits, keeps CPUs from reading each other's positions. A reader that has no timer, because
 * nothing happened for a while, is woken by the first record.
 *
 * Nobody can push the others out. What a cgroup has sent is summed between two drains, and once that is more than a
 * share (a quarter of the ring) the cgroup may fill the ring only up to the half. The other half is for those who send
 * less. A workload that makes cgroups of its own has a share in each.
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

/* A quarter of each ring. */
const volatile __u64 never_drop_share = 1 << 18;
const volatile __u64 strings_share = 1 << 18;
const volatile __u64 bulk_share = 1 << 18;

/*
 * User space adds one when it begins to drain, and sets ASLEEP when it will not come back by itself soon. The only variable
 * in .bss: user space writes the map as one number.
 */
volatile __u64 epoch;

#define ASLEEP (1ULL << 63)

#define EPOCH_BITS 24
#define SHARE_TRIES 4

/* What one cgroup has sent in one epoch. */
struct share {
	__u64 tag; /* of the cgroup and the epoch, 0 = nobody's */
	__u64 sent[RINGS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHARE_SLOTS);
	__type(key, __u32);
	__type(value, struct share);
} shares SEC(".maps");

enum { INDEX_OF_never_drop = RING_NEVER_DROP, INDEX_OF_bulk = RING_BULK, INDEX_OF_strings = RING_STRINGS };

static __always_inline void fill_header(struct event_header *header, enum event_kind kind, __u32 size)
{
	header->boot_ns = bpf_ktime_get_boot_ns();
	header->size = size;
	header->kind = kind;
	header->cpu = bpf_get_smp_processor_id();
}

/*
 * Adds to what the cgroup has sent in this epoch and says whether that is more than its share. A cgroup takes the first
 * of a few slots that was not used in this epoch; should all be, which takes thousands of cgroups in one drain, it is
 * not limited.
 *
 * Not static, so that the verifier looks at it once and not at every place from which it is called.
 */
__noinline int is_over_share(__u64 cgroup, __u32 ring, __u64 size, __u64 limit)
{
	__u64 hash = cgroup * 0x9e3779b97f4a7c15ULL, mask = (1ULL << EPOCH_BITS) - 1, now = epoch & mask;
	__u64 tag = (hash & ~mask) | now, held;
	__u32 index, try;
	struct share *share;

	/* Here, and not before, because the compiler knows too much about the other place. */
	barrier_var(ring);
	if (ring >= RINGS)
		return 0;
	for (try = 0; try < SHARE_TRIES; try++) {
		index = ((hash >> 52) + try) & (SHARE_SLOTS - 1);
		share = bpf_map_lookup_elem(&shares, &index);
		if (!share)
			return 0;
		held = share->tag;
		if (held != tag) {
			if (held && (held & mask) == now)
				continue;
			if (__sync_val_compare_and_swap(&share->tag, held, tag) == held)
				__builtin_memset(share->sent, 0, sizeof(share->sent));
			else if (share->tag != tag)
				continue;
		}
		return __sync_fetch_and_add(&share->sent[ring], size) + size > limit;
	}
	return 0;
}

/*
 * How to send a record: the reader is woken by those that cross a mark, and by the first one after it went to sleep. Not
 * static, as above: what follows a record would be verified for every way through this.
 */
__noinline int wake_up(__u32 ring, __u64 size, __u64 mark)
{
	barrier_var(ring);
	if (ring >= RINGS || crosses_mark(ring, size, mark))
		return BPF_RB_FORCE_WAKEUP;
	if ((epoch & ASLEEP) && (__sync_fetch_and_and(&epoch, ~ASLEEP) & ASLEEP))
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* The only way into a ring: what does not get in is counted. Records that are nobody's have no share. */
#define send(ring, kind, cgroup, record, size)                                                                  \
	({                                                                                                      \
		__u64 _size = (size), _cgroup = (cgroup);                                                       \
		enum loss_cause _cause = LOSS_RING_FULL;                                                        \
		long _error = 1;                                                                                \
		if (_cgroup && is_over_share(_cgroup, INDEX_OF_##ring, _size, ring##_share) &&                  \
		    bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > 2 * ring##_share)                             \
			_cause = LOSS_RING_SHARE;                                                               \
		else                                                                                            \
			_error = bpf_ringbuf_output(&ring, (record), _size,                                     \
						    wake_up(INDEX_OF_##ring, _size, ring##_mark));              \
		if (_error)                                                                                     \
			count_lost(_cause, (kind), _cgroup);                                                             \
		_error;                                                                                         \
	})
