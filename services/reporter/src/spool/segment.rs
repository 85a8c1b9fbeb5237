//! One file of a log: its name says where it begins and what salts its headers.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::spool::record::{HEADER_BYTES, Header, sum_of_body};

/// A file of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// Number of the first payload that can be in it.
    pub(crate) first: u64,
    pub(crate) salt: u64,
    pub(crate) bytes: u64,
    /// When it was written last, milliseconds since the epoch.
    pub(crate) newest_ms: i64,
    /// Its records were given up on purpose; what is left is the name.
    pub(crate) is_evicted: bool,
    /// Something in it could not be read.
    pub(crate) is_suspect: bool,
    /// The same, and payloads are gone.
    pub(crate) is_damaged: bool,
}

impl Segment {
    /// The salt of a segment that is made after those with these salts. Its upper half counts: of segments that begin with
    /// the same payload, which are left by processes that ended while they wrote the first record, the last is the one with
    /// the payloads.
    pub(crate) fn next_salt(known: impl Iterator<Item = u64>) -> u64 {
        let made = known.map(|salt| salt >> 32).max().unwrap_or_default();
        ((made + 1) << 32) | u64::from(rand::random::<u32>())
    }

    /// A new one, not on disk yet.
    pub(crate) fn new(dir: &Path, prefix: &str, first: u64, salt: u64) -> Self {
        let path = dir.join(format!("{prefix}.{first:020}-{salt:016x}.segment"));
        Self {
            path,
            first,
            salt,
            bytes: 0,
            newest_ms: i64::MIN,
            is_evicted: false,
            is_suspect: false,
            is_damaged: false,
        }
    }

    /// The one of this file, if it is one of the log with this prefix.
    ///
    /// # Errors
    /// When nothing can be asked about it.
    pub(crate) fn found(path: PathBuf, prefix: &str) -> io::Result<Option<Self>> {
        let Some((first, salt, is_evicted)) = parse(&path, prefix) else { return Ok(None) };
        let meta = std::fs::metadata(&path)?;
        let age = meta.modified()?.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        let newest_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let new = Self::new(Path::new(""), prefix, first, salt);
        Ok(Some(Self { path, bytes: meta.len(), newest_ms, is_evicted, ..new }))
    }

    /// The number after that of the last record whose header is there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn scan_end(&self) -> io::Result<u64> {
        let (file, mut offset, mut end) = (File::open(&self.path)?, 0, self.first);
        while let Some(header) = next_header(&file, self.salt, &mut offset, &mut false) {
            offset += header.record_bytes();
            if offset <= self.bytes {
                end = end.max(header.end());
            }
        }
        Ok(end)
    }

    /// Reads the next whole record that does not end before `expected`, and moves on behind it. What cannot be read on
    /// the way makes the segment suspect.
    pub(crate) fn read(&mut self, file: &File, offset: &mut u64, expected: u64) -> Option<(Header, Vec<u8>)> {
        while let Some(header) = next_header(file, self.salt, offset, &mut self.is_suspect) {
            let body_at = *offset + HEADER_BYTES as u64;
            *offset += header.record_bytes();
            if header.end() <= expected {
                continue;
            }
            // Before memory is taken for it.
            if *offset > self.bytes {
                self.is_suspect = true;
                return None;
            }
            let mut body = vec![0; header.body_bytes as usize];
            if file.read_exact_at(&mut body, body_at).is_ok() && sum_of_body(&body) == header.body_sum {
                return Some((header, body));
            }
            self.is_suspect = true;
        }
        None
    }

    /// The name it gets when what is left of it is kept for people.
    pub(crate) fn damaged_path(&self) -> PathBuf {
        self.path.with_extension("damaged")
    }

    /// Gives up what is in it; its name still says that nothing is missing by accident.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn evict(&mut self) -> io::Result<()> {
        File::options().write(true).open(&self.path)?.set_len(0)?;
        let path = self.path.with_extension("evicted");
        std::fs::rename(&self.path, &path)?;
        (self.path, self.bytes, self.is_evicted) = (path, 0, true);
        Ok(())
    }
}

/// The header at `offset`, or the next one behind it; `offset` is where it begins.
fn next_header(file: &File, salt: u64, offset: &mut u64, is_suspect: &mut bool) -> Option<Header> {
    let mut bytes = [0; HEADER_BYTES];
    let n = read_up_to(file, &mut bytes, *offset);
    if n == 0 {
        return None;
    }
    if let Some(header) = Header::decode(bytes.get(..n)?, salt) {
        return Some(header);
    }
    *is_suspect = true;
    let len = file.metadata().ok()?.len();
    let mut rest = vec![0; usize::try_from(len.saturating_sub(*offset + 1)).ok()?];
    let n = read_up_to(file, &mut rest, *offset + 1);
    let rest = rest.get(..n)?;
    let at = Header::find(rest, salt)?;
    *offset += 1 + at as u64;
    Header::decode(rest.get(at..)?, salt)
}

/// As much as can be read; a place that the disk refuses ends it as the end of the file does.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    let mut n = 0;
    while let Some(rest) = buffer.get_mut(n..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + n as u64) {
            Ok(0) => break,
            Ok(read) => n += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_unreadable) => break,
        }
    }
    n
}

fn parse(path: &Path, prefix: &str) -> Option<(u64, u64, bool)> {
    let name = path.file_name()?.to_str()?.strip_prefix(prefix)?.strip_prefix('.')?;
    let (numbers, kind) = name.split_once('.')?;
    let (first, salt) = numbers.split_once('-')?;
    let is_evicted = match kind {
        "segment" => false,
        "evicted" => true,
        _ => return None,
    };
    Some((first.parse().ok()?, u64::from_str_radix(salt, 16).ok()?, is_evicted))
}
