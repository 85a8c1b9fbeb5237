//! File nodes, one for each segment of a path, found by the whole path at once.
//!
//! The hash of a node is that of its process and of all segments down to it. So a path that is there is one probe and a
//! comparison from its end upwards; one that is not is followed from its beginning.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::RandomState;

use super::Base;
use crate::arena::{Index, TextId, Texts, narrow, push, wide};

/// One segment of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileNode {
    pub(crate) owner: Owner,
    pub(crate) name: TextId,
    /// Metadata and how it was opened, as a record; 0 when it was only passed by.
    pub(crate) leaf: TextId,
    pub(crate) base: Base,
}

/// What a file node is below: a process, or with the highest bit clear another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner(u32);

const PROCESS: u32 = 1 << 31;

impl Owner {
    pub(crate) const fn process(id: u32) -> Self {
        Self(id | PROCESS)
    }

    pub(crate) const fn file(id: u32) -> Self {
        Self(id & !PROCESS)
    }

    /// The process, or else the file.
    pub(crate) const fn id(self) -> Result<u32, u32> {
        if self.0 & PROCESS == 0 { Err(self.0) } else { Ok(self.0 & !PROCESS) }
    }
}

/// A place in the tree below which there may be files, with its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) owner: Owner,
    hash: u64,
}

/// The files of a tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    nodes: Vec<FileNode>,
    index: Index,
    hashing: RandomState,
}

/// The segments of a path (spec 2.6): slashes at both ends and doubled ones say nothing.
pub(crate) fn segments(path: &str) -> impl DoubleEndedIterator<Item = &str> + Clone {
    path.split('/').filter(|segment| !segment.is_empty())
}

impl Files {
    /// Where the files of a process are.
    pub(crate) fn below(&self, process: u32) -> Place {
        Place { owner: Owner::process(process), hash: self.hashing.hash_one(process) }
    }

    fn hash_below(&self, place: u64, segment: &str) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        hasher.write_u64(place);
        hasher.write(segment.as_bytes());
        hasher.finish()
    }

    /// The node at the end of a path.
    pub(crate) fn find(&self, texts: &Texts, process: u32, path: &str) -> Option<u32> {
        let below = self.below(process);
        let hash = segments(path).fold(below.hash, |hash, segment| self.hash_below(hash, segment));
        let is_it = |id| {
            let mut at = Owner::file(id);
            for segment in segments(path).rev() {
                let Some(node) = at.id().err().and_then(|file| self.get(file)) else { return false };
                if texts.get(node.name) != segment.as_bytes() {
                    return false;
                }
                at = node.owner;
            }
            at == below.owner
        };
        self.index.find(hash, is_it)
    }

    /// The node of one segment below a place.
    pub(crate) fn child(&self, texts: &Texts, place: Place, segment: &str) -> Option<(u32, Place)> {
        let hash = self.hash_below(place.hash, segment);
        let is_it = |id| {
            self.get(id)
                .is_some_and(|node| node.owner == place.owner && texts.get(node.name) == segment.as_bytes())
        };
        self.index.find(hash, is_it).map(|id| (id, Place { owner: Owner::file(id), hash }))
    }

    /// Adds the node of a segment that is not below this place.
    pub(crate) fn add(&mut self, texts: &mut Texts, place: Place, segment: &str, base: Base) -> (u32, Place) {
        let id = narrow(self.nodes.len());
        let hash = self.hash_below(place.hash, segment);
        let hashes = if self.index.is_full() { self.hashes(texts) } else { Vec::new() };
        self.index.add(id, hash, || (0..).zip(hashes));
        let name = texts.add(segment.as_bytes());
        push(&mut self.nodes, FileNode { owner: place.owner, name, leaf: TextId(0), base });
        (id, Place { owner: Owner::file(id), hash })
    }

    /// The hashes of all nodes; what a node is below comes before it.
    fn hashes(&self, texts: &Texts) -> Vec<u64> {
        let mut hashes: Vec<u64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let above = match node.owner.id() {
                Ok(process) => self.below(process).hash,
                Err(file) => hashes.get(wide(file)).copied().unwrap_or(0),
            };
            hashes.push(self.hash_below(above, texts.text(node.name)));
        }
        hashes
    }

    pub(crate) fn get(&self, id: u32) -> Option<&FileNode> {
        self.nodes.get(wide(id))
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut FileNode> {
        self.nodes.get_mut(wide(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &FileNode)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(id, node)| (narrow(id), node))
    }

    /// Gives back what the vector has to spare.
    pub(crate) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<FileNode>() + self.index.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Generation;

    #[test]
    fn a_path_is_found_whole_and_step_by_step_after_any_number_of_growths() {
        let (mut files, mut texts) = (Files::default(), Texts::default());
        let paths: Vec<String> = (0..300).map(|n| format!("/d{}/e/{n}", n % 7)).collect();
        for process in [0, 1] {
            for path in &paths {
                let mut place = files.below(process);
                for segment in segments(path) {
                    place = match files.child(&texts, place, segment) {
                        Some((_, child)) => child,
                        None => files.add(&mut texts, place, segment, Base::new(Generation::Runtime, 0)).1,
                    };
                }
                assert_eq!(files.find(&texts, process, path), place.owner.id().err());
            }
        }
        assert_eq!(files.len(), 2 * (300 + 7 + 7));
        for path in &paths {
            assert_ne!(files.find(&texts, 0, path), files.find(&texts, 1, path));
            assert!(files.find(&texts, 1, &format!("{path}/")).is_some());
            assert_eq!(files.find(&texts, 2, path), None);
            assert_eq!(files.find(&texts, 0, path.strip_prefix("/d").unwrap()), None);
        }
        assert_eq!(files.find(&texts, 0, "/"), None);
    }
}
