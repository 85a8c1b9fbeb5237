//! Names the contract gives to numbers.
//!
//! Rule for a bit mask: the name of every table entry that is wholly contained in the value, the remaining bits as
//! one decimal number, sorted as strings. Of names that share a value one is printed: `O_SYNC` (not `O_FSYNC` or
//! `O_RSYNC`) and `O_NONBLOCK` (not `O_NDELAY`).

use std::fmt;

use event::{Category, Event, Kind};
use serde::{Serialize, Serializer};

/// The value of `evt.category`.
#[must_use]
pub fn category(kind: Kind) -> &'static str {
    match kind.category() {
        Category::Process => "Process Activity",
        Category::File => "File Activity",
        Category::Network => "Network Activity",
    }
}

/// The value of `evt.outcome`: `Refused` when the call failed for want of permission, `Error` when it failed for
/// another reason, else `Success`.
#[must_use]
pub fn outcome(event: &Event) -> &'static str {
    match event.what.retval() {
        Some(retval) if retval == -libc::EACCES || retval == -libc::EPERM => "Refused",
        Some(..0) => "Error",
        Some(0..) | None => "Success",
    }
}

/// The names of open flags, as `file.flags` has them; [`fmt::Display`] joins them with ` | `.
#[must_use]
pub fn open_flags(flags: u32) -> impl fmt::Display {
    OpenFlags(flags)
}

/// Sorted by name, so that walking the table yields names in the order of the contract.
const OPEN_FLAGS: [(i32, &str); 17] = [
    (libc::O_ACCMODE, "O_ACCMODE"),
    (libc::O_APPEND, "O_APPEND"),
    (libc::O_ASYNC, "O_ASYNC"),
    (libc::O_CLOEXEC, "O_CLOEXEC"),
    (libc::O_CREAT, "O_CREAT"),
    (libc::O_DIRECT, "O_DIRECT"),
    (libc::O_DIRECTORY, "O_DIRECTORY"),
    (libc::O_DSYNC, "O_DSYNC"),
    (libc::O_EXCL, "O_EXCL"),
    (libc::O_NOATIME, "O_NOATIME"),
    (libc::O_NOCTTY, "O_NOCTTY"),
    (libc::O_NOFOLLOW, "O_NOFOLLOW"),
    (libc::O_NONBLOCK, "O_NONBLOCK"),
    (libc::O_RDWR, "O_RDWR"),
    (libc::O_SYNC, "O_SYNC"),
    (libc::O_TRUNC, "O_TRUNC"),
    (libc::O_WRONLY, "O_WRONLY"),
];

/// Capability names by number, sorted by name (see [`OPEN_FLAGS`]).
const CAPABILITIES: [(u8, &str); 41] = [
    (30, "CAP_AUDIT_CONTROL"),
    (37, "CAP_AUDIT_READ"),
    (29, "CAP_AUDIT_WRITE"),
    (36, "CAP_BLOCK_SUSPEND"),
    (39, "CAP_BPF"),
    (40, "CAP_CHECKPOINT_RESTORE"),
    (0, "CAP_CHOWN"),
    (1, "CAP_DAC_OVERRIDE"),
    (2, "CAP_DAC_READ_SEARCH"),
    (3, "CAP_FOWNER"),
    (4, "CAP_FSETID"),
    (14, "CAP_IPC_LOCK"),
    (15, "CAP_IPC_OWNER"),
    (5, "CAP_KILL"),
    (28, "CAP_LEASE"),
    (9, "CAP_LINUX_IMMUTABLE"),
    (33, "CAP_MAC_ADMIN"),
    (32, "CAP_MAC_OVERRIDE"),
    (27, "CAP_MKNOD"),
    (12, "CAP_NET_ADMIN"),
    (10, "CAP_NET_BIND_SERVICE"),
    (11, "CAP_NET_BROADCAST"),
    (13, "CAP_NET_RAW"),
    (38, "CAP_PERFMON"),
    (31, "CAP_SETFCAP"),
    (6, "CAP_SETGID"),
    (8, "CAP_SETPCAP"),
    (7, "CAP_SETUID"),
    (34, "CAP_SYSLOG"),
    (21, "CAP_SYS_ADMIN"),
    (22, "CAP_SYS_BOOT"),
    (18, "CAP_SYS_CHROOT"),
    (16, "CAP_SYS_MODULE"),
    (23, "CAP_SYS_NICE"),
    (20, "CAP_SYS_PACCT"),
    (19, "CAP_SYS_PTRACE"),
    (17, "CAP_SYS_RAWIO"),
    (24, "CAP_SYS_RESOURCE"),
    (25, "CAP_SYS_TIME"),
    (26, "CAP_SYS_TTY_CONFIG"),
    (35, "CAP_WAKE_ALARM"),
];

