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
