/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which system calls become which kind of event. A new kind has a row in each of the tables and its header at the
 * end; the program is called on_<kind>, which is how user space finds it.
 */
#pragma once

enum call {
	NO_CALL,
	CALL_OPEN,
	CALL_CREAT,
	CALL_OPENAT,
	CALL_OPENAT2,
	CALL_OPEN_BY_HANDLE,
	CALL_BIND,
	CALL_CONNECT,
	CALL_UNLINK,
	CALL_UNLINKAT,
	CALL_RMDIR,
	CALL_RENAME,
	CALL_RENAMEAT,
	CALL_RENAMEAT2,
	CALLS = 16, /* a power of two */
};

/* Which kind of event a call becomes. */
const __u8 kind_of_call[CALLS] = {
	[CALL_OPEN] = EVENT_OPEN,
	[CALL_CREAT] = EVENT_OPEN,
	[CALL_OPENAT] = EVENT_OPEN,
	[CALL_OPENAT2] = EVENT_OPEN,
	[CALL_OPEN_BY_HANDLE] = EVENT_OPEN,
	[CALL_BIND] = EVENT_BIND,
	[CALL_CONNECT] = EVENT_CONNECT,
	[CALL_UNLINK] = EVENT_UNLINK,
	[CALL_UNLINKAT] = EVENT_UNLINK,
	[CALL_RMDIR] = EVENT_UNLINK,
	[CALL_RENAME] = EVENT_RENAME,
	[CALL_RENAMEAT] = EVENT_RENAME,
	[CALL_RENAMEAT2] = EVENT_RENAME,
};

/* Where the paths of a call are that leaves no file behind: the place of each argument, from 1; 0 = there is none. */
struct path_arguments {
	__u8 directory[2];
	__u8 path[2];
};

const struct path_arguments path_arguments[CALLS] = {
	[CALL_UNLINK] = { .path = { 1 } },
	[CALL_UNLINKAT] = { .directory = { 1 }, .path = { 2 } },
	[CALL_RMDIR] = { .path = { 1 } },
	[CALL_RENAME] = { .path = { 1, 2 } },
	[CALL_RENAMEAT] = { .directory = { 1, 3 }, .path = { 2, 4 } },
	[CALL_RENAMEAT2] = { .directory = { 1, 3 }, .path = { 2, 4 } },
};

#define NUMBERS 512 /* a power of two; the highest of 6.18 is 469 */

struct numbered {
	__u8 native;
	__u8 compat;
};

/* arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl. */
const struct numbered calls[NUMBERS] = {
	[2] = { .native = CALL_OPEN },
	[5] = { .compat = CALL_OPEN },
	[8] = { .compat = CALL_CREAT },
	[10] = { .compat = CALL_UNLINK },
	[38] = { .compat = CALL_RENAME },
	[40] = { .compat = CALL_RMDIR },
	[42] = { .native = CALL_CONNECT },
	[49] = { .native = CALL_BIND },
	[82] = { .native = CALL_RENAME },
	[84] = { .native = CALL_RMDIR },
	[85] = { .native = CALL_CREAT },
	[87] = { .native = CALL_UNLINK },
	[257] = { .native = CALL_OPENAT },
	[263] = { .native = CALL_UNLINKAT },
	[264] = { .native = CALL_RENAMEAT },
	[295] = { .compat = CALL_OPENAT },
	[301] = { .compat = CALL_UNLINKAT },
	[302] = { .compat = CALL_RENAMEAT },
	[304] = { .native = CALL_OPEN_BY_HANDLE },
	[316] = { .native = CALL_RENAMEAT2 },
	[342] = { .compat = CALL_OPEN_BY_HANDLE },
	[353] = { .compat = CALL_RENAMEAT2 },
	[361] = { .compat = CALL_BIND },
	[362] = { .compat = CALL_CONNECT },
	[437] = { .native = CALL_OPENAT2, .compat = CALL_OPENAT2 },
};

#include "dispatch.h"
#include "argument.h"
#include "../network/call.h"

#include "../file/open.h"
#include "../file/unlink.h"
#include "../file/rename.h"
#include "../network/bind.h"
#include "../network/connect.h"
