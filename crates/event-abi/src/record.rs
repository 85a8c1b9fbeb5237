//! From bytes to a typed record.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::generated::{
    cgroup_event, event_header, event_kind, exec_event, exec_strings_event, exit_event, file_flag, file_info,
    fork_event, known_event, open_event,
};

/// Why bytes are not a record of this layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// Fewer bytes than the record states or needs.
    #[error("record is {got} bytes, needs {need}")]
    Truncated {
        /// What it needs.
        need: usize,
        /// What there is.
        got: usize,
    },
    /// The stated size is not the number of bytes.
    #[error("record states {stated} bytes and has {got}")]
    WrongSize {
        /// In its header.
        stated: usize,
        /// What there is.
        got: usize,
    },
    /// The kind is not one of this layout.
    #[error("unknown record kind {0}: probe and bpf object come from different builds")]
    UnknownKind(u16),
    /// The variable parts do not fill the record.
    #[error("{0} bytes are left after the last part of the record")]
    TrailingBytes(usize),
    /// The bytes do not begin at a multiple of eight, as every record of a ring does.
    #[error("record is not aligned to 8 bytes")]
    Misaligned,
}

/// One file of a record with the bytes that belong to it.
#[derive(Debug, Clone, Copy)]
pub struct FileParts<'a> {
    /// The fixed part.
    pub info: &'a file_info,
    /// Names, leaf first; see [`crate::join`].
    pub path: &'a [u8],
    /// What the caller asked for, when that is all that is known.
    pub argument: &'a [u8],
}

impl FileParts<'_> {
    /// True when this bit of `file_flag` is set.
    #[must_use]
    pub fn has(&self, flag: file_flag) -> bool {
        u32::from(self.info.flags) & flag.0 != 0
    }
}

/// A record, borrowed from its bytes.
#[derive(Debug, Clone, Copy)]
pub enum Record<'a> {
    /// A new program image.
    Exec {
        /// Fixed part.
        event: &'a exec_event,
        /// The file that is executed.
        executable: FileParts<'a>,
        /// The script it interprets, if any.
        script: FileParts<'a>,
    },
    /// A piece of the arguments or environment of the exec that follows.
    ExecStrings {
        /// Fixed part.
        event: &'a exec_strings_event,
        /// The piece.
        bytes: &'a [u8],
    },
    /// A new process.
    Fork(&'a fork_event),
    /// The end of a process.
    Exit(&'a exit_event),
    /// An open.
    Open {
        /// Fixed part.
        event: &'a open_event,
        /// The file.
        file: FileParts<'a>,
    },
    /// A cgroup was made.
    CgroupMade {
        /// Fixed part.
        event: &'a cgroup_event,
        /// Path from the root of its hierarchy.
        path: &'a [u8],
    },
    /// A cgroup was removed.
    CgroupGone {
        /// Fixed part.
        event: &'a cgroup_event,
        /// Path from the root of its hierarchy.
        path: &'a [u8],
    },
    /// A process found by the iterator.
    Known {
        /// Fixed part.
        event: &'a known_event,
        /// The file that is executed.
        executable: FileParts<'a>,
    },
}

/// Decodes one record.
///
/// # Errors
/// When the bytes are not exactly one record of this layout.
pub fn decode(raw: &[u8]) -> Result<Record<'_>, AbiError> {
    let (header, _) = prefix::<event_header>(raw)?;
    let stated = usize::try_from(header.size).unwrap_or(usize::MAX);
    if stated != raw.len() {
        return Err(AbiError::WrongSize { stated, got: raw.len() });
    }
    let (record, rest) = match event_kind(u32::from(header.kind)) {
        event_kind::EVENT_EXEC => {
            let (event, rest) = prefix::<exec_event>(raw)?;
            let (executable, rest) = file(&event.executable, rest)?;
            let (script, rest) = file(&event.script, rest)?;
            (Record::Exec { event, executable, script }, rest)
        }
        event_kind::EVENT_EXEC_STRINGS => {
            let (event, rest) = prefix::<exec_strings_event>(raw)?;
            let (bytes, rest) = part(rest, event.len)?;
            (Record::ExecStrings { event, bytes }, rest)
        }
        event_kind::EVENT_FORK => {
            let (event, rest) = prefix(raw)?;
            (Record::Fork(event), rest)
        }
        event_kind::EVENT_EXIT => {
            let (event, rest) = prefix(raw)?;
            (Record::Exit(event), rest)
        }
        event_kind::EVENT_OPEN => {
            let (event, rest) = prefix::<open_event>(raw)?;
            let (file, rest) = file(&event.file, rest)?;
            (Record::Open { event, file }, rest)
        }
        event_kind::EVENT_CGROUP_MADE => {
            let (event, rest) = prefix::<cgroup_event>(raw)?;
            let (path, rest) = part(rest, event.path_len)?;
            (Record::CgroupMade { event, path }, rest)
        }
        event_kind::EVENT_CGROUP_GONE => {
            let (event, rest) = prefix::<cgroup_event>(raw)?;
            let (path, rest) = part(rest, event.path_len)?;
            (Record::CgroupGone { event, path }, rest)
        }
        event_kind::EVENT_KNOWN => {
            let (event, rest) = prefix::<known_event>(raw)?;
            let (executable, rest) = file(&event.executable, rest)?;
            (Record::Known { event, executable }, rest)
        }
        _ => return Err(AbiError::UnknownKind(header.kind)),
    };
    if rest.is_empty() { Ok(record) } else { Err(AbiError::TrailingBytes(rest.len())) }
}

fn prefix<T: FromBytes + KnownLayout + Immutable>(raw: &[u8]) -> Result<(&T, &[u8]), AbiError> {
    if raw.len() < size_of::<T>() {
        return Err(AbiError::Truncated { need: size_of::<T>(), got: raw.len() });
    }
    // The length was checked, so that only the alignment can be wrong.
    T::ref_from_prefix(raw).ok().ok_or(AbiError::Misaligned)
}

fn file<'a>(info: &'a file_info, rest: &'a [u8]) -> Result<(FileParts<'a>, &'a [u8]), AbiError> {
    let (path, rest) = part(rest, u32::from(info.path_len))?;
    let (argument, rest) = part(rest, u32::from(info.argument_len))?;
    Ok((FileParts { info, path, argument }, rest))
}

fn part(rest: &[u8], len: u32) -> Result<(&[u8], &[u8]), AbiError> {
    let need = usize::try_from(len).unwrap_or(usize::MAX);
    rest.split_at_checked(need).ok_or(AbiError::Truncated { need, got: rest.len() })
}

#[cfg(test)]
mod tests;
