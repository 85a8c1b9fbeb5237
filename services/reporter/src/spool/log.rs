//! The log of one class of one output: payloads with numbers without gaps, in files that are only appended to.
//!
//! Invariants: between two records that are read, exactly those payloads are counted as lost that are gone; opening reads no
//! more than the last file; a file from before a restart, or whose writing failed, is never written to again.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::spool::record::{Header, sum_of_body};
use crate::spool::segment::Segment;

/// A file that is this long is the last one no more.
const SEGMENT_BYTES: u64 = 4 << 20;

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    prefix: String,
    segments: Vec<Segment>,
    /// The last segment, while it is written to.
    writer: Option<File>,
    /// Files with records that are not synchronised; the writer may be among them.
    unsynced: Vec<File>,
    /// A name was made that is not synchronised.
    has_new_name: bool,
    /// The number of the next payload.
    next: u64,
    reader: Option<Reader>,
    /// The segment that is kept for people.
    damaged: Option<PathBuf>,
}

/// Where the last read ended.
#[derive(Debug)]
struct Reader {
    file: File,
    segment: u64,
    offset: u64,
    expected: u64,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) first: u64,
    pub(crate) n: u32,
    pub(crate) accepted_ms: i64,
    pub(crate) body: Vec<u8>,
}

/// What came of a read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The first record of the range that is whole.
    pub(crate) record: Option<Record>,
    /// Payloads before it, or in all of the range, that are gone.
    pub(crate) lost: u64,
    /// Where to go on.
    pub(crate) next: u64,
}

/// A segment that is given up as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The numbers of its payloads.
    pub(crate) range: Range<u64>,
    /// When it was written last, milliseconds since the epoch.
    pub(crate) newest_ms: i64,
}

