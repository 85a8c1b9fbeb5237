//! Capture files: what a probe streamed, kept to be looked at and replayed.
//!
//! Used by the command line (record, replay, convert), the tests and the benches. `docs/captures.md` describes both
//! forms: frames of protobuf with checksums ([`Writer`], [`Reader`]) and JSON lines for people ([`convert`]).
//! Invariant: a damaged file gives every frame before the damage and then one error that says what was lost.

pub mod convert;
mod error;
mod jsonl;
mod reader;
mod writer;

pub use error::CaptureError;
pub use reader::{Item, Reader};
pub use writer::Writer;

/// The first bytes of every capture; the format version follows.
pub const MAGIC: [u8; 7] = *b"SHRKCAP";

/// The format version that is written, and the newest that is read.
pub const VERSION: u8 = 1;

/// The largest frame. Far above what a probe puts into one batch; a larger length is damage, not data.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// Bytes before the content of each frame: its length and its checksum, both 32 bits, little endian.
const FRAME_HEADER_BYTES: usize = 8;

/// CRC-32 (as in zlib) of the length and the content, so that a run of zeros is no valid frame.
fn checksum(length: [u8; 4], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
