//! Sensitive words, and how they match the text before a delimiter.

/// White space ends words and values.
pub(super) fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Characters after which a key can start inside a text: query strings, JSON, lists, quotes, shell operators.
fn is_opening(byte: u8) -> bool {
    b"&?,;|{[(<\"'`".contains(&byte)
}

/// A sensitive word that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedWord {
    /// The word as it was given.
    pub word: String,
    /// What is wrong with it.
    pub reason: WordProblem,
}

impl std::fmt::Display for RefusedWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sensitive word {:?} is not used: {}", self.word, self.reason)
    }
}

/// Why a sensitive word cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordProblem {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Something that is no letter, digit, `_` or `*`.
    #[error("{0:?} is not allowed, only letters, digits, _ and *")]
    Character(char),
    /// It would match everything.
    #[error("it has nothing but *, which would scrub every argument")]
    OnlyStar,
    /// `**`.
    #[error("it has two * in a row, write one")]
    DoubleStar,
}

/// What makes a word a key and not a word of a sentence, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// Nothing: `password x`.
    None,
    /// A dash: `--token x`.
    Option,
    /// `=` or `:`.
    Delimiter,
}

/// A sensitive word: literal pieces with gaps between them.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pieces: Vec<Vec<u8>>,
    /// Begins with `*`.
    is_open_start: bool,
    /// Ends with `*`.
    is_open_end: bool,
    /// The mark without which it is not a key.
    mark: Mark,
}

/// Whether a word is at one place.
enum Fit {
    Yes,
    No,
    /// Not here, and at no later place: a piece after the first is missing from here on.
    NoMore,
}

impl Word {
    pub(super) fn parse(word: &str) -> Result<Self, WordProblem> {
        if let Some(other) =
            word.chars().find(|char| !char.is_ascii_alphanumeric() && !['_', '*'].contains(char))
        {
            return Err(WordProblem::Character(other));
        }
        match word {
            "" => return Err(WordProblem::Empty),
            "*" => return Err(WordProblem::OnlyStar),
            _ if word.contains("**") => return Err(WordProblem::DoubleStar),
            _ => {}
        }
        let pieces = word.split('*').filter(|piece| !piece.is_empty());
        Ok(Self {
            pieces: pieces.map(|piece| piece.as_bytes().to_vec()).collect(),
            is_open_start: word.starts_with('*'),
            is_open_end: word.ends_with('*'),
            mark: Mark::None,
        })
    }

    /// The same word, which is a key only with this mark.
    pub(super) fn with(self, mark: Mark) -> Self {
        Self { mark, ..self }
    }

    /// Whether this mark is enough.
    pub(super) fn is_marked(&self, mark: Mark) -> bool {
        mark >= self.mark
    }

    /// The text whose absence from an argument proves that the word is not in it. There is no `_` in it, for which
    /// an argument may have a dash.
    pub(super) fn longest_literal(&self) -> &[u8] {
        let literals = self.pieces.iter().flat_map(|piece| piece.split(|byte| *byte == b'_'));
        literals.max_by_key(|literal| literal.len()).unwrap_or_default()
    }

    /// Whether the word is all of `run`, a text without white space, `=` and `:`, or with `*` at its end any text
    /// from the start of it.
    pub(super) fn is_at_start(&self, run: &[u8]) -> bool {
        let Some((head, is_last)) = parts(run).next() else { return false };
        (self.is_open_end || is_last) && matches!(self.fit(head), Fit::Yes)
    }

    /// Whether the word is in `run` after an opening character.
    pub(super) fn is_inside(&self, run: &[u8]) -> bool {
        parts(run).filter(|(_, is_last)| self.is_open_end || *is_last).any(|(part, _)| {
            let mut starts = part.iter().enumerate().filter(|(_, byte)| is_opening(**byte));
            loop {
                let Some((opening, _)) = starts.next() else { return false };
                match self.fit(part.get(opening + 1..).unwrap_or_default()) {
                    Fit::Yes => return true,
                    // What begins with * is nowhere if it is not after the first opening character.
                    Fit::No if self.is_open_start => return false,
                    Fit::No => {}
                    Fit::NoMore => return false,
                }
            }
        })
    }

    /// Whether the word is at the start of `text`, which has nothing in it that a gap cannot hold.
    fn fit(&self, text: &[u8]) -> Fit {
        if self.is_open_start {
            return self.fit_pieces(text);
        }
        let mut text = text;
        for _ in 0..2 {
            match self.fit_pieces(text) {
                Fit::No => {}
                found @ (Fit::Yes | Fit::NoMore) => return found,
            }
            match text.strip_prefix(b"-") {
                Some(rest) => text = rest,
                None => return Fit::No,
            }
        }
        self.fit_pieces(text)
    }

    fn fit_pieces(&self, text: &[u8]) -> Fit {
        let mut rest = text;
        let mut pieces = self.pieces.iter().map(Vec::as_slice).peekable();
        let mut is_first = true;
        while let Some(piece) = pieces.next() {
            let is_anchored = is_first && !self.is_open_start;
            let is_final = pieces.peek().is_none() && !self.is_open_end;
            let at = match (is_anchored, is_final) {
                (true, true) => is_same(rest, piece).then_some(0),
                (true, false) => is_here(rest, piece).then_some(0),
                (false, true) => {
                    rest.len().checked_sub(piece.len()).filter(|at| is_here(skip(rest, *at), piece))
                }
                (false, false) => rest.windows(piece.len()).position(|window| is_same(window, piece)),
            };
            let Some(at) = at else { return if is_first { Fit::No } else { Fit::NoMore } };
            rest = skip(rest, at + piece.len());
            is_first = false;
        }
        Fit::Yes
    }
}

fn is_here(text: &[u8], piece: &[u8]) -> bool {
    text.get(..piece.len()).is_some_and(|start| is_same(start, piece))
}

/// Whether the text is the piece; in the text a dash is as good as `_`, and the case does not matter.
fn is_same(text: &[u8], piece: &[u8]) -> bool {
    let is_same_byte =
        |(byte, wanted): (&u8, &u8)| byte.eq_ignore_ascii_case(wanted) || (*byte == b'-' && *wanted == b'_');
    text.len() == piece.len() && text.iter().zip(piece).all(is_same_byte)
}

fn skip(text: &[u8], count: usize) -> &[u8] {
    text.get(count..).unwrap_or_default()
}

/// The parts of a run between `$` and `/`, which no gap but the last holds, and whether each ends the run.
fn parts(run: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = Some(run);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.iter().position(|byte| matches!(byte, b'$' | b'/'));
        rest = end.map(|end| skip(text, end + 1));
        Some((end.and_then(|end| text.get(..end)).unwrap_or(text), end.is_none()))
    })
}
