//! Lines in memory, in pieces that are not put together to be written.
//!
//! Positions are bytes from the first line on, whatever the pieces are, so who rotates, cuts and continues sees only lines.

use std::io::{self, IoSlice, Write};
use std::ops::Range;

/// Slices that the kernel takes with one call, `UIO_MAXIOV`:
/// <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/uio.h#L46>.
const MAX_SLICES: usize = 1024;

/// Lines, each ended by a line break.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pieces: Vec<&'a [u8]>,
    /// Where each piece ends.
    piece_ends: Vec<usize>,
    /// Where each line ends.
    line_ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Lines that end there in these pieces.
    pub(crate) fn new(pieces: Vec<&'a [u8]>, line_ends: Vec<usize>) -> Self {
        let mut end = 0;
        let piece_ends = pieces.iter().map(|piece| {
            end += piece.len();
            end
        });
        Self { piece_ends: piece_ends.collect(), pieces, line_ends }
    }

    /// Bytes of all lines.
    pub(crate) fn len(&self) -> usize {
        self.piece_ends.last().copied().unwrap_or_default()
    }

    /// How many lines lie whole before `position`.
    pub(crate) fn whole_before(&self, position: usize) -> usize {
        self.line_ends.partition_point(|end| *end <= position)
    }

    /// Where the last line ends that lies whole before `position`; the beginning, if there is none.
    pub(crate) fn last_end_before(&self, position: usize) -> usize {
        let last = self.whole_before(position).checked_sub(1);
        last.and_then(|last| self.line_ends.get(last)).copied().unwrap_or_default()
    }

    /// Where the line at `position` ends.
    pub(crate) fn end_of_line_at(&self, position: usize) -> usize {
        self.line_ends.get(self.whole_before(position)).copied().unwrap_or_else(|| self.len())
    }

    /// Writes a range of bytes with as few calls as there can be; returns how many were written, and the error that stopped it.
    pub(crate) fn write_to(&self, out: &mut impl Write, range: Range<usize>) -> (usize, Option<io::Error>) {
        let mut at = range.start;
        let mut slices = Vec::with_capacity(MAX_SLICES.min(self.pieces.len()));
        while at < range.end {
            slices.clear();
            self.slices(&mut slices, at..range.end);
            match out.write_vectored(&slices) {
                Ok(0) => return (at - range.start, Some(io::ErrorKind::WriteZero.into())),
                Ok(n) => at += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (at - range.start, Some(error)),
            }
        }
        (at - range.start, None)
    }

    /// The beginning of a range, as much as one call takes.
    fn slices(&self, slices: &mut Vec<IoSlice<'a>>, range: Range<usize>) {
        let first = self.piece_ends.partition_point(|end| *end <= range.start);
        for (piece, end) in self.pieces.iter().zip(&self.piece_ends).skip(first).take(MAX_SLICES) {
            let start = end - piece.len();
            if start >= range.end {
                break;
            }
            let within = range.start.saturating_sub(start)..piece.len().min(range.end - start);
            slices.push(IoSlice::new(piece.get(within).unwrap_or_default()));
        }
    }
}

#[cfg(test)]
#[path = "pieces/tests.rs"]
pub(crate) mod tests;
