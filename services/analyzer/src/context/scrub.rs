//! Removes secrets from program starts, before anything stores or sends them.
//!
//! Arguments are scrubbed as the vector they are: an argument with spaces stays one argument, and a secret that is
//! an argument of its own goes with its spaces. Pure, and linear in the bytes of the arguments. Invariant: the number
//! of arguments and variables never changes, and what follows a sensitive word and a delimiter never remains.
//!
//! A key is a sensitive word, case-insensitive, with any text where it has `*`, `-` as good as `_`, and up to two
//! dashes before it. It starts an argument or a word in it, or follows an opening character such as `&`, `{` or a quote. Its value is
//! - after `=` or `:`, a quoted text or the run up to white space; in an argument that starts with a dash, the rest,
//! - after white space or the end of the argument, the next word, or the whole next argument.
//!
//! Beside keys, `shapes` finds what looks like a secret, and `options` what the program takes for one. What one of
//! them masks can make something a secret for another (`u:x@hpassword=@` is an address once its last `@` is hidden), so they
//! run until nothing changes: scrubbing what was scrubbed changes nothing.

mod options;
mod programs;
mod scan;
mod shapes;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use event::{Exec, Strings, Text};

use options::Command;
use programs::Program;
use scan::{Expect, Secrets};
use shapes::Ahead;
use words::{Mark, Word};
pub use words::{RefusedWord, WordProblem};

/// What every secret becomes: the same for all, so that not even its length remains.
const MASK: &[u8] = b"********";

/// Passes over the arguments of a program, so that their number is bounded whatever they are. The second finds
/// something in one of a thousand command lines made for that.
const MAX_PASSES: usize = 4;

/// Words that announce a secret. `*` stands for any part of a word.
const DEFAULT_WORDS: [&str; 11] = [
    "*password*",
    "*passwd*",
    "*mysql_pwd*",
    "*access_token*",
    "*auth_token*",
    "*api_key*",
    "*apikey*",
    "*secret*",
    "*credentials*",
    "stripetoken",
    "rails",
];

/// Words that are too common in sentences to announce a secret without a mark.
const MARKED_WORDS: [(&str, Mark); 7] = [
    ("*token", Mark::Option),
    ("*passphrase*", Mark::Option),
    ("*private_key*", Mark::Option),
    ("*pwd", Mark::Option),
    ("*_pass", Mark::Option),
    ("pass", Mark::Delimiter),
    ("bearer", Mark::Delimiter),
];

