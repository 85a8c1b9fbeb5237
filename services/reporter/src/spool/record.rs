//! How a group lies in a segment: a header, then the message. Pure.
//!
//! Invariants: a header is believed only with its checksum, which starts from the salt of the segment, so nothing that a
//! message holds can pass for a header; what a header says of its message is bounded before anything is read.

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 40;
/// Longest message: a group of the largest size with its lists.
pub(crate) const MAX_BODY_BYTES: u32 = 64 << 20;
/// Begins every header, so that few places have to be checked when one is searched for.
const MAGIC: [u8; 4] = *b"\xffSh\xfe";

/// What is known of a record without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Number of its first payload.
    pub(crate) first: u64,
    /// Payloads in it, at least one.
    pub(crate) n: u32,
    /// Bytes of the message.
    pub(crate) body_bytes: u32,
    /// When it was accepted, milliseconds since the epoch.
    pub(crate) accepted_ms: i64,
    /// Checksum of the message.
    pub(crate) body_sum: u32,
}

impl Header {
    /// The number after that of its last payload.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.n.into())
    }

    /// Bytes of the record.
    pub(crate) fn record_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.body_bytes)
    }

    /// As it is written.
    pub(crate) fn encode(&self, salt: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.n.to_le_bytes());
        bytes.extend_from_slice(&self.body_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.accepted_ms.to_le_bytes());
        bytes.extend_from_slice(&self.body_sum.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        let sum = sum_of(&bytes, salt);
        if let Some(place) = bytes.get_mut(4..8) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    /// Reads one, if these bytes begin with one.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if !bytes.starts_with(&MAGIC) || u32_at(bytes, 4)? != sum_of(bytes, salt) {
            return None;
        }
        let header = Self {
            first: u64_at(bytes, 8)?,
            n: u32_at(bytes, 16)?,
            body_bytes: u32_at(bytes, 20)?,
            accepted_ms: u64_at(bytes, 24)?.cast_signed(),
            body_sum: u32_at(bytes, 32)?,
        };
        (header.n > 0 && header.body_bytes <= MAX_BODY_BYTES).then_some(header)
    }

    /// Where the next header begins.
    pub(crate) fn find(bytes: &[u8], salt: u64) -> Option<usize> {
        let starts = bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| **window == MAGIC);
        starts.map(|(at, _)| at).find(|at| Self::decode(bytes.get(*at..).unwrap_or_default(), salt).is_some())
    }
}

/// The checksum of a message.
pub(crate) fn sum_of_body(body: &[u8]) -> u32 {
    crc32fast::hash(body)
}

fn sum_of(header: &[u8], salt: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(header.get(8..HEADER_BYTES).unwrap_or_default());
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().map(u32::from_le_bytes).ok()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().map(u64::from_le_bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header =
        Header { first: 1 << 40, n: 7, body_bytes: 12_345, accepted_ms: -5, body_sum: 0xdead_beef };

    #[test]
    fn a_header_is_read_as_it_was_written_and_by_no_other_salt() {
        let bytes = HEADER.encode(3);
        assert_eq!(Header::decode(&bytes, 3), Some(HEADER));
        assert_eq!(Header::decode(&bytes, 4), None);
        assert_eq!(Header::decode(&bytes[..HEADER_BYTES - 1], 3), None);
    }

    #[test]
    fn every_wrong_bit_of_a_header_is_seen() {
        let bytes = HEADER.encode(3);
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bytes, 3), None, "bit {bit}");
        }
    }

    #[test]
    fn a_length_that_nobody_writes_and_an_empty_record_are_refused() {
        assert_eq!(Header::decode(&Header { body_bytes: u32::MAX, ..HEADER }.encode(3), 3), None);
        assert_eq!(Header::decode(&Header { n: 0, ..HEADER }.encode(3), 3), None);
    }

    #[test]
    fn the_next_header_is_found_behind_what_only_looks_like_one() {
        let forged = HEADER.encode(99);
        let bytes = [&[0xff, b'S'][..], &forged, &MAGIC, &HEADER.encode(3), b"rest"].concat();
        assert_eq!(Header::find(&bytes, 3), Some(2 + HEADER_BYTES + 4));
        assert_eq!(Header::find(&bytes[..HEADER_BYTES], 3), None);
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_header_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), salt: u64) {
            prop_assert_eq!(Header::decode(&bytes, salt), None);
            prop_assert_eq!(Header::find(&bytes, salt), None);
        }
    }
}
