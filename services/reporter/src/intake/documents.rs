//! The documents of a group: each a part of its own and, for most, a tail that it shares with others.
//!
//! Nothing is put together here: outputs take the parts and write them one after the other. Invariants: every place
//! has a document that ends with a line break; with every document written out they are at most [`MAX_GROUP_BYTES`]; every
//! tail belongs to a document, so what is held is never more than what is written out.

use std::ops::Range;

use bytes::Bytes;
use wire::v1;

use crate::intake::invalid::InvalidGroup;
use crate::metrics::DropCause;

/// Largest group, as a message and with every document written out; senders keep theirs under it.
pub const MAX_GROUP_BYTES: usize = 16 << 20;
/// Longest document, written out; the intake keeps no more of one log.
pub const MAX_CONTENT_BYTES: usize = 1_000_000;

/// Documents that were checked.
#[derive(Debug)]
pub(crate) struct Documents {
    content: Bytes,
    tails: Vec<Bytes>,
    ends: Vec<End>,
}

/// Where a document ends.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    /// Its own part, in the content.
    own: u32,
    /// All of it, in the documents written out.
    whole: u32,
    /// 1 + place of its tail; 0 = none.
    tail: u32,
}

impl Documents {
    /// Checks that the lists of a message fit together, and takes the documents out of it.
    pub(crate) fn take(message: &mut v1::PayloadGroup) -> Result<Self, InvalidGroup> {
        let ends = check(message)?;
        let (content, tails) = (std::mem::take(&mut message.content), std::mem::take(&mut message.tails));
        Ok(Self { content, tails, ends })
    }

    /// Puts the documents into a message, as they came.
    pub(crate) fn put(&self, message: &mut v1::PayloadGroup) {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end.own));
        message.length = self.ends.iter().zip(starts).map(|(end, start)| end.own - start).collect();
        if !self.tails.is_empty() {
            message.tail = self.ends.iter().map(|end| end.tail).collect();
        }
        (message.content, message.tails) = (self.content.clone(), self.tails.clone());
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// Bytes of the documents written out, and of the handles of their tails: what a queue is charged, for however the
    /// documents came, its limit means the same.
    pub(crate) fn bytes(&self) -> usize {
        self.ends.last().map_or(0, |end| end.whole as usize) + self.tails.len() * size_of::<Bytes>()
    }

    /// The documents that no output can use.
    pub(crate) fn unfit(&self) -> Vec<(u32, DropCause)> {
        // Of a text, what does not begin and end at a character is no slice.
        let content = std::str::from_utf8(&self.content).ok();
        let is_text = |own: Range<usize>| match content {
            Some(text) => text.get(own).is_some(),
            None => self.content.get(own).is_some_and(|own| std::str::from_utf8(own).is_ok()),
        };
        let bad_tails: Vec<u32> = (1..)
            .zip(&self.tails)
            .filter(|(_, tail)| std::str::from_utf8(tail).is_err())
            .map(|(tail, _)| tail)
            .collect();
        let mut unfit = Vec::new();
        let mut before = End::default();
        for (place, end) in (0..).zip(&self.ends) {
            if (end.whole - before.whole) as usize > MAX_CONTENT_BYTES + 1 {
                unfit.push((place, DropCause::TooLarge));
            } else if !is_text(before.own as usize..end.own as usize)
                || bad_tails.binary_search(&end.tail).is_ok()
            {
                unfit.push((place, DropCause::NotUtf8));
            }
            before = *end;
        }
        unfit
    }

    /// The two parts of a document, without its line break; the second may be empty.
    pub(crate) fn parts(&self, place: u32) -> [&[u8]; 2] {
        let end = self.end(place);
        let own = self.own(self.end_before(place).own, end.own);
        match self.tail(end) {
            [] => [without_break(own), &[]],
            tail => [own, without_break(tail)],
        }
    }

    /// Which tail a document has; documents with the same one have the same second part.
    pub(crate) fn tail_of(&self, place: u32) -> Option<usize> {
        (self.end(place).tail as usize).checked_sub(1)
    }

    /// The lines of a run of documents, in pieces, and for each line the number of bytes up to its end. Documents
    /// that follow each other without tails are one piece.
    pub(crate) fn lines(&self, run: Range<u32>) -> (Vec<&[u8]>, Vec<usize>) {
        let first = self.end_before(run.start);
        let mut pieces = Vec::with_capacity(2 * run.len());
        let mut line_ends = Vec::with_capacity(run.len());
        let (mut from, mut to) = (first.own, first.own);
        for place in run {
            let end = self.end(place);
            to = end.own;
            if end.tail != 0 {
                pieces.push(self.own(from, to));
                pieces.push(self.tail(end));
                from = to;
            }
            line_ends.push((end.whole - first.whole) as usize);
        }
        if from < to {
            pieces.push(self.own(from, to));
        }
        (pieces, line_ends)
    }

    fn own(&self, from: u32, to: u32) -> &[u8] {
        self.content.get(from as usize..to as usize).unwrap_or_default()
    }

    fn tail(&self, end: End) -> &[u8] {
        let tail = (end.tail as usize).checked_sub(1).and_then(|tail| self.tails.get(tail));
        tail.map_or(&[], |tail| tail)
    }

    fn end(&self, place: u32) -> End {
        self.ends.get(place as usize).or(self.ends.last()).copied().unwrap_or_default()
    }

    fn end_before(&self, place: u32) -> End {
        place.checked_sub(1).map_or(End::default(), |before| self.end(before))
    }
}

