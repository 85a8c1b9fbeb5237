/* SPDX-License-Identifier: GPL-2.0 */
/*
 * connect; a handler of syscall/dispatch.h.
 *
 * A success, and a connection that is being made (EINPROGRESS), are told by the peer that the socket has. AF_UNSPEC takes
 * the peer away and is reported as what is left, an address of zeros. After a failure the argument as it is now is all
 * there is; the record says so. Of a unix socket the peer's name is as the peer bound it, and a socket that lost its
 * peer meanwhile is told by the argument.
 *
 * Misses: io_uring, sendto(2) to an address, TCP Fast Open, and socketcall(2), through which i386 programs older than
 * 4.3 connect.
 */
#pragma once

/* Not attached: on_sys_exit goes on here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_connect, struct pt_regs *regs, long result)
{
	report_socket_call(regs, result, EVENT_CONNECT, OF_PEER);
	return 0;
}
