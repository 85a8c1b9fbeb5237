//! Parts that many records repeat, kept once.
//!
//! Each cache has a fixed number of slots and forgets what was in a slot before. An entry is used only if every byte
//! it was made from is the same, so a cache changes what is shared and never what is said.

use std::sync::Arc;

use event::{Cgroup, File, Task};
use event_abi::{FileParts, task_context};
use zerocopy::IntoBytes as _;

use super::convert;

const SLOTS: usize = 256;
/// Paths beyond this are rare, and comparing them costs more than it saves.
const CACHED_PATH_BYTES: usize = 512;

/// Tasks by their thread, and cgroups by their id.
#[derive(Debug, Default)]
pub(super) struct TaskCache {
    tasks: Slots<(task_context, Arc<Task>)>,
    cgroups: Slots<Arc<Cgroup>>,
}

impl TaskCache {
    pub(super) fn get(&mut self, context: &task_context) -> Arc<Task> {
        let slot = self.tasks.slot(u64::from(context.tid));
        if let Some((key, task)) = slot
            && key.as_bytes() == context.as_bytes()
        {
            return Arc::clone(task);
        }
        let task = Arc::new(convert::task(context, cgroup(&mut self.cgroups, context.cgroup_id)));
        *slot = Some((*context, Arc::clone(&task)));
        task
    }
}

fn cgroup(cgroups: &mut Slots<Arc<Cgroup>>, id: u64) -> Arc<Cgroup> {
    let slot = cgroups.slot(id);
    if let Some(cgroup) = slot
        && cgroup.id == id
    {
        return Arc::clone(cgroup);
    }
    let cgroup = Arc::new(Cgroup { id, ..Cgroup::default() });
    *slot = Some(Arc::clone(&cgroup));
    cgroup
}

/// Files by inode.
#[derive(Debug, Default)]
pub(super) struct FileCache {
    files: Slots<CachedFile>,
}

#[derive(Debug)]
struct CachedFile {
    key: Vec<u8>,
    file: Arc<File>,
}

impl FileCache {
    pub(super) fn get(&mut self, parts: FileParts<'_>) -> Option<Arc<File>> {
        let cached = self.files.slot(parts.info.inode).as_ref()?;
        let fixed = parts.info.as_bytes();
        let names = cached.key.strip_prefix(fixed)?;
        // The lengths are in the fixed part, so that equal concatenations are equal parts.
        let rest = names.strip_prefix(parts.path)?;
        (rest == parts.argument).then(|| Arc::clone(&cached.file))
    }

    pub(super) fn put(&mut self, parts: FileParts<'_>, file: File) -> Arc<File> {
        let file = Arc::new(file);
        if parts.info.inode != 0 && parts.path.len() <= CACHED_PATH_BYTES {
            let slot = self.files.slot(parts.info.inode);
            let mut key = slot.take().map(|cached| cached.key).unwrap_or_default();
            key.clear();
            key.extend_from_slice(parts.info.as_bytes());
            key.extend_from_slice(parts.path);
            key.extend_from_slice(parts.argument);
            *slot = Some(CachedFile { key, file: Arc::clone(&file) });
        }
        file
    }
}

/// A table in which a key has exactly one place.
#[derive(Debug)]
struct Slots<T>(Box<[Option<T>; SLOTS]>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Box::new([const { None }; SLOTS]))
    }
}

impl<T> Slots<T> {
    fn slot(&mut self, key: u64) -> &mut Option<T> {
        let [first, ..] = (key ^ (key >> 8)).to_le_bytes();
        let place: &mut [Option<T>; SLOTS] = &mut self.0;
        #[expect(clippy::indexing_slicing, reason = "a byte is always below the 256 slots")]
        &mut place[usize::from(first)]
    }
}
