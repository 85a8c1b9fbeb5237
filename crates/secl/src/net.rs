//! Addresses and networks, as rules compare them.
//!
//! Invariant: a v4-mapped IPv6 address is the IPv4 address, its prefix 96 shorter, so that one address has one form;
//! and the two families never meet.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A network, or one address as the network that holds nothing else. Host bits do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Net {
    is_v6: bool,
    bits: u128,
    prefix: u8,
}

impl Net {
    /// The network of `address` with this prefix length; nothing if the family has no such prefix.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                Some(Self { is_v6: false, bits: u128::from(v4.to_bits()) << 96, prefix })
            }
            IpAddr::V6(v6) if prefix <= 128 => match (v6.to_ipv4_mapped(), prefix.checked_sub(96)) {
                (Some(v4), Some(prefix)) => Self::new(IpAddr::V4(v4), prefix),
                _ => Some(Self { is_v6: true, bits: v6.to_bits(), prefix }),
            },
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// True when some address is in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let shared = u32::from(self.prefix.min(other.prefix));
        let differing = (self.bits ^ other.bits).checked_shr(128 - shared).unwrap_or(0);
        self.is_v6 == other.is_v6 && differing == 0
    }
}

impl From<IpAddr> for Net {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self { is_v6: false, bits: u128::from(v4.to_bits()) << 96, prefix: 32 },
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => Self::from(IpAddr::V4(v4)),
                None => Self { is_v6: true, bits: v6.to_bits(), prefix: 128 },
            },
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_v6 {
            write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.prefix)
        } else {
            let bits = u32::try_from(self.bits >> 96).unwrap_or(0);
            write!(f, "{}/{}", std::net::Ipv4Addr::from_bits(bits), self.prefix)
        }
    }
}

/// An address or network as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetLiteral {
    /// The address.
    pub address: IpAddr,
    /// What follows the `/`.
    pub prefix: Option<u8>,
}

impl NetLiteral {
    /// The network it means; nothing if the family has no such prefix.
    #[must_use]
    pub fn net(self) -> Option<Net> {
        self.prefix.map_or_else(|| Some(self.address.into()), |prefix| Net::new(self.address, prefix))
    }
}

impl fmt::Display for NetLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            Some(prefix) => write!(f, "{}/{prefix}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}
