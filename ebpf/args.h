/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arguments and environment of a new image, from the memory that the kernel has just filled (mm->arg_start and the
 * like), in chunks that do not cross a page.
 *
 * What cannot be had costs itself and no other string. A page that is not in memory (it was swapped out since) ends the
 * string that it is in, and what follows begins with the next one. Of a list that is too long, a string that fills pages
 * has at most half of the room that is left, so that those after it are seen; all of them together have
 * STRINGS_MAX_BYTES. The flags say that something is missing, and not where.
 */
#pragma once

/* Looks at a page; those of a list of 6 MB, the longest that a kernel takes, are not many more. */
#define STRINGS_STEPS 2048

/* With less room than this a list ends. Eight long strings are seen, and reading through them is what an exec can cost. */
#define STRINGS_LEAST_ROOM 256

/* Tests pretend that this page of a list is not in memory. */
const volatile __u64 missing_page = -1;

/* The place after the first zero in `len` bytes of text; more than `len` if there is none. A call, and not a loop. */
static __always_inline __u32 after_first_zero(struct scratch *scratch, __u8 *text, __u32 len)
{
	_Static_assert(sizeof(struct exec_strings_event) + STRINGS_CHUNK_BYTES < RECORD_BYTES / 2, "they do not overlap");
	long found;

	text[len] = 1;
	found = bpf_probe_read_kernel_str(&scratch->record[RECORD_BYTES / 2], len + 1, text);
	return found > 0 ? found : len + 1;
}

static long send_chunk(__u32 index, struct scratch **cell)
{
	struct scratch *scratch = *cell;
	struct exec_strings_event *event = (void *)scratch->record;
	struct strings_walk *walk = &scratch->strings;
	struct strings_sent *sent = walk->list == STRINGS_ARGS ? &scratch->args : &scratch->envs;
	__u64 left = walk->end - walk->next, begin = walk->next;
	__u32 len = STRINGS_CHUNK_BYTES - (begin & (STRINGS_CHUNK_BYTES - 1)), size, zero;
	__u8 *text = (void *)(event + 1);

	if (begin >= walk->end)
		return 1;
	if (walk->is_long && walk->room < STRINGS_LEAST_ROOM) {
		sent->flags |= STRINGS_TRUNCATED;
		return 1;
	}
	if (len > left)
		len = left;
	/* The compiler knows that this cannot be and would drop the check; the verifier of 6.1 does not. */
	barrier_var(len);
	if (len > STRINGS_CHUNK_BYTES)
		return 1;
	walk->next += len;
	size = len;
	if (begin / STRINGS_CHUNK_BYTES - walk->begin / STRINGS_CHUNK_BYTES == missing_page ||
	    bpf_probe_read_user(text, len, (void *)begin)) {
		sent->flags |= STRINGS_UNREADABLE;
		if (walk->is_skipping)
			return 0;
		walk->is_skipping = 1;
		text[0] = 0;
		size = 1;
	} else if (walk->is_skipping || walk->is_long) {
		zero = after_first_zero(scratch, text, len);
		if (walk->is_skipping) {
			/* Read once more from there on. */
			if (zero <= len) {
				walk->next = begin + zero;
				walk->is_skipping = 0;
				walk->run = 0;
			}
			return 0;
		}
		if (!walk->run)
			walk->limit = walk->room / 2;
		walk->run += len;
		if (zero <= len) {
			walk->run = 0;
			/* What is cut here is the end of the list, or told again by the next step. */
			if (size > walk->room) {
				size = walk->room;
				sent->flags |= STRINGS_TRUNCATED;
			}
		} else if (walk->run > walk->limit) {
			sent->flags |= STRINGS_TRUNCATED;
			walk->is_skipping = 1;
			size = len - (walk->run - walk->limit);
			barrier_var(size);
			if (size >= STRINGS_CHUNK_BYTES)
				return 1;
			text[size] = 0;
			size++;
		}
	}
	barrier_var(size);
	if (size > STRINGS_CHUNK_BYTES)
		return 1;
	fill_header(&event->header, EVENT_EXEC_STRINGS, sizeof(*event) + size);
	event->exec_id = walk->exec_id;
	event->len = size;
	event->list = walk->list;
	event->pad = 0;
	if (send(strings, EVENT_EXEC_STRINGS, walk->cgroup, event, sizeof(*event) + size)) {
		sent->flags |= STRINGS_TRUNCATED;
		return 1;
	}
	walk->room -= size;
	sent->sent += size;
	return 0;
}

/* Sends one list ahead of its exec record; `sent` tells what could be sent. */
static __always_inline void send_strings(struct scratch *scratch, struct strings_sent *sent, __u64 exec_id,
					 __u64 cgroup, enum strings_list list, __u64 start, __u64 end)
{
	struct strings_walk *walk = &scratch->strings;

	sent->sent = 0;
	sent->flags = 0;
	if (start >= end)
		return;
	walk->exec_id = exec_id;
	walk->cgroup = cgroup;
	walk->begin = start;
	walk->next = start;
	walk->end = end;
	walk->list = list;
	walk->room = STRINGS_MAX_BYTES;
	walk->run = 0;
	walk->is_long = end - start > STRINGS_MAX_BYTES;
	walk->is_skipping = 0;
	bpf_loop(STRINGS_STEPS, send_chunk, &scratch, 0);
	if (walk->next < end)
		sent->flags |= STRINGS_TRUNCATED;
}

/*
 * Both lists. Not static, because the verifier else follows each way through it to the end of the program, and searches all
 * types of the kernel for each pointer on the way; the result means nothing.
 */
__noinline int send_lists(struct scratch *scratch)
{
	struct strings_of_exec *lists;

	if (!scratch)
		return 0;
	lists = &scratch->lists;
	send_strings(scratch, &scratch->args, lists->exec_id, lists->cgroup, STRINGS_ARGS, lists->arg_start, lists->arg_end);
	send_strings(scratch, &scratch->envs, lists->exec_id, lists->cgroup, STRINGS_ENVS, lists->env_start, lists->env_end);
	return 0;
}