impl Log {
    /// Opens what is in the directory; numbers go on after `least`.
    ///
    /// # Errors
    /// When the directory or the last segment cannot be read.
    pub(crate) fn open(dir: &Path, prefix: String, least: u64) -> io::Result<Self> {
        let (mut segments, mut damaged) = (Vec::new(), None);
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(&prefix) && name.ends_with(".damaged") {
                damaged = Some(path);
            } else if let Some(segment) = Segment::found(path, &prefix)? {
                segments.push(segment);
            }
        }
        segments.sort_by_key(|segment| (segment.first, segment.salt));
        let end = match segments.last() {
            Some(last) => last.scan_end()?,
            None => 0,
        };
        Ok(Self {
            dir: dir.to_owned(),
            prefix,
            segments,
            writer: None,
            unsynced: Vec::new(),
            has_new_name: false,
            next: end.max(least),
            reader: None,
            damaged,
        })
    }

    /// The number of the oldest payload that can be there.
    pub(crate) fn first(&self) -> u64 {
        self.segments.first().map_or(self.next, |segment| segment.first)
    }

    /// The number that the next payload gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Appends a record of `n` payloads, which get the next numbers.
    ///
    /// # Errors
    /// Those of the system; then nothing was appended.
    pub(crate) fn append(&mut self, n: u32, accepted_ms: i64, body: &[u8]) -> io::Result<()> {
        let is_full = self.segments.last().is_none_or(|segment| segment.bytes >= SEGMENT_BYTES);
        if self.writer.is_none() || is_full {
            self.begin(accepted_ms)?;
        }
        let (Some(file), Some(segment)) = (&self.writer, self.segments.last_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let body_bytes = u32::try_from(body.len()).map_err(|_too_long| io::ErrorKind::FileTooLarge)?;
        let header = Header { first: self.next, n, body_bytes, accepted_ms, body_sum: sum_of_body(body) };
        let at = segment.bytes;
        let written = file
            .write_all_at(&header.encode(segment.salt), at)
            .and_then(|()| file.write_all_at(body, at + header.record_bytes() - u64::from(body_bytes)));
        if let Err(error) = written {
            // Best effort: a part of a record that stays is seen by its checksum.
            drop(file.set_len(at));
            self.writer = None;
            if at == 0 {
                // Best effort too: what is left behind is empty.
                drop(remove(&segment.path));
                self.segments.pop();
            }
            return Err(error);
        }
        segment.bytes += header.record_bytes();
        segment.newest_ms = segment.newest_ms.max(accepted_ms);
        self.next = header.end();
        Ok(())
    }

    fn begin(&mut self, now_ms: i64) -> io::Result<()> {
        self.writer = None;
        let salt = Segment::next_salt(self.segments.iter().map(|segment| segment.salt));
        let mut segment = Segment::new(&self.dir, &self.prefix, self.next, salt);
        segment.newest_ms = now_ms;
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&segment.path)?;
        self.has_new_name = true;
        self.unsynced.push(file.try_clone()?);
        self.writer = Some(file);
        self.segments.push(segment);
        Ok(())
    }

    /// Everything that was appended is on disk when this returns without an error. After one, no file that was not
    /// synchronised is written to again: the system may have forgotten what it could not write.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let synced = self.try_sync();
        self.unsynced.clear();
        match &synced {
            Ok(()) => self.unsynced.extend(self.writer.as_ref().and_then(|file| file.try_clone().ok())),
            Err(_) => self.writer = None,
        }
        synced
    }

    fn try_sync(&mut self) -> io::Result<()> {
        for file in &self.unsynced {
            file.sync_data()?;
        }
        if self.has_new_name {
            File::open(&self.dir)?.sync_all()?;
            self.has_new_name = false;
        }
        Ok(())
    }

    /// The first whole record that has payloads of the range, and how many payloads before it are gone.
    pub(crate) fn read(&mut self, range: Range<u64>) -> io::Result<Found> {
        let mut expected = range.start;
        let mut lost = 0;
        let first = self.segments.partition_point(|segment| segment.first <= expected).saturating_sub(1);
        for at in first..self.segments.len() {
            let end = self.end_of(at);
            let Some(segment) = self.segments.get_mut(at).filter(|segment| segment.first < range.end) else {
                break;
            };
            lost += segment.first.saturating_sub(expected);
            expected = expected.max(segment.first);
            if segment.is_evicted {
                expected = expected.max(end).min(range.end);
                continue;
            }
            let known = self.reader.take();
            let mut reader = match known {
                Some(known) if known.segment == segment.first && known.expected == expected => known,
                _ => {
                    let file = File::open(&segment.path)?;
                    Reader { file, segment: segment.first, offset: 0, expected }
                }
            };
            let record = segment.read(&reader.file, &mut reader.offset, expected);
            let Some((header, body)) = record.filter(|(header, _)| header.first < range.end) else {
                continue;
            };
            lost += header.first.saturating_sub(expected);
            reader.expected = header.end();
            self.reader = Some(reader);
            self.note_damage(lost, first..at + 1);
            let Header { first, n, accepted_ms, .. } = header;
            return Ok(Found {
                record: Some(Record { first, n, accepted_ms, body }),
                lost,
                next: header.end(),
            });
        }
        lost += range.end.saturating_sub(expected);
        self.note_damage(lost, first..self.segments.len());
        Ok(Found { record: None, lost, next: range.end })
    }

    /// Removes the files whose payloads all have a lower number.
    ///
    /// # Errors
    /// Those of the system; what could not be removed is tried again with the next call.
    pub(crate) fn release(&mut self, up_to: u64) -> io::Result<()> {
        while !self.segments.is_empty() && self.end_of(0) <= up_to {
            if self.segments.len() == 1 && self.writer.is_some() {
                break;
            }
            let Some(segment) = self.segments.first() else { break };
            if segment.is_damaged {
                let kept = segment.damaged_path();
                std::fs::rename(&segment.path, &kept)?;
                if let Some(older) = self.damaged.replace(kept) {
                    std::fs::remove_file(older)?;
                }
            } else {
                remove(&segment.path)?;
            }
            self.segments.remove(0);
        }
        Ok(())
    }

    /// The oldest segment all of whose payloads are of the range, unless it is being written.
    pub(crate) fn oldest(&self, range: &Range<u64>) -> Option<Extent> {
        let written = self.segments.len().saturating_sub(usize::from(self.writer.is_some()));
        let segments = self.segments.iter().enumerate().take(written);
        let extents = segments.filter(|(_, segment)| !segment.is_evicted).map(|(at, segment)| Extent {
            range: segment.first..self.end_of(at),
            newest_ms: segment.newest_ms,
        });
        extents.into_iter().find(|extent| {
            !extent.range.is_empty() && range.start <= extent.range.start && extent.range.end <= range.end
        })
    }

    /// Gives up a segment.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn evict(&mut self, first: u64) -> io::Result<()> {
        self.reader = None;
        match self.segments.iter_mut().find(|segment| segment.first == first && !segment.is_evicted) {
            Some(segment) => segment.evict(),
            None => Ok(()),
        }
    }

    fn end_of(&self, at: usize) -> u64 {
        self.segments.get(at + 1).map_or(self.next, |segment| segment.first)
    }

    fn note_damage(&mut self, lost: u64, segments: Range<usize>) {
        if lost == 0 {
            return;
        }
        for segment in self.segments.get_mut(segments).into_iter().flatten() {
            if segment.is_suspect {
                segment.is_damaged = true;
                tracing::error!(file = %segment.path.display(), "a segment of the spool is damaged");
            }
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "log/tests.rs"]
mod tests;
