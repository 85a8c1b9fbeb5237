//! Names of open flags.
//!
//! The values are those of `include/uapi/asm-generic/fcntl.h`, which x86-64 uses. Other architectures give some of
//! the bits another meaning; the number survives all the same, since names are only a way of writing it.

/// Access modes: a number in two bits, not flags.
const ACCESS: [(&str, u32); 4] = [("O_RDONLY", 0), ("O_WRONLY", 1), ("O_RDWR", 2), ("O_ACCMODE", 3)];
const ACCESS_MASK: u32 = 3;

/// Flags, those that contain others first.
const FLAGS: [(&str, u32); 19] = [
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
];

/// `O_WRONLY|O_CREAT`; bits without a name come last, in hexadecimal.
pub(crate) fn to_names(flags: u32) -> String {
    let access = ACCESS.iter().find(|(_, value)| *value == flags & ACCESS_MASK);
    let mut names: Vec<&str> = access.map(|(name, _)| *name).into_iter().collect();
    let mut rest = flags & !ACCESS_MASK;
    for (name, value) in FLAGS {
        if rest & value == value {
            names.push(name);
            rest &= !value;
        }
    }
    let mut text = names.join("|");
    if rest != 0 {
        text.push_str(&format!("|{rest:#x}"));
    }
    text
}

/// The number that names, joined by `|`, stand for.
pub(crate) fn from_names(text: &str) -> Result<u32, String> {
    text.split('|').map(str::trim).try_fold(0, |flags, name| Ok(flags | flag(name)?))
}

fn flag(name: &str) -> Result<u32, String> {
    if let Some(digits) = name.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).map_err(|error| format!("open flag {name:?}: {error}"));
    }
    let known = ACCESS.iter().chain(&FLAGS).find(|(known, _)| *known == name);
    known.map(|(_, value)| *value).ok_or_else(|| {
        format!("unknown open flag {name:?}: write names like O_WRONLY joined by |, 0x… or the number")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_the_same_number_back_for_every_bit_and_all_together() {
        for flags in (0..32).map(|bit| 1 << bit).chain([0, 3, u32::MAX, 0o101, 0o4_010_000, 0o20_200_002]) {
            assert_eq!(from_names(&to_names(flags)), Ok(flags), "{}", to_names(flags));
        }
    }

    #[test]
    fn flags_read_as_people_write_them() {
        assert_eq!(to_names(0o1101), "O_WRONLY|O_CREAT|O_TRUNC");
        assert_eq!(to_names(0), "O_RDONLY");
        assert_eq!(to_names(0o4_010_000), "O_RDONLY|O_SYNC");
    }

    #[test]
    fn an_unknown_flag_is_named() {
        assert!(from_names("O_RDONLY|O_WRITE").unwrap_err().contains("O_WRITE"));
    }
}
