//! Payloads that travel and are settled together: of one batch, of one container, of one class.
//!
//! A tail that documents share is held and sent once. Invariant: what a group is charged, its documents written out, is
//! never less than what it holds (docs/delivery.md says why).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use event::{Kind, LossCause, PerKind, Text};
use tokio::sync::OwnedSemaphorePermit;
use wire::v1;

use super::tracker::BatchId;
use crate::context::tags::Tags;

/// What a group takes besides its documents.
const GROUP_BYTES: usize = 512;
/// What a payload takes besides its document.
const PAYLOAD_BYTES: usize = 2 * size_of::<u32>() + size_of::<i64>() + 1;
/// What a tail takes besides its bytes: its handle, and its place among the others.
const TAIL_BYTES: usize = size_of::<Bytes>() + 2 * size_of::<(usize, u32)>();
/// The label of payloads that are no events, behind those of the kinds, which are their places.
#[expect(clippy::cast_possible_truncation, reason = "asserted in the line before")]
const CUSTOM: u8 = {
    assert!(Kind::COUNT <= Kind::MAX_NUMBER as usize, "a label is a byte");
    Kind::COUNT as u8
};

/// What a payload is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// An event of this kind.
    Event(Kind),
    /// What the system says of itself.
    Custom,
}

/// What the payloads of a group have in common.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The batch that caused it.
    pub batch: BatchId,
    /// Whether it overtakes others.
    pub is_urgent: bool,
    /// The container it is of.
    pub container: Option<Arc<str>>,
    /// The path of the container's control group.
    pub cgroup: Text,
    /// Tags of its own.
    pub tags: Vec<String>,
    /// How full the probe's backlog was.
    pub backlog_percent: u32,
}

/// Finished payloads on their way to the reporter.
#[derive(Debug, Default)]
pub struct Group {
    head: Head,
    content: Vec<u8>,
    finished: Bytes,
    lengths: Vec<u32>,
    tails: Tails,
    /// Of the documents written out.
    content_bytes: usize,
    times_ms: Vec<i64>,
    labels: Vec<u8>,
    counts: PerKind<u64>,
    /// Its share of the outbox.
    #[expect(dead_code, reason = "it is held to be given back with the group")]
    room: Option<OwnedSemaphorePermit>,
}

/// The tails of a group, each once.
#[derive(Debug, Default)]
struct Tails {
    list: Vec<Bytes>,
    /// By their addresses, which nothing else can have while they are in the list.
    by_address: HashMap<usize, u32>,
    /// Of each document: 1 + its place in the list, 0 = none.
    of: Vec<u32>,
}

impl Tails {
    fn add(&mut self, tail: Option<Bytes>) {
        let Some(tail) = tail else { return self.of.push(0) };
        let of = *self.by_address.entry(tail.as_ptr().addr()).or_insert_with(|| {
            self.list.push(tail);
            u32::try_from(self.list.len()).unwrap_or(u32::MAX)
        });
        self.of.push(of);
    }
}

impl Group {
    /// A group without documents.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self { head, ..Self::default() }
    }

    /// What its payloads have in common.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Room for a number of documents, and for bytes of their own parts, which are a guess.
    pub fn reserve(&mut self, documents: usize, bytes: usize) {
        self.content.reserve(bytes);
        self.lengths.reserve(documents);
        self.tails.of.reserve(documents);
        self.times_ms.reserve(documents);
        self.labels.reserve(documents);
    }

    /// Adds a document, which `write` appends without a line break.
    pub fn add(&mut self, label: Label, time_ms: i64, write: impl FnOnce(&mut Vec<u8>)) {
        self.add_parted(label, time_ms, |out| {
            write(out);
            None
        });
    }

    /// Adds a document, of which `write` appends the beginning and returns the rest with its line break; or appends
    /// all of it without one.
    pub fn add_parted(
        &mut self,
        label: Label,
        time_ms: i64,
        write: impl FnOnce(&mut Vec<u8>) -> Option<Bytes>,
    ) {
        let start = self.content.len();
        let tail = write(&mut self.content);
        if tail.is_none() {
            self.content.push(b'\n');
        }
        let length = self.content.len() - start;
        self.content_bytes += length + tail.as_ref().map_or(0, Bytes::len);
        self.lengths.push(u32::try_from(length).unwrap_or(u32::MAX));
        self.tails.add(tail);
        self.times_ms.push(time_ms);
        self.labels.push(match label {
            Label::Event(kind) => {
                *self.counts.get_mut(kind) += 1;
                u8::try_from(kind.index()).unwrap_or(CUSTOM)
            }
            Label::Custom => CUSTOM,
        });
    }

    /// Ends it: no document is added from here on.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.finished = Bytes::from(std::mem::take(&mut self.content));
        self.tails.by_address = HashMap::new();
        self
    }

    /// Takes its share of the outbox, which it gives back when it is settled.
    #[must_use]
    pub fn with_room(self, room: OwnedSemaphorePermit) -> Self {
        Self { room: Some(room), ..self }
    }

    /// Whether it overtakes floods.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.head.is_urgent
    }

    /// Payloads in it.
    #[must_use]
    pub fn payloads(&self) -> usize {
        self.lengths.len()
    }

    /// Bytes of its documents written out.
    #[must_use]
    pub fn content_bytes(&self) -> usize {
        self.content_bytes
    }

    /// Bytes of what its documents do not share.
    #[must_use]
    pub fn own_bytes(&self) -> usize {
        self.content.len().max(self.finished.len())
    }

    /// What it is charged.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.content_bytes
            + self.payloads() * PAYLOAD_BYTES
            + self.tails.list.len() * TAIL_BYTES
            + GROUP_BYTES
    }

    /// The message for the reporter.
    #[must_use]
    pub fn message(&self, number: u64, fixed: &Fixed, known: Option<&Tags>) -> v1::PayloadGroup {
        let class = if self.head.is_urgent { v1::PayloadClass::High } else { v1::PayloadClass::Low };
        let mut tags = fixed.tags.clone();
        tags.extend(self.head.tags.iter().cloned());
        tags.extend(self.head.container.iter().map(|container| format!("container_id:{container}")));
        tags.extend(known.into_iter().flat_map(|known| known.list().iter().cloned()));
        let image = known.and_then(|known| known.image.as_ref());
        let service = fixed.service.clone().or_else(|| image.map(|image| image.short.clone()));
        v1::PayloadGroup {
            number,
            class: class.into(),
            content: self.finished.clone(),
            length: self.lengths.clone(),
            time_ms: self.times_ms.clone(),
            tags,
            service: service.unwrap_or_default(),
            labels: Kind::ALL.map(Kind::name).into_iter().chain(["custom"]).map(str::to_owned).collect(),
            label: Bytes::copy_from_slice(&self.labels),
            backlog_percent: self.head.backlog_percent,
            tails: self.tails.list.clone(),
            tail: if self.tails.list.is_empty() { Vec::new() } else { self.tails.of.clone() },
        }
    }

    /// What became of its events when it was settled with these losses: at an output, and lost by cause. A reporter
    /// cannot say that more is lost than there was.
    #[must_use]
    pub fn outcome<'a>(
        &self,
        losses: impl IntoIterator<Item = &'a v1::GroupLoss>,
    ) -> (PerKind<u64>, Vec<(LossCause, PerKind<u64>)>) {
        let mut delivered = self.counts;
        let mut lost: HashMap<LossCause, PerKind<u64>> = HashMap::new();
        for loss in losses {
            let cause = LossCause::from_name(&loss.cause);
            for count in &loss.counts {
                let Some(kind) = Kind::from_name(&count.label) else { continue };
                let n = count.payloads.min(delivered.get(kind));
                *delivered.get_mut(kind) -= n;
                *lost.entry(cause).or_default().get_mut(kind) += n;
            }
        }
        (delivered, lost.into_iter().collect())
    }
}

