//! Which events are shown.
//!
//! Kind, container and process are also asked of the analyzer, so that others need not be sent; the rest is decided
//! here, the same for a live stream and a replay.

use event::{Kind, Leaf};
use wire::v1::EventMessage;

use crate::args::SelectArgs;

/// What was asked for. Nothing asked for shows everything but the noise of the loader.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    kinds: Vec<String>,
    containers: Vec<String>,
    comms: Vec<String>,
    paths: Vec<Pattern>,
    args: Vec<String>,
    failed: bool,
    excluded: Vec<Pattern>,
    loader: bool,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Show,
    /// It is not what was asked for.
    Other,
    /// The dynamic loader looks for its libraries, as at every start of a program.
    Loader,
}

impl Selection {
    /// `with_loader`: a reader that is no person gets everything.
    pub(crate) fn new(args: &SelectArgs, with_loader: bool) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern(text.clone())).collect();
        Self {
            kinds: args.kinds.clone(),
            containers: args.containers.clone(),
            comms: args.comms.clone(),
            paths: patterns(&args.paths),
            args: args.args.clone(),
            failed: args.failed,
            excluded: patterns(&args.excluded),
            loader: args.loader || with_loader,
        }
    }

    pub(crate) fn judge(&self, event: &EventMessage) -> Verdict {
        let has = |list: &[String], text: &str| list.is_empty() || list.iter().any(|item| item == text);
        let is_wanted = has(&self.kinds, &event.kind)
            && has(&self.comms, &event.comm)
            && (self.containers.is_empty() || self.containers.iter().any(|name| is_container(event, name)))
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.fits_path(event)))
            && (self.args.is_empty() || self.args.iter().any(|text| has_argument(event, text)))
            && (!self.failed || has_failed(event))
            && !self.excluded.iter().any(|pattern| pattern.fits_any(event));
        match (is_wanted, self.loader || self.failed || !self.paths.is_empty()) {
            (false, _) => Verdict::Other,
            (true, false) if is_loader(event) => Verdict::Loader,
            (true, _) => Verdict::Show,
        }
    }
}

fn is_container(event: &EventMessage, wanted: &str) -> bool {
    event.container_name == wanted || (!wanted.is_empty() && event.container_id.starts_with(wanted))
}

fn leaves(event: &EventMessage) -> impl Iterator<Item = Leaf> {
    Kind::from_name(&event.kind).map_or(&[][..], Kind::fields).iter().map(|field| field.leaf)
}

/// Whether it started a program with this text in its command line.
fn has_argument(event: &EventMessage, text: &str) -> bool {
    leaves(event).any(|leaf| matches!(leaf, Leaf::Program)) && event.detail.contains(text)
}

/// Whether a call was refused, or a process did not end well.
fn has_failed(event: &EventMessage) -> bool {
    leaves(event).any(|leaf| match leaf {
        Leaf::Status => event.retval != 0 || event.detail.starts_with("killed"),
        Leaf::Descriptor | Leaf::Errno => event.retval < 0,
        Leaf::Program
        | Leaf::File
        | Leaf::Process
        | Leaf::Address
        | Leaf::Text
        | Leaf::Flags(_)
        | Leaf::Number(_)
        | Leaf::Mode => false,
    })
}

/// Whether the loader reads its cache, or a library of the system. A file that only looks like one, elsewhere or
/// written to, is shown.
fn is_loader(event: &EventMessage) -> bool {
    let path = event.path.as_str();
    let is_read =
        event.kind == Kind::Open.name() && event.retval >= 0 && event.detail.starts_with("O_RDONLY");
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_library = ["/lib", "/usr/lib", "/usr/local/lib"].iter().any(|directory| {
        let below = path.strip_prefix(directory).and_then(|below| below.split('/').next());
        matches!(below, Some("" | "64" | "32" | "x32"))
    });
    let is_shared = name.starts_with("lib") || name.starts_with("ld-");
    is_read && (path == "/etc/ld.so.cache" || (is_library && is_shared && is_versioned(name)))
}

