//! Names that rules may use for numbers.
//!
//! Their values are those of Linux on x86-64. A name has one value wherever it is used.

mod tables;

use std::collections::HashMap;

use event::ExitStatus;

/// Names that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// What they name.
    pub title: &'static str,
    /// Fields they are compared with.
    pub used_with: &'static str,
    /// `NAME=value` with blanks between them.
    names: &'static str,
}

impl Group {
    /// Names and values.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, i64)> {
        self.names.split_ascii_whitespace().filter_map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let (digits, radix) = value.strip_prefix("0x").map_or((value, 10), |digits| (digits, 16));
            Some((name, i64::from_str_radix(digits, radix).ok()?))
        })
    }
}

/// Named constants.
#[derive(Debug)]
pub struct Constants {
    values: HashMap<&'static str, i64>,
}

impl Constants {
    pub(crate) fn new() -> Self {
        Self { values: tables::GROUPS.iter().flat_map(Group::entries).collect() }
    }

    /// The value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<i64> {
        self.values.get(name).copied()
    }

    /// The groups, in order.
    #[must_use]
    pub fn groups(&self) -> &'static [Group] {
        &tables::GROUPS
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        tables::GROUPS.iter().flat_map(Group::entries).map(|(name, _)| name)
    }
}

/// The value of `exit.cause`.
pub(crate) fn exit_cause(status: ExitStatus) -> i64 {
    match status {
        ExitStatus::Exited(_) => 0,
        ExitStatus::CoreDumped(_) => 1,
        ExitStatus::Signaled(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_read_and_a_name_has_one_value() {
        let constants = Constants::new();
        let mut count = 0;
        for group in constants.groups() {
            assert_eq!(
                group.entries().count(),
                group.names.split_ascii_whitespace().count(),
                "{}",
                group.title
            );
            for (name, value) in group.entries() {
                count += 1;
                assert_eq!(constants.value(name), Some(value), "{name} has two values");
            }
        }
        assert_eq!(constants.values.len(), count);
    }

    /// They are in three tables, because people, rules and the contract have each a say in which names there are.
    #[test]
    fn open_flags_are_called_the_same_by_people_in_rules_and_in_the_contract() {
        let fields = event::Kind::Open.fields();
        let flags = fields
            .iter()
            .find_map(|field| if let event::Leaf::Flags(flags) = field.leaf { Some(flags) } else { None });
        let people = flags.unwrap();
        let value_of = |name| people.from_names(name).unwrap();
        // What the two others leave out, and what only rules have: second names of a number.
        const NO_RULE: [&str; 5] = ["O_TMPFILE", "O_LARGEFILE", "__O_SYNC", "O_PATH", "__O_TMPFILE"];
        const SECOND: [(&str, &str); 3] =
            [("O_NDELAY", "O_NONBLOCK"), ("O_FSYNC", "O_SYNC"), ("O_RSYNC", "O_SYNC")];
        let group = tables::GROUPS.iter().find(|group| group.title == "Open flags").unwrap();
        let in_rules: HashMap<_, _> = group.entries().collect();
        let in_contract = |value: u32| event_json::open_flags(value).to_string();
        for name in people.names() {
            let value = value_of(name);
            let of_rules = in_rules.get(name).copied();
            assert_eq!(of_rules, (!NO_RULE.contains(&name)).then_some(value.into()), "{name} in rules");
            let contract = in_contract(value);
            let is_named = contract.split(" | ").any(|said| said == name);
            assert_eq!(is_named, !NO_RULE.contains(&name), "{name} in the contract: {contract}");
        }
        for (name, value) in in_rules {
            let known = SECOND.iter().find(|(second, _)| *second == name).map_or(name, |(_, first)| *first);
            assert_eq!(i64::from(value_of(known)), value, "{name}");
        }
        for name in in_contract(u32::MAX).split(" | ").filter(|name| name.starts_with('O')) {
            assert!(in_contract(value_of(name)).split(" | ").any(|said| said == name), "{name}");
        }
    }

    #[test]
    fn values_are_those_of_the_kernel() {
        let constants = Constants::new();
        for (name, value) in [
            ("O_CREAT", 0o100),
            ("O_SYNC", 0o4_010_000),
            ("S_ISUID", 0o4000),
            ("S_IFMT", 0o170_000),
            ("EPERM", -1),
            ("EACCES", -13),
            ("EWOULDBLOCK", -11),
            ("CAP_SYS_ADMIN", 1 << 21),
            ("CAP_CHECKPOINT_RESTORE", 1 << 40),
            ("SIGKILL", 9),
            ("MAP_HUGE_16GB", 34 << 26),
            ("AUDIT_AUID_UNSET", 4_294_967_295),
            ("ETH_P_IPV6_HOP_BY_HOP", 0),
            ("ETH_P__LINK_CTL", 0x886c),
            ("ETH_P_802_EX1", 0x88b5),
            ("ETH_P_MPLSUC", 0x8847),
            ("BPF_LSM_MAC", 27),
            ("BPF_SK_SKB_VERDICT", 38),
            ("BPF_PROBE_WRITE_USER", 36),
            ("BPF_SNPRINTF", 165),
            ("SIGNALED", exit_cause(ExitStatus::Signaled(9))),
            ("COREDUMPED", exit_cause(ExitStatus::CoreDumped(6))),
            ("EXITED", exit_cause(ExitStatus::Exited(0))),
        ] {
            assert_eq!(constants.value(name), Some(value), "{name}");
        }
    }
}
