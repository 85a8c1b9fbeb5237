//! How far the logs of one output are: written and synchronised, and delivered.
//!
//! Two copies in turn, each with a number and a checksum: one that is half written leaves the other. Invariant: what it
//! says is synchronised was so before; what it says is delivered was so, and more may have been.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Bytes of a copy.
const COPY_BYTES: usize = 64;
/// The copies lie in different pages, so that no write touches both.
const DISTANCE: u64 = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"shrkldg1");

/// How far one log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Every payload before this number is on disk.
    pub(crate) synced: u64,
    /// Every payload before this number is delivered or given up.
    pub(crate) delivered: u64,
}

/// What a ledger holds: of HIGH and of LOW.
pub(crate) type Progresses = [Progress; 2];

/// The open file, locked: a spool has one owner.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: File,
    number: u64,
}

impl Ledger {
    /// Opens or makes it; `None` when there is no copy that can be believed.
    ///
    /// # Errors
    /// When it cannot be read or written, or another process has it.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<Progresses>)> {
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::Error(error) => error,
            std::fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another reporter has this spool")
            }
        })?;
        let is_new = file.metadata()?.len() == 0;
        let copy = |place: u64| -> io::Result<Option<(u64, Progresses)>> {
            let mut bytes = [0; COPY_BYTES];
            match file.read_exact_at(&mut bytes, place * DISTANCE) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
                Err(error) => Err(error),
                Ok(()) => Ok(decode(&bytes)),
            }
        };
        let newest = [copy(0)?, copy(1)?].into_iter().flatten().max_by_key(|(number, _)| *number);
        let number = newest.map_or(0, |(number, _)| number);
        let known = newest.map(|(_, progresses)| progresses);
        Ok((Self { file, number }, if is_new { Some(Progresses::default()) } else { known }))
    }

    /// Writes it; it is on disk when this returns without an error.
    ///
    /// # Errors
    /// Those of the system; the copy before this one stands.
    pub(crate) fn write(&mut self, progresses: &Progresses) -> io::Result<()> {
        let number = self.number + 1;
        self.file.write_all_at(&encode(number, progresses), (number % 2) * DISTANCE)?;
        self.file.sync_data()?;
        self.number = number;
        Ok(())
    }
}

fn encode(number: u64, [high, low]: &Progresses) -> [u8; COPY_BYTES] {
    let mut bytes = [0; COPY_BYTES];
    let words = [MAGIC, number, high.synced, high.delivered, low.synced, low.delivered];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let sum = u64::from(crc32fast::hash(bytes.split_last_chunk::<8>().map_or(&[], |(before, _)| before)));
    if let Some(place) = bytes.last_chunk_mut::<8>() {
        *place = sum.to_le_bytes();
    }
    bytes
}

fn decode(bytes: &[u8; COPY_BYTES]) -> Option<(u64, Progresses)> {
    let (before, sum) = bytes.split_last_chunk::<8>()?;
    if u64::from_le_bytes(*sum) != u64::from(crc32fast::hash(before)) {
        return None;
    }
    let word = |place: usize| before.get(place * 8..place * 8 + 8)?.try_into().map(u64::from_le_bytes).ok();
    let high = Progress { synced: word(2)?, delivered: word(3)? };
    let low = Progress { synced: word(4)?, delivered: word(5)? };
    (word(0)? == MAGIC).then_some((word(1)?, [high, low]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progresses(n: u64) -> Progresses {
        [Progress { synced: n, delivered: n / 2 }, Progress { synced: 10 * n, delivered: n }]
    }

    #[test]
    fn what_was_written_last_is_read_and_a_new_one_is_at_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let (mut ledger, known) = Ledger::open(&path).unwrap();
        assert_eq!(known, Some(Progresses::default()));
        for n in 1..6 {
            ledger.write(&progresses(n)).unwrap();
        }
        drop(ledger);
        assert_eq!(Ledger::open(&path).unwrap().1, Some(progresses(5)));
    }

    #[test]
    fn a_half_written_copy_leaves_the_one_before_and_two_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let (mut ledger, _) = Ledger::open(&path).unwrap();
        ledger.write(&progresses(1)).unwrap();
        ledger.write(&progresses(2)).unwrap();
        drop(ledger);
        let whole = std::fs::read(&path).unwrap();
        for (at, expected) in [(5, Some(progresses(1))), (4096 + 20, Some(progresses(2)))] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Ledger::open(&path).unwrap().1, expected, "byte {at}");
        }
        let mut bytes = whole;
        (bytes[9], bytes[4096]) = (9, 9);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Ledger::open(&path).unwrap().1, None);
    }

    #[test]
    fn a_spool_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let (ledger, _) = Ledger::open(&path).unwrap();
        let error = Ledger::open(&path).unwrap_err();
        assert!(error.to_string().contains("another reporter has this spool"), "{error}");
        drop(ledger);
        Ledger::open(&path).unwrap();
    }
}
