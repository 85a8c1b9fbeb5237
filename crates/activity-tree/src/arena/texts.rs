//! Texts and small records, each kept once.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

use super::{Index, make_room, narrow, wide};
use crate::varint;

/// A text of one tree; 0 is the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub(crate) struct TextId(pub(crate) u32);

/// Texts one after the other, each behind its length; an id is the place of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    index: Index,
    hashing: RandomState,
}

/// Ids end here, so that nothing overflows on the way.
const MAX_BYTES: usize = 1 << 31;

impl Texts {
    pub(crate) fn get(&self, id: TextId) -> &[u8] {
        let stored = id.0.checked_sub(1).and_then(|at| self.bytes.get(wide(at)..)).unwrap_or_default();
        let (len, rest) = varint::read(stored).unwrap_or_default();
        usize::try_from(len).ok().and_then(|len| rest.get(..len)).unwrap_or_default()
    }

    /// As text. Whatever came in as text is UTF-8.
    pub(crate) fn text(&self, id: TextId) -> &str {
        std::str::from_utf8(self.get(id)).unwrap_or_default()
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<TextId> {
        if text.is_empty() {
            return Some(TextId(0));
        }
        self.index.find(self.hashing.hash_one(text), |id| self.get(TextId(id)) == text).map(TextId)
    }

    pub(crate) fn add(&mut self, text: &[u8]) -> TextId {
        if let Some(id) = self.find(text) {
            return id;
        }
        let id = narrow(self.bytes.len() + 1);
        let Self { bytes, index, hashing } = &mut *self;
        index.add(id, hashing.hash_one(text), || each(bytes).map(|(id, text)| (id, hashing.hash_one(text))));
        let mut head = Vec::new();
        varint::write(&mut head, u64::try_from(text.len()).unwrap_or(0));
        make_room(&mut self.bytes, head.len() + text.len());
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(text);
        TextId(id)
    }

    /// Whether so many bytes more still have ids.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len().saturating_add(bytes) < MAX_BYTES
    }

    /// Bytes of the texts themselves, with their lengths.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Gives back what the vector has to spare.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity() + self.index.bytes()
    }
}

/// Every text with its id.
fn each(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let id = narrow(bytes.len() - rest.len() + 1);
        let (len, after) = varint::read(rest)?;
        let (text, next) = after.split_at_checked(usize::try_from(len).ok()?)?;
        rest = next;
        Some((id, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_comes_back_whatever_its_length() {
        let mut texts = Texts::default();
        let long = "x".repeat(70_000);
        let all: Vec<String> = (0..500).map(|n| format!("text {n}")).chain([long, String::new()]).collect();
        let ids: Vec<TextId> = all.iter().map(|text| texts.add(text.as_bytes())).collect();
        let len = texts.len();
        for (text, id) in all.iter().zip(ids) {
            assert_eq!(texts.text(id), text);
            assert_eq!(texts.find(text.as_bytes()), Some(id));
            assert_eq!(texts.add(text.as_bytes()), id);
        }
        assert_eq!(texts.len(), len);
        assert_eq!(texts.find(b"another"), None);
        assert_eq!(each(&texts.bytes).count(), 501);
        assert!(texts.has_room(1) && !texts.has_room(MAX_BYTES - len) && texts.has_room(MAX_BYTES - len - 1));
    }

    #[test]
    fn a_place_that_holds_no_text_is_empty() {
        let mut texts = Texts::default();
        texts.add(b"a");
        assert_eq!(texts.get(TextId(999)), b"");
        assert_eq!(texts.get(TextId(0)), b"");
    }
}
