//! Addresses of sockets, as the kernel has them or as they were asked for.

use std::fmt;
use std::net::IpAddr;

use crate::{Names, Text};

/// Where a socket is, or what it is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Address {
    /// The address itself.
    pub endpoint: Endpoint,
    /// How it is known.
    pub state: AddressState,
}

/// An address, as far as its family is understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `AF_INET` or `AF_INET6`.
    Ip(IpAddr, u16),
    /// `AF_UNIX`, with the path as it was given: relative to the working directory of who gave it.
    Path(Text),
    /// `AF_UNIX`, in the abstract name space, without the zero byte in front.
    Abstract(Text),
    /// Another family (`AF_*`), or one of these without an address.
    Family(u16),
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::Family(0)
    }
}

/// How an address is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum AddressState {
    /// From the socket itself: what the kernel did.
    #[default]
    Kernel = 0,
    /// The argument of a call that failed, or whose socket was gone. Another thread may have changed it meanwhile.
    Argument = 1,
    /// There was no address that could be read.
    Unreadable = 2,
}

impl AddressState {
    /// Every state, in discriminant order.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Argument, Self::Unreadable];

    /// The state with this discriminant.
    #[must_use]
    pub fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == value)
    }
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

impl Endpoint {
    /// The number of the family, `AF_*`.
    #[must_use]
    pub const fn family(&self) -> u16 {
        match self {
            Self::Ip(IpAddr::V4(_), _) => AF_INET,
            Self::Ip(IpAddr::V6(_), _) => AF_INET6,
            Self::Path(_) | Self::Abstract(_) => AF_UNIX,
            Self::Family(family) => *family,
        }
    }

    /// The name of the family, or its number.
    #[must_use]
    pub fn family_name(&self) -> String {
        FAMILIES.to_name(self.family().into())
    }
}

/// `10.0.0.1:80`, `[::1]:80`, `/run/x.sock`, `@abstract`, `AF_NETLINK`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip, port) => write!(f, "{}", std::net::SocketAddr::new(*ip, *port)),
            Self::Path(path) => write!(f, "{path}"),
            Self::Abstract(name) => write!(f, "@{name}"),
            Self::Family(_) => f.write_str(&self.family_name()),
        }
    }
}

/// `include/linux/socket.h` of Linux 6.18.
pub static FAMILIES: Names = Names {
    what: "address family",
    names: &[
        ("AF_UNSPEC", 0),
        ("AF_UNIX", 1),
        ("AF_INET", 2),
        ("AF_AX25", 3),
        ("AF_IPX", 4),
        ("AF_APPLETALK", 5),
        ("AF_NETROM", 6),
        ("AF_BRIDGE", 7),
        ("AF_ATMPVC", 8),
        ("AF_X25", 9),
        ("AF_INET6", 10),
        ("AF_ROSE", 11),
        ("AF_DECnet", 12),
        ("AF_NETBEUI", 13),
        ("AF_SECURITY", 14),
        ("AF_KEY", 15),
        ("AF_NETLINK", 16),
        ("AF_PACKET", 17),
        ("AF_ASH", 18),
        ("AF_ECONET", 19),
        ("AF_ATMSVC", 20),
        ("AF_RDS", 21),
        ("AF_SNA", 22),
        ("AF_IRDA", 23),
        ("AF_PPPOX", 24),
        ("AF_WANPIPE", 25),
        ("AF_LLC", 26),
        ("AF_IB", 27),
        ("AF_MPLS", 28),
        ("AF_CAN", 29),
        ("AF_TIPC", 30),
        ("AF_BLUETOOTH", 31),
        ("AF_IUCV", 32),
        ("AF_RXRPC", 33),
        ("AF_ISDN", 34),
        ("AF_PHONET", 35),
        ("AF_IEEE802154", 36),
        ("AF_CAIF", 37),
        ("AF_ALG", 38),
        ("AF_NFC", 39),
        ("AF_VSOCK", 40),
        ("AF_KCM", 41),
        ("AF_QIPCRTR", 42),
        ("AF_SMC", 43),
        ("AF_XDP", 44),
        ("AF_MCTP", 45),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_people_write_it() {
        let check = |endpoint: Endpoint, expect: &str| assert_eq!(endpoint.to_string(), expect);
        check(Endpoint::Ip([10, 0, 0, 1].into(), 80), "10.0.0.1:80");
        check(Endpoint::Ip(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 443), "[::1]:443");
        check(Endpoint::Path("/run/x.sock".into()), "/run/x.sock");
        check(Endpoint::Abstract("bus".into()), "@bus");
        check(Endpoint::Family(16), "AF_NETLINK");
        check(Endpoint::Family(99), "99");
    }
}