fn without_break(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Where each document of a message ends, if its lists fit together.
fn check(message: &v1::PayloadGroup) -> Result<Vec<End>, InvalidGroup> {
    let number = message.number;
    let (lengths, times, labels) = (message.length.len(), message.time_ms.len(), message.label.len());
    if times != lengths || labels != lengths {
        return Err(InvalidGroup::Lists { number, lengths, times, labels });
    }
    let named = message.tail.len();
    if named != lengths && named != 0 {
        return Err(InvalidGroup::TailList { number, lengths, named });
    }
    let content = message.content.len();
    let sum = message.length.iter().fold(0_usize, |sum, length| sum.saturating_add(*length as usize));
    if sum != content {
        return Err(InvalidGroup::Sum { number, sum, content });
    }
    if let Some(tail) = message.tails.iter().position(|tail| !tail.ends_with(b"\n")) {
        return Err(InvalidGroup::TailNotALine { number, tail });
    }
    let ends = ends(message)?;
    let known = message.labels.len();
    match message.label.iter().position(|label| usize::from(*label) >= known) {
        Some(place) => {
            let label = message.label.get(place).copied().unwrap_or_default();
            Err(InvalidGroup::Label { number, place, label, labels: known })
        }
        None => Ok(ends),
    }
}

fn ends(message: &v1::PayloadGroup) -> Result<Vec<End>, InvalidGroup> {
    let (number, tails) = (message.number, message.tails.len());
    let mut is_used = vec![false; tails];
    let mut ends = Vec::with_capacity(message.length.len());
    let (mut own, mut whole) = (0_usize, 0_usize);
    for (place, length) in message.length.iter().enumerate() {
        let length = *length as usize;
        own = own.saturating_add(length);
        whole = whole.saturating_add(length);
        let tail = message.tail.get(place).copied().unwrap_or_default();
        if let Some(index) = (tail as usize).checked_sub(1) {
            let (Some(bytes), Some(is_used)) = (message.tails.get(index), is_used.get_mut(index)) else {
                return Err(InvalidGroup::NoTail { number, place, tail, tails });
            };
            if length == 0 {
                return Err(InvalidGroup::Empty { number, place });
            }
            *is_used = true;
            whole = whole.saturating_add(bytes.len());
        } else {
            let last = own.checked_sub(1).and_then(|last| message.content.get(last));
            if length == 0 || last != Some(&b'\n') {
                return Err(InvalidGroup::NotALine { number, place });
            }
        }
        // Before anything is kept for it, and so far below what a number of 32 bits holds.
        let (Ok(own), Ok(whole), true) = (u32::try_from(own), u32::try_from(whole), whole <= MAX_GROUP_BYTES)
        else {
            return Err(InvalidGroup::TooLarge { number, max: MAX_GROUP_BYTES });
        };
        ends.push(End { own, whole, tail });
    }
    match is_used.iter().position(|is_used| !is_used) {
        Some(tail) => Err(InvalidGroup::UnusedTail { number, tail }),
        None => Ok(ends),
    }
}

#[cfg(test)]
#[path = "documents/tests.rs"]
pub(crate) mod tests;
