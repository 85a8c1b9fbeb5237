/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arguments and environment of a new image, from the memory that the kernel has just filled (mm->arg_start and the
 * like), in chunks that do not cross a page: a page that is not in memory costs only itself.
 */
#pragma once

static long send_chunk(__u32 index, struct scratch **cell)
{
	struct scratch *scratch = *cell;
	struct exec_strings_event *event = (void *)scratch->record;
	struct strings_walk *walk = &scratch->strings;
	struct strings_sent *sent = walk->list == STRINGS_ARGS ? &scratch->args : &scratch->envs;
	__u64 left = walk->end - walk->next;
	__u32 len = STRINGS_CHUNK_BYTES - (walk->next & (STRINGS_CHUNK_BYTES - 1));

	if (walk->next >= walk->end)
		return 1;
	if (len > left)
		len = left;
	/* The compiler knows that this cannot be and would drop the check; the verifier of 6.1 does not. */
	barrier_var(len);
	if (len > STRINGS_CHUNK_BYTES)
		return 1;
	if (bpf_probe_read_user(event + 1, len, (void *)walk->next)) {
		sent->flags |= STRINGS_UNREADABLE;
		return 1;
	}
	fill_header(&event->header, EVENT_EXEC_STRINGS, sizeof(*event) + len);
	event->exec_id = walk->exec_id;
	event->len = len;
	event->list = walk->list;
	event->pad = 0;
	if (send(strings, EVENT_EXEC_STRINGS, walk->cgroup, event, sizeof(*event) + len)) {
		sent->flags |= STRINGS_LOST;
		return 1;
	}
	walk->next += len;
	sent->sent += len;
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
	walk->next = start;
	walk->end = end;
	walk->list = list;
	if (end - start > STRINGS_MAX_BYTES) {
		walk->end = start + STRINGS_MAX_BYTES;
		sent->flags = STRINGS_TRUNCATED;
	}
	/* One more than full pages, because the first one is rarely full. */
	bpf_loop(STRINGS_MAX_BYTES / STRINGS_CHUNK_BYTES + 1, send_chunk, &scratch, 0);
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
