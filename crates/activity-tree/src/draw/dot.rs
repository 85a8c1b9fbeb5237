//! A graph for Graphviz: a card for each process with what it did, and an arrow for each fork and exec (spec 7).
//!
//! Cards are numbered in the order they are shown, so the same tree is the same text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{SyscallName, address, capability, cut, protocol, question_type, visible};
use crate::Dump;
use crate::arena::TextId;
use crate::model::{Generation, Process};
use crate::node::{NodeKind, Owner};
use crate::records;
use crate::view::{Shown, View};

/// Files on one card; a graph with all of ten thousand shows nothing.
const MAX_FILES: usize = 30;
/// Other rows of one kind.
const MAX_ROWS: usize = 12;
/// Characters of a line.
const MAX_LINE: usize = 64;

const PROCESS: &str = "#8fbbff";
const FILE: (&str, &str) = ("#77bf77", "#f4faf3");
const NETWORK: (&str, &str) = ("#ff9800", "#fff6e5");
const RULE: (&str, &str) = ("#c62828", "#fdecea");
const CALL: (&str, &str) = ("#9a9a9a", "#f3f3f3");

pub(super) fn graph(dump: &Dump, syscall_name: SyscallName<'_>) -> String {
    let view = View::new(&dump.tree);
    let mut dot = String::new();
    let name = if dump.metadata.name.is_empty() { "activity" } else { &dump.metadata.name };
    let title = escaped(&cut(&visible(&format!("{name}: {}", dump.text_selector())), 160));
    line(&mut dot, format_args!("digraph activity {{"));
    line(&mut dot, format_args!("  label=<<FONT POINT-SIZE=\"18\"><B>{title}</B></FONT>>; labelloc=t;"));
    line(
        &mut dot,
        format_args!(
            "  rankdir=LR; ranksep=0.7; nodesep=0.35; pad=0.4; fontname=\"Helvetica\"; bgcolor=\"#ffffff\";"
        ),
    );
    line(&mut dot, format_args!("  node [shape=plain fontname=\"Helvetica\" fontsize=10];"));
    line(
        &mut dot,
        format_args!(
            "  edge [color=\"{PROCESS}\" penwidth=1.6 arrowsize=0.7 fontname=\"Helvetica\" fontsize=9 fontcolor=\"#5577aa\"];"
        ),
    );
    for (place, shown) in view.shown.iter().enumerate() {
        card(&mut dot, &view, place, shown, syscall_name);
    }
    for (place, shown) in view.shown.iter().enumerate() {
        for child in &shown.children {
            let is_exec = view.shown.get(*child).is_some_and(|child| child.is_exec);
            let style = if is_exec { " [style=dashed label=\"exec\"]" } else { "" };
            line(&mut dot, format_args!("  p{place} -> p{child}{style};"));
        }
    }
    dot.push_str("}\n");
    dot
}

fn card(dot: &mut String, view: &View<'_>, place: usize, shown: &Shown, syscall_name: SyscallName<'_>) {
    let id = shown.process;
    let Some((node, process)) = view.tree.processes.get(id).zip(view.tree.process(id)) else { return };
    let fill = match node.base.generation() {
        Generation::ProfileDrift => "#c2daff",
        Generation::WorkloadWarmup => "#dbe9ff",
        Generation::Runtime | Generation::Unknown => "#edf3ff",
        Generation::Snapshot => "#ffffff",
    };
    let style = if shown.is_stub { "DASHED,ROUNDED" } else { "ROUNDED" };
    let mut rows = String::new();
    header(&mut rows, &process, fill, shown.is_stub);
    if !shown.is_stub {
        section(&mut rows, "matched rules", RULE, limited(rule_lines(view, id)));
        section(&mut rows, "files", FILE, file_lines(view, id));
        section(&mut rows, "names", NETWORK, limited(name_lines(view, id)));
        section(&mut rows, "sockets", NETWORK, limited(socket_lines(view, id)));
        section(&mut rows, "metadata service", NETWORK, limited(imds_lines(view, id)));
        section(&mut rows, "flows", NETWORK, limited(flow_lines(view, id)));
        let calls = view.syscalls(id).iter().filter_map(|id| view.tree.syscalls.get(*id));
        let calls = calls
            .map(|node| syscall_name(node.number).map_or_else(|| node.number.to_string(), str::to_owned));
        section(&mut rows, "system calls", CALL, wrapped(calls));
        let capabilities = view.capabilities(id).iter().filter_map(|id| view.tree.capabilities.get(*id));
        let held = |is_held: bool| if is_held { "" } else { " (denied)" };
        let capabilities =
            capabilities.map(|node| format!("{}{}", capability(node.number), held(node.is_held)));
        section(&mut rows, "capabilities", CALL, wrapped(capabilities));
    }
    line(
        dot,
        format_args!(
            "  p{place} [label=<<TABLE BORDER=\"2\" COLOR=\"{PROCESS}\" STYLE=\"{style}\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"3\">{rows}</TABLE>>];"
        ),
    );
}

