//! `shrike dump diff`: what one recording holds and another does not.

use std::collections::BTreeMap;

use activity_tree::{Line, LineKind, Tree};

use super::files;
use crate::args::DumpDiffArgs;
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::{ColorMode, Terminal, note, print_line};
use crate::view::text::{fit_end, grouped, printable};

/// A behaviour: the programs that led to it, its kind, and what it is.
type Key = (Vec<String>, LineKind, String);

/// Prints the difference; ends with 1 if there is one.
pub(crate) fn run(args: &DumpDiffArgs, color: ColorMode) -> Result<(), Failure> {
    let [before, after] = [&args.before, &args.after].map(|path| files::read(path));
    let [before, after] = [before?, after?].map(|recorded| behaviours(recorded.tree()));
    let differences = differences(&before, &after);
    let terminal = Terminal::stdout(color);
    for line in lines(&differences, terminal.paint, terminal.columns) {
        print_line(&line)?;
    }
    if differences.is_empty() {
        note(&format!("the same: {} behaviours", grouped(before.len().try_into().unwrap_or(i128::MAX))));
        return Ok(());
    }
    Err(Failure::Passed(1))
}

/// How a behaviour differs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Difference<'a> {
    OnlyBefore(&'a str),
    OnlyAfter(&'a str),
    /// Both have it, in another way.
    Changed(&'a str, &'a str),
}

fn behaviours(tree: &Tree) -> BTreeMap<Key, String> {
    let mut above: Vec<String> = Vec::new();
    let mut all = BTreeMap::new();
    for Line { depth, kind, text, more, .. } in tree.outline(dump::NO_SYSCALL_NAMES) {
        if kind == LineKind::Again {
            continue;
        }
        above.truncate(depth);
        // Arguments make no other process, and programs are often started with others.
        let more = if kind.is_process() { String::new() } else { more };
        let shown = if kind.is_process() { LineKind::Process } else { kind };
        all.insert((above.clone(), shown, text.clone()), more);
        if kind.is_process() {
            above.resize(depth, String::new());
            above.push(text);
        }
    }
    all
}

fn differences<'a>(
    before: &'a BTreeMap<Key, String>,
    after: &'a BTreeMap<Key, String>,
) -> BTreeMap<&'a Key, Difference<'a>> {
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let mut all: BTreeMap<&Key, Difference<'_>> =
        gone.map(|(key, more)| (key, Difference::OnlyBefore(more.as_str()))).collect();
    for (key, more) in after {
        match before.get(key) {
            None => all.insert(key, Difference::OnlyAfter(more)),
            Some(known) if known != more => all.insert(key, Difference::Changed(known, more)),
            Some(_) => None,
        };
    }
    all
}

fn lines(differences: &BTreeMap<&Key, Difference<'_>>, paint: Paint, columns: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown: Option<&[String]> = None;
    for ((above, kind, text), difference) in differences {
        if shown != Some(above) {
            let chain: Vec<_> = above.iter().map(|path| printable(path)).collect();
            let chain = if chain.is_empty() { "first processes".to_owned() } else { chain.join(" > ") };
            let chain = columns.map_or(chain.as_str().into(), |columns| fit_end(&chain, columns));
            lines.push(paint.apply(Tone::Strong, &chain));
            shown = Some(above);
        }
        let (mark, tone, more) = match difference {
            Difference::OnlyBefore(more) => ("-", Tone::Bad, (*more).to_owned()),
            Difference::OnlyAfter(more) => ("+", Tone::Good, (*more).to_owned()),
            Difference::Changed(before, after) => ("~", Tone::Warn, format!("{before} now {after}")),
        };
        let what = match kind {
            LineKind::Process | LineKind::Exec | LineKind::Again => "runs ",
            LineKind::File => "",
            LineKind::Name => "asks ",
            LineKind::Socket => "binds ",
            LineKind::Imds => "metadata ",
            LineKind::Flow => "flow ",
            LineKind::Syscall => "calls ",
            LineKind::Capability => "capability ",
        };
        let line = format!("{what}{} {}", printable(text), printable(&more));
        let line = columns
            .map_or(line.as_str().into(), |columns| fit_end(line.trim_end(), columns.saturating_sub(4)));
        lines.push(paint.apply(tone, &format!("  {mark} {}", line.trim_end())));
    }
    lines
}

#[cfg(test)]
mod tests {
    use activity_tree::{Activity, Generation, Open, Options, Process, What};

    use super::*;

    fn tree(opens: &[(&str, u32)]) -> BTreeMap<Key, String> {
        let mut tree = Tree::new(Options::default());
        let mut shell = Process::default();
        shell.file.path = "/bin/sh".into();
        for (path, flags) in opens {
            let what = What::Open { path, file: None, open: Open { flags: *flags, ..Open::default() } };
            let activity = Activity {
                lineage: &[&shell],
                what,
                image_tag: "",
                at_ns: 1,
                generation: Generation::Runtime,
                rules: &[],
                adds_processes: true,
            };
            tree.insert(&activity).unwrap();
        }
        behaviours(&tree)
    }

    #[test]
    fn a_difference_names_the_programs_above_it_and_what_changed() {
        let (before, after) = (tree(&[("/a", 0), ("/b", 0)]), tree(&[("/b", 1), ("/c", 0)]));
        let shown = lines(&differences(&before, &after), Paint::new(false), Some(80));
        assert_eq!(shown, ["/bin/sh", "  - /a r", "  ~ /b r now w", "  + /c r"]);
        assert!(differences(&before, &before).is_empty());
        let none = tree(&[]);
        let shown = lines(&differences(&none, &before), Paint::new(false), None);
        assert_eq!(shown, ["first processes", "  + runs /bin/sh", "/bin/sh", "  + /a r", "  + /b r"]);
    }
}
