//! A table of ids by the hash of what they stand for: five bytes a slot, filled to seven eighths.
//!
//! Knows neither keys nor entries: whoever asks compares. Nothing is ever removed.

/// Open addressing with linear probing; the byte of hash beside each id saves most comparisons.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// 0 = empty, otherwise a byte of the hash.
    marks: Vec<u8>,
    ids: Vec<u32>,
    used: usize,
}

/// The smallest table that is made.
const FIRST_SLOTS: usize = 8;

impl Index {
    /// The id with this hash that `is_it` recognises.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mark = mark(hash);
        let mut slot = slot(hash, self.marks.len());
        // The table is never full, so an empty slot ends this.
        loop {
            let found = *self.marks.get(slot)?;
            if found == 0 {
                return None;
            }
            if found == mark
                && let Some(id) = self.ids.get(slot)
                && is_it(*id)
            {
                return Some(*id);
            }
            slot = if slot + 1 == self.marks.len() { 0 } else { slot + 1 };
        }
    }

    /// Adds an id that is not in the table. `all` gives every id in it with its hash, for when it must grow.
    pub(crate) fn add<I: Iterator<Item = (u32, u64)>>(
        &mut self,
        id: u32,
        hash: u64,
        all: impl FnOnce() -> I,
    ) {
        if self.is_full() {
            let needed = (self.used + 1) * 8 / 7 + 1;
            let slots = (self.marks.len() + self.marks.len() / 8).max(needed).max(FIRST_SLOTS);
            self.marks = vec![0; slots];
            self.ids = vec![0; slots];
            all().for_each(|(id, hash)| self.put(id, hash));
        }
        self.put(id, hash);
        self.used += 1;
    }

    /// Whether the next one makes it grow.
    pub(crate) fn is_full(&self) -> bool {
        (self.used + 1) * 8 > self.marks.len() * 7
    }

    fn put(&mut self, id: u32, hash: u64) {
        let mut slot = slot(hash, self.marks.len());
        while self.marks.get(slot).is_some_and(|mark| *mark != 0) {
            slot = if slot + 1 == self.marks.len() { 0 } else { slot + 1 };
        }
        if let (Some(place), Some(kept)) = (self.marks.get_mut(slot), self.ids.get_mut(slot)) {
            *place = mark(hash);
            *kept = id;
        }
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.marks.capacity() + self.ids.capacity() * size_of::<u32>()
    }
}

/// Where the search for a hash begins: its upper half, scaled to the number of slots.
fn slot(hash: u64, slots: usize) -> usize {
    let scaled = u128::from(hash) * u128::try_from(slots).unwrap_or(0);
    usize::try_from(scaled >> 64).unwrap_or(0)
}

/// Low bits, which do not decide the slot.
fn mark(hash: u64) -> u8 {
    let [low, ..] = hash.to_le_bytes();
    low.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(id: u32) -> u64 {
        u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn every_id_is_found_after_any_number_of_growths_and_no_other() {
        let mut index = Index::default();
        assert_eq!(index.find(hash(0), |_| true), None);
        for id in 0..1000 {
            index.add(id, hash(id), || (0..id).map(|id| (id, hash(id))));
            assert!(index.used * 8 <= index.marks.len() * 7, "an empty slot ends a search");
        }
        for id in 0..1000 {
            assert_eq!(index.find(hash(id), |found| found == id), Some(id));
            assert_eq!(index.find(hash(id), |_| false), None);
        }
        assert_eq!(index.find(hash(1000), |found| found == 1000), None);
        assert_eq!(index.bytes(), index.marks.capacity() * 5);
    }

    #[test]
    fn ids_whose_hashes_are_equal_are_told_apart_by_comparing() {
        let mut index = Index::default();
        for id in 0..20 {
            index.add(id, u64::MAX, || (0..id).map(|id| (id, u64::MAX)));
        }
        for id in 0..20 {
            assert_eq!(index.find(u64::MAX, |found| found == id), Some(id));
        }
        assert_eq!(index.find(u64::MAX, |_| false), None);
    }
}
