//! Makes the `:authority` of gRPC clients acceptable that put the path of the socket there, percent-encoded.
//!
//! The C core of gRPC (Python, Ruby, PHP, C++) sends `run%2Fshrike%2Fanalyzer.sock` for `unix:/run/shrike/analyzer.sock`,
//! and the HTTP library refuses a `%` in a host name, although nothing here ever looks at it. So each `%` in an authority
//! becomes a `-` as the bytes come in: the length stays, and nothing else is touched. Strings in Huffman code are left
//! alone, that library sends none.
//!
//! This follows the frames of HTTP/2 and the form of HPACK just far enough to know where an authority is. It judges
//! nothing: what is wrong passes unchanged to the parser behind it.

const PREFACE_BYTES: u32 = 24;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// `:authority` in the static table of HPACK.
const AUTHORITY_INDEX: u8 = 1;
const AUTHORITY: &[u8] = b":authority";

/// Where in the stream of a connection the next byte is.
#[derive(Debug)]
pub(super) struct AuthorityRepair {
    /// Bytes of the preface that are to come.
    preface: u32,
    header: [u8; 9],
    header_bytes: usize,
    frame: Frame,
    block: Block,
}

/// The frame that is being read.
#[derive(Debug, Default)]
struct Frame {
    /// Bytes that are to come.
    left: u32,
    is_headers: bool,
    /// Bytes before the block: length of the padding, priority.
    prefix: u32,
    has_padding: bool,
    /// Bytes after the block.
    padding: u32,
}

/// Where in a header block we are; a block may go on in the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Before a representation.
    Start,
    /// In the bytes that continue an index, of a literal whose value follows or of a header that is done.
    Index {
        then_value: bool,
    },
    Length(Text),
    /// In the bytes that continue a length.
    LongLength {
        text: Text,
        is_huffman: bool,
        length: u32,
        shift: u32,
    },
    Body {
        text: Text,
        is_huffman: bool,
        left: u32,
        matched: usize,
    },
}

/// Which string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Name,
    Value { is_authority: bool },
}

impl Default for AuthorityRepair {
    fn default() -> Self {
        let frame = Frame::default();
        Self { preface: PREFACE_BYTES, header: [0; 9], header_bytes: 0, frame, block: Block::Start }
    }
}

impl AuthorityRepair {
    /// Looks at the bytes that came in.
    pub(super) fn repair(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            // What need not be looked at byte by byte.
            let skipped = if self.preface > 0 {
                skip(&mut self.preface, rest.len())
            } else if self.frame.left > 0 && !self.frame.is_headers {
                skip(&mut self.frame.left, rest.len())
            } else {
                0
            };
            let (looked_at, after) = std::mem::take(&mut rest).split_at_mut(skipped.max(1));
            if let (0, Some(byte)) = (skipped, looked_at.first_mut()) {
                self.next(byte);
            }
            rest = after;
        }
    }

    fn next(&mut self, byte: &mut u8) {
        if self.frame.left > 0 {
            self.payload(byte);
            return;
        }
        if let Some(place) = self.header.get_mut(self.header_bytes) {
            *place = *byte;
        }
        self.header_bytes += 1;
        if self.header_bytes == self.header.len() {
            self.header_bytes = 0;
            self.begin_frame();
        }
    }

    fn begin_frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        let left = u32::from_be_bytes([0, high, middle, low]);
        let starts = kind == HEADERS;
        let has_padding = starts && flags & PADDED != 0;
        let priority = if starts && flags & PRIORITY != 0 { 5 } else { 0 };
        let prefix = u32::from(has_padding) + priority;
        self.frame =
            Frame { left, is_headers: starts || kind == CONTINUATION, prefix, has_padding, padding: 0 };
        if starts {
            self.block = Block::Start;
        }
    }

    fn payload(&mut self, byte: &mut u8) {
        let frame = &mut self.frame;
        frame.left -= 1;
        if frame.prefix > 0 {
            frame.prefix -= 1;
            if std::mem::take(&mut frame.has_padding) {
                frame.padding = u32::from(*byte);
            }
        } else if frame.left >= frame.padding {
            self.block = self.block.after(byte);
        }
    }
}

impl Block {
    /// Where we are after this byte, which is changed if it is a `%` of an authority.
    fn after(self, byte: &mut u8) -> Self {
        match self {
            Self::Start => Self::representation(*byte),
            Self::Index { then_value } if *byte & 0x80 != 0 => Self::Index { then_value },
            Self::Index { then_value: true } => Self::Length(Text::Value { is_authority: false }),
            Self::Index { then_value: false } => Self::Start,
            Self::Length(text) => {
                let (is_huffman, length) = (*byte & 0x80 != 0, u32::from(*byte & 0x7f));
                if length == 0x7f {
                    Self::LongLength { text, is_huffman, length, shift: 0 }
                } else {
                    Self::body(text, is_huffman, length)
                }
            }
            Self::LongLength { text, is_huffman, length, shift } => {
                // Too long for anything that is accepted, when it does not fit.
                let more = u32::from(*byte & 0x7f).checked_shl(shift).unwrap_or(u32::MAX >> 1);
                let length = length.saturating_add(more);
                if *byte & 0x80 != 0 {
                    Self::LongLength { text, is_huffman, length, shift: shift.saturating_add(7) }
                } else {
                    Self::body(text, is_huffman, length)
                }
            }
            Self::Body { text, is_huffman, left, matched } => {
                let is_authority = matches!(text, Text::Value { is_authority: true });
                if is_authority && !is_huffman && *byte == b'%' {
                    *byte = b'-';
                }
                let matches = !is_huffman && AUTHORITY.get(matched) == Some(byte);
                let matched = if matches { matched + 1 } else { AUTHORITY.len() + 1 };
                match left {
                    0 | 1 => Self::end(text, matched == AUTHORITY.len()),
                    _ => Self::Body { text, is_huffman, left: left - 1, matched },
                }
            }
        }
    }

