//! A process of an event's lineage, and what is derived from its arguments.

use std::cell::OnceCell;

use event::{Exec, File, Run, Strings, Task};
use secl::Value;

/// A process as rules see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'f> {
    pub(crate) task: &'f Task,
    pub(crate) run: &'f Run,
    /// Its place in the lineage.
    pub(crate) place: usize,
    pub(crate) derived: &'f Derived,
    pub(crate) wall_offset_ns: i64,
}

impl<'f> Actor<'f> {
    pub(crate) fn exec(self) -> Option<&'f Exec> {
        self.run.exec.as_deref()
    }

    /// Kernel threads are `kthreadd`, which has pid 2 on every Linux, and its children, as long as they run no program.
    pub(crate) fn is_kernel_thread(self) -> bool {
        const KTHREADD: u32 = 2;
        self.exec().is_none() && (self.task.process.tgid == KTHREADD || self.task.ppid == KTHREADD)
    }

    /// When its program started, or the process itself if it has none of its own; nanoseconds since the epoch.
    pub(crate) fn created_ns(self) -> i64 {
        let boot_ns = if self.run.exec_ns > 0 { self.run.exec_ns } else { self.run.fork_ns };
        if boot_ns == 0 { 0 } else { wall(boot_ns, self.wall_offset_ns) }
    }

    pub(crate) fn arguments(self) -> &'f Arguments {
        static NONE: Arguments = Arguments { joined: Vec::new(), flags: Vec::new(), options: Vec::new() };
        let Some(exec) = self.exec() else { return &NONE };
        self.derived.at(self.place).map_or(&NONE, |kept| kept.get_or_init(|| Arguments::of(&exec.args)))
    }

    /// Arguments behind argv[0].
    pub(crate) fn argv(self) -> &'f [event::Text] {
        self.exec().and_then(|exec| exec.args.items.get(1..)).unwrap_or_default()
    }

    pub(crate) fn envs(self) -> &'f [event::Text] {
        self.exec().map(|exec| exec.envs.items.as_slice()).unwrap_or_default()
    }
}

/// What was derived so far, by place in the lineage.
#[derive(Debug)]
pub(crate) struct Derived {
    depth: usize,
    /// Made when the first is asked for.
    kept: OnceCell<Box<[OnceCell<Arguments>]>>,
}

impl Derived {
    /// Nothing, for a lineage with this many ancestors.
    pub(crate) fn new(depth: usize) -> Self {
        Self { depth, kept: OnceCell::new() }
    }

    fn at(&self, place: usize) -> Option<&OnceCell<Arguments>> {
        self.kept.get_or_init(|| (0..=self.depth).map(|_| OnceCell::new()).collect()).get(place)
    }
}

pub(crate) fn wall(boot_ns: u64, wall_offset_ns: i64) -> i64 {
    i64::try_from(boot_ns).unwrap_or(i64::MAX).saturating_add(wall_offset_ns)
}

/// The file a program was started from, a script rather than its interpreter.
pub(crate) fn program(exec: &Exec) -> &File {
    exec.script.as_ref().unwrap_or(&exec.executable)
}

/// The interpreter of a script.
pub(crate) fn interpreter(exec: &Exec) -> Option<&File> {
    exec.script.as_ref().map(|_| &*exec.executable)
}

/// What is derived from the arguments of a program: made once per event and process, when a rule asks for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// All but argv[0], with blanks between them.
    pub(crate) joined: Vec<u8>,
    /// `l` and `n` of `-ln`, `version` of `--version`.
    pub(crate) flags: Vec<Vec<u8>>,
    /// `n=v` of `--n=v`, `--n v` and `-n v`.
    pub(crate) options: Vec<Vec<u8>>,
}

impl Arguments {
    fn of(args: &Strings) -> Self {
        let mut arguments = Self::default();
        let mut rest = args.items.iter().skip(1).map(event::Text::as_bytes).peekable();
        let mut is_first = true;
        while let Some(word) = rest.next() {
            if !std::mem::take(&mut is_first) {
                arguments.joined.push(b' ');
            }
            arguments.joined.extend_from_slice(word);
            let Some(name) = word.strip_prefix(b"-").filter(|name| !name.is_empty()) else { continue };
            let (name, is_long) = name.strip_prefix(b"-").map_or((name, false), |name| (name, true));
            if name.is_empty() {
                continue;
            }
            if name.contains(&b'=') {
                arguments.options.push(name.to_vec());
                continue;
            }
            if is_long {
                arguments.flags.push(name.to_vec());
            } else {
                arguments.flags.extend(name.iter().map(|letter| vec![*letter]));
            }
            // Whether the next word is its value cannot be known, so the name stays a flag too.
            if let Some(value) = rest.peek().filter(|next| !next.starts_with(b"-")) {
                arguments.options.push([name, b"=", value].concat());
            }
        }
        arguments
    }
}

pub(crate) fn text_at(texts: &[Vec<u8>], at: usize) -> Value<'_> {
    Value::Text(texts.get(at).map(Vec::as_slice).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(found: &[Vec<u8>]) -> Vec<String> {
        found.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    #[test]
    fn flags_and_options_are_told_from_the_words() {
        let items = ["ls", "-ln", "--version", "--sort=size", "-w", "80", "x", "--", "-", "--color", "-z"]
            .map(Into::into);
        let arguments = Arguments::of(&Strings { items: items.to_vec(), truncated: false });
        assert_eq!(
            String::from_utf8_lossy(&arguments.joined),
            "-ln --version --sort=size -w 80 x -- - --color -z"
        );
        assert_eq!(words(&arguments.flags), ["l", "n", "version", "w", "color", "z"]);
        assert_eq!(words(&arguments.options), ["sort=size", "w=80"]);
        assert_eq!(Arguments::of(&Strings::default()), Arguments::default());
    }
}
