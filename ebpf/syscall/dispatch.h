/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tp_btf/sys_exit, the only hook for system calls: it runs after every one, so what nobody handles leaves after one look
 * into a table. What is handled, and in scope, goes on to the handler of its kind: a program of its own, that is loaded
 * and verified by itself, and is there or not at any time, because putting it into an array of programs needs no
 * capability.
 *
 * One call has several numbers. 64-bit callers have theirs; x32 callers the same with a bit set, for everything that is
 * handled here (their own, 512 to 547, are other calls); 32-bit callers, and 64-bit ones through int 0x80, have the
 * numbers of i386. The arguments are in other registers there, and every pointer has 32 bits.
 *
 * Misses: io_uring, which makes no system call per operation.
 */
#pragma once

#define X32_SYSCALL_BIT 0x40000000
#define ENOSYS 38
#define TS_COMPAT 2

/* The programs that go on, by kind. User space puts them in and takes them out. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, EVENT_KINDS);
	__type(key, __u32);
	__type(value, __u32);
} exit_handlers SEC(".maps");

static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

/* The call that a task is in; NO_CALL if nothing handles it. */
static __always_inline __u32 call_of(struct pt_regs *regs, struct task_struct *task)
{
	__u32 number = regs->orig_ax;
	bool is_i386 = is_compat(task);

	if (!is_i386)
		number &= ~X32_SYSCALL_BIT;
	if (number >= NUMBERS)
		return NO_CALL;
	return is_i386 ? calls[number].compat : calls[number].native;
}

static __always_inline void read_arguments(struct call_arguments *out, struct pt_regs *regs, struct task_struct *task)
{
	out->call = call_of(regs, task);
	out->is_compat = is_compat(task);
	if (out->is_compat) {
		out->at[0] = (__u32)regs->bx;
		out->at[1] = (__u32)regs->cx;
		out->at[2] = (__u32)regs->dx;
		out->at[3] = (__u32)regs->si;
	} else {
		out->at[0] = regs->di;
		out->at[1] = regs->si;
		out->at[2] = regs->dx;
		out->at[3] = regs->r10;
	}
}

#define EINTR 4

/* What the caller sees. ERESTARTSYS and its relatives say that the call was interrupted, and stay in the kernel. */
static __always_inline __s32 result_of(long result)
{
	return result <= -512 && result >= -516 ? -EINTR : result;
}

/* The cgroup of the task, from on_sys_exit to the handler. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} passed_cgroup SEC(".maps");

static __always_inline void pass_cgroup(__u64 cgroup)
{
	__u32 zero = 0;
	__u64 *passed = bpf_map_lookup_elem(&passed_cgroup, &zero);

	if (passed)
		*passed = cgroup;
}

/* What on_sys_exit found; found again where another task may have run in between, and so may have its own there. */
static __always_inline __u64 take_cgroup(struct task_struct *task)
{
	__u32 zero = 0;
	__u64 *passed;

	if (is_preemptible)
		return cgroup_id(task, true);
	passed = bpf_map_lookup_elem(&passed_cgroup, &zero);
	return passed ? *passed : 0;
}

/*
 * What every handler begins with: counts the event, and takes scratch memory, in which the record has its task and the
 * arguments of the call are. NULL if there is none, which is counted, too. `is_typed` is as in task.h.
 */
static __always_inline struct scratch *begin_call(struct task_struct *task, struct pt_regs *regs, enum event_kind kind,
						  __u64 cgroup, bool is_typed)
{
	struct event_start *start;
	struct scratch *scratch;

	count_generated(kind);
	scratch = take_scratch(kind, cgroup);
	if (!scratch)
		return 0;
	start = (void *)scratch->record;
	fill_task(&start->task, task, cgroup, is_typed);
	read_arguments(&scratch->call, regs, task);
	return scratch;
}

/* What every handler ends with: sends the record, of which `size` bytes are filled. */
static __always_inline void end_call(struct scratch *scratch, enum event_kind kind, __u64 cgroup, __u32 size)
{
	struct event_start *start = (void *)scratch->record;

	fill_header(&start->header, kind, size);
	send(bulk, kind, cgroup, start, size & (RECORD_BYTES - 1));
	give_back(scratch);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
	__u32 number = (__u32)regs->orig_ax & ~X32_SYSCALL_BIT, call, kind;
	struct task_struct *task;
	__u64 cgroup;

	/* This far for every call of every process. */
	if (number >= NUMBERS || !(calls[number].native | calls[number].compat))
		return 0;
	task = bpf_get_current_task_btf();
	call = call_of(regs, task);
	if (!call)
		return 0;
	/* Without x32 in this kernel there is no such call, whatever its number is without the bit. */
	if (result == -ENOSYS && regs->orig_ax & X32_SYSCALL_BIT)
		return 0;
	kind = kind_of_call[call & (CALLS - 1)];
	if (!in_scope(task, kind, &cgroup, true))
		return 0;
	pass_cgroup(cgroup);
	bpf_tail_call(ctx, &exit_handlers, kind);
	return 0;
}
