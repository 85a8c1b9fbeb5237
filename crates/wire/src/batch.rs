//! Events and known processes to and from [`v1::Batch`]: columns with dictionaries, self-contained.
//!
//! `docs/wire.md` explains the encoding. Invariants: `decode(encode(x)) == x` for everything the domain can hold;
//! decoding hostile input gives a [`WireError`] and takes memory in proportion to that input; equal parts of
//! different events come out shared.

mod column;
mod decode;
mod encode;
mod events;
mod files;
mod news;
mod size;

use bytes::Bytes;
use event::{Event, Kind, KnownProcess, NotObserved, PerKind, Unwanted, WorkloadLoss};
use prost::Message;

use crate::{WireError, v1};

pub use size::{TARGET_BYTES, event_bytes, process_bytes, split};

/// Rows that a table of a batch may have. A probe fills a few thousand; without a bound, a message of a few megabytes
/// could make a reader allocate two hundred times that.
pub const MAX_ROWS: usize = 1 << 18;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// What a batch holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// Number of the batch in its stream.
    pub seq: u64,
    /// Processes that run already; only the first batches of a stream have any.
    pub processes: Vec<KnownProcess>,
    /// The events, in the order they were given to [`encode`].
    pub events: Vec<Event>,
    /// Events of kinds that this version does not know, left out of `events`.
    pub unknown_kinds: u64,
    /// What the stream says beside the events.
    pub news: News,
}

/// What a batch says beside its events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Everything that happened before this is in batches up to this one, or is counted as lost. 0 = not said.
    pub complete_until_ns: u64,
    /// What was lost since the batch before, by workload.
    pub lost: Vec<WorkloadLoss>,
    /// Times that nobody observed.
    pub not_observed: Vec<NotObserved>,
    /// Kinds that were not observed because nobody wanted them.
    pub unwanted: Vec<Unwanted>,
    /// How full the probe's backlog was when the batch was sent.
    pub backlog_percent: u32,
    /// Which events it holds.
    pub lane: Lane,
}

/// How urgent a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// The lifecycle of every workload, and bulk events of those that leave room for others.
    #[default]
    Main,
    /// Bulk events of a workload that floods.
    Flood,
}

/// A message of the probe's stream that holds this batch.
#[must_use]
pub fn message(batch: &v1::Batch) -> v1::from_probe::Message {
    v1::from_probe::Message::Batch(batch.encode_to_vec().into())
}

/// A message of the probe's stream from a batch that [`encode`] made with number 0 and that was encoded to bytes once:
/// its number and its news are put in front, because two encoded messages in a row are one with the fields of both.
#[must_use]
pub fn numbered(seq: u64, news: &News, encoded: &[u8]) -> v1::from_probe::Message {
    let front = v1::Batch { seq, ..news::encode(news) };
    let mut bytes = Vec::with_capacity(front.encoded_len() + encoded.len());
    // Writing to a vector cannot fail.
    front.encode(&mut bytes).unwrap_or_default();
    bytes.extend_from_slice(encoded);
    v1::from_probe::Message::Batch(bytes.into())
}

/// The batch of a message.
///
/// # Errors
/// When the bytes are no batch.
pub fn parse(bytes: Bytes) -> Result<v1::Batch, WireError> {
    v1::Batch::decode(bytes).map_err(|error| WireError::NotABatch(error.to_string()))
}

/// The number of an encoded batch, which comes first in it; 0 when it does not. So a batch that cannot be parsed can be
/// acknowledged all the same.
#[must_use]
pub fn number(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    match prost::encoding::decode_key(&mut rest) {
        Ok((1, prost::encoding::WireType::Varint)) => prost::encoding::decode_varint(&mut rest).unwrap_or(0),
        _ => 0,
    }
}

/// Puts processes and events into one self-contained batch. The caller keeps it small enough (see [`split`]): one with
/// more than [`MAX_ROWS`] events or strings is refused by [`decode`].
#[must_use]
pub fn encode(seq: u64, processes: &[KnownProcess], events: &[Event]) -> v1::Batch {
    let mut encoder = encode::Encoder::for_events(events.len());
    processes.iter().for_each(|process| encoder.process(process));
    events.iter().for_each(|event| encoder.event(event));
    encoder.finish(seq)
}

/// Checks a batch and turns it back into what was encoded.
///
/// # Errors
/// When any part of the batch is not what it must be; nothing of such a batch is usable.
pub fn decode(batch: &v1::Batch) -> Result<Decoded, WireError> {
    decode::decode(batch)
}

/// Puts what a stream says beside events into a batch.
pub fn set_news(batch: &mut v1::Batch, news: &News) {
    let v1::Batch { complete_until_ns, lost, not_observed, unwanted, backlog_percent, lane, .. } =
        news::encode(news);
    *batch = v1::Batch {
        complete_until_ns,
        lost,
        not_observed,
        unwanted,
        backlog_percent,
        lane,
        ..std::mem::take(batch)
    };
}

/// How many events of each kind are in a batch, without decoding it. Right for every batch that decodes.
#[must_use]
pub fn kinds(batch: &v1::Batch) -> PerKind<u64> {
    let mut counts = PerKind::default();
    for byte in batch.events.iter().flat_map(|events| &events.kind) {
        if let Some(kind) = Kind::from_number((*byte).into()) {
            *counts.get_mut(kind) += 1;
        }
    }
    counts
}

/// A number with a sign as one without, small when it is near 0.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests;
