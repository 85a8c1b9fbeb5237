//! Files: the identity the kernel gives them, and the path as the workload sees it.

use std::hash::{Hash, Hasher};

use crate::Text;

/// A file as the kernel resolved it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// Path up to the root of the mount namespace of the task, across mounts.
    pub path: Text,
    /// How much of `path` is true.
    pub path_state: PathState,
    /// Inode number; 0 when there is no inode (a failed open).
    pub inode: u64,
    /// Inode generation: distinguishes files that reused an inode number.
    pub generation: u32,
    /// Mount id (`mnt_id` of `/proc/self/mountinfo`).
    pub mount_id: u32,
    /// Device in the encoding of `stat.st_dev`.
    pub device: u64,
    /// Type and permission bits (`stat.st_mode`).
    pub mode: u16,
    /// Number of hard links; 0 for a deleted file or an anonymous one (memfd).
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// File system type name, `ext4` or `overlay`.
    pub filesystem: Text,
    /// Which overlay layer the file lives in.
    pub layer: Layer,
    /// Last access, nanoseconds since the epoch; 0 = not known.
    pub access_ns: i64,
    /// Last modification of the content, nanoseconds since the epoch; 0 = not known.
    pub modification_ns: i64,
    /// Last change of the inode, nanoseconds since the epoch; 0 = not known.
    pub change_ns: i64,
}

impl File {
    /// The last part of its path: `c` of `/a/b/c` and of `/a/b/c/`, `/` of `/`. What is no path is its own name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let path = self.path.as_bytes();
        if self.path_state == PathState::NoPlace {
            return path;
        }
        let Some(end) = path.iter().rposition(|byte| *byte != b'/') else {
            return path.get(..1).unwrap_or_default();
        };
        let path = path.get(..=end).unwrap_or_default();
        path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }
}

/// By what tells files apart, whoever made them: neither a thousand links to one file nor one that is read all the time
/// have the same hash. Equal files have equal hashes, and to hash the rest too would cost more than it saves.
impl Hash for File {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.inode);
        state.write_i64(self.change_ns);
        state.write_i64(self.access_ns);
        self.path.hash(state);
    }
}

/// How much of a path is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum PathState {
    /// Complete, from the kernel's own dentries.
    #[default]
    Resolved = 0,
    /// From the kernel's dentries, but the leading directories did not fit.
    TruncatedParents = 1,
    /// The argument of a call, joined to the directory it is relative to: of one that failed, or whose object is gone
    /// at its end. Another thread may have changed the argument meanwhile.
    Argument = 2,
    /// Could not be read, or was not the same at the end of the call as at its beginning.
    Unreadable = 3,
    /// No path: what the kernel calls an object that has no place in any tree, such as a memfd or a pipe. Whoever made it may
    /// have chosen a name with slashes.
    NoPlace = 4,
    /// From the root of its file system, and without a slash in front: it was reached through a tree of mounts that is in no
    /// namespace, so it has no path there.
    Detached = 5,
}

impl PathState {
    /// Every state, in discriminant order.
    pub const ALL: [Self; 6] = [
        Self::Resolved,
        Self::TruncatedParents,
        Self::Argument,
        Self::Unreadable,
        Self::NoPlace,
        Self::Detached,
    ];

    /// The state with this discriminant.
    #[must_use]
    pub fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == value)
    }
}

/// Where an overlayfs file lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Layer {
    /// Not on overlayfs, or not known.
    #[default]
    None = 0,
    /// In a lower layer: as it is in the image.
    Lower = 1,
    /// In the upper layer: created or changed since the container started.
    Upper = 2,
}

impl Layer {
    /// Every layer, in discriminant order.
    pub const ALL: [Self; 3] = [Self::None, Self::Lower, Self::Upper];

    /// The layer with this discriminant.
    #[must_use]
    pub fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| *layer as u8 == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_of_a_path_and_all_of_what_is_none() {
        let name_of = |path: &str, path_state| {
            let file = File { path: path.into(), path_state, ..File::default() };
            String::from_utf8_lossy(file.name()).into_owned()
        };
        let check = |path: &str, expect: &str| {
            assert_eq!(name_of(path, PathState::Resolved), expect, "{path:?}");
        };
        check("/usr/bin/cat", "cat");
        check("/etc/", "etc");
        check("/etc//", "etc");
        check("/", "/");
        check("//", "/");
        check("", "");
        assert_eq!(name_of("memfd:x/sh", PathState::NoPlace), "memfd:x/sh");
    }
}
