//! Text that others chose, made safe and fitting for a terminal.
//!
//! Invariant: what [`printable`] returns moves no cursor, changes no colour, reorders nothing and hides nothing.
//! Names of processes and files are chosen by workloads, so every one of them goes through here.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` with control, bidirectional and invisible characters written as escapes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if !is_hostile(c) => safe.push(c),
            c if u32::from(c) < 0x100 => push_fmt(&mut safe, format_args!("\\x{:02x}", u32::from(c))),
            c => push_fmt(&mut safe, format_args!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(safe)
}

fn push_fmt(into: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    into.write_fmt(text).unwrap_or_default();
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Bidirectional marks, embeddings, overrides and isolates.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Characters without any width: two different names would look the same.
            | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` cut to at most `columns`, with `…` at the end when something is missing.
pub(crate) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        cut.push(c);
    }
    if columns > 0 {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// `text` cut to at most `columns`, with `…` in place of its beginning: the end of a path says most.
pub(crate) fn fit_end(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut used = 1;
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        used += c.width().unwrap_or(0);
        used <= columns
    });
    let end = kept.last().and_then(|(start, _)| text.get(start..)).unwrap_or_default();
    Cow::Owned(if columns > 0 { format!("…{end}") } else { String::new() })
}

/// `text` cut or filled with spaces to exactly `columns`.
pub(crate) fn column(text: &str, columns: usize) -> String {
    let mut filled = fit(text, columns).into_owned();
    let missing = columns.saturating_sub(width(&filled));
    filled.extend(std::iter::repeat_n(' ', missing));
    filled
}

/// `n` with thin groups of three digits: `12 345`.
pub(crate) fn grouped(n: i128) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    if n < 0 {
        out.push('-');
    }
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_bidi_overrides_are_shown_not_obeyed() {
        assert_eq!(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\n");
        assert_eq!(printable("txt.\u{202e}exe"), "txt.\\u{202e}exe");
        assert_eq!(printable("\u{9b}2J\u{7f}"), "\\x9b2J\\x7f");
        assert_eq!(printable("zero\u{200b}width"), "zero\\u{200b}width");
    }

    #[test]
    fn ordinary_names_in_any_script_stay_as_they_are() {
        for name in ["/usr/bin/env", "/data/日本語", "größe", "Ελλάδα", "x\\y"] {
            assert!(matches!(printable(name), Cow::Borrowed(same) if same == name));
        }
    }

    #[test]
    fn cutting_never_exceeds_the_columns_even_with_wide_characters() {
        let text = "ab日本語cd";
        for columns in 0..12 {
            assert!(width(&fit(text, columns)) <= columns, "{columns}");
            assert!(width(&fit_end(text, columns)) <= columns, "{columns}");
            assert_eq!(width(&column(text, columns)), columns);
        }
        assert_eq!(fit(text, 6), "ab日…");
        assert_eq!(fit("same", 4), "same");
        assert_eq!(fit_end(text, 6), "…語cd");
        assert_eq!(fit_end("/a/long/name", 6), "…/name");
    }

    #[test]
    fn large_numbers_are_grouped_by_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(grouped(-1000), "-1 000");
    }
}
