//! Names of numbers that are one of several.
//!
//! As with [`Flags`](crate::Flags), a name is only a way of writing the number: one that has none is written as it is.

/// The names that a number can have.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// What it is called in messages: `address family`.
    pub(crate) what: &'static str,
    /// Each name once, each number at most once.
    pub(crate) names: &'static [(&'static str, u32)],
}

/// `include/uapi/linux/in.h` of Linux 6.18, in the spelling of the rule language.
pub static PROTOCOLS: Names = Names {
    what: "protocol",
    names: &[
        ("IP_PROTO_IP", 0),
        ("IP_PROTO_ICMP", 1),
        ("IP_PROTO_IGMP", 2),
        ("IP_PROTO_IPIP", 4),
        ("IP_PROTO_TCP", 6),
        ("IP_PROTO_EGP", 8),
        ("IP_PROTO_PUP", 12),
        ("IP_PROTO_UDP", 17),
        ("IP_PROTO_IDP", 22),
        ("IP_PROTO_TP", 29),
        ("IP_PROTO_DCCP", 33),
        ("IP_PROTO_IPV6", 41),
        ("IP_PROTO_RSVP", 46),
        ("IP_PROTO_GRE", 47),
        ("IP_PROTO_ESP", 50),
        ("IP_PROTO_AH", 51),
        ("IP_PROTO_ICMPV6", 58),
        ("IP_PROTO_MTP", 92),
        ("IP_PROTO_BEETPH", 94),
        ("IP_PROTO_ENCAP", 98),
        ("IP_PROTO_PIM", 103),
        ("IP_PROTO_COMP", 108),
        ("IP_PROTO_SCTP", 132),
        ("IP_PROTO_UDPLITE", 136),
        ("IP_PROTO_MPLS", 137),
        ("IP_PROTO_RAW", 255),
    ],
};

impl Names {
    /// The name of a number, or its digits.
    #[must_use]
    pub fn to_name(&self, number: u32) -> String {
        let known = self.names.iter().find(|(_, value)| *value == number);
        known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
    }

    /// The number that a name, or digits, stand for.
    ///
    /// # Errors
    /// When it is neither.
    pub fn from_name(&self, text: &str) -> Result<u32, String> {
        let known = self.names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        known.or_else(|| text.parse().ok()).ok_or_else(|| {
            let example = self.names.first().map_or("0", |(name, _)| name);
            format!("unknown {} {text:?}: write a name like {example} or the number", self.what)
        })
    }

    /// The names there are.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::FAMILIES;

    #[test]
    fn a_number_is_given_back_by_its_name_and_without_one_by_its_digits() {
        for table in [&PROTOCOLS, &FAMILIES] {
            for number in (0..300).chain([u32::MAX]) {
                assert_eq!(table.from_name(&table.to_name(number)), Ok(number), "{}", table.to_name(number));
            }
        }
        assert_eq!(PROTOCOLS.to_name(6), "IP_PROTO_TCP");
        assert!(PROTOCOLS.from_name("IP_PROTO_TPC").unwrap_err().contains("IP_PROTO_TPC"));
    }
}