/// One element of a bit mask in text form.
enum Bit {
    Name(&'static str),
    /// Bits without a name. A digit sorts before every name.
    Unknown(u64),
}

impl fmt::Display for Bit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Unknown(bits) => write!(f, "{bits}"),
        }
    }
}

impl Serialize for Bit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Unknown(_) => serializer.collect_str(self),
        }
    }
}

/// Open flags in text form.
#[derive(Clone, Copy)]
pub(crate) struct OpenFlags(pub(crate) u32);

impl OpenFlags {
    fn bits(self) -> impl Iterator<Item = Bit> {
        let value = self.0;
        let table = move || {
            OPEN_FLAGS
                .into_iter()
                .map(|(mask, name)| (mask.cast_unsigned(), name))
                .filter(move |(mask, _)| value & mask == *mask)
        };
        let unknown = value & !table().fold(0, |known, (mask, _)| known | mask);
        let read_only = (value == 0).then_some(Bit::Name("O_RDONLY"));
        let unknown = (unknown != 0).then_some(Bit::Unknown(unknown.into()));
        read_only.into_iter().chain(unknown).chain(table().map(|(_, name)| Bit::Name(name)))
    }
}

impl fmt::Display for OpenFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, bit) in self.bits().enumerate() {
            let separator = if position == 0 { "" } else { " | " };
            write!(f, "{separator}{bit}")?;
        }
        Ok(())
    }
}

impl Serialize for OpenFlags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.bits())
    }
}

/// A capability set in text form.
#[derive(Clone, Copy)]
pub(crate) struct Capabilities(pub(crate) u64);

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = (1 << CAPABILITIES.len()) - 1;
        let unknown = self.0 & !named;
        let unknown = (unknown != 0).then_some(Bit::Unknown(unknown));
        let names = CAPABILITIES.iter().filter(|(number, _)| self.0 & (1 << number) != 0);
        serializer.collect_seq(unknown.into_iter().chain(names.map(|(_, name)| Bit::Name(name))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_kind_with_its_category() {
        let page = include_str!("../../../docs/event-json.md");
        let row = |key: &str| page.lines().find(|line| line.starts_with(&format!("| `{key}` |"))).unwrap();
        for kind in Kind::ALL {
            assert!(row("evt.name").contains(&format!("`{}`", kind.name())), "{kind:?}");
            assert!(row("evt.category").contains(category(kind)), "{kind:?}");
        }
    }

    #[test]
    fn tables_are_sorted_by_name_and_complete() {
        assert!(OPEN_FLAGS.is_sorted_by_key(|(_, name)| name));
        assert!(CAPABILITIES.is_sorted_by_key(|(_, name)| name));
        let all = CAPABILITIES.iter().fold(0_u64, |all, (number, _)| all | 1 << number);
        assert_eq!(all, (1 << 41) - 1, "every number from 0 to 40 has exactly one name");
    }

    #[test]
    fn open_flags_follow_the_rule_for_bit_masks() {
        let check = |flags: i32, expect: &str| {
            assert_eq!(OpenFlags(flags.cast_unsigned()).to_string(), expect, "{flags:#o}");
        };
        check(libc::O_RDONLY, "O_RDONLY");
        check(libc::O_CLOEXEC, "O_CLOEXEC");
        check(libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, "O_CREAT | O_TRUNC | O_WRONLY");
        check(libc::O_RDWR | libc::O_NONBLOCK, "O_NONBLOCK | O_RDWR");
        check(libc::O_ACCMODE, "O_ACCMODE | O_RDWR | O_WRONLY");
        check(libc::O_SYNC, "O_DSYNC | O_SYNC");
        check(libc::O_DSYNC, "O_DSYNC");
        check(libc::O_PATH, &libc::O_PATH.to_string());
        check(
            libc::O_PATH | libc::O_NOFOLLOW | i32::MIN,
            &format!("{} | O_NOFOLLOW", 0x8000_0000_u32 + 0o1000_0000),
        );
        check(
            libc::O_TMPFILE | libc::O_WRONLY,
            &format!("{} | O_DIRECTORY | O_WRONLY", libc::O_TMPFILE & !libc::O_DIRECTORY),
        );
    }

    #[test]
    fn capabilities_are_names_and_unknown_bits_one_number() {
        let check = |set: u64, expect: &str| {
            assert_eq!(serde_json::to_string(&Capabilities(set)).unwrap(), expect, "{set:#x}");
        };
        check(0, "[]");
        check(1 << 21 | 1, r#"["CAP_CHOWN","CAP_SYS_ADMIN"]"#);
        check(1 << 39 | 1 << 41 | 1 << 63, &format!(r#"["{}","CAP_BPF"]"#, 1_u64 << 41 | 1 << 63));
    }
}