/// `libc.so`, `libc.so.6`.
fn is_versioned(name: &str) -> bool {
    name.split_once(".so").is_some_and(|(_, version)| {
        version.is_empty()
            || version.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// A text with `*` for anything and `?` for one character. Without either: the path, or a directory above it.
#[derive(Debug)]
struct Pattern(String);

impl Pattern {
    fn fits_path(&self, event: &EventMessage) -> bool {
        // The second path of a rename is in the detail.
        let second = event.detail.strip_prefix("-> ").and_then(|rest| rest.split(' ').next());
        self.fits(&event.path) || second.is_some_and(|path| self.fits(path))
    }

    fn fits_any(&self, event: &EventMessage) -> bool {
        self.0 == event.kind || self.is_like(&event.comm) || self.fits_path(event)
    }

    fn fits(&self, path: &str) -> bool {
        if self.0.contains(['*', '?']) {
            return self.is_like(path);
        }
        let directory = self.0.trim_end_matches('/');
        let below = path.strip_prefix(directory);
        !self.0.is_empty() && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// Whether the pattern is all of `text`. On a mismatch only the last `*` takes one character more, so the work is
    /// bounded by the product of both lengths.
    fn is_like(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        let (mut at, mut position, mut star) = (0, 0, None);
        while let Some(char) = text.get(position) {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at + 1, position));
                    at += 1;
                }
                Some(wanted) if *wanted == '?' || wanted == char => (at, position) = (at + 1, position + 1),
                _ => {
                    let Some((after, taken)) = star else { return false };
                    star = Some((after, taken + 1));
                    (at, position) = (after, taken + 1);
                }
            }
        }
        pattern.get(at..).is_some_and(|rest| rest.iter().all(|char| *char == '*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, path: &str, retval: i32, detail: &str) -> EventMessage {
        EventMessage {
            kind: kind.into(),
            path: path.into(),
            retval,
            detail: detail.into(),
            comm: "cat".into(),
            container_name: "web".into(),
            container_id: "0123456789abcdef".into(),
            ..EventMessage::default()
        }
    }

    fn shown(args: SelectArgs) -> Vec<&'static str> {
        let selection = Selection::new(&args, false);
        let events = [
            ("shadow", event("open", "/etc/shadow", -13, "O_RDONLY = EACCES")),
            ("passwd", event("open", "/etc/passwd", 3, "O_RDONLY = 3")),
            ("cache", event("open", "/etc/ld.so.cache", 3, "O_RDONLY|O_CLOEXEC = 3")),
            ("exec", event("exec", "/usr/bin/env", 0, "env true --user demo")),
            ("rename", event("rename", "/tmp/a", 0, "-> /srv/b RENAME_NOREPLACE = 0")),
            ("exit", event("exit", "/usr/bin/env", 3, "exited 3")),
            ("killed", event("exit", "/usr/bin/env", 9, "killed by SIGKILL")),
            ("done", event("exit", "/usr/bin/env", 0, "exited 0")),
        ];
        let is_shown = |event: &EventMessage| selection.judge(event) == Verdict::Show;
        events.into_iter().filter(|(_, event)| is_shown(event)).map(|(name, _)| name).collect()
    }

    fn list(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn filters_by_path_argument_failure_and_exclusion_select_what_they_say() {
        let paths = |texts: &[&str]| shown(SelectArgs { paths: list(texts), ..SelectArgs::default() });
        assert_eq!(
            paths(&["/etc"]),
            ["shadow", "passwd", "cache"],
            "asked for by path, the loader is no noise"
        );
        assert_eq!(paths(&["/etc/shadow"]), ["shadow"]);
        assert_eq!(paths(&["/etc/sha"]), [""; 0]);
        assert_eq!(paths(&["*/b"]), ["rename"], "both paths of a rename count");
        assert_eq!(paths(&["/etc/*wd", "/usr/bin/en?"]), ["passwd", "exec", "exit", "killed", "done"]);
        let args = SelectArgs { args: list(&["--user"]), ..SelectArgs::default() };
        assert_eq!(shown(args), ["exec"]);
        let failed = SelectArgs { failed: true, ..SelectArgs::default() };
        assert_eq!(shown(failed), ["shadow", "exit", "killed"]);
        let excluded = |texts: &[&str]| shown(SelectArgs { excluded: list(texts), ..SelectArgs::default() });
        assert_eq!(excluded(&["exit", "/etc"]), ["exec", "rename"]);
        assert_eq!(excluded(&["c?t"]), [""; 0], "the name of the process");
    }

    #[test]
    fn filters_of_the_analyzer_hold_for_a_replay_too() {
        let kinds = SelectArgs { kinds: list(&["exec", "rename"]), ..SelectArgs::default() };
        assert_eq!(shown(kinds), ["exec", "rename"]);
        let containers = |text: &str| SelectArgs { containers: list(&[text]), ..SelectArgs::default() };
        assert_eq!(shown(containers("web")).len(), 7);
        assert_eq!(shown(containers("01234")).len(), 7);
        assert_eq!(shown(containers("we")).len(), 0);
        assert_eq!(shown(SelectArgs { comms: list(&["sh"]), ..SelectArgs::default() }).len(), 0);
    }

    #[test]
    fn the_noise_of_the_loader_is_hidden_and_nothing_that_only_looks_like_it() {
        let judge = |path: &str, retval, detail: &str| {
            Selection::default().judge(&event("open", path, retval, detail))
        };
        for path in [
            "/etc/ld.so.cache",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
            "/lib/libz.so",
            "/usr/local/lib/libx.so.1.2",
        ] {
            assert_eq!(judge(path, 3, "O_RDONLY|O_CLOEXEC = 3"), Verdict::Loader, "{path}");
            assert_eq!(judge(path, -13, "O_RDONLY = EACCES"), Verdict::Show, "{path}: refused");
            assert_eq!(judge(path, 3, "O_WRONLY = 3"), Verdict::Show, "{path}: written");
        }
        for path in [
            "/tmp/libc.so.6",
            "/etc/ld.so.preload",
            "/usr/lib/libc.so.6.evil/x",
            "/usr/libexec/libc.so.6",
            "/usr/lib/python3/secret.so",
            "/lib/libc.soup",
        ] {
            assert_eq!(judge(path, 3, "O_RDONLY = 3"), Verdict::Show, "{path}");
        }
        let all = Selection::new(&SelectArgs { loader: true, ..SelectArgs::default() }, false);
        assert_eq!(all.judge(&event("open", "/etc/ld.so.cache", 3, "O_RDONLY = 3")), Verdict::Show);
    }
}
