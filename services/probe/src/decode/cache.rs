//! Parts that many records repeat, kept once.
//!
//! Each cache has a fixed number of slots and forgets what was in a slot before. An entry is used only if every byte
//! it was made from is the same, so a cache changes what is shared and never what is said.

use std::sync::Arc;

use event::{Cgroup, File, Task};
use event_abi::{FileParts, task_context};
use zerocopy::IntoBytes as _;

use super::convert;

/// Threads and control groups that are busy at the same time; a power of two.
const TASK_SLOTS: usize = 256;
/// Files that a busy machine opens again and again; a power of two. Full, they take some 2 MiB.
const FILE_SLOTS: usize = 4096;
/// Paths beyond this are rare, and comparing them costs more than it saves.
const CACHED_PATH_BYTES: usize = 512;

/// Tasks by their thread, and cgroups by their id.
#[derive(Debug, Default)]
pub(super) struct TaskCache {
    tasks: Slots<(task_context, Arc<Task>), TASK_SLOTS>,
    cgroups: Slots<Arc<Cgroup>, TASK_SLOTS>,
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

fn cgroup(cgroups: &mut Slots<Arc<Cgroup>, TASK_SLOTS>, id: u64) -> Arc<Cgroup> {
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
    files: Slots<CachedFile, FILE_SLOTS>,
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
struct Slots<T, const N: usize>(Box<[Option<T>]>);

impl<T, const N: usize> Default for Slots<T, N> {
    fn default() -> Self {
        const { assert!(N.is_power_of_two(), "a place is the low bits of a key") };
        Self(std::iter::repeat_with(|| None).take(N).collect())
    }
}

impl<T, const N: usize> Slots<T, N> {
    fn slot(&mut self, key: u64) -> &mut Option<T> {
        // Numbers that are given one after the other have places one after the other; inodes also come in blocks.
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
        let place = (key ^ (key >> N.trailing_zeros())) as usize & (N - 1);
        #[expect(clippy::indexing_slicing, reason = "the mask keeps it below the N slots")]
        &mut self.0[place]
    }
}
