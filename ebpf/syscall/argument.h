/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Paths as a call was asked for them, for calls that leave no file behind.
 *
 * Another thread may change the text, the descriptor or the working directory at any time. Of a call whose object is gone
 * at its end, on_sys_enter notes the directory and a digest of the text. If the end finds another directory or text, it
 * cannot be told what the kernel took, and the record has no path (PATH_UNREADABLE). What changes and changes back in
 * between is not noticed, nor a change between the note and the moment at which the kernel copies the text.
 *
 * Nothing is noted of a text that is not in memory yet, nor of calls that began before on_sys_enter was attached.
 *
 * The functions that are not static are verified once, and not on every way that leads to them: each look at a pointer
 * that hangs on the task costs the verifier of 6.18 a search through all types of the kernel.
 */
#pragma once

#define AT_FDCWD (-100)
/* No descriptor, as the former: the root of the process, which chroot(2) changes. */
#define OF_ROOT (-101)

/* What a path is relative to, into `from` of the scratch memory; nothing for no descriptor. */
__noinline int find_directory(struct scratch *scratch, __s32 descriptor)
{
	struct place *out;
	__u64 file;

	if (!scratch)
		return 0;
	out = &scratch->from;
	out->mount = 0;
	out->dentry = 0;
	if (descriptor == AT_FDCWD || descriptor == OF_ROOT) {
		struct fs_struct *fs = bpf_get_current_task_btf()->fs;

		out->mount = (__u64)(descriptor == OF_ROOT ? fs->root.mnt : fs->pwd.mnt);
		out->dentry = (__u64)(descriptor == OF_ROOT ? fs->root.dentry : fs->pwd.dentry);
		return 0;
	}
	file = file_of_descriptor(descriptor);
	bpf_probe_read_kernel(&out->mount, sizeof(out->mount),
			      (void *)file + bpf_core_field_offset(struct file, f_path.mnt));
	bpf_probe_read_kernel(&out->dentry, sizeof(out->dentry),
			      (void *)file + bpf_core_field_offset(struct file, f_path.dentry));
	return 0;
}

/* Whether `from` is the root of the namespace, to which there is nothing to walk. */
static __always_inline bool is_top(struct scratch *scratch)
{
	return scratch->from.mount == scratch->walk.top + bpf_core_field_offset(struct mount, mnt) &&
	       scratch->from.dentry == scratch->walk.at_top.root;
}

/* The path that was asked for, after the directory that it is relative to; returns where the record ends. */
__noinline int fill_argument(struct scratch *scratch, struct file_info *info, __u32 start)
{
	__u32 position = start;
	char first = 0;
	long length;

	if (!scratch || !info)
		return start;
	bpf_probe_read_user(&first, sizeof(first), (void *)scratch->asked.path);
	find_directory(scratch, first == '/' ? OF_ROOT : scratch->asked.directory);
	if (!scratch->from.dentry)
		info->flags |= FILE_NO_ROOT;
	else if (first != '/' || !is_top(scratch))
		position = walk_at(scratch, info, position);
	length = bpf_probe_read_user_str(&scratch->record[position & (RECORD_BYTES - 1)], PATH_MAX_BYTES,
					 (void *)scratch->asked.path);
	/* Relative at one look and absolute at the next: nobody knows to what. */
	if (length <= 0 || (first == '/') != (scratch->record[position & (RECORD_BYTES - 1)] == '/')) {
		info->path_len = 0;
		info->path_state = PATH_UNREADABLE;
		return start;
	}
	info->path_state = PATH_ARGUMENT;
	if (length == 1) {
		/* No path at all: the kernel does not take it for that of the directory. */
		info->flags = FILE_NO_ROOT;
		info->path_len = 0;
		return start;
	}
	info->argument_len = length - 1;
	if (length == PATH_MAX_BYTES)
		info->flags |= FILE_ARGUMENT_CUT;
	return position + length - 1;
}

#define DIGEST_WORDS (PATH_MAX_BYTES / 8)

static long digest_step(__u32 index, struct scratch **cell)
{
	struct scratch *scratch = *cell;
	struct digest *digest = &scratch->digest;
	__u32 done = index * 8, left = digest->len - done;
	__u64 word;

	if (done >= digest->len)
		return 1;
	word = *(words *)&scratch->record[(digest->position + done) & (RECORD_BYTES - 1)];
	if (left < 8)
		word &= (1ULL << (8 * left)) - 1;
	digest->value = (digest->value ^ word) * 0x9e3779b97f4a7c15ULL;
	digest->value ^= digest->value >> 32;
	return 0;
}

