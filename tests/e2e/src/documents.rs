//! Documents in the file of a reporter: read at the end, or followed while it grows and rotates.
//!
//! Lines are searched as bytes: a load of hundreds of thousands of documents is not parsed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::growth::{Growth, Place};

use anyhow::Context;
use memchr::memmem;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// The id of a document, and the number in the path or argument that follows `prefix`.
#[must_use]
pub fn id_and_number(line: &[u8], prefix: &[u8]) -> Option<(String, u64)> {
    let text = |from: usize, end: fn(&u8) -> bool| {
        let rest = line.get(from..)?;
        std::str::from_utf8(rest.get(..rest.iter().position(end)?)?).ok()
    };
    let number = text(memmem::find(line, prefix)? + prefix.len(), |byte| !byte.is_ascii_digit())?;
    Some((event_id(line)?, number.parse().ok()?))
}

/// Numbered events that were found in documents.
#[derive(Debug, Default)]
pub struct Numbered {
    /// The number and the id of each.
    pub ids: HashMap<u64, String>,
    /// Documents that had a number, duplicates too.
    pub lines: u64,
    /// What should not be: an event with two ids, or an id with two events.
    pub conflicts: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Numbered {
    /// Looks at a document.
    pub fn see(&mut self, line: &[u8], prefix: &[u8]) {
        let Some((id, number)) = id_and_number(line, prefix) else { return };
        self.lines += 1;
        let first_id = self.ids.entry(number).or_insert_with(|| id.clone());
        let first_number = self.numbers.entry(id.clone()).or_insert(number);
        if *first_id != id || *first_number != number {
            self.conflicts
                .push(format!("{number} is {id}; {number} was {first_id}, {id} was {first_number}"));
        }
    }
}

/// The id of a document.
#[must_use]
pub fn event_id(line: &[u8]) -> Option<String> {
    // In the file it is a document, in the intake's own file the same document inside of another one.
    let key = br#""event_id":""#;
    let rest = line.get(memmem::find(line, key)? + key.len()..)?;
    let id = rest.get(..memchr::memchr(b'"', rest)?)?;
    std::str::from_utf8(id).ok().map(str::to_owned)
}

/// Every line of `path` and of the files it was rotated to, oldest first.
///
/// # Errors
/// When one cannot be read.
pub fn lines(path: &Path, each: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    let rotated =
        (1..).map(|n| PathBuf::from(format!("{}.{n}", path.display()))).take_while(|path| path.exists());
    let mut files: Vec<PathBuf> = rotated.collect();
    files.reverse();
    files.push(path.to_owned());
    for file in files {
        let content = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(&mut *each);
    }
    Ok(())
}

/// Follows a file that grows and is rotated, until it is ended; gives each line with its place, by which the time is
/// found when it was written: a reader that falls behind a flood must not count its own delay.
pub struct Follower<T> {
    stop: Arc<AtomicBool>,
    growth: Growth,
    thread: std::thread::JoinHandle<anyhow::Result<T>>,
}

impl<T: Default + Send + 'static> Follower<T> {
    /// Starts to follow `path`, which need not be there yet; `each` collects from a line.
    ///
    /// # Errors
    /// When its directory cannot be watched.
    pub fn start(
        path: &Path,
        each: impl FnMut(&mut T, &[u8], &Place) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let growth = Growth::watch(path)?;
        let directory = path.parent().context("a file is in a directory")?;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVE;
        inotify.add_watch(directory, flags)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (path, stopped) = (path.to_owned(), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("follow".to_owned())
            .spawn(move || follow(&path, &inotify, &stopped, each))?;
        Ok(Self { stop, growth, thread })
    }

    /// Reads what is there, ends, and gives what was collected, with when the file grew to which size.
    ///
    /// # Errors
    /// When reading failed.
    pub fn end(self) -> anyhow::Result<(T, Growth)> {
        self.stop.store(true, Ordering::Relaxed);
        let collected =
            self.thread.join().map_err(|_panic| anyhow::anyhow!("following ended with a panic"))??;
        Ok((collected, self.growth))
    }
}

fn follow<T: Default>(
    path: &Path,
    inotify: &Inotify,
    stopped: &AtomicBool,
    mut each: impl FnMut(&mut T, &[u8], &Place),
) -> anyhow::Result<T> {
    let mut collected = T::default();
    let mut open: Option<File> = None;
    let mut place = Place::default();
    let mut buffer = vec![0; 1 << 20];
    let mut rest: Vec<u8> = Vec::new();
    loop {
        // Read before the last look, so that what was there when the end came is read too.
        let is_last = stopped.load(Ordering::Relaxed);
        if open.is_none() {
            open = File::open(path).ok();
            place = start_of(open.as_ref())?;
        }
        let read = open.as_mut().map_or(Ok(0), |file| file.read(&mut buffer))?;
        if read > 0 {
            rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
            let whole = memchr::memrchr(b'\n', &rest).map_or(0, |end| end + 1);
            for line in rest.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
                place.end += line.len() as u64;
                each(&mut collected, line, &place);
            }
            rest.drain(..whole);
            continue;
        }
        // At the end of a file that has another name by now, nothing more is written to it: the next one is that which
        // was begun after it.
        if let Some(file) = &open
            && let Some(next) = newer(path, file.metadata()?.ino())
        {
            if let Some(next) = open_next(path, file.metadata()?.ino(), &next)? {
                open = Some(next);
                place = start_of(open.as_ref())?;
            }
            continue;
        }
        if is_last {
            return Ok(collected);
        }
        wait(inotify);
    }
}

