//! Kinds of events about sockets.

macro_rules! network_kinds {
    ($($before:tt)*) => {
        next_group! { $($before)*
            /// A socket was given an address, or an attempt failed.
            Bind = 5, "bind", category: Network, ring: Bulk, {
                /// The address it has now; after a failure the one that was asked for.
                "addr": Address => address,
                /// Protocol of the socket (`IPPROTO_*`); 0 for families that have none.
                "protocol": Number(PROTOCOLS) => protocol,
                /// 0, or the negative errno.
                "retval": Errno => retval,
            }

            /// A socket was connected to an address, or an attempt failed.
            Connect = 6, "connect", category: Network, ring: Bulk, {
                /// The peer it has now; after a failure the address that was asked for.
                "addr": Address => address,
                /// Protocol of the socket (`IPPROTO_*`); 0 for families that have none.
                "protocol": Number(PROTOCOLS) => protocol,
                /// 0, or the negative errno; `EINPROGRESS` says that the connection is being made.
                "retval": Errno => retval,
            }
        }
    };
}
