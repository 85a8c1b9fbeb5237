/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bind; a handler of syscall/dispatch.h.
 *
 * A success is told by the socket: the port that was asked for as 0 is the one that the kernel chose. After a failure the
 * argument as it is now is all there is; the record says so.
 *
 * Misses: io_uring, and socketcall(2), through which i386 programs older than 4.3 bind.
 */
#pragma once

/* Not attached: on_sys_exit goes on here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_bind, struct pt_regs *regs, long result)
{
	report_socket_call(regs, result, EVENT_BIND, OF_SOCKET);
	return 0;
}
