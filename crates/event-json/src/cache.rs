//! Serialized parts, kept because many events share them.
//!
//! Parts are found by the addresses of what they were made from, and every entry holds a weak reference to it, so
//! that no address can come to mean something else while the entry lives. Invariant: the bytes counted, which
//! include what the weak references keep allocated, never exceed the limit; the oldest entries go first. A part that was
//! handed out lives for as long as its handles, which are counted by whoever holds them.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use event::{Exec, Run};

/// What an entry costs besides its text: its place in the tables, what its handles share, and the emptied values its
/// references keep.
const ENTRY_BYTES: usize =
    size_of::<Entry>() + 3 * size_of::<[usize; 6]>() + size_of::<Exec>() + size_of::<Run>();

/// What the caches of a writer hold and did. Counters only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Entries held now.
    pub entries: usize,
    /// Bytes held now.
    pub bytes: usize,
    /// Look-ups that found their part.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Entries removed to make room.
    pub evicted: u64,
}

impl CacheStats {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            bytes: self.bytes + other.bytes,
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            evicted: self.evicted + other.evicted,
        }
    }
}

/// Keeps the addresses in a key from being used again.
#[expect(dead_code, reason = "held, never read: a weak reference reserves the address of what it points to")]
pub(crate) struct Holds(Option<Weak<Exec>>, Option<Weak<Run>>);

impl Holds {
    pub(crate) fn new(exec: Option<&Arc<Exec>>, run: Option<&Arc<Run>>) -> Self {
        Self(exec.map(Arc::downgrade), run.map(Arc::downgrade))
    }
}

/// The address of a shared value as part of a key, 0 for none.
pub(crate) fn address<T>(value: Option<&Arc<T>>) -> usize {
    value.map_or(0, |value| Arc::as_ptr(value).addr())
}

pub(crate) struct Cache<K> {
    entries: HashMap<K, Entry>,
    by_age: VecDeque<K>,
    limit_bytes: usize,
    stats: CacheStats,
}

struct Entry {
    json: Bytes,
    _holds: Holds,
}

impl Entry {
    fn cost(&self) -> usize {
        self.json.len() + ENTRY_BYTES
    }
}

impl<K: Copy + Eq + Hash> Cache<K> {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        let stats = CacheStats::default();
        Self { entries: HashMap::new(), by_age: VecDeque::new(), limit_bytes, stats }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<&Bytes> {
        let entry = self.entries.get(key);
        match entry {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        entry.map(|entry| &entry.json)
    }

    /// Keeps a part under a key that was not found. A part that would push out a large share of the others is
    /// not kept.
    pub(crate) fn insert(&mut self, key: K, json: &[u8], holds: Holds) {
        if json.len() + ENTRY_BYTES > self.limit_bytes / 8 {
            return;
        }
        let entry = Entry { json: Bytes::copy_from_slice(json), _holds: holds };
        self.stats.bytes += entry.cost();
        match self.entries.insert(key, entry) {
            Some(old) => self.stats.bytes -= old.cost(),
            None => self.by_age.push_back(key),
        }
        while self.stats.bytes > self.limit_bytes {
            let Some(oldest) = self.by_age.pop_front() else { break };
            let removed = self.entries.remove(&oldest);
            self.stats.bytes -= removed.map_or(0, |entry| entry.cost());
            self.stats.evicted += 1;
        }
        self.stats.entries = self.entries.len();
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_make_room_and_bytes_stay_within_the_limit() {
        let limit = 20 * (ENTRY_BYTES + 100);
        let mut cache = Cache::new(limit);
        for key in 0..100 {
            cache.insert(key, &[0; 100], Holds::new(None, None));
            assert!(cache.stats().bytes <= limit);
        }
        assert_eq!(cache.stats().entries, 20);
        assert_eq!(cache.stats().evicted, 80);
        assert!(cache.get(&79).is_none() && cache.get(&80).is_some());
        assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
    }

    #[test]
    fn a_part_that_is_too_large_is_not_kept() {
        let mut cache = Cache::new(8 * (ENTRY_BYTES + 100));
        cache.insert(1, &[0; 101], Holds::new(None, None));
        assert_eq!(cache.stats(), CacheStats::default());
        cache.insert(1, &[0; 100], Holds::new(None, None));
        assert_eq!(cache.stats().entries, 1);
    }

    #[test]
    fn inserting_a_key_twice_counts_its_bytes_once() {
        let mut cache = Cache::new(1 << 20);
        for length in [10, 200, 30] {
            cache.insert(7, &vec![0; length], Holds::new(None, None));
            assert_eq!(cache.stats().bytes, length + ENTRY_BYTES);
        }
        assert_eq!(cache.by_age.len(), 1);
    }
}
