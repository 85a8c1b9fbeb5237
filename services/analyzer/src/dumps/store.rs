//! The directory of dumps: written whole or not at all, bounded in number and bytes.
//!
//! Blocks: it is called where that disturbs nobody. Invariants: a file that can be seen is whole; all files of a dump come and
//! go together; what was not written by us is left alone.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use dump::Format;

use crate::config::StorageConfig;

/// Where copies of running dumps are.
const RUNNING: &str = "running";

/// Why the directory cannot be used, or a file not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory.
    #[error("cannot use {path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is not there, or not ours.
    #[error("no dump has a file {0}")]
    Unknown(String),
}

/// Makes the directories, before the service confines itself: after that none can be made.
///
/// # Errors
/// When they are not there and cannot be made.
pub fn prepare(config: &StorageConfig) -> Result<(), StoreError> {
    let running = config.output_directory.join(RUNNING);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&running);
    made.map_err(|source| StoreError::Directory { path: running, source })
}

/// A dump with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    name: String,
    written: SystemTime,
    files: Vec<(PathBuf, u64)>,
}

impl Kept {
    fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Called with the files of a dump before they are removed.
type OnRemoval = Box<dyn FnMut(&[PathBuf]) + Send>;

/// The directory.
pub struct Store {
    dir: PathBuf,
    max_dumps: usize,
    max_bytes: u64,
    /// The one that was written longest ago first.
    kept: VecDeque<Kept>,
    on_removal: OnRemoval,
    removed: u64,
}

impl Store {
    /// The directory as it is. Half-written files of a killed analyzer are removed.
    ///
    /// # Errors
    /// When it is not there, or nothing can be written in it.
    pub fn open(config: &StorageConfig) -> Result<Self, StoreError> {
        let dir = config.output_directory.clone();
        let failed = |source| StoreError::Directory { path: dir.clone(), source };
        for dir in [dir.clone(), dir.join(RUNNING)] {
            remove_unfinished(&dir).map_err(failed)?;
            // What cannot be written now cannot be written later.
            let probe = dir.join(".probe.tmp");
            create(&probe).map_err(failed)?;
            std::fs::remove_file(&probe).map_err(failed)?;
        }
        let mut store = Self {
            kept: find(&dir).map_err(failed)?,
            dir,
            max_dumps: config.max_dumps_count.get(),
            max_bytes: u64::try_from(config.max_bytes.get()).unwrap_or(u64::MAX),
            on_removal: Box::new(|_| ()),
            removed: 0,
        };
        store.make_room();
        Ok(store)
    }

    /// From now on `hook` hears of what is removed, before it is: profiles that were read from there.
    pub fn on_removal(&mut self, hook: impl FnMut(&[PathBuf]) + Send + 'static) {
        self.on_removal = Box::new(hook);
    }

    /// Names of the dumps, the one that was written longest ago first.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.kept.iter().map(|kept| kept.name.as_str()).collect()
    }

    /// Dumps that were removed to make room.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// Writes a file of a dump, which is the newest from then on.
    ///
    /// # Errors
    /// When it cannot be written; then it is as it was.
    pub fn put(
        &mut self,
        name: &str,
        format: Format,
        is_packed: bool,
        bytes: &[u8],
    ) -> Result<PathBuf, StoreError> {
        let ending = if is_packed { ".gz" } else { "" };
        let path = self.dir.join(format!("{name}.{format}{ending}"));
        write(&path, bytes)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let place = self.kept.iter().position(|kept| kept.name == name);
        let mut kept = place.and_then(|place| self.kept.remove(place)).unwrap_or_else(|| Kept {
            name: name.to_owned(),
            written: SystemTime::UNIX_EPOCH,
            files: Vec::new(),
        });
        kept.files.retain(|(known, _)| *known != path);
        kept.files.push((path.clone(), size));
        self.kept.push_back(kept);
        self.make_room();
        Ok(path)
    }

