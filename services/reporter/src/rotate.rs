//! A file of lines that is rotated by size.
//!
//! Invariants: a line is never split over two files and never left half; the mode is 0600; at most `max_files`
//! rotated files exist. Rotating is renaming, so a reader sees each line in exactly one file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::FileConfig;

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
    /// Length up to the last whole line.
    len: u64,
}

impl RotatingFile {
    pub(crate) fn open(config: &FileConfig) -> Result<Self, FileError> {
        let (file, len) = open(&config.path).map_err(|source| FileError {
            path: config.path.clone(),
            uid: nix::unistd::geteuid().as_raw(),
            source,
        })?;
        Ok(Self {
            path: config.path.clone(),
            max_bytes: config.max_bytes,
            max_files: config.max_files.get(),
            file,
            len,
        })
    }

    /// Writes lines, each with its line break; returns how many were written whole, and the error that stopped it.
    pub(crate) fn write(&mut self, lines: &[Vec<u8>]) -> (usize, Option<io::Error>) {
        let mut written = 0;
        let mut rest = lines;
        while !rest.is_empty() {
            let result = self.make_room(rest).and_then(|run| {
                let (now, later) = rest.split_at(run);
                self.append(&now.concat())?;
                Ok((now.len(), later))
            });
            match result {
                Ok((n, later)) => {
                    written += n;
                    rest = later;
                }
                Err(error) => return (written, Some(error)),
            }
        }
        (written, None)
    }

    /// The number of lines, at least one, that go into the file as it is now or after rotating it.
    fn make_room(&mut self, lines: &[Vec<u8>]) -> io::Result<usize> {
        self.reopen_if_moved()?;
        let max_bytes = self.max_bytes;
        let fitting = |mut len: u64| {
            let fits = |line: &&Vec<u8>| {
                len = len.saturating_add(line.len() as u64);
                len <= max_bytes
            };
            lines.iter().take_while(fits).count()
        };
        match fitting(self.len) {
            0 if self.len > 0 => {
                self.rotate()?;
                Ok(fitting(0).max(1))
            }
            run => Ok(run.max(1)),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A part of a line would spoil the next one too.
                self.file.set_len(self.len)?;
                Err(error)
            }
        }
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
        (self.file, self.len) = open(&self.path)?;
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

/// Opens for appending and returns the length; a last line without its end (a crash) is ended first.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
    }
    let len = file.metadata()?.len();
    Ok((file, len))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::config::LineFormat;

    fn config(path: PathBuf, max_bytes: u64, max_files: u32) -> FileConfig {
        let max_files = NonZeroU32::new(max_files).unwrap();
        FileConfig { path, max_bytes, max_files, format: LineFormat::Event }
    }

    fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| format!("{text}\n").into_bytes()).collect()
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_go_on_in_a_new_file_and_the_oldest_file_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let mut file = RotatingFile::open(&config(path.clone(), 6, 2)).unwrap();
        assert_eq!(file.write(&lines(&["aa", "bb", "cc", "dd", "longer than a file", "ee", "ff"])).0, 7);
        assert_eq!(read(&path), "ee\nff\n");
        assert_eq!(read(&numbered(&path, 1)), "longer than a file\n");
        assert_eq!(read(&numbered(&path, 2)), "cc\ndd\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_half_line_from_before_is_ended_and_a_wide_mode_narrowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        std::fs::write(&path, "half").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let mut file = RotatingFile::open(&config(path.clone(), 1000, 1)).unwrap();
        file.write(&lines(&["next"]));
        assert_eq!(read(&path), "half\nnext\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let mut file = RotatingFile::open(&config(path.clone(), 1000, 1)).unwrap();
        file.write(&lines(&["old"]));
        std::fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        file.write(&lines(&["new"]));
        assert_eq!(read(&path), "new\n");
        assert_eq!(read(&dir.path().join("elsewhere")), "old\n");
    }

    #[test]
    fn an_unwritable_place_is_an_error_that_says_what_to_look_at() {
        let error = RotatingFile::open(&config("/proc/none/events".into(), 1, 1)).unwrap_err().to_string();
        assert!(error.contains("/proc/none/events") && error.contains("directory"), "{error}");
    }

    #[test]
    fn a_full_disk_is_an_error_and_the_lines_are_not_counted_as_written() {
        let mut file = RotatingFile::open(&config("/dev/full".into(), 1000, 1)).unwrap();
        let (written, error) = file.write(&lines(&["a", "b"]));
        assert_eq!(written, 0);
        assert!(error.is_some());
    }
}
