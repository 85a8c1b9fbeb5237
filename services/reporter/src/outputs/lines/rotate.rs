//! A file of lines that is rotated by size.
//!
//! Invariants: a line is never split over two files and nothing is ever written behind half a line, whether a full
//! disk or a crash left it; the mode is 0600; at most `max_files` rotated files exist. Rotating is renaming, so a
//! reader sees each line in exactly one file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bootstrap::counters::Counter;

use crate::config::FileConfig;
use crate::outputs::lines::pieces::Lines;

/// How much is read at once when the end of the last line is looked for.
const BLOCK_BYTES: usize = 64 << 10;

/// Why a file cannot be an output.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}; does its directory exist, and may uid {uid} write there?")]
pub struct FileError {
    path: PathBuf,
    uid: u32,
    source: io::Error,
}

/// The open file and its limits.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    max_files: u32,
    file: File,
    /// False for a pipe or a device, which is neither rotated nor cut.
    is_file: bool,
    /// Length up to the last whole line.
    len: u64,
    /// Something may be behind the last whole line, and must be cut before anything else is written.
    has_half_line: bool,
    cut_bytes: Counter,
}

impl RotatingFile {
    pub(crate) fn open(config: &FileConfig, cut_bytes: Counter) -> Result<Self, FileError> {
        let (file, is_file, len) = open(&config.path, &cut_bytes).map_err(|source| FileError {
            path: config.path.clone(),
            uid: nix::unistd::geteuid().as_raw(),
            source,
        })?;
        Ok(Self {
            path: config.path.clone(),
            max_bytes: config.max_bytes,
            max_files: config.max_files.get(),
            file,
            is_file,
            len,
            has_half_line: false,
            cut_bytes,
        })
    }

    /// Writes lines from a position on; returns how many of their bytes are in the file, and the error that stopped
    /// it. In a regular file these are whole lines.
    pub(crate) fn write(&mut self, lines: &Lines<'_>, from: usize) -> (usize, Option<io::Error>) {
        let mut at = from;
        while at < lines.len() {
            match self.make_room(lines, at) {
                Ok(end) => {
                    let (appended, error) = self.append(lines, at..end);
                    at += appended;
                    if error.is_some() {
                        return (at - from, error);
                    }
                }
                Err(error) => return (at - from, Some(error)),
            }
        }
        (at - from, None)
    }

    /// Where the lines end, at least one, that go into the file as it is now or after rotating it.
    fn make_room(&mut self, lines: &Lines<'_>, at: usize) -> io::Result<usize> {
        self.cut_half_line()?;
        self.reopen_if_moved()?;
        if !self.is_file {
            return Ok(lines.len());
        }
        let within = |bytes: u64| {
            lines.last_end_before(at.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX)))
        };
        let end = within(self.max_bytes.saturating_sub(self.len));
        if end > at {
            return Ok(end);
        }
        if self.len > 0 {
            self.rotate()?;
        }
        Ok(within(self.max_bytes).max(lines.end_of_line_at(at)))
    }

    fn append(&mut self, lines: &Lines<'_>, range: Range<usize>) -> (usize, Option<io::Error>) {
        let start = range.start;
        let (written, error) = lines.write_to(&mut self.file, range);
        let whole = match &error {
            // What is not a file, a pipe, cannot be cut: it goes on where it stopped.
            Some(_) if self.is_file => {
                self.has_half_line = true;
                lines.last_end_before(start + written).saturating_sub(start)
            }
            _ => written,
        };
        self.len += whole as u64;
        (whole, error)
    }

    /// A part of a line would spoil the next one too.
    fn cut_half_line(&mut self) -> io::Result<()> {
        if self.has_half_line {
            self.file.set_len(self.len)?;
            self.has_half_line = false;
        }
        Ok(())
    }

    /// Somebody else may rotate or remove the file; lines belong under its name.
    fn reopen_if_moved(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => Ok(()),
            Ok(_) => self.reopen(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.reopen(),
            Err(error) => Err(error),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.is_file, self.len) = open(&self.path, &self.cut_bytes)?;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.max_files).rev() {
            match std::fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, numbered(&self.path, 1))?;
        self.reopen()
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Opens for appending; says whether it is a regular file, and its length. Half a line at the end (a crash) is cut off first.
fn open(path: &Path, cut_bytes: &Counter) -> io::Result<(File, bool, u64)> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok((file, false, 0));
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    let whole = end_of_last_line(&mut file, meta.len())?;
    let half = meta.len() - whole;
    if half > 0 {
        file.set_len(whole)?;
        cut_bytes.add(half);
        tracing::warn!(path = %path.display(), bytes = half, "the file ended in half a line, which was cut off");
    }
    Ok((file, true, whole))
}

/// The length up to and with the last line break.
fn end_of_last_line(file: &mut File, len: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK_BYTES.min(usize::try_from(len).unwrap_or(BLOCK_BYTES))];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let wanted = usize::try_from(end - start).unwrap_or(BLOCK_BYTES);
        let Some(part) = block.get_mut(..wanted) else { break };
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
#[path = "rotate/tests.rs"]
mod tests;