/// Variables whose values are kept: they change what a program runs, and hold no secrets.
pub const DEFAULT_ENVS: [&str; 6] =
    ["LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "HISTSIZE", "HISTFILESIZE", "GLIBC_TUNABLES"];

/// Removes the values of sensitive arguments and of all but some environment variables.
#[derive(Debug, Clone)]
pub struct Scrubber {
    words: Vec<Word>,
    /// Finds the longest literal part of every word, without `_`. `None`: could not be built, every argument is looked at.
    literals: Option<AhoCorasick>,
    /// Finds what every secret by its shape has beside it.
    shapes: Option<AhoCorasick>,
    /// Finds the names of programs that take secrets.
    programs: Option<AhoCorasick>,
    allowed_envs: Vec<Vec<u8>>,
}

impl Default for Scrubber {
    fn default() -> Self {
        Self::new(&[], None).0
    }
}

impl Scrubber {
    /// A scrubber for the default words and `words`, that keeps the values of exactly `allowed_envs`, or of
    /// [`DEFAULT_ENVS`].
    ///
    /// Words that cannot be used are left out and returned with the reason, for the caller to show.
    #[must_use]
    pub fn new(words: &[String], allowed_envs: Option<&[String]>) -> (Self, Vec<RefusedWord>) {
        let mut refused = Vec::new();
        let mut accepted = Vec::new();
        for word in DEFAULT_WORDS.into_iter().chain(words.iter().map(String::as_str)) {
            match Word::parse(word) {
                Ok(word) => accepted.push(word),
                Err(reason) => refused.push(RefusedWord { word: word.to_owned(), reason }),
            }
        }
        for (word, mark) in MARKED_WORDS {
            accepted.extend(Word::parse(word).map(|word| word.with(mark)));
        }
        let finder =
            |texts: Vec<&[u8]>| AhoCorasick::builder().ascii_case_insensitive(true).build(texts).ok();
        let literals = finder(accepted.iter().map(Word::longest_literal).collect());
        let shapes = finder(shapes::TELLING.map(str::as_bytes).to_vec());
        let programs = finder(programs::telling_names().map(str::as_bytes).collect());
        let allowed_envs = match allowed_envs {
            Some(names) => names.iter().map(|name| name.clone().into_bytes()).collect(),
            None => DEFAULT_ENVS.map(|name| name.as_bytes().to_vec()).to_vec(),
        };
        (Self { words: accepted, literals, shapes, programs, allowed_envs }, refused)
    }

    /// The program start without its secrets; `None` when it has none.
    #[must_use]
    pub fn exec(&self, exec: &Exec) -> Option<Exec> {
        let args = self.args(&exec.args.items, exec.executable.path.as_bytes());
        let envs = self.envs(&exec.envs.items);
        if args.is_none() && envs.is_none() {
            return None;
        }
        let scrubbed = |items: Option<Vec<Text>>, old: &Strings| match items {
            Some(items) => Strings { items, truncated: old.truncated },
            None => old.clone(),
        };
        Some(Exec {
            executable: exec.executable.clone(),
            script: exec.script.clone(),
            kind: exec.kind,
            args: scrubbed(args, &exec.args),
            envs: scrubbed(envs, &exec.envs),
            tty: exec.tty.clone(),
        })
    }

    fn args(&self, args: &[Text], executable: &[u8]) -> Option<Vec<Text>> {
        let mut scrubbed = self.pass(args, executable)?;
        for _ in 1..MAX_PASSES {
            match self.pass(&scrubbed, executable) {
                Some(more) => scrubbed = more,
                None => break,
            }
        }
        Some(scrubbed)
    }

    /// What is masked at first sight; `None` when nothing is.
    fn pass(&self, args: &[Text], executable: &[u8]) -> Option<Vec<Text>> {
        let mut args = Cow::Borrowed(args);
        if args.iter().any(|arg| may_have(self.shapes.as_ref(), arg.as_bytes())) {
            let mut ahead = Ahead::default();
            each(&mut args, |arg| {
                let (secrets, next) = shapes::secrets(arg, ahead);
                ahead = next;
                mask(arg, &secrets)
            });
        }
        let mut expect = Expect::Nothing;
        each(&mut args, |arg| {
            let (new, next) = self.arg(arg, expect);
            expect = next;
            new
        });
        let may_be_told = |text: &[u8]| may_have(self.programs.as_ref(), text);
        if may_be_told(executable) || args.iter().any(|arg| may_be_told(arg.as_bytes())) {
            let name = args.first().map(Text::as_bytes).unwrap_or_default();
            let program = Program::named(name).or_else(|| Program::named(executable));
            let mut command = Command::of(program);
            let mut is_name = true;
            each(&mut args, |arg| {
                (!std::mem::take(&mut is_name)).then(|| mask(arg, &command.argument(arg))).flatten()
            });
        }
        match args {
            Cow::Owned(scrubbed) => Some(scrubbed),
            Cow::Borrowed(_) => None,
        }
    }

    /// What becomes of one argument, and what the next one is.
    fn arg(&self, arg: &[u8], expect: Expect) -> (Option<Vec<u8>>, Expect) {
        let is_option = arg.starts_with(b"-");
        match expect {
            Expect::ValueOrDelimiter if matches!(arg, b"=" | b":") => (None, Expect::Value),
            Expect::ValueUnlessOption if is_option => self.arg(arg, Expect::Nothing),
            // `--password --token x`: the option is taken for the value, and still announces its own.
            Expect::Value | Expect::ValueOrDelimiter if is_option => {
                (Some(MASK.to_vec()), self.arg(arg, Expect::Nothing).1)
            }
            // Somebody left it empty: the secret may be in the next.
            Expect::Value | Expect::ValueOrDelimiter if arg.is_empty() => {
                (Some(MASK.to_vec()), Expect::ValueUnlessOption)
            }
            Expect::Value | Expect::ValueOrDelimiter | Expect::ValueUnlessOption => {
                (Some(MASK.to_vec()), Expect::Nothing)
            }
            Expect::Nothing if may_have(self.literals.as_ref(), arg) => {
                let secrets = Secrets::of(arg, &self.words);
                (mask(arg, &secrets.ranges), secrets.next)
            }
            Expect::Nothing => (None, Expect::Nothing),
        }
    }

    fn envs(&self, envs: &[Text]) -> Option<Vec<Text>> {
        let name = |env: &Text| {
            let bytes = env.as_bytes();
            let end = bytes.iter().position(|byte| *byte == b'=')?;
            let name = bytes.get(..end)?;
            (!self.allowed_envs.iter().any(|allowed| allowed == name)).then(|| Text::from(name))
        };
        let first = envs.iter().position(|env| name(env).is_some())?;
        let (kept, rest) = envs.split_at(first);
        let rest = rest.iter().map(|env| name(env).unwrap_or_else(|| env.clone()));
        Some(kept.iter().cloned().chain(rest).collect())
    }
}

/// Whether one of the texts is in it. `None`: cannot be told.
fn may_have(texts: Option<&AhoCorasick>, arg: &[u8]) -> bool {
    texts.is_none_or(|texts| texts.is_match(arg))
}

/// Replaces each argument by what `change` makes of it. Nothing is copied while nothing changes.
fn each(args: &mut Cow<'_, [Text]>, mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>) {
    for position in 0..args.len() {
        let Some(arg) = args.get(position).map(Text::as_bytes) else { return };
        if let Some(new) = change(arg).filter(|new| new != arg)
            && let Some(slot) = args.to_mut().get_mut(position)
        {
            *slot = new.into();
        }
    }
}

/// The argument with its secrets masked, if it has any.
fn mask(arg: &[u8], secrets: &[Range<usize>]) -> Option<Vec<u8>> {
    let last = secrets.last()?;
    let mut masked = Vec::with_capacity(arg.len() + MASK.len());
    let mut kept = 0;
    for secret in secrets {
        masked.extend_from_slice(arg.get(kept..secret.start).unwrap_or_default());
        masked.extend_from_slice(MASK);
        kept = secret.end;
    }
    masked.extend_from_slice(arg.get(last.end..).unwrap_or_default());
    Some(masked)
}

#[cfg(test)]
mod tests;
