//! The one record that survives a probe that is killed: from when on not everything had settled.
//!
//! A small file beside the socket, opened while there are privileges and rewritten in place from a thread of its own, so that
//! a slow disk never holds up the drain loop. Invariants: a record that is damaged, torn or of another boot says nothing;
//! the time in it never lies after the oldest event that is not settled.

mod keeper;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use event::NotObserved;

pub use keeper::Keeper;

const MAGIC: [u8; 8] = *b"shrike\x00\x01";
const BOOT_ID_BYTES: usize = 40;
const BODY_BYTES: usize = MAGIC.len() + BOOT_ID_BYTES + 4 * size_of::<u64>();
const RECORD_BYTES: usize = BODY_BYTES + size_of::<u32>();

/// Why there is no state of the probe before.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Somebody else could have written it.
    #[error("{path} is not a regular file of uid {expected} alone (mode {mode:o}, uid {uid}): remove it")]
    NotOwn {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// The owner it must have.
        expected: u32,
    },
    /// Its content makes no sense.
    #[error("the record in it is damaged ({0} bytes)")]
    Damaged(usize),
}

/// What a probe leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The boot of the machine.
    pub boot_id: String,
    /// The probe.
    pub session: u64,
    /// Starts of probes in this boot, this one included.
    pub starts: u64,
    /// From here on not everything was settled (`CLOCK_BOOTTIME`).
    pub unsettled_since_ns: u64,
    /// True when the probe ended in order.
    pub is_stopped: bool,
}

impl Record {
    fn to_bytes(&self) -> Vec<u8> {
        let mut boot_id = self.boot_id.clone().into_bytes();
        boot_id.resize(BOOT_ID_BYTES, 0);
        let numbers = [self.session, self.starts, self.unsettled_since_ns, u64::from(self.is_stopped)];
        let mut bytes = [MAGIC.as_slice(), &boot_id].concat();
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(BODY_BYTES)?;
        if sum != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let body = body.strip_prefix(&MAGIC)?;
        let (boot_id, numbers) = body.split_at_checked(BOOT_ID_BYTES)?;
        let boot_id = std::str::from_utf8(boot_id).ok()?.trim_end_matches('\0').to_owned();
        let (numbers, _) = numbers.as_chunks::<8>();
        let [session, starts, unsettled_since_ns, flags] = numbers else { return None };
        let [session, starts, unsettled_since_ns, flags] =
            [session, starts, unsettled_since_ns, flags].map(|number| u64::from_le_bytes(*number));
        Some(Self { boot_id, session, starts, unsettled_since_ns, is_stopped: flags != 0 })
    }

    /// The record of a probe that starts after the one that left `before`, and what nobody observed in between.
    #[must_use]
    pub fn begin(
        before: Option<Self>,
        boot_id: &str,
        session: u64,
        attached_ns: u64,
    ) -> (Self, Option<NotObserved>) {
        let before = before.filter(|before| before.boot_id == boot_id);
        let gap = before.as_ref().filter(|before| before.unsettled_since_ns < attached_ns).map(|before| {
            let reason = if before.is_stopped { "the probe was stopped" } else { "the probe was killed" };
            NotObserved { from_ns: before.unsettled_since_ns, to_ns: attached_ns, reason: reason.into() }
        });
        let record = Self {
            boot_id: boot_id.to_owned(),
            session,
            starts: before.map_or(0, |before| before.starts).saturating_add(1),
            unsettled_since_ns: gap.as_ref().map_or(attached_ns, |gap| gap.from_ns),
            is_stopped: false,
        };
        (record, gap)
    }
}

/// The file with the record.
#[derive(Debug)]
pub struct StateFile {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// Opens the file, or makes it for its owner alone.
    ///
    /// # Errors
    /// When that is not possible, or somebody else could have written it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let io = |source| StateError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        // O_NONBLOCK: a pipe put in its place must not hold up the start.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let file = options.open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let expected = nix::unistd::geteuid().as_raw();
        let (mode, uid) = (metadata.mode(), metadata.uid());
        if !metadata.is_file() || uid != expected || mode & 0o077 != 0 {
            return Err(StateError::NotOwn { path: path.to_owned(), mode, uid, expected });
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// The record in it; `None` when nobody has written one yet.
    ///
    /// # Errors
    /// When there is something else in it.
    pub fn read(&self) -> Result<Option<Record>, StateError> {
        let mut bytes = [0; RECORD_BYTES + 1];
        let io = |source| StateError::Io { path: self.path.clone(), source };
        let read = self.file.read_at(&mut bytes, 0).map_err(io)?;
        if read == 0 {
            return Ok(None);
        }
        let record = bytes.get(..read).and_then(Record::from_bytes);
        record.map(Some).ok_or(StateError::Damaged(read))
    }

    /// Replaces the record.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, record: &Record) -> Result<(), StateError> {
        let bytes = record.to_bytes();
        let written = self.file.write_all_at(&bytes, 0).and_then(|()| match self.file.metadata()?.len() {
            length if length == bytes.len() as u64 => Ok(()),
            // Something else was in it.
            _ => self.file.set_len(bytes.len() as u64),
        });
        written.map_err(|source| StateError::Io { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests;
