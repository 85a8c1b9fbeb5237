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
 */
#pragma once

#define AT_FDCWD (-100)

/* What a path that is not absolute is relative to; nothing if the descriptor is none. */
static __always_inline void read_directory(struct place *out, struct task_struct *task, __s32 descriptor)
{
	__u64 file;

	out->mount = 0;
	out->dentry = 0;
	if (descriptor == AT_FDCWD) {
		struct fs_struct *fs = task->fs;

		out->mount = (__u64)fs->pwd.mnt;
		out->dentry = (__u64)fs->pwd.dentry;
		return;
	}
	file = file_of_descriptor(task->files, descriptor);
	bpf_probe_read_kernel(&out->mount, sizeof(out->mount),
			      (void *)file + bpf_core_field_offset(struct file, f_path.mnt));
	bpf_probe_read_kernel(&out->dentry, sizeof(out->dentry),
			      (void *)file + bpf_core_field_offset(struct file, f_path.dentry));
}

/* The argument, after the directory that it is relative to. */
static __always_inline __u32 fill_argument(struct scratch *scratch, __u32 position, struct file_info *info,
					   struct task_struct *task, __s32 directory, __u64 path)
{
	struct place *from = &scratch->from;
	__u32 start = position;
	char first = 0;
	long length;

	from->mount = 0;
	from->dentry = 0;
	bpf_probe_read_user(&first, sizeof(first), (void *)path);
	if (first != '/') {
		read_directory(from, task, directory);
		if (from->dentry)
			position = walk_at(scratch, info, position);
		else
			info->flags |= FILE_NO_ROOT;
	}
	length = bpf_probe_read_user_str(&scratch->record[position & (RECORD_BYTES - 1)], PATH_MAX_BYTES,
					 (void *)path);
	if (length <= 0) {
		info->path_len = 0;
		info->path_state = PATH_UNREADABLE;
		return start;
	}
	info->path_state = PATH_ARGUMENT;
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
	return number == 1 ? arguments->at[0] :
	       number == 2 ? arguments->at[1] :
	       number == 3 ? arguments->at[2] :
			     arguments->at[3];
}

static __always_inline __s32 directory_of(const struct call_arguments *arguments, __u32 number)
{
	return number ? (__s32)argument_at(arguments, number) : AT_FDCWD;
}

static __always_inline void note_path(struct scratch *scratch, struct noted_path *out, struct task_struct *task,
				      __s32 directory, __u64 path)
{
	long length = bpf_probe_read_user_str(scratch->record, PATH_MAX_BYTES, (void *)path);

	out->from.mount = 0;
	out->from.dentry = 0;
	out->digest = 0;
	if (length <= 0 || length > PATH_MAX_BYTES)
		return;
	if (scratch->record[0] != '/')
		read_directory(&out->from, task, directory);
	out->digest = digest_of(scratch, 0, length - 1);
}

/* The n-th path of a call at its end, compared with what was noted; returns where the record ends. */
static __always_inline __u32 fill_noted(struct scratch *scratch, __u32 start, struct file_info *info,
					struct task_struct *task, const struct call_arguments *arguments, __u32 call,
					__u32 n, const struct noted_call *noted)
{
	const struct path_arguments *at = &path_arguments[call & (CALLS - 1)];
	__u32 end = fill_argument(scratch, start, info, task, directory_of(arguments, at->directory[n]),
				  argument_at(arguments, at->path[n]));
	const struct noted_path *before;

	if (!noted)
		return end;
	before = &noted->paths[n];
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

/*
 * Runs at the beginning of every call while a kind is attached that needs it; what needs no note leaves after one look
 * into a table.
 */
SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long id)
{
	__u32 number = (__u32)regs->orig_ax & ~X32_SYSCALL_BIT, call;
	const struct path_arguments *at;
	struct call_arguments arguments;
	struct noted_call noted = {};
	__u64 cgroup, thread = bpf_get_current_pid_tgid();
	struct task_struct *task;
	struct scratch *scratch;

	if (number >= NUMBERS || !(calls[number].native | calls[number].compat))
		return 0;
	task = bpf_get_current_task_btf();
	call = call_of(regs, task) & (CALLS - 1);
	at = &path_arguments[call];
	if (!at->path[0] || !in_scope(task, kind_of_call[call], &cgroup))
		return 0;
	scratch = find_scratch();
	if (!scratch)
		return 0;
	read_arguments(&arguments, regs, task);
	note_path(scratch, &noted.paths[0], task, directory_of(&arguments, at->directory[0]),
		  argument_at(&arguments, at->path[0]));
	if (at->path[1])
		note_path(scratch, &noted.paths[1], task, directory_of(&arguments, at->directory[1]),
			  argument_at(&arguments, at->path[1]));
	bpf_map_update_elem(&noted_calls, &thread, &noted, BPF_ANY);
	give_back(scratch);
	return 0;
}
