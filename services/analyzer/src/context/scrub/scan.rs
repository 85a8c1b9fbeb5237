//! Finds the secrets of one argument.

use std::ops::Range;

use super::words::{Mark, Word, is_space};

/// What an argument says about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Expect {
    /// Nothing.
    #[default]
    Nothing,
    /// It is a secret.
    Value,
    /// It is a secret, or a lone delimiter before one.
    ValueOrDelimiter,
    /// It is a secret unless it is an option.
    ValueUnlessOption,
}

/// The secrets of one argument.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Where they are, in order and apart. An empty range is an empty value.
    pub(super) ranges: Vec<Range<usize>>,
    /// What the next argument is.
    pub(super) next: Expect,
}

impl Secrets {
    pub(super) fn of(arg: &[u8], words: &[Word]) -> Self {
        let mut secrets = Self::default();
        let mut at = 0;
        // After white space a word may be a key of any form; elsewhere only one with = or :.
        let mut is_word_start = true;
        while let Some(byte) = arg.get(at) {
            if is_space(*byte) {
                (at, is_word_start) = (at + 1, true);
                continue;
            }
            let end = find(arg, at, |byte| is_space(byte) || matches!(byte, b'=' | b':'));
            let run = arg.get(at..end).unwrap_or_default();
            let has_delimiter = matches!(arg.get(end), Some(b'=' | b':'));
            let mark = mark_of(arg, run, end);
            let is_key = words.iter().any(|word| {
                (word.is_at_start(run) && (is_word_start || has_delimiter) && word.is_marked(mark))
                    || (has_delimiter && word.is_inside(run))
            });
            if is_key {
                // No value of an option ends before its argument does.
                let is_option = arg.starts_with(b"-") && arg.iter().take(at).all(|byte| !is_space(*byte));
                at = secrets.take(arg, value_after(arg, end), is_option);
                is_word_start = true;
            } else {
                at = if has_delimiter { end + 1 } else { end };
                is_word_start = false;
            }
        }
        secrets
    }

    /// Notes a value and returns where to look on.
    fn take(&mut self, arg: &[u8], value: Value, is_option: bool) -> usize {
        let start = match value {
            Value::NextArgument(next) => {
                self.next = next;
                return arg.len();
            }
            Value::EmptyAndNext => {
                self.add(arg.len()..arg.len());
                self.next = Expect::ValueUnlessOption;
                return arg.len();
            }
            Value::At { start, .. } if is_option => {
                self.add(start..arg.len());
                return arg.len();
            }
            Value::At { start, .. } => start,
        };
        let (value_range, end) = value_at(arg, start);
        self.add(value_range);
        // `--password --token x`: the option is taken for the value, and still announces its own.
        let is_after_space = matches!(value, Value::At { is_after_space: true, .. });
        if is_after_space && arg.get(start) == Some(&b'-') { start } else { end }
    }

    fn add(&mut self, range: Range<usize>) {
        match self.ranges.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => self.ranges.push(range),
        }
    }
}

/// Where the value of a key is.
#[derive(Clone, Copy)]
enum Value {
    At {
        start: usize,
        is_after_space: bool,
    },
    NextArgument(Expect),
    /// After a final `:` the value is empty or the next argument; nothing tells which.
    EmptyAndNext,
}

/// Finds the value of a key that ends at `end`.
fn value_after(arg: &[u8], end: usize) -> Value {
    match arg.get(end) {
        None => Value::NextArgument(Expect::ValueOrDelimiter),
        Some(b'=') => Value::At { start: end + 1, is_after_space: false },
        Some(b':') => match skip_space(arg, end + 1) {
            start if start == arg.len() => Value::EmptyAndNext,
            start => Value::At { start, is_after_space: false },
        },
        Some(_) => {
            let start = skip_space(arg, end);
            match arg.get(start) {
                None => Value::NextArgument(Expect::ValueOrDelimiter),
                Some(b'=' | b':') => match skip_space(arg, start + 1) {
                    start if start == arg.len() => Value::NextArgument(Expect::Value),
                    start => Value::At { start, is_after_space: false },
                },
                Some(_) => Value::At { start, is_after_space: true },
            }
        }
    }
}

/// The strongest mark of a key that ends at `end`.
fn mark_of(arg: &[u8], run: &[u8], end: usize) -> Mark {
    match arg.get(end) {
        Some(b'=' | b':') => Mark::Delimiter,
        Some(_) if matches!(arg.get(skip_space(arg, end)), Some(b'=')) => Mark::Delimiter,
        _ if run.starts_with(b"-") => Mark::Option,
        _ => Mark::None,
    }
}

/// The value at `start`, and where it ends: like a word of a shell, but a value that is all in quotes ends with them,
/// and they are not part of it, so that what was JSON stays JSON. A quote at the start that is never closed holds all
/// the rest.
pub(super) fn value_at(arg: &[u8], start: usize) -> (Range<usize>, usize) {
    let mut at = start;
    while let Some(byte) = arg.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' | b'\'' => match closing_quote(arg, at, *byte) {
                Some(close) => {
                    let is_all_quoted = at == start;
                    at = close + 1;
                    let joins = |byte: &u8| {
                        byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"\"'\\-_./$%+@".contains(byte)
                    };
                    if is_all_quoted && !arg.get(at).is_some_and(joins) {
                        return (start + 1..close, at);
                    }
                }
                None if at == start => return (start..arg.len(), arg.len()),
                None => at += 1,
            },
            byte if is_space(*byte) => return (start..at, at),
            _ => at += 1,
        }
    }
    (start..arg.len(), arg.len())
}

/// The end of the quoted text that begins at `open`; in double quotes a backslash protects the next byte.
fn closing_quote(arg: &[u8], open: usize, quote: u8) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match arg.get(at)? {
            b'\\' if quote == b'"' => at += 2,
            byte if *byte == quote => return Some(at),
            _ => at += 1,
        }
    }
}

fn skip_space(arg: &[u8], at: usize) -> usize {
    find(arg, at, |byte| !is_space(byte))
}

/// The position of the first such byte from `at` on, or the end.
fn find(arg: &[u8], at: usize, is_wanted: impl Fn(u8) -> bool) -> usize {
    let found = arg.iter().skip(at).position(|byte| is_wanted(*byte));
    found.map_or(arg.len(), |distance| at + distance)
}
