/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All programs of the probe in one object, because programs of one object share maps without pinning them. Each hook
 * has a header of its own, which says where it is attached and what it misses. User space loads and attaches every
 * program by itself, so that a kernel that refuses one still runs the others.
 *
 * Oldest kernel: 6.1. Nothing later is used without asking the running kernel's BTF.
 */
#include "vmlinux_subset.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

#include "probe/events.h"

#include "stats.h"
#include "scratch.h"
#include "ring.h"
#include "scope.h"
#include "task.h"
#include "path.h"
#include "args.h"

#include "network/address.h"

#include "syscall/calls.h"

#include "process/exec.h"
#include "process/exit.h"
#include "cgroup/mkdir.h"
#include "snapshot/task.h"
#include "cgroup/attach.h"
#include "process/fork.h"

/* bpf_probe_read_kernel, bpf_ringbuf_output and others are for GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
