//! In which versions of the image a node was seen, and when: 16 bytes for one version, a side entry for each other.

use crate::arena::{Entry, Store};
use crate::model::{Generation, Times};
use crate::node::NodeRef;

/// First and last time in one image tag, generation, marks. The node's own copy speaks of the tag it was made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base {
    /// First time; two halves, so that a node needs no padding.
    first: [u32; 2],
    /// 48 bits of last − first, 10 of the tag, 3 of the generation, and the marks.
    rest: [u32; 2],
}

/// Times of a tag that the node itself has no room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeenEntry {
    pub(crate) node: NodeRef,
    pub(crate) tag: u16,
    pub(crate) times: Times,
}

impl Entry for SeenEntry {
    type Key = (NodeRef, u16);

    fn key(&self) -> Self::Key {
        (self.node, self.tag)
    }
}

const SPAN_BITS: u32 = 48;
const MAX_SPAN: u64 = (1 << SPAN_BITS) - 1;
const TAG_BITS: u32 = 10;
const GENERATION_BITS: u32 = 3;
const GENERATION_AT: u32 = SPAN_BITS + TAG_BITS;
/// There are side entries for other tags.
const MORE: u64 = 1 << (GENERATION_AT + GENERATION_BITS);
/// The times of the node's own tag are in a side entry, as their span is too long.
const FAR: u64 = MORE << 1;

impl Base {
    pub(crate) fn new(generation: Generation, tag: u16) -> Self {
        let rest = u64::from(tag) << SPAN_BITS | u64::from(generation as u8) << GENERATION_AT;
        Self { first: [0; 2], rest: halves(rest) }
    }

    /// The tag it was made with.
    pub(crate) fn tag(self) -> u16 {
        let bits = self.rest() >> SPAN_BITS & ((1 << TAG_BITS) - 1);
        u16::try_from(bits).unwrap_or(0)
    }

    pub(crate) fn generation(self) -> Generation {
        Generation::from_number(self.rest() >> GENERATION_AT & ((1 << GENERATION_BITS) - 1))
    }

    pub(crate) fn set_generation(&mut self, generation: Generation) {
        let others = self.rest() & !(((1 << GENERATION_BITS) - 1) << GENERATION_AT);
        self.rest = halves(others | u64::from(generation as u8) << GENERATION_AT);
    }

    fn mark(&mut self, mark: u64) {
        self.rest = halves(self.rest() | mark);
    }

    fn rest(self) -> u64 {
        whole(self.rest)
    }

    /// Times of its own tag, unless they are in a side entry.
    fn times(self) -> Option<Times> {
        let first = whole(self.first);
        (self.rest() & FAR == 0).then(|| Times { first, last: first.saturating_add(self.rest() & MAX_SPAN) })
    }

    /// Takes these times for its own tag; false when their span is too long.
    fn set_times(&mut self, times: Times) -> bool {
        let span = times.last.saturating_sub(times.first);
        if span > MAX_SPAN {
            return false;
        }
        self.first = halves(times.first);
        self.rest = halves(self.rest() & !MAX_SPAN | span);
        true
    }
}

/// Adds that a node was seen.
pub(crate) fn touch(base: &mut Base, more: &mut Store<SeenEntry>, node: NodeRef, tag: u16, times: Times) {
    let times = times.settled();
    if base.tag() != tag {
        base.mark(MORE);
        join(more, node, tag, times);
    } else if let Some(known) = base.times() {
        let joined = known.join(times);
        if !base.set_times(joined) {
            base.mark(FAR);
            join(more, node, tag, joined);
        }
    } else {
        join(more, node, tag, times);
    }
}

fn join(more: &mut Store<SeenEntry>, node: NodeRef, tag: u16, times: Times) {
    let known = more.find((node, tag)).and_then(|id| more.get_mut(id));
    if let Some(known) = known {
        known.times = known.times.join(times);
    } else {
        more.add(SeenEntry { node, tag, times });
    }
}

/// When a node was seen in this tag, if it was.
pub(crate) fn times(base: Base, more: &Store<SeenEntry>, node: NodeRef, tag: u16) -> Option<Times> {
    if base.tag() == tag
        && let Some(times) = base.times()
    {
        return Some(times);
    }
    if base.rest() & (MORE | FAR) == 0 {
        return None;
    }
    more.find((node, tag)).and_then(|id| more.get(id)).map(|entry| entry.times)
}

fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeKind;

    const NODE: NodeRef = NodeRef { kind: NodeKind::File, id: 7 };

    #[test]
    fn times_of_every_tag_are_kept_apart_however_long_they_are() {
        let mut more = Store::default();
        let mut base = Base::new(Generation::WorkloadWarmup, 1023);
        let week = 7 * 24 * 3600 * 1_000_000_000;
        for (tag, ns) in [(1023, 100), (1023, 50), (2, 60), (1023, 100 + week), (1023, 40), (2, 70)] {
            touch(&mut base, &mut more, NODE, tag, Times::at(ns));
        }
        let seen = |tag| times(base, &more, NODE, tag);
        assert_eq!(seen(1023), Some(Times { first: 40, last: 100 + week }));
        assert_eq!(seen(2), Some(Times { first: 60, last: 70 }));
        assert_eq!(seen(3), None);
        assert_eq!((base.tag(), base.generation()), (1023, Generation::WorkloadWarmup));
        base.set_generation(Generation::Snapshot);
        assert_eq!((base.tag(), base.generation()), (1023, Generation::Snapshot));
        assert_eq!(more.len(), 2);
    }

    #[test]
    fn a_span_that_just_fits_stays_in_the_node() {
        for (span, entries) in [(MAX_SPAN, 0), (MAX_SPAN + 1, 1)] {
            let mut more = Store::default();
            let mut base = Base::new(Generation::Runtime, 0);
            touch(&mut base, &mut more, NODE, 0, Times { first: 9, last: 9 + span });
            assert_eq!(times(base, &more, NODE, 0), Some(Times { first: 9, last: 9 + span }));
            assert_eq!((more.len(), base.generation()), (entries, Generation::Runtime));
        }
    }

    #[test]
    fn a_last_time_before_the_first_is_the_first() {
        let mut more = Store::default();
        let mut base = Base::new(Generation::Runtime, 0);
        touch(&mut base, &mut more, NODE, 0, Times { first: 9, last: 3 });
        assert_eq!(times(base, &more, NODE, 0), Some(Times::at(9)));
    }
}
