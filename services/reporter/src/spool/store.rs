//! What the spool of one output is kept in: a trait, and the directory on disk.
//!
//! Invariant: [`Store::commit`] returns without an error only when everything that was appended before survives a crash of
//! the process and of the machine.

use std::io;
use std::ops::Range;
use std::path::Path;

use crate::intake::group::Class;
use crate::spool::ledger::{Ledger, Progress, Progresses};
use crate::spool::log::{Extent, Found, Log};

/// Keeps records of both classes until they are delivered. Payloads of a class are numbered without gaps.
pub(crate) trait Store: Send + std::fmt::Debug + 'static {
    /// The numbers of the payloads that are kept: from the first that is not known to be delivered.
    fn kept(&self, class: Class) -> Range<u64>;

    /// Adds a record of `n` payloads.
    ///
    /// # Errors
    /// Those of the system; then it was not added.
    fn append(&mut self, class: Class, n: u32, accepted_ms: i64, body: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable, notes that everything before `delivered` of each class is, and removes it.
    ///
    /// # Errors
    /// Those of the system; what was appended since the last success must not be relied on then.
    fn commit(&mut self, delivered: [u64; 2]) -> io::Result<()>;

    /// The first whole record of the range.
    ///
    /// # Errors
    /// When the system refuses for want of something, and may not the next time.
    fn read(&mut self, class: Class, range: Range<u64>) -> io::Result<Found>;

    /// The oldest part that can be given up as a whole and has no payload beside those of the range.
    fn oldest(&self, class: Class, range: &Range<u64>) -> Option<Extent>;

    /// Gives up the part that begins there: not kept, and not lost by accident.
    ///
    /// # Errors
    /// Those of the system.
    fn evict(&mut self, class: Class, first: u64) -> io::Result<()>;

    /// Bytes on disk.
    fn bytes(&self) -> u64;
}

/// Files in a directory.
#[derive(Debug)]
pub(crate) struct Disk {
    ledger: Ledger,
    written: Progresses,
    logs: [Log; 2],
}

impl Disk {
    /// Opens what `output` has in the directory.
    ///
    /// # Errors
    /// When the directory cannot be used, or another process has it.
    pub(crate) fn open(dir: &Path, output: &str) -> io::Result<Self> {
        let (ledger, known) = Ledger::open(&dir.join(format!("{output}.ledger")))?;
        if known.is_none() {
            tracing::error!(
                output,
                "the ledger of the spool is damaged: everything that is there is sent again, and whether the end of it is \
                 missing cannot be known"
            );
        }
        let known = known.unwrap_or_default();
        let log = |class: Class| {
            let Progress { synced, delivered } = *of(&known, class);
            Log::open(dir, format!("{output}.{}", class.name()), synced.max(delivered))
        };
        let logs = [log(Class::High)?, log(Class::Low)?];
        let mut written = known;
        for (progress, log) in written.iter_mut().zip(&logs) {
            progress.delivered = progress.delivered.max(if progress.synced == 0 { log.first() } else { 0 });
        }
        Ok(Self { ledger, written, logs })
    }

    fn log(&mut self, class: Class) -> &mut Log {
        of_mut(&mut self.logs, class)
    }

    fn known(&self, class: Class) -> &Log {
        of(&self.logs, class)
    }
}

/// What belongs to a class.
pub(crate) fn of<T>([high, low]: &[T; 2], class: Class) -> &T {
    match class {
        Class::High => high,
        Class::Low => low,
    }
}

/// The same, to change it.
pub(crate) fn of_mut<T>([high, low]: &mut [T; 2], class: Class) -> &mut T {
    match class {
        Class::High => high,
        Class::Low => low,
    }
}

impl Store for Disk {
    fn kept(&self, class: Class) -> Range<u64> {
        let next = self.known(class).next();
        of(&self.written, class).delivered.min(next)..next
    }

    fn append(&mut self, class: Class, n: u32, accepted_ms: i64, body: &[u8]) -> io::Result<()> {
        self.log(class).append(n, accepted_ms, body)
    }

    fn commit(&mut self, delivered: [u64; 2]) -> io::Result<()> {
        let mut progresses = Progresses::default();
        for ((progress, log), delivered) in progresses.iter_mut().zip(&mut self.logs).zip(delivered) {
            log.sync()?;
            *progress = Progress { synced: log.next(), delivered };
        }
        if progresses != self.written {
            self.ledger.write(&progresses)?;
            self.written = progresses;
        }
        for (log, delivered) in self.logs.iter_mut().zip(delivered) {
            // What cannot be removed now is sent by nobody and removed with a later commit.
            if let Err(error) = log.release(delivered) {
                tracing::warn!(%error, "cannot remove what the spool does not need any more");
            }
        }
        Ok(())
    }

    fn read(&mut self, class: Class, range: Range<u64>) -> io::Result<Found> {
        self.log(class).read(range)
    }

    fn oldest(&self, class: Class, range: &Range<u64>) -> Option<Extent> {
        self.known(class).oldest(range)
    }

    fn evict(&mut self, class: Class, first: u64) -> io::Result<()> {
        self.log(class).evict(first)
    }

    fn bytes(&self) -> u64 {
        self.logs.iter().map(Log::bytes).sum()
    }
}