/* Of bytes in the record; never 0. The multiplier is odd, so a change of one word always changes it. */
static __always_inline __u64 digest_of(struct scratch *scratch, __u32 position, __u32 len)
{
	scratch->digest.value = len;
	scratch->digest.position = position;
	scratch->digest.len = len;
	bpf_loop(DIGEST_WORDS, digest_step, &scratch, 0);
	return scratch->digest.value | 1;
}

/* What was noted of one path at the beginning of a call; a digest of 0 says that nothing was. */
struct noted_path {
	struct place from;
	__u64 digest;
};

struct noted_call {
	struct noted_path paths[2];
};

/* By thread. The least recently used ones make room: a thread that is killed in its call leaves its note behind. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct noted_call);
} noted_calls SEC(".maps");

static __always_inline __u64 argument_at(const struct call_arguments *arguments, __u32 number)
{
	return arguments->at[(number - 1) & 3];
}

/* The n-th path of the call in the scratch memory, into `asked` of it. False if the call has no such path. */
static __always_inline bool find_asked(struct scratch *scratch, __u32 n)
{
	const struct call_arguments *arguments = &scratch->call;
	const struct path_arguments *at = &path_arguments[arguments->call & (CALLS - 1)];
	__u8 path = at->path[n & 1], directory = at->directory[n & 1];

	scratch->asked.path = argument_at(arguments, path);
	scratch->asked.directory = directory ? (__s32)argument_at(arguments, directory) : AT_FDCWD;
	return path;
}

/* Notes the n-th path of a call at its beginning. */
__noinline int note_path(struct scratch *scratch, struct noted_path *out, __u32 n)
{
	long length;

	if (!scratch || !out || !find_asked(scratch, n))
		return 0;
	length = bpf_probe_read_user_str(scratch->record, PATH_MAX_BYTES, (void *)scratch->asked.path);
	if (length <= 0 || length > PATH_MAX_BYTES)
		return 0;
	find_directory(scratch, scratch->record[0] == '/' ? OF_ROOT : scratch->asked.directory);
	out->from = scratch->from;
	out->digest = digest_of(scratch, 0, length - 1);
	return 0;
}

/* What was noted of the call that this thread is in, or NULL. */
static __always_inline struct noted_call *noted_call(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&noted_calls, &thread);
}

static __always_inline void forget_call(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&noted_calls, &thread);
}

/* The n-th path of a call at its end, compared with what was noted; returns where the record ends. */
__noinline int fill_noted(struct scratch *scratch, struct file_info *info, __u32 start, __u32 n)
{
	struct noted_call *noted = noted_call();
	const struct noted_path *before;
	__u32 end;

	if (!scratch || !info)
		return start;
	find_asked(scratch, n);
	end = fill_argument(scratch, info, start);
	if (!noted)
		return end;
	before = &noted->paths[n & 1];
	if (!before->digest || info->path_state != PATH_ARGUMENT)
		return end;
	if (digest_of(scratch, end - info->argument_len, info->argument_len) == before->digest &&
	    scratch->from.mount == before->from.mount && scratch->from.dentry == before->from.dentry)
		return end;
	info->path_state = PATH_UNREADABLE;
	info->path_len = 0;
	info->argument_len = 0;
	return start;
}

/*
 * Runs at the beginning of every call while a kind is attached that needs it; what needs no note leaves after one look
 * into a table.
 */
SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long id)
{
	__u32 number = (__u32)regs->orig_ax & ~X32_SYSCALL_BIT, call;
	struct noted_call noted = {};
	__u64 cgroup, thread = bpf_get_current_pid_tgid();
	struct task_struct *task;
	struct scratch *scratch;

	if (number >= NUMBERS || !(calls[number].native | calls[number].compat))
		return 0;
	task = bpf_get_current_task_btf();
	call = call_of(regs, task) & (CALLS - 1);
	if (!path_arguments[call].path[0] || !in_scope(task, kind_of_call[call], &cgroup, true))
		return 0;
	scratch = find_scratch();
	if (!scratch)
		return 0;
	read_arguments(&scratch->call, regs, task);
	note_path(scratch, &noted.paths[0], 0);
	note_path(scratch, &noted.paths[1], 1);
	bpf_map_update_elem(&noted_calls, &thread, &noted, BPF_ANY);
	give_back(scratch);
	return 0;
}