/// What is the same for every payload.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    /// Tags of all.
    pub tags: Vec<String>,
    /// `service` of all, if it is not that of the container.
    pub service: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(cause: &str, label: &str, payloads: u64) -> v1::GroupLoss {
        let counts = vec![v1::LabelCount { label: label.to_owned(), payloads }];
        v1::GroupLoss { number: 1, cause: cause.to_owned(), counts }
    }

    fn group() -> Group {
        let mut group = Group::default();
        for (kind, text) in
            [(Label::Event(Kind::Open), "1"), (Label::Custom, "22"), (Label::Event(Kind::Open), "3")]
        {
            group.add(kind, 5, |out| out.extend_from_slice(text.as_bytes()));
        }
        group.finish()
    }

    #[test]
    fn documents_are_lines_one_after_the_other_and_their_lengths_add_up() {
        let message = group().message(4, &Fixed::default(), None);
        assert_eq!((&*message.content, message.length.as_slice()), (&b"1\n22\n3\n"[..], &[2, 3, 2][..]));
        let labels: Vec<&str> =
            message.label.iter().map(|label| &*message.labels[usize::from(*label)]).collect();
        assert_eq!(labels, ["open", "custom", "open"]);
    }

    #[test]
    fn a_shared_tail_is_held_and_sent_once_and_charged_for_every_document() {
        let (one, other) = (Bytes::from("-one\n".to_owned()), Bytes::from("-other\n".to_owned()));
        let mut group = Group::default();
        for (text, tail) in
            [("1", Some(&one)), ("22", None), ("3", Some(&other)), ("4", Some(&one)), ("5", Some(&one))]
        {
            group.add_parted(Label::Custom, 5, |out| {
                out.extend_from_slice(text.as_bytes());
                tail.cloned()
            });
        }
        assert_eq!((group.own_bytes(), group.content_bytes()), (7, 7 + 3 * one.len() + other.len()));
        let bytes = group.bytes();
        let group = group.finish();
        assert_eq!((group.own_bytes(), group.bytes()), (7, bytes));
        let message = group.message(1, &Fixed::default(), None);
        assert_eq!((&*message.content, message.length), (&b"122\n345"[..], vec![1, 3, 1, 1, 1]));
        assert_eq!((message.tail, message.tails.len()), (vec![1, 0, 2, 1, 1], 2));
        assert_eq!(message.tails[0].as_ptr(), one.as_ptr());
    }

    #[test]
    fn what_the_reporter_lost_is_not_delivered_and_never_more_than_there_was() {
        let (delivered, lost) =
            group().outcome(&[loss("output_down", "open", 1), loss("output_down", "custom", 1)]);
        assert_eq!(delivered.get(Kind::Open), 1);
        assert_eq!(lost.len(), 1);
        let (delivered, lost) = group().outcome(&[loss("gremlins", "open", 99)]);
        assert_eq!(
            (delivered.get(Kind::Open), lost[0].0, lost[0].1.get(Kind::Open)),
            (0, LossCause::Unknown, 2)
        );
    }
}