fn header(rows: &mut String, process: &Process, fill: &str, is_stub: bool) {
    let path = &process.file.path;
    let title = if crate::look::is_busybox(path) { &process.argv0 } else { records::basename(path) };
    let arguments = process.args.join(" ");
    let command = if arguments.is_empty() { String::new() } else { format!("{} {arguments}", process.argv0) };
    let user = process.credentials.user.as_str();
    let user = if user.is_empty() { format!("uid {}", process.credentials.uid) } else { user.to_owned() };
    let package = &process.file.package;
    let package = if package.name.is_empty() {
        String::new()
    } else {
        format!(" · {} {}", package.name, package.version)
    };
    let again = if is_stub { " (again)" } else { "" };
    let (title, path) = (text(title), text(path));
    write(
        rows,
        format_args!(
            "<TR><TD ALIGN=\"LEFT\" BGCOLOR=\"{fill}\"><FONT POINT-SIZE=\"14\"><B>{title}</B>{again}</FONT>"
        ),
    );
    write(rows, format_args!("<BR ALIGN=\"LEFT\"/><FONT COLOR=\"#445566\">{path}<BR ALIGN=\"LEFT\"/>"));
    if !command.is_empty() {
        write(rows, format_args!("<I>{}</I><BR ALIGN=\"LEFT\"/>", text(&cut(&command, 100))));
    }
    let what = text(&format!("{user}{package}"));
    write(rows, format_args!("{what}<BR ALIGN=\"LEFT\"/></FONT></TD></TR>"));
}

fn section(rows: &mut String, title: &str, (border, fill): (&str, &str), lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    write(
        rows,
        format_args!(
            "<TR><TD ALIGN=\"LEFT\" BGCOLOR=\"{fill}\"><FONT COLOR=\"{border}\"><B>{title}</B></FONT><BR ALIGN=\"LEFT\"/>"
        ),
    );
    for line in lines {
        // Blanks at the beginning are kept only if they do not break.
        let indented = line.len() - line.trim_start_matches(' ').len();
        let (blanks, rest) = ("&#160;".repeat(indented), line.trim_start_matches(' '));
        write(rows, format_args!("{blanks}{}<BR ALIGN=\"LEFT\"/>", text(rest)));
    }
    rows.push_str("</TD></TR>");
}

/// Files below a process, directories with one thing in them joined to it.
fn file_lines(view: &View<'_>, process: u32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut below: Vec<(u32, usize, String)> =
        view.files(Owner::process(process)).iter().rev().map(|id| (*id, 0, "/".to_owned())).collect();
    let mut left_out = 0;
    while let Some((id, depth, above)) = below.pop() {
        let Some(node) = view.tree.files.get(id) else { continue };
        let path = format!("{above}{}", view.tree.texts.text(node.name));
        let children = view.files(Owner::file(id));
        if let [child] = children
            && node.leaf == TextId(0)
        {
            below.push((*child, depth, format!("{path}/")));
            continue;
        }
        if lines.len() < MAX_FILES {
            let slash = if children.is_empty() { "" } else { "/" };
            lines.push(format!("{}{path}{slash}", "  ".repeat(depth)));
        } else {
            left_out += 1;
        }
        below.extend(children.iter().rev().map(|child| (*child, depth + 1, String::new())));
    }
    if left_out > 0 {
        lines.push(format!("… and {left_out} more"));
    }
    lines
}