    /// Reads a file of a dump by its name, without a directory.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn read(&self, file: &str) -> Result<(String, PathBuf, Vec<u8>), StoreError> {
        let mut files =
            self.kept.iter().flat_map(|kept| kept.files.iter().map(move |(path, _)| (kept, path)));
        let found = files.find(|(_, path)| path.file_name().is_some_and(|name| name == file));
        let (kept, path) = found.ok_or_else(|| StoreError::Unknown(file.to_owned()))?;
        let read = std::fs::read(path).map_err(|source| StoreError::Directory { path: path.clone(), source });
        Ok((kept.name.clone(), path.clone(), read?))
    }

    /// Writes a copy of a running dump.
    ///
    /// # Errors
    /// When it cannot be written; then the one before is there.
    pub fn put_running(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write(&self.running(name), bytes)
    }

    /// Removes the copy of a dump that is written.
    pub fn remove_running(&self, name: &str) {
        // There may be none.
        std::fs::remove_file(self.running(name)).unwrap_or_default();
    }

    /// Copies of dumps that ran when an analyzer was killed, by name.
    #[must_use]
    pub fn left_running(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = std::fs::read_dir(self.dir.join(RUNNING)) else { return Vec::new() };
        let mut left: Vec<(String, Vec<u8>)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?.strip_suffix(".protobuf")?.to_owned();
                Some((name, std::fs::read(&path).ok()?))
            })
            .collect();
        left.sort();
        left
    }

    fn running(&self, name: &str) -> PathBuf {
        self.dir.join(RUNNING).join(format!("{name}.protobuf"))
    }

    /// Removes what was written longest ago until there is room; the newest stays however large it is.
    fn make_room(&mut self) {
        let mut bytes: u64 = self.kept.iter().map(Kept::bytes).sum();
        while self.kept.len() > 1 && (self.kept.len() > self.max_dumps || bytes > self.max_bytes) {
            let Some(oldest) = self.kept.pop_front() else { return };
            bytes = bytes.saturating_sub(oldest.bytes());
            let files: Vec<PathBuf> = oldest.files.into_iter().map(|(path, _)| path).collect();
            (self.on_removal)(&files);
            for file in &files {
                if let Err(error) = std::fs::remove_file(file) {
                    tracing::debug!(%error, path = %file.display(), "a file of an old dump stays behind");
                }
            }
            self.removed += 1;
        }
    }
}

/// The dumps in a directory, in the order in which they were written.
fn find(dir: &Path) -> io::Result<VecDeque<Kept>> {
    let mut found: Vec<Kept> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let (path, meta) = (entry.path(), entry.metadata()?);
        let Some(name) = dump_name(&path).filter(|_| meta.is_file()) else { continue };
        let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let file = (path, meta.len());
        match found.iter_mut().find(|kept| kept.name == name) {
            Some(kept) => {
                kept.written = kept.written.max(written);
                kept.files.push(file);
            }
            None => found.push(Kept { name, written, files: vec![file] }),
        }
    }
    found.iter_mut().for_each(|kept| kept.files.sort());
    found.sort_by(|one, other| (one.written, &one.name).cmp(&(other.written, &other.name)));
    Ok(found.into())
}

/// The name of the dump that a file is of, without the endings.
fn dump_name(path: &Path) -> Option<String> {
    Format::of_path(path)?;
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let (name, _) = name.rsplit_once('.')?;
    (!name.is_empty() && !name.starts_with('.')).then(|| name.to_owned())
}

fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_unfinished = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".tmp"));
        if is_unfinished && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes a file that nobody sees before it is whole and on disk.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError::Write { path: path.to_owned(), source };
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let unfinished = dir.join(format!(".{}.tmp", name.to_string_lossy()));
    let written = (|| {
        let mut file = create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        std::fs::remove_file(&unfinished).unwrap_or_default();
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests;
