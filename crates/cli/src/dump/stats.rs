//! `shrike dump stats`: how much a dump holds, of which processes, and what it missed.

use activity_tree::{Dump, LineKind};
use serde_json::json;

use super::{files, show};
use crate::args::DumpStatsArgs;
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::{ColorMode, Terminal, print_line};
use crate::view::text::{column, fit_end, printable};

/// Processes that are shown; the others are few things each.
const MOST: usize = 15;

/// Prints counts.
pub(crate) fn run(args: &DumpStatsArgs, color: ColorMode) -> Result<(), Failure> {
    let dump = files::read(&args.file)?.into_dump();
    if args.json {
        return print_line(&as_json(&dump).to_string());
    }
    let terminal = Terminal::stdout(color);
    let mut page = show::head(&dump, terminal.paint, terminal.columns);
    page.extend(heaviest(&dump, terminal.paint, terminal.columns.unwrap_or(100)));
    print_line(&page.join("\n"))
}

/// How many things of each kind a process did.
#[derive(Debug, Clone, Default)]
struct Did {
    path: String,
    files: usize,
    others: usize,
}

fn by_process(dump: &Dump) -> Vec<Did> {
    let mut all: Vec<Did> = Vec::new();
    for line in dump.tree.outline(dump::NO_SYSCALL_NAMES) {
        match line.kind {
            LineKind::Process | LineKind::Exec => all.push(Did { path: line.text, ..Did::default() }),
            LineKind::Again => {}
            LineKind::File => all.iter_mut().last().into_iter().for_each(|did| did.files += 1),
            LineKind::Name
            | LineKind::Socket
            | LineKind::Imds
            | LineKind::Flow
            | LineKind::Syscall
            | LineKind::Capability => all.iter_mut().last().into_iter().for_each(|did| did.others += 1),
        }
    }
    all
}

fn heaviest(dump: &Dump, paint: Paint, columns: usize) -> Vec<String> {
    let mut all = by_process(dump);
    all.sort_by_key(|did| std::cmp::Reverse(did.files + did.others));
    if all.is_empty() {
        return Vec::new();
    }
    let room = columns.saturating_sub(22).max(20);
    let title = format!("  {:>8} {:>8}  process", "files", "others");
    let mut lines = vec![String::new(), paint.apply(Tone::Strong, &title)];
    for did in all.iter().take(MOST) {
        let path = column(&fit_end(&printable(&did.path), room), room);
        let (files, others) = (show::number(did.files), show::number(did.others));
        lines.push(format!("  {files:>8} {others:>8}  {}", path.trim_end()));
    }
    if all.len() > MOST {
        lines.push(paint.apply(Tone::Dim, &format!("  … and {} more", show::number(all.len() - MOST))));
    }
    lines
}

fn as_json(dump: &Dump) -> serde_json::Value {
    let stats = dump.tree.stats();
    let missed: Vec<&String> = dump.tags.iter().filter(|tag| tag.starts_with(dump::PREFIX)).collect();
    json!({
        "name": dump.metadata.name,
        "start_ns": dump.metadata.start,
        "end_ns": dump.metadata.end,
        "processes": stats.processes,
        "files": stats.files,
        "dns_names": stats.dns_names,
        "sockets": stats.sockets,
        "binds": stats.binds,
        "imds_events": stats.imds_events,
        "syscalls": stats.syscalls,
        "flows": stats.flows,
        "capabilities": stats.capabilities,
        "bytes": stats.bytes,
        "missed": missed,
    })
}
