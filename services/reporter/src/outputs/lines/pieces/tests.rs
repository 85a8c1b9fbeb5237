use proptest::prelude::*;

use super::*;

/// Lines of these texts, each but the shortest in two pieces.
pub(crate) fn lines<'a>(texts: &[&'a str]) -> Lines<'a> {
    let (mut pieces, mut line_ends, mut end) = (Vec::new(), Vec::new(), 0);
    for text in texts {
        let (head, tail) = text.as_bytes().split_at(text.len() / 2);
        pieces.extend([head, tail, b"\n"].into_iter().filter(|piece| !piece.is_empty()));
        end += text.len() + 1;
        line_ends.push(end);
    }
    Lines::new(pieces, line_ends)
}

/// The bytes of lines from a position on.
pub(crate) fn bytes(lines: &Lines<'_>, from: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(lines.write_to(&mut bytes, from..lines.len()).1.is_none());
    bytes
}

/// Takes so many bytes with each call, is interrupted for 0, and fails at the end.
struct Stingy {
    takes: Vec<usize>,
    written: Vec<u8>,
}

impl Write for Stingy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(
            !slices.is_empty() && slices.len() <= MAX_SLICES && slices.iter().all(|slice| !slice.is_empty())
        );
        match self.takes.pop() {
            None => Err(io::ErrorKind::StorageFull.into()),
            Some(0) => Err(io::ErrorKind::Interrupted.into()),
            Some(n) => {
                let offered: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                let n = n.min(offered.len());
                self.written.extend_from_slice(&offered[..n]);
                Ok(n)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_are_found_by_the_bytes_before_them() {
    let lines = lines(&["a", "", "bcd"]);
    assert_eq!(lines.len(), 7);
    let whole: Vec<usize> = (0..=7).map(|position| lines.whole_before(position)).collect();
    assert_eq!(whole, [0, 0, 1, 2, 2, 2, 2, 3]);
    let last: Vec<usize> = (0..=7).map(|position| lines.last_end_before(position)).collect();
    assert_eq!(last, [0, 0, 2, 3, 3, 3, 3, 7]);
    let next: Vec<usize> = (0..=7).map(|position| lines.end_of_line_at(position)).collect();
    assert_eq!(next, [2, 2, 3, 7, 7, 7, 7, 7]);
}

#[test]
fn more_pieces_than_the_kernel_takes_at_once_are_all_written() {
    let texts = vec!["ab"; 3 * MAX_SLICES];
    assert_eq!(bytes(&lines(&texts), 0), "ab\n".repeat(texts.len()).as_bytes());
    let mut file = tempfile::tempfile().unwrap();
    let lines = lines(&texts);
    assert_eq!(lines.write_to(&mut file, 0..lines.len()).0, lines.len());
    assert_eq!(file.metadata().unwrap().len(), lines.len() as u64);
}

proptest! {
    #[test]
    fn a_write_that_stops_anywhere_has_written_just_what_it_says(
        texts in prop::collection::vec("[a-z]{0,6}", 0..20),
        takes in prop::collection::vec(0_usize..9, 0..40),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let lines = lines(&texts);
        let whole = bytes(&lines, 0);
        let (from, to) = (from.index(whole.len() + 1), to.index(whole.len() + 1));
        let range = from.min(to)..from.max(to);
        let mut out = Stingy { takes, written: Vec::new() };
        let (written, error) = lines.write_to(&mut out, range.clone());
        prop_assert_eq!(&out.written, &whole[range.start..range.start + written]);
        prop_assert_eq!(error.is_none(), written == range.len());
    }
}
