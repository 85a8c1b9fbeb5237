//! Where a tree keeps its nodes: vectors of small `Copy` entries, found by key, never moved or removed.
//!
//! Invariant: what the vectors take is known to the byte, and none has more than a sixteenth to spare.

mod index;
mod texts;

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

pub(crate) use index::Index;
pub(crate) use texts::{TextId, Texts};

/// Something that is found by a key.
pub(crate) trait Entry: Copy {
    /// What tells entries of a store apart.
    type Key: Copy + Eq + Hash;
    fn key(&self) -> Self::Key;
}

/// Entries of one type, numbered from 0 in the order they came.
#[derive(Debug, Clone)]
pub(crate) struct Store<T> {
    entries: Vec<T>,
    index: Index,
    hashing: RandomState,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: Index::default(), hashing: RandomState::default() }
    }
}

impl<T: Entry> Store<T> {
    pub(crate) fn find(&self, key: T::Key) -> Option<u32> {
        let is_it = |id| self.get(id).is_some_and(|entry: &T| entry.key() == key);
        self.index.find(self.hashing.hash_one(key), is_it)
    }

    /// Adds an entry whose key is not in the store, and gives its id.
    pub(crate) fn add(&mut self, entry: T) -> u32 {
        let id = narrow(self.entries.len());
        let (entries, hashing) = (&self.entries, &self.hashing);
        let hashed = |(id, entry): (usize, &T)| (narrow(id), hashing.hash_one(entry.key()));
        self.index.add(id, hashing.hash_one(entry.key()), || entries.iter().enumerate().map(hashed));
        push(&mut self.entries, entry);
        id
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.entries.get(wide(id))
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.entries.get_mut(wide(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All entries with their ids.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &T)> + ExactSizeIterator {
        self.entries.iter().enumerate().map(|(id, entry)| (narrow(id), entry))
    }

    /// Gives back what the vector has to spare.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<T>() + self.index.bytes()
    }
}

/// Adds to a vector that grows by a sixteenth instead of doubling.
pub(crate) fn push<T>(entries: &mut Vec<T>, entry: T) {
    make_room(entries, 1);
    entries.push(entry);
}

pub(crate) fn make_room<T>(entries: &mut Vec<T>, needed: usize) {
    if entries.capacity() - entries.len() < needed {
        entries.reserve_exact(needed.max(entries.len() / 16));
    }
}

/// A position as an id. Trees refuse to grow long before it would not fit.
pub(crate) fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// An id as a position.
pub(crate) fn wide(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