/// Rules that something of a process matched, each once.
fn rule_lines(view: &View<'_>, process: u32) -> Vec<String> {
    let mut nodes = vec![NodeKind::Process.at(process)];
    let mut below = view.files(Owner::process(process)).to_vec();
    while let Some(file) = below.pop() {
        nodes.push(NodeKind::File.at(file));
        below.extend(view.files(Owner::file(file)));
    }
    nodes.extend(view.names(process).iter().map(|id| NodeKind::Name.at(*id)));
    nodes.extend(view.binds(process).iter().map(|id| NodeKind::Bind.at(*id)));
    nodes.extend(view.imds(process).iter().map(|id| NodeKind::Imds.at(*id)));
    let rules: BTreeSet<String> =
        nodes.into_iter().flat_map(|node| view.rules(node)).map(crate::codec::rule_id_of).collect();
    rules.into_iter().collect()
}

fn name_lines(view: &View<'_>, process: u32) -> Vec<String> {
    let names = view.names(process).iter().filter_map(|id| view.tree.names.get(*id).map(|node| (*id, node)));
    names
        .map(|(id, node)| {
            let types = view.questions(id).iter().filter_map(|id| view.tree.questions.get(*id));
            let types: Vec<String> = types.map(|question| question_type(question.qtype)).collect();
            format!("{} ({})", view.tree.texts.text(node.name), types.join(", "))
        })
        .collect()
}

fn socket_lines(view: &View<'_>, process: u32) -> Vec<String> {
    let binds = view.binds(process).iter().filter_map(|id| view.tree.binds.get(*id));
    binds
        .map(|node| {
            let bind = view.tree.bind(node);
            format!("{} {}", address(&bind.ip, bind.port), protocol(bind.protocol))
        })
        .collect()
}

fn imds_lines(view: &View<'_>, process: u32) -> Vec<String> {
    let events = view.imds(process).iter().filter_map(|id| view.tree.imds.get(*id));
    events
        .map(|node| {
            let imds = crate::codec::imds_of(view.tree.texts.get(node.event));
            format!("{} {} {}", imds.cloud_provider, imds.kind, imds.url)
        })
        .collect()
}

fn flow_lines(view: &View<'_>, process: u32) -> Vec<String> {
    let flows = view.devices(process).iter().flat_map(|device| view.flows(*device));
    flows
        .filter_map(|id| view.tree.flows.get(*id))
        .map(|node| {
            let flow = view.tree.flow(node);
            let [from, to] = [&flow.source, &flow.destination].map(|(ip, port)| address(ip, *port));
            let bytes = flow.ingress.bytes.saturating_add(flow.egress.bytes);
            format!("{from} → {to} {} {bytes} bytes", protocol(flow.l4_protocol))
        })
        .collect()
}

fn limited(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MAX_ROWS {
        let left_out = lines.len() - MAX_ROWS;
        lines.truncate(MAX_ROWS);
        lines.push(format!("… and {left_out} more"));
    }
    lines
}

/// Short words, as many in a line as there is room for.
fn wrapped(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < MAX_LINE => {
                line.push_str("  ");
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    limited(lines)
}

fn text(text: &str) -> String {
    escaped(&cut(&visible(text), MAX_LINE))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn line(dot: &mut String, text: std::fmt::Arguments<'_>) {
    write(dot, text);
    dot.push('\n');
}

fn write(dot: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    dot.write_fmt(text).unwrap_or_default();
}
