//! Events and known processes to and from [`v1::Batch`]: columns with dictionaries, self-contained.
//!
//! `docs/wire.md` explains the encoding. Invariants: `decode(encode(x)) == x` for everything the domain can hold;
//! decoding hostile input gives a [`WireError`] and takes memory in proportion to that input; equal parts of
//! different events come out shared.

mod column;
mod decode;
mod encode;
mod size;

use event::{Event, Kind, KnownProcess, PerKind};

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
}

/// Puts processes and events into one self-contained batch. The caller keeps it small enough (see [`split`]): one with
/// more than [`MAX_ROWS`] events or strings is refused by [`decode`].
#[must_use]
pub fn encode(seq: u64, processes: &[KnownProcess], events: &[Event]) -> v1::Batch {
    let mut encoder = encode::Encoder::default();
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

/// How many events of each kind are in a batch, without decoding it. Right for every batch that decodes.
#[must_use]
pub fn kinds(batch: &v1::Batch) -> PerKind<u64> {
    let mut counts = PerKind::default();
    for byte in batch.events.iter().flat_map(|events| &events.kind) {
        if let Some(kind) = kind_from_u8(*byte) {
            *counts.get_mut(kind) += 1;
        }
    }
    counts
}

fn kind_from_u8(value: u8) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| *kind as u8 == value)
}

#[cfg(test)]
mod tests;
