//! `shrike dump show`: what a dump holds.

use activity_tree::{Dump, LineKind};
use dump::Format;

use super::{files, tree};
use crate::args::DumpShowArgs;
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::{ColorMode, Terminal, print};
use crate::view::text::{column, fit, grouped, printable};

/// Prints the tree, or a page.
pub(crate) fn run(args: &DumpShowArgs, color: ColorMode) -> Result<(), Failure> {
    let recorded = files::read(&args.file)?;
    if args.html {
        return files::show(recorded, Format::Html);
    }
    let terminal = Terminal::stdout(color);
    let dump = recorded.into_dump();
    let mut outline = dump.tree.outline(dump::NO_SYSCALL_NAMES);
    if args.processes {
        outline.retain(|line| line.kind.is_process() && line.kind != LineKind::Again);
    }
    let mut page = head(&dump, terminal.paint, terminal.columns);
    page.push(String::new());
    page.extend(tree::lines(&outline, terminal.paint, terminal.columns));
    if outline.is_empty() {
        page.push("nothing was recorded".to_owned());
    }
    page.push(String::new());
    print(page.join("\n").as_bytes())
}

/// Who was recorded, when, and what was missed.
pub(crate) fn head(dump: &Dump, paint: Paint, columns: Option<usize>) -> Vec<String> {
    let m = &dump.metadata;
    let mut lines = vec![paint.apply(Tone::Strong, &printable(&m.name))];
    let mut field = |name: &str, value: &str, tone: Tone| {
        if !value.is_empty() {
            let value = printable(value);
            let value = columns.map_or(value.clone(), |columns| fit(&value, columns.saturating_sub(13)));
            lines.push(format!("  {} {}", column(name, 10), paint.apply(tone, &value)));
        }
    };
    let (mine, missed): (Vec<&String>, Vec<&String>) =
        dump.tags.iter().partition(|tag| !tag.starts_with(dump::PREFIX));
    let tag = |name: &str| {
        let found = mine.iter().filter_map(|tag| tag.split_once(':')).find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let image = match (tag("image_name"), tag("image_tag")) {
        (name, version) if version.is_empty() => name,
        (name, version) => format!("{name}:{version}"),
    };
    field("image", &image, Tone::Plain);
    field("container", &m.container_id, Tone::Plain);
    field("cgroup", if m.container_id.is_empty() { &m.cgroup_id } else { "" }, Tone::Plain);
    field("host", &dump.host, Tone::Plain);
    field("recorded", &span(m.start, m.end), Tone::Plain);
    field("holds", &counts(dump), Tone::Plain);
    for tag in missed {
        let (name, value) = tag.split_once(':').unwrap_or((tag.as_str(), ""));
        let name = name.strip_prefix(dump::PREFIX).unwrap_or(name).replace('_', " ");
        let value = value.replace('_', " ");
        field("missed", &format!("{name}: {value}"), Tone::Warn);
    }
    lines
}

fn span(start_ns: u64, end_ns: u64) -> String {
    if start_ns == 0 && end_ns == 0 {
        return String::new();
    }
    let time = |ns: u64| {
        jiff::Timestamp::from_nanosecond(ns.into())
            .map_or_else(|_| "?".to_owned(), |time| format!("{time:.3}"))
    };
    let lasted = std::time::Duration::from_secs(end_ns.saturating_sub(start_ns) / 1_000_000_000);
    format!("{} to {} ({})", time(start_ns), time(end_ns), humantime::format_duration(lasted))
}

/// How much there is of each, without what there is none of.
pub(crate) fn counts(dump: &Dump) -> String {
    let stats = dump.tree.stats();
    let counts = [
        (stats.processes, "processes"),
        (stats.files, "files"),
        (stats.dns_names, "names"),
        (stats.binds, "sockets"),
        (stats.imds_events, "metadata requests"),
        (stats.syscalls, "system calls"),
        (stats.flows, "flows"),
        (stats.capabilities, "capabilities"),
    ];
    let shown = counts.into_iter().filter(|(n, _)| *n > 0);
    let shown: Vec<String> = shown.map(|(n, what)| format!("{} {what}", number(n))).collect();
    shown.join(", ")
}

/// A count for people.
pub(crate) fn number(n: usize) -> String {
    grouped(i128::try_from(n).unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests {
    use activity_tree::Options;

    use super::*;

    #[test]
    fn what_a_dump_missed_stands_above_its_tree() {
        let mut dump = Dump::new(Options::default());
        dump.metadata.name = "x\u{1b}".to_owned();
        dump.tags =
            ["image_name:web", "image_tag:1", "dump_lost:open:ring_share:12"].map(str::to_owned).to_vec();
        dump.metadata.end = 30_000_000_000;
        let head = head(&dump, Paint::new(false), Some(60)).join("\n");
        let expected = "x\\x1b\n  image      web:1\n  recorded   1970-01-01T00:00:00.000Z to 1970-01-01T00:00:3…\n  missed     lost: open:ring share:12";
        assert_eq!(head, expected);
    }
}
