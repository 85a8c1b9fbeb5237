//! From bytes to a typed record.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::generated::{
    cgroup_event, event_header, event_kind, exec_strings_event, file_flag, file_info, known_event,
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
    /// An event: the number of its kind, and what reads the rest.
    Event(u16, Reader<'a>),
    /// A piece of the arguments or environment of the exec that follows.
    ExecStrings {
        /// Fixed part.
        event: &'a exec_strings_event,
        /// The piece.
        bytes: &'a [u8],
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

/// Decodes one record that serves the probe, or the header of an event.
///
/// # Errors
/// When the bytes are not exactly one record of this layout.
pub fn decode(raw: &[u8]) -> Result<Record<'_>, AbiError> {
    let (header, mut reader) = Reader::new(raw)?;
    let record = match event_kind(u32::from(header.kind)) {
        event_kind(1..256) => return Ok(Record::Event(header.kind, reader)),
        event_kind::EVENT_EXEC_STRINGS => {
            let event: &exec_strings_event = reader.fixed()?;
            Record::ExecStrings { event, bytes: reader.part(event.len)? }
        }
        event_kind::EVENT_CGROUP_MADE => {
            let event: &cgroup_event = reader.fixed()?;
            Record::CgroupMade { event, path: reader.part(event.path_len)? }
        }
        event_kind::EVENT_CGROUP_GONE => {
            let event: &cgroup_event = reader.fixed()?;
            Record::CgroupGone { event, path: reader.part(event.path_len)? }
        }
        event_kind::EVENT_KNOWN => {
            let event: &known_event = reader.fixed()?;
            Record::Known { event, executable: reader.file(&event.executable)? }
        }
        _ => return Err(AbiError::UnknownKind(header.kind)),
    };
    reader.end()?;
    Ok(record)
}

/// Reads a record whose size is what it states: its fixed part, then the variable parts in the order of the struct, then
/// the end.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    raw: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(raw: &'a [u8]) -> Result<(&'a event_header, Self), AbiError> {
        let mut reader = Self { raw, rest: raw };
        let header: &event_header = reader.fixed()?;
        let stated = usize::try_from(header.size).unwrap_or(usize::MAX);
        if stated != raw.len() {
            return Err(AbiError::WrongSize { stated, got: raw.len() });
        }
        Ok((header, reader))
    }

    /// The struct that the record begins with. What is read next is what follows it.
    ///
    /// # Errors
    /// When the record is shorter.
    pub fn fixed<T: FromBytes + KnownLayout + Immutable>(&mut self) -> Result<&'a T, AbiError> {
        if self.raw.len() < size_of::<T>() {
            return Err(AbiError::Truncated { need: size_of::<T>(), got: self.raw.len() });
        }
        // The length was checked, so that only the alignment can be wrong.
        let (fixed, rest) = T::ref_from_prefix(self.raw).ok().ok_or(AbiError::Misaligned)?;
        self.rest = rest;
        Ok(fixed)
    }

    /// The path and the argument of a file.
    ///
    /// # Errors
    /// When there are fewer bytes.
    pub fn file(&mut self, info: &'a file_info) -> Result<FileParts<'a>, AbiError> {
        let path = self.part(u32::from(info.path_len))?;
        let argument = self.part(u32::from(info.argument_len))?;
        Ok(FileParts { info, path, argument })
    }

    /// The next bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn part(&mut self, len: u32) -> Result<&'a [u8], AbiError> {
        let need = usize::try_from(len).unwrap_or(usize::MAX);
        let (part, rest) =
            self.rest.split_at_checked(need).ok_or(AbiError::Truncated { need, got: self.rest.len() })?;
        self.rest = rest;
        Ok(part)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When there is.
    pub fn end(self) -> Result<(), AbiError> {
        if self.rest.is_empty() { Ok(()) } else { Err(AbiError::TrailingBytes(self.rest.len())) }
    }
}

#[cfg(test)]
mod tests;