    fn representation(byte: u8) -> Self {
        let (mask, has_value) = match byte {
            0x80.. => (0x7f, false),
            0x40.. => (0x3f, true),
            // The new size of the table.
            0x20.. => (0x1f, false),
            _ => (0x0f, true),
        };
        match byte & mask {
            index if index == mask => Self::Index { then_value: has_value },
            _ if !has_value => Self::Start,
            0 => Self::Length(Text::Name),
            index => Self::Length(Text::Value { is_authority: index == AUTHORITY_INDEX }),
        }
    }

    fn body(text: Text, is_huffman: bool, length: u32) -> Self {
        if length == 0 {
            Self::end(text, false)
        } else {
            Self::Body { text, is_huffman, left: length, matched: 0 }
        }
    }

    fn end(text: Text, was_authority: bool) -> Self {
        match text {
            Text::Name => Self::Length(Text::Value { is_authority: was_authority }),
            Text::Value { .. } => Self::Start,
        }
    }
}

/// Takes as much as there is of what is to come.
fn skip(left: &mut u32, there: usize) -> usize {
    let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(there);
    *left -= u32::try_from(skipped).unwrap_or(*left);
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    fn text(text: &str) -> Vec<u8> {
        [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    /// Whatever pieces it comes in, `sent` becomes `expected`.
    fn check(frames: &[Vec<u8>], expected: &[Vec<u8>]) {
        let sent = [PREFACE, &frames.concat()].concat();
        let expected = [PREFACE, &expected.concat()].concat();
        for piece in [1, 2, 7, sent.len()] {
            let mut got = sent.clone();
            let mut repair = AuthorityRepair::default();
            got.chunks_mut(piece).for_each(|bytes| repair.repair(bytes));
            assert_eq!(
                got.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "pieces of {piece}"
            );
        }
    }

    fn block(authority: &str, path: &str) -> Vec<u8> {
        // ":path" with an indexed name, ":authority" by index and by name, and one that is indexed altogether.
        let name = [vec![0x40], text(":authority")].concat();
        [vec![0x44], text(path), vec![0x41], text(authority), name, text(authority), vec![0x83]].concat()
    }

    #[test]
    fn percent_signs_of_an_authority_become_dashes_and_no_others() {
        let (sent, becomes) = (block("run%2Fs", "/a%2Fb"), block("run-2Fs", "/a%2Fb"));
        check(
            &[frame(4, 0, b"%%%%%%"), frame(HEADERS, 4, &sent)],
            &[frame(4, 0, b"%%%%%%"), frame(HEADERS, 4, &becomes)],
        );
    }

    #[test]
    fn padding_priority_and_continuation_are_no_part_of_an_authority() {
        let around = |block: &[u8]| [&[3, 0, 0, 0, 0, 9], block, b"%%%"].concat();
        let (sent, becomes) = (block("a%2Fb", "%"), block("a-2Fb", "%"));
        let (start, end) = sent.split_at(7);
        let (start_becomes, end_becomes) = becomes.split_at(7);
        check(
            &[frame(HEADERS, PADDED | PRIORITY, &around(start)), frame(CONTINUATION, 4, end)],
            &[frame(HEADERS, PADDED | PRIORITY, &around(start_becomes)), frame(CONTINUATION, 4, end_becomes)],
        );
    }

    #[test]
    fn long_values_and_huge_indices_do_not_lose_the_way() {
        let long = |authority: &str| {
            // A value of 300 bytes, then a literal whose index takes three bytes.
            let value = [&[0x7f, 0xad, 0x01], "x%".repeat(150).as_bytes()].concat();
            [vec![0x04], value, vec![0x7f, 0x80, 0x01], text("%"), vec![0x01], text(authority)].concat()
        };
        let frame = |block: &[u8]| {
            let mut frame = frame(HEADERS, 4, &[]);
            frame[..3].copy_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes()[1..]);
            [frame, block.to_vec()].concat()
        };
        check(&[frame(&long("%2F"))], &[frame(&long("-2F"))]);
    }

    #[test]
    fn nonsense_passes_without_harm() {
        let mut state = 1_u64;
        let mut noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u8::try_from(state >> 56).unwrap()
        })
        .take(1 << 18)
        .collect();
        AuthorityRepair::default().repair(&mut noise);
    }
}
