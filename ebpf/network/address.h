/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses of sockets: from the socket, where the kernel keeps what it did, or from the argument of the call.
 *
 * What is read of a socket, in 6.1.192, 6.12.117 and 6.18: its own address is skc_rcv_saddr and skc_num, which
 * __inet_bind() sets (net/ipv4/af_inet.c), its peer skc_daddr and skc_dport, which tcp_v4_connect() and
 * __ip4_datagram_connect() set before they return 0 or EINPROGRESS; their twins for IPv6 set skc_v6_*. A unix socket has
 * its name in unix_sock.addr, and its peer in unix_sock.peer (unix_bind(), unix_stream_connect(), net/unix/af_unix.c).
 */
#pragma once

#define SOCKFS_MAGIC 0x534F434B
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SUN_PATH_BYTES 108

/* The beginning of an address that user space gives. */
struct user_address {
	__u16 family;
	__u16 port; /* big-endian, as all that follows */
	__u8 ipv4[4];
	__u8 ipv6[16];
};

/* The socket of a file, or NULL if it is none. Files of sockets alone are in sockfs; one opened with O_PATH has no data. */
static __always_inline struct sock *socket_of(__u64 address)
{
	struct file *file = (void *)address;
	struct socket *socket;

	if (!file || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != SOCKFS_MAGIC)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return socket ? BPF_CORE_READ(socket, sk) : 0;
}

/* The name of a unix socket, at `position` of the record. */
static __always_inline void fill_unix_name(struct scratch *scratch, __u32 position, struct address_info *info,
					   struct sock *sk)
{
	struct unix_address *name = BPF_CORE_READ((struct unix_sock *)sk, addr);
	__u32 len;

	if (!name)
		return;
	len = BPF_CORE_READ(name, len) - sizeof(info->family);
	barrier_var(len);
	if (len > SUN_PATH_BYTES)
		return;
	if (!bpf_probe_read_kernel(&scratch->record[position & (RECORD_BYTES - 1)], len,
				   (void *)name + bpf_core_field_offset(struct unix_address, name) +
					   bpf_core_field_offset(struct sockaddr_un, sun_path)))
		info->len = len;
}

/* What the kernel did: the address of the socket itself or of its peer. False if it does not say. */
static __always_inline bool fill_address(struct scratch *scratch, __u32 position, struct address_info *info,
					 struct sock *sk, bool is_peer)
{
	info->state = ADDRESS_KERNEL;
	info->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (info->family == AF_UNIX) {
		if (!bpf_core_type_exists(struct unix_sock))
			return false;
		if (is_peer)
			sk = BPF_CORE_READ((struct unix_sock *)sk, peer);
		if (sk)
			fill_unix_name(scratch, position, info, sk);
		return sk && info->len;
	}
	if (info->family != AF_INET && info->family != AF_INET6)
		return true;
	info->port = is_peer ? bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)) :
			       BPF_CORE_READ(sk, __sk_common.skc_num);
	if (info->family == AF_INET && is_peer)
		BPF_CORE_READ_INTO((__be32 *)info->ip, sk, __sk_common.skc_daddr);
	else if (info->family == AF_INET)
		BPF_CORE_READ_INTO((__be32 *)info->ip, sk, __sk_common.skc_rcv_saddr);
	else if (!bpf_core_field_exists(struct sock_common, skc_v6_daddr))
		return false;
	else if (is_peer)
		BPF_CORE_READ_INTO(&info->ip, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	else
		BPF_CORE_READ_INTO(&info->ip, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	return true;
}

/* What was asked for, as it is now. */
static __always_inline void fill_user_address(struct scratch *scratch, __u32 position, struct address_info *info,
					      __u64 address, __u32 len)
{
	struct user_address user = {};
	__u32 rest;

	__builtin_memset(info, 0, sizeof(*info));
	info->state = ADDRESS_UNREADABLE;
	if (len < sizeof(user.family) ||
	    bpf_probe_read_user(&user, len < sizeof(user) ? sizeof(user.family) : sizeof(user), (void *)address))
		return;
	if (len >= 16 && len < sizeof(user) && bpf_probe_read_user(&user, 8, (void *)address))
		return;
	info->family = user.family;
	info->state = ADDRESS_ARGUMENT;
	if (user.family == AF_INET && len >= 16) {
		info->port = bpf_ntohs(user.port);
		__builtin_memcpy(info->ip, user.ipv4, sizeof(user.ipv4));
	} else if (user.family == AF_INET6 && len >= sizeof(user)) {
		info->port = bpf_ntohs(user.port);
		__builtin_memcpy(info->ip, user.ipv6, sizeof(user.ipv6));
	} else if (user.family == AF_INET || user.family == AF_INET6) {
		info->state = ADDRESS_UNREADABLE;
	} else if (user.family == AF_UNIX) {
		rest = len - sizeof(user.family);
		if (rest > SUN_PATH_BYTES)
			rest = SUN_PATH_BYTES;
		barrier_var(rest);
		if (rest > SUN_PATH_BYTES)
			return;
		if (bpf_probe_read_user(&scratch->record[position & (RECORD_BYTES - 1)], rest,
					(void *)address + sizeof(user.family)))
			info->state = ADDRESS_UNREADABLE;
		else
			info->len = rest;
	}
}

/* What tells the address of a call. */
enum address_of { OF_ARGUMENT, OF_SOCKET, OF_PEER };

/*
 * The outcome of the call in the scratch memory, which has a descriptor and an address. A socket that has done it tells;
 * of a failure only the argument is left, and so of a descriptor that another thread closed before this ran. Returns
 * where the record ends. Not static, so that the verifier looks at it once.
 */
__noinline int fill_socket_call(struct scratch *scratch, struct socket_call *call, __u32 position, enum address_of of)
{
	struct sock *sk;

	if (!scratch || !call)
		return position;
	sk = socket_of(file_of_descriptor(scratch->call.at[0]));
	__builtin_memset(call, 0, sizeof(*call));
	if (sk)
		call->protocol = BPF_CORE_READ(sk, sk_protocol);
	if (!sk || of == OF_ARGUMENT || !fill_address(scratch, position, &call->address, sk, of == OF_PEER))
		fill_user_address(scratch, position, &call->address, scratch->call.at[1], scratch->call.at[2]);
	return position + call->address.len;
}
