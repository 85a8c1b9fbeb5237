//! Finds secrets that look like one wherever they stand: `Bearer x`, `Authorization: Basic x`, `user:pw@host`.

use std::ops::Range;

use super::words::is_space;

/// What an argument says about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ahead {
    #[default]
    Nothing,
    /// The key `authorization` without its delimiter.
    Delimiter,
    /// A scheme, or credentials without one.
    Scheme,
    /// Credentials.
    Credentials,
}

/// What an argument must have for a secret of this kind to be in it.
pub(super) const TELLING: [&str; 3] = ["@", "bearer", "authorization"];

/// Schemes whose credentials are one word.
const SCHEMES: [&[u8]; 7] = [b"bearer", b"basic", b"token", b"negotiate", b"ntlm", b"apikey", b"splunk"];
/// Schemes whose credentials are a list, to the end.
const LIST_SCHEMES: [&[u8]; 3] = [b"digest", b"hawk", b"aws4-hmac-sha256"];
/// What stands before `:` in an address that has no password.
const NO_USERS: [&[u8]; 10] =
    [b"mailto", b"sip", b"sips", b"xmpp", b"acct", b"npm", b"jsr", b"workspace", b"file", b"patch"];
/// What stands after `@` in the name of an image.
const DIGESTS: [&[u8]; 3] = [b"sha256:", b"sha384:", b"sha512:"];

/// The secrets of one argument, in order, and what the next one is.
pub(super) fn secrets(arg: &[u8], mut ahead: Ahead) -> (Vec<Range<usize>>, Ahead) {
    if arg.starts_with(b"--") {
        ahead = Ahead::Nothing;
    }
    let is_whole = match ahead {
        Ahead::Credentials => true,
        // With a space in it, it is a whole value of a header, `Bearer x`.
        Ahead::Scheme => {
            !is_scheme(arg) && arg != b":" && arg != b"=" && !arg.iter().any(|byte| is_space(*byte))
        }
        Ahead::Nothing | Ahead::Delimiter => false,
    };
    if is_whole {
        return (std::iter::once(0..arg.len()).collect(), Ahead::Nothing);
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = arg.get(at) {
        if is_break(*byte) {
            at += 1;
            continue;
        }
        let rest = arg.get(at..).unwrap_or_default();
        let end = at + rest.iter().position(|byte| is_break(*byte)).unwrap_or(rest.len());
        let word = arg.get(at..end).unwrap_or_default();
        let followed_by_space = arg.get(end).is_none_or(|byte| is_space(*byte));
        let (next, secret) = match ahead {
            Ahead::Credentials => (Ahead::Nothing, Some(0)),
            Ahead::Scheme => after_key(word, 0),
            Ahead::Delimiter if matches!(word.first(), Some(b':' | b'=')) => after_key(word, 1),
            Ahead::Delimiter | Ahead::Nothing => match key_end(word) {
                Some(start) if start == word.len() => (Ahead::Delimiter, None),
                Some(start) if matches!(word.get(start), Some(b':' | b'=')) => after_key(word, start + 1),
                _ if followed_by_space && is_bearer(word) => (Ahead::Credentials, None),
                _ => {
                    userinfo(word, at, &mut found);
                    (Ahead::Nothing, None)
                }
            },
        };
        ahead = next;
        if let Some(start) = secret {
            if follows_list_scheme(arg, at) {
                found.push(at + start..arg.len());
                return (found, Ahead::Nothing);
            }
            found.push(at + start..end);
        }
        at = end;
    }
    (found, ahead)
}

/// What a word says in which, from `start` on, a scheme or credentials can stand.
fn after_key(word: &[u8], start: usize) -> (Ahead, Option<usize>) {
    match word.get(start..).unwrap_or_default() {
        b"" | b":" | b"=" => (Ahead::Scheme, None),
        rest if is_scheme(rest) => (Ahead::Credentials, None),
        _ => (Ahead::Nothing, Some(start)),
    }
}

/// Whether the word before `at` is a scheme with a list.
fn follows_list_scheme(arg: &[u8], at: usize) -> bool {
    let before = arg.get(..at).unwrap_or_default().trim_ascii_end();
    LIST_SCHEMES.iter().any(|scheme| ends_with(before, scheme))
}

fn is_break(byte: u8) -> bool {
    is_space(byte) || b"\"'`".contains(&byte)
}

fn is_scheme(word: &[u8]) -> bool {
    SCHEMES.iter().chain(&LIST_SCHEMES).any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// The end of the key `authorization` in a word.
fn key_end(word: &[u8]) -> Option<usize> {
    const KEY: &[u8] = b"authorization";
    word.windows(KEY.len()).position(|window| window.eq_ignore_ascii_case(KEY)).map(|start| start + KEY.len())
}

/// Whether the word is `Bearer`, or ends in it after what is no letter.
fn is_bearer(word: &[u8]) -> bool {
    const BEARER: &[u8] = b"bearer";
    let before = word.len().checked_sub(BEARER.len()).map(|start| word.get(..start).unwrap_or_default());
    before.is_some_and(|before| {
        ends_with(word, BEARER)
            && before.last().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"-_/.".contains(byte))
    })
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().checked_sub(end.len());
    start.and_then(|start| text.get(start..)).is_some_and(|text| text.eq_ignore_ascii_case(end))
}

/// Adds the passwords of the addresses in a word that begins at `offset`.
fn userinfo(word: &[u8], offset: usize, found: &mut Vec<Range<usize>>) {
    let Some(last_at) = word.iter().rposition(|byte| *byte == b'@') else { return };
    let mut add = |start: usize, end: usize| {
        if start < end {
            found.push(offset + start..offset + end);
        }
    };
    let mut searched = 0;
    let mut has_scheme = false;
    while let Some(start) = find(word, searched, b"://") {
        has_scheme = true;
        let start = start + 3;
        let rest = word.get(start..).unwrap_or_default();
        let end = start + rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        // Back to the colon: the next address may begin with it.
        searched = end - 1;
        let authority = word.get(start..end).unwrap_or_default();
        let Some(colon) = authority.iter().position(|byte| *byte == b':').map(|colon| start + colon) else {
            continue;
        };
        match authority.iter().rposition(|byte| *byte == b'@').map(|at| start + at) {
            Some(at) => add(colon + 1, at),
            None if authority.starts_with(b"[") || last_at < end => {}
            // No port: a password with one of the characters that end a host, and should have been escaped.
            None if word.get(colon + 1..end).is_some_and(|port| !port.iter().all(u8::is_ascii_digit)) => {
                add(colon + 1, last_at);
                return;
            }
            None => {}
        }
    }
    if has_scheme {
        return;
    }
    let Some(colon) = word.iter().position(|byte| *byte == b':') else { return };
    let user = word.get(..colon).unwrap_or_default();
    let user = user.rsplit(|byte| *byte == b'=').next().unwrap_or_default();
    let host = word.get(last_at + 1..).unwrap_or_default();
    let is_address = !user.is_empty()
        && !user.iter().any(|byte| b"@/".contains(byte))
        && !NO_USERS.iter().any(|other| user.eq_ignore_ascii_case(other))
        && !word.get(colon..last_at).unwrap_or_default().contains(&b'/')
        && host.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'[')
        && !DIGESTS.iter().any(|digest| host.starts_with(digest));
    if is_address {
        add(colon + 1, last_at);
    }
}

fn find(text: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let found = text.get(from..)?.windows(wanted.len()).position(|window| window == wanted)?;
    Some(from + found)
}
