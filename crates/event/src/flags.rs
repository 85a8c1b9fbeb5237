//! Names of the bits of flags.
//!
//! Names are only a way of writing a number: every number has exactly one text, and the text gives it back.

/// The names of a set of flags.
#[derive(Debug, PartialEq, Eq)]
pub struct Flags {
    /// What they are called in messages: `open flag`.
    what: &'static str,
    /// A number in the lowest bits that is one of several, and its mask; a mask of 0 = there is none.
    choice: (u32, &'static [(&'static str, u32)]),
    /// Bits, those that contain others first.
    bits: &'static [(&'static str, u32)],
}

/// The values of `include/uapi/asm-generic/fcntl.h`, which x86-64 uses. Other architectures give some of the bits
/// another meaning; the number survives all the same.
pub(crate) static OPEN_FLAGS: Flags = Flags {
    what: "open flag",
    choice: (3, &[("O_RDONLY", 0), ("O_WRONLY", 1), ("O_RDWR", 2), ("O_ACCMODE", 3)]),
    bits: &[
        ("O_TMPFILE", 0o20_200_000),
        ("O_SYNC", 0o4_010_000),
        ("O_CREAT", 0o100),
        ("O_EXCL", 0o200),
        ("O_NOCTTY", 0o400),
        ("O_TRUNC", 0o1000),
        ("O_APPEND", 0o2000),
        ("O_NONBLOCK", 0o4000),
        ("O_DSYNC", 0o10_000),
        ("O_ASYNC", 0o20_000),
        ("O_DIRECT", 0o40_000),
        ("O_LARGEFILE", 0o100_000),
        ("O_DIRECTORY", 0o200_000),
        ("O_NOFOLLOW", 0o400_000),
        ("O_NOATIME", 0o1_000_000),
        ("O_CLOEXEC", 0o2_000_000),
        ("__O_SYNC", 0o4_000_000),
        ("O_PATH", 0o10_000_000),
        ("__O_TMPFILE", 0o20_000_000),
    ],
};

/// `include/uapi/linux/fcntl.h`.
pub static UNLINK_FLAGS: Flags =
    Flags { what: "unlink flag", choice: (0, &[]), bits: &[("AT_REMOVEDIR", 0x200)] };

/// `include/uapi/linux/fs.h`.
pub static RENAME_FLAGS: Flags = Flags {
    what: "rename flag",
    choice: (0, &[]),
    bits: &[("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2), ("RENAME_WHITEOUT", 4)],
};

impl Flags {
    /// `O_WRONLY|O_CREAT`; bits without a name come last, in hexadecimal. `0` when there is no name for that.
    #[must_use]
    pub fn to_names(&self, flags: u32) -> String {
        let (mask, choices) = self.choice;
        let chosen = choices.iter().find(|(_, value)| *value == flags & mask);
        let mut names: Vec<&str> = chosen.map(|(name, _)| *name).into_iter().collect();
        let mut rest = flags & !mask;
        for (name, value) in self.bits {
            if rest & value == *value {
                names.push(name);
                rest &= !value;
            }
        }
        let rest = if rest == 0 { String::new() } else { format!("{rest:#x}") };
        if !rest.is_empty() {
            names.push(&rest);
        }
        if names.is_empty() { "0".to_owned() } else { names.join("|") }
    }

    /// The number that names, joined by `|`, stand for.
    ///
    /// # Errors
    /// The name that is not known, and what can be written instead.
    pub fn from_names(&self, text: &str) -> Result<u32, String> {
        text.split('|').map(str::trim).try_fold(0, |flags, name| Ok(flags | self.flag(name)?))
    }

    /// Whether 0 has a name.
    #[must_use]
    pub fn names_zero(&self) -> bool {
        self.choice.0 != 0
    }

    /// The names there are.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.choice.1.iter().chain(self.bits).map(|(name, _)| *name)
    }

    fn flag(&self, name: &str) -> Result<u32, String> {
        let what = self.what;
        if let Some(digits) = name.strip_prefix("0x") {
            return u32::from_str_radix(digits, 16).map_err(|error| format!("{what} {name:?}: {error}"));
        }
        let known = self.choice.1.iter().chain(self.bits).find(|(known, _)| *known == name);
        let known = known.map(|(_, value)| *value).or((name == "0").then_some(0));
        known.ok_or_else(|| {
            let example = self.names().nth(1).or_else(|| self.names().next()).unwrap_or("0x1");
            format!("unknown {what} {name:?}: write names like {example} joined by |, 0x… or the number")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Leaf};

    fn tables() -> Vec<&'static Flags> {
        let fields = Kind::ALL.into_iter().flat_map(Kind::fields);
        fields
            .filter_map(|field| if let Leaf::Flags(table) = field.leaf { Some(table) } else { None })
            .collect()
    }

    #[test]
    fn names_give_the_same_number_back_for_every_bit_and_all_together() {
        assert!(!tables().is_empty());
        for table in tables() {
            for flags in (0..32).map(|bit| 1 << bit).chain([0, 3, u32::MAX, 0o101, 0o4_010_000, 0o20_200_002])
            {
                assert_eq!(table.from_names(&table.to_names(flags)), Ok(flags), "{}", table.to_names(flags));
            }
        }
    }

    #[test]
    fn flags_read_as_people_write_them() {
        assert_eq!(OPEN_FLAGS.to_names(0o1101), "O_WRONLY|O_CREAT|O_TRUNC");
        assert_eq!(OPEN_FLAGS.to_names(0), "O_RDONLY");
        assert_eq!(OPEN_FLAGS.to_names(0o4_010_000), "O_RDONLY|O_SYNC");
    }

    #[test]
    fn an_unknown_flag_is_named() {
        assert!(OPEN_FLAGS.from_names("O_RDONLY|O_WRITE").unwrap_err().contains("O_WRITE"));
    }
}