fn start_of(file: Option<&File>) -> anyhow::Result<Place> {
    let inode = file.map(File::metadata).transpose()?.map_or(0, |metadata| metadata.ino());
    Ok(Place { inode, end: 0 })
}

/// The file that was begun after the one with this inode, which is `path` or one of those that it was rotated to; `None`
/// while that is the newest, or nobody can tell.
fn newer(path: &Path, inode: u64) -> Option<PathBuf> {
    let mut after = path.to_owned();
    if std::fs::metadata(path).ok()?.ino() == inode {
        return None;
    }
    for n in 1.. {
        let rotated = PathBuf::from(format!("{}.{n}", path.display()));
        match std::fs::metadata(&rotated) {
            Ok(metadata) if metadata.ino() == inode => return Some(after),
            Ok(_) => after = rotated,
            // A gap: names are being moved, oldest first, and what is behind it may be next.
            Err(_) if PathBuf::from(format!("{}.{}", path.display(), n + 1)).exists() => return None,
            Err(_) => return Some(after),
        }
    }
    None
}

/// Opens the file that was begun after the one with this inode; `None` when names were moved meanwhile: a name that was
/// found a moment ago is then nobody's, or that of a later file.
fn open_next(path: &Path, inode: u64, next: &Path) -> std::io::Result<Option<File>> {
    let opened = match File::open(next) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = opened.metadata()?.ino();
    let is_next =
        newer(path, inode).is_some_and(|next| next.metadata().is_ok_and(|next| next.ino() == found));
    Ok(is_next.then_some(opened))
}

/// Waits until something happens to the directory, or a moment, so that a request to end is seen.
fn wait(inotify: &Inotify) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut fds = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(Duration::from_millis(50)).unwrap_or(PollTimeout::ZERO);
    if poll(&mut fds, limit).is_ok_and(|ready| ready > 0) {
        // Only that something happened matters.
        drop(inotify.read_events());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_reads_every_line_although_the_file_is_rotated_all_the_time() {
        const FILES: usize = 40;
        for _ in 0..50 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("lines");
            let (send, seen) = std::sync::mpsc::channel();
            let see = move |lines: &mut Vec<String>, line: &[u8], _: &Place| {
                lines.push(String::from_utf8_lossy(line).into_owned());
                // Only the first one is waited for.
                send.send(()).ok();
            };
            let follower = Follower::start(&path, see).unwrap();
            for n in 0..FILES {
                let name = |n: usize| PathBuf::from(format!("{}.{n}", path.display()));
                for older in (1..n).rev() {
                    std::fs::rename(name(older), name(older + 1)).unwrap();
                }
                if n > 0 {
                    std::fs::rename(&path, name(1)).unwrap();
                }
                std::fs::write(&path, format!("{n}\n")).unwrap();
                if n == 0 {
                    seen.recv().unwrap();
                }
            }
            let (lines, _) = follower.end().unwrap();
            assert_eq!(lines, (0..FILES).map(|n| format!("{n}\n")).collect::<Vec<_>>());
        }
    }

    #[test]
    fn id_and_number_are_found_in_a_document_and_in_one_inside_of_another() {
        let line = br#"{"agent":{"event_id":"a-1-2"},"file":{"path":"/no/such/file/000000123"}}"#;
        assert_eq!(id_and_number(line, b"/no/such/file/"), Some(("a-1-2".to_owned(), 123)));
        assert_eq!(id_and_number(b"{}", b"/no/such/file/"), None);
    }
}
