//! Finds the secrets that only the program tells: `mysql -px` and not `mkdir -p x`.
//!
//! Invariant: a word that was masked, here or before, is passed over like the secret that it was, so that scrubbing
//! again finds the same.

use std::ops::Range;

use super::programs::{LOGIN, OTHER, Part, Program, TEXT, Then};
use super::scan::value_at;
use super::words::is_space;

/// Follows a command line word by word.
pub(super) struct Command {
    program: &'static Program,
    /// Words until the program that the present one starts.
    skip: u8,
    /// The word before was an option that may have this one as its value.
    follows_option: bool,
    /// The next word is a value.
    value: Option<Part>,
    /// Part of a text: then any word may start another program.
    is_text: bool,
}

impl Command {
    /// The arguments of this program, without its name.
    pub(super) fn of(program: Option<&'static Program>) -> Self {
        let mut command =
            Self { program: &OTHER, skip: 0, follows_option: false, value: None, is_text: false };
        command.turn_to(program.unwrap_or(&OTHER));
        command
    }

    /// The secrets of the next argument.
    pub(super) fn argument(&mut self, arg: &[u8]) -> Vec<Range<usize>> {
        if let Some(part) = self.value.take()
            && !(part == Part::Optional && arg.starts_with(b"-"))
        {
            self.follows_option = false;
            return part.of(arg, 0..arg.len()).into_iter().collect();
        }
        if !arg.starts_with(b"-") && arg.iter().any(|byte| is_space(*byte)) {
            return text(arg);
        }
        match self.word(arg) {
            Some((start, part)) => part.of(arg, start..arg.len()).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Takes a word; where a secret begins in it, if it does.
    fn word(&mut self, word: &[u8]) -> Option<(usize, Part)> {
        if word.starts_with(b"-") && word.len() > 1 {
            self.follows_option = may_have_value(self.then(), word);
            return match self.program.secret_in(word)? {
                Found::Here(start, part) => Some((start, part)),
                Found::Next(part) => {
                    self.value = Some(part);
                    None
                }
            };
        }
        let follows_option = std::mem::take(&mut self.follows_option);
        match self.then() {
            Then::Nothing => {}
            Then::Anywhere if follows_option => {}
            Then::Anywhere if self.program.has_login && word == b"login" => self.turn_to(&LOGIN),
            Then::Anywhere => {
                if let Some(program) = Program::named(word) {
                    self.turn_to(program);
                }
            }
            // A variable of the environment.
            Then::Command { .. } if word.contains(&b'=') => {}
            Then::Command { .. } => match Program::named(word) {
                Some(program) if self.skip == 0 || follows_option => self.turn_to(program),
                _ if follows_option => {}
                _ if self.skip > 0 => self.skip -= 1,
                _ => self.turn_to(&OTHER),
            },
        }
        None
    }

    /// The first word of a text, or of a command in it.
    fn in_text() -> Self {
        Self { is_text: true, ..Self::of(Some(&TEXT)) }
    }

    fn then(&self) -> Then {
        match self.program.then {
            Then::Nothing if self.is_text => Then::Anywhere,
            then @ (Then::Nothing | Then::Command { .. } | Then::Anywhere) => then,
        }
    }

    fn turn_to(&mut self, program: &'static Program) {
        self.program = program;
        self.skip = match program.then {
            Then::Command { skip } => skip,
            Then::Nothing | Then::Anywhere => 0,
        };
        self.follows_option = false;
    }
}

/// The secrets of an argument that is a text: every word that is a program may be one, until its command ends.
fn text(arg: &[u8]) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    let mut command = Command::in_text();
    let mut at = 0;
    while let Some(byte) = arg.get(at) {
        if is_space(*byte) || b"\"'`($".contains(byte) {
            if *byte == b'\n' {
                command = Command::in_text();
            }
            at += 1;
            continue;
        }
        let rest = arg.get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let value = match command.value.take() {
            Some(part) if !(part == Part::Optional && word.starts_with(b"-")) => {
                // A quote before it was passed over.
                let is_quoted = at > 0 && arg.get(at - 1).is_some_and(|byte| b"\"'".contains(byte));
                Some((if is_quoted { at - 1 } else { at }, part))
            }
            _ => {
                let named = if word.starts_with(b"-") { word } else { last_name(word) };
                command.word(named).map(|(start, part)| (at + start, part))
            }
        };
        match value {
            Some((start, part)) => {
                let (value, end) = value_at(arg, start);
                secrets.extend(part.of(arg, value));
                at = end.max(at + 1);
            }
            None => {
                at += length;
                if word.ends_with(b";") || matches!(word, b"&&" | b"||" | b"|" | b"&") {
                    command = Command::in_text();
                }
            }
        }
    }
    secrets
}

/// What is left of a word without the operators and quotes of a shell around it.
fn last_name(word: &[u8]) -> &[u8] {
    let is_sign = |byte: &u8| b"\"'`;|&()".contains(byte);
    word.split(is_sign).rfind(|part| !part.is_empty()).unwrap_or_default()
}

/// Where a secret is that an option announces.
enum Found {
    Here(usize, Part),
    Next(Part),
}

impl Program {
    /// The secret of an option, in it or in the next word.
    fn secret_in(&self, word: &[u8]) -> Option<Found> {
        let found = |end: usize, part| match word.len() {
            length if length == end => Found::Next(part),
            _ => Found::Here(end, part),
        };
        let name_end = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
        let is_long = |option: &str| option.len() > 2;
        for secret in self.secrets.iter().filter(|secret| is_long(secret.option)) {
            let option = secret.option.as_bytes();
            if word.get(..name_end) == Some(option) {
                let after_equals = if name_end == word.len() { name_end } else { name_end + 1 };
                return Some(match after_equals {
                    end if end == name_end => Found::Next(secret.part),
                    end => Found::Here(end, secret.part),
                });
            }
            // `-hpSECRET` of an archiver, which has no `=`.
            if secret.part == Part::Optional && word.starts_with(option) {
                return Some(found(option.len(), secret.part));
            }
        }
        if word.starts_with(b"--") {
            return None;
        }
        // `-sSuSECRET`: flags without a value may stand before the option.
        for (position, letter) in word.iter().enumerate().skip(1) {
            let is_letter = |option: &str| !is_long(option) && option.as_bytes().get(1) == Some(letter);
            if let Some(secret) = self.secrets.iter().find(|secret| is_letter(secret.option)) {
                return Some(found(position + 1, secret.part));
            }
            if !self.flags.as_bytes().contains(letter) {
                return None;
            }
        }
        None
    }
}

/// Whether the word after this option may be its value and no program.
fn may_have_value(then: Then, option: &[u8]) -> bool {
    let is_flag = |letters: &[u8]| letters.iter().all(|letter| b"itdqTPS".contains(letter));
    match then {
        Then::Nothing => false,
        _ if option == b"--" || option.contains(&b'=') => false,
        _ if option.starts_with(b"--") => true,
        Then::Command { .. } => true,
        // `docker exec -it`, and `-exec` of find.
        Then::Anywhere => option.len() == 2 && !option.get(1..).is_some_and(is_flag),
    }
}

impl Part {
    /// The secret part of a value.
    fn of(self, arg: &[u8], value: Range<usize>) -> Option<Range<usize>> {
        let bytes = arg.get(value.clone())?;
        match self {
            Self::All | Self::Optional => Some(value),
            Self::UnlessNumber if bytes.iter().all(u8::is_ascii_digit) => None,
            Self::UnlessNumber => Some(value),
            Self::After(separators) => {
                let at = bytes.iter().position(|byte| separators.contains(byte))?;
                Some(value.start + at + 1..value.end)
            }
        }
    }
}
