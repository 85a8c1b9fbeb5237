//! The wire: bytes per event beside one protobuf message per event, and events per second through the encoding.
//!
//! The stream is made, not recorded, so that every run measures the same bytes (`mix`). Each event has its own
//! allocations, as the probe's decoder makes them, so that no encoder profits from sharing it would not see.

pub mod mix;
mod naive;

use std::time::{Duration, Instant};

use event::Event;
use prost::Message;
use wire::{batch, v1};

/// Events in a full batch of the probe.
pub const FULL_BATCH: usize = 1024;
/// Events in the measured stream: about a second of a busy host.
const STREAM: usize = 64 * FULL_BATCH;

/// Bytes of the same events in two encodings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WireSize {
    /// Events in each batch.
    pub batch_events: usize,
    /// Events measured.
    pub events: usize,
    /// In batches.
    pub batch_bytes: usize,
    /// One self-contained protobuf message per event, without framing.
    pub naive_bytes: usize,
}

impl WireSize {
    /// Bytes of the batches per byte of the single messages; the target is at most 0.2.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        as_f64(self.batch_bytes) / as_f64(self.naive_bytes)
    }

    /// Bytes per event in batches.
    #[must_use]
    pub fn bytes_per_event(&self) -> f64 {
        as_f64(self.batch_bytes) / as_f64(self.events)
    }
}

/// Measures the bytes of the mix in batches of `batch_events`; the probe fills [`FULL_BATCH`] when a host is busy.
#[must_use]
pub fn wire_size_ratio(batch_events: usize) -> WireSize {
    let events = mix::events(STREAM);
    let batch_bytes = (0..)
        .zip(events.chunks(batch_events))
        .map(|(seq, events)| batch::encode(seq, &[], events).encoded_len());
    WireSize {
        batch_events,
        events: events.len(),
        batch_bytes: batch_bytes.sum(),
        naive_bytes: events.iter().map(|event| naive::event(event).encoded_len()).sum(),
    }
}

/// Events per second on one core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WireSpeed {
    /// Domain → bytes, in full batches.
    pub encode: f64,
    /// Bytes → domain, in full batches.
    pub decode: f64,
    /// Domain → bytes, one message per event.
    pub naive_encode: f64,
    /// Bytes → messages, one per event, without making domain events of them.
    pub naive_parse: f64,
}

/// Measures the speed of the mix, each number over at least `at_least`.
///
/// # Errors
/// When a batch does not decode: then the numbers would mean nothing.
pub fn wire_speed(at_least: Duration) -> anyhow::Result<WireSpeed> {
    let events = mix::events(STREAM);
    let encoded: Vec<Vec<u8>> = events.chunks(FULL_BATCH).map(encode).collect();
    let singles: Vec<Vec<u8>> = events.iter().map(|event| naive::event(event).encode_to_vec()).collect();
    Ok(WireSpeed {
        encode: per_second(at_least, || {
            for events in events.chunks(FULL_BATCH) {
                std::hint::black_box(encode(events));
            }
            Ok(events.len())
        })?,
        decode: decode_per_second(&encoded, at_least)?,
        naive_encode: per_second(at_least, || {
            for event in &events {
                std::hint::black_box(naive::event(event).encode_to_vec());
            }
            Ok(events.len())
        })?,
        naive_parse: per_second(at_least, || {
            for bytes in &singles {
                std::hint::black_box(naive::NaiveEvent::decode(bytes.as_slice())?);
            }
            Ok(singles.len())
        })?,
    })
}

/// The bytes of recorded batches beside one message for each of their events.
///
/// # Errors
/// When a batch does not decode.
pub fn recorded_size(batches: &[v1::Batch]) -> anyhow::Result<WireSize> {
    let mut size = WireSize { batch_events: 0, events: 0, batch_bytes: 0, naive_bytes: 0 };
    for batch in batches {
        let events = batch::decode(batch)?.events;
        // A batch with the known processes alone stands once at the start of a stream.
        if events.is_empty() {
            continue;
        }
        size.batch_events = size.batch_events.max(events.len());
        size.events += events.len();
        size.batch_bytes += batch.encoded_len();
        size.naive_bytes += events.iter().map(|event| naive::event(event).encoded_len()).sum::<usize>();
    }
    Ok(size)
}

/// Events per second of decoding recorded batches, from bytes to the domain.
///
/// # Errors
/// When a batch does not decode.
pub fn recorded_decode(batches: &[v1::Batch], at_least: Duration) -> anyhow::Result<f64> {
    let encoded: Vec<Vec<u8>> = batches.iter().map(Message::encode_to_vec).collect();
    decode_per_second(&encoded, at_least)
}

fn decode_per_second(encoded: &[Vec<u8>], at_least: Duration) -> anyhow::Result<f64> {
    per_second(at_least, || {
        let mut count = 0;
        for bytes in encoded {
            count += std::hint::black_box(batch::decode(&v1::Batch::decode(bytes.as_slice())?)?).events.len();
        }
        Ok(count)
    })
}

fn encode(events: &[Event]) -> Vec<u8> {
    batch::encode(1, &[], events).encode_to_vec()
}

/// Rounds of `round`, which says how many events it did, until the time is over; the best round counts, because
/// everything else on the machine only makes rounds slower.
fn per_second(at_least: Duration, mut round: impl FnMut() -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut best = 0.0_f64;
    loop {
        let begin = Instant::now();
        let events = round()?;
        best = best.max(as_f64(events) / begin.elapsed().as_secs_f64());
        if start.elapsed() >= at_least {
            return Ok(best);
        }
    }
}

/// Exact for every count below 2^53.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_take_at_most_a_fifth_of_single_messages() {
        let size = wire_size_ratio(FULL_BATCH);
        assert!(size.ratio() <= 0.2, "{} of {size:?}", size.ratio());
    }

    #[test]
    fn the_mix_is_the_same_every_time_and_survives_the_wire() {
        let events = mix::events(3000);
        assert_eq!(events, mix::events(3000));
        for part in events.chunks(FULL_BATCH) {
            assert_eq!(batch::decode(&batch::encode(1, &[], part)).unwrap().events, part);
        }
    }
}
