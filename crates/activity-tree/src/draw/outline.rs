//! A tree as lines of text, for a terminal and to compare two of them.

use super::{SyscallName, address, capability, protocol, question_type};
use crate::arena::TextId;
use crate::model::{Generation, Open};
use crate::node::Owner;
use crate::view::View;
use crate::{Tree, look, records};

/// One line: a process, or something that the last process above it of one level less did. Nothing in it is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How far it is indented.
    pub depth: usize,
    /// What it shows.
    pub kind: LineKind,
    /// What makes it itself among its neighbours: a path, a name, an address.
    pub text: String,
    /// What else is worth a look: arguments, how a file was opened, types of questions.
    pub more: String,
    /// How it came to be known.
    pub generation: Generation,
}

/// What a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineKind {
    /// A process that was forked.
    Process,
    /// A process that took the place of the one above it.
    Exec,
    /// A process that is shown elsewhere with all that it did.
    Again,
    /// A file that was opened, or was open.
    File,
    /// A name that was asked for.
    Name,
    /// An address that a socket was bound to.
    Socket,
    /// A request to a metadata service, or its answer.
    Imds,
    /// A flow.
    Flow,
    /// A system call.
    Syscall,
    /// A capability that was asked for.
    Capability,
}

impl LineKind {
    /// Whether it is a process.
    #[must_use]
    pub fn is_process(self) -> bool {
        matches!(self, Self::Process | Self::Exec | Self::Again)
    }
}

impl Tree {
    /// The tree as lines, from the first process on. What a process did comes before its children; of files there are those
    /// that were opened, with their whole path.
    #[must_use]
    pub fn outline(&self, syscall_name: SyscallName<'_>) -> Vec<Line> {
        let view = View::new(self);
        let mut lines = Lines { view: &view, syscall_name, lines: Vec::new() };
        // As deep as a view is.
        view.roots.iter().for_each(|root| lines.process(*root, 0));
        lines.lines
    }
}

struct Lines<'v, 't> {
    view: &'v View<'t>,
    syscall_name: SyscallName<'v>,
    lines: Vec<Line>,
}

impl Lines<'_, '_> {
    fn add(&mut self, depth: usize, kind: LineKind, text: String, more: String, generation: Generation) {
        self.lines.push(Line { depth, kind, text, more, generation });
    }

    fn process(&mut self, place: usize, depth: usize) {
        let view = self.view;
        let Some(shown) = view.shown.get(place) else { return };
        let id = shown.process;
        let Some((node, process)) = view.tree.processes.get(id).zip(view.tree.process(id)) else { return };
        let path = process.file.path.as_ref();
        let is_busybox = look::is_busybox(path);
        let text = if is_busybox { format!("{path}: {}", process.argv0) } else { path.to_owned() };
        let kind = match (shown.is_stub, shown.is_exec) {
            (true, _) => LineKind::Again,
            (false, true) => LineKind::Exec,
            (false, false) => LineKind::Process,
        };
        self.add(depth, kind, text, process.args.join(" "), node.base.generation());
        if !shown.is_stub {
            self.files(Owner::process(id), "", depth + 1);
            self.leaves(id, depth + 1);
        }
        shown.children.iter().for_each(|child| self.process(*child, depth + 1));
    }

    fn files(&mut self, owner: Owner, above: &str, depth: usize) {
        let view = self.view;
        for id in view.files(owner) {
            let Some(node) = view.tree.files.get(*id) else { continue };
            let path = format!("{above}/{}", view.tree.texts.text(node.name));
            if node.leaf != TextId(0) {
                let (_, open) = records::leaf(&view.tree.texts, node.leaf, &path);
                let more = open.map(access).unwrap_or_default();
                self.add(depth, LineKind::File, path.clone(), more, node.base.generation());
            }
            self.files(Owner::file(*id), &path, depth);
        }
    }

    fn leaves(&mut self, process: u32, depth: usize) {
        let view = self.view;
        let tree = view.tree;
        for (id, node) in view.names(process).iter().filter_map(|id| Some((*id, tree.names.get(*id)?))) {
            let types = view.questions(id).iter().filter_map(|id| tree.questions.get(*id));
            let types: Vec<String> = types.map(|question| question_type(question.qtype)).collect();
            let name = tree.texts.text(node.name).to_owned();
            self.add(depth, LineKind::Name, name, types.join(" "), node.base.generation());
        }
        for node in view.binds(process).iter().filter_map(|id| tree.binds.get(*id)) {
            let bind = tree.bind(node);
            let at = address(&bind.ip, bind.port);
            self.add(depth, LineKind::Socket, at, protocol(bind.protocol), node.base.generation());
        }
        for node in view.imds(process).iter().filter_map(|id| tree.imds.get(*id)) {
            let imds = crate::codec::imds_of(tree.texts.get(node.event));
            let text = format!("{} {}", imds.kind, imds.url);
            self.add(depth, LineKind::Imds, text, imds.cloud_provider, node.base.generation());
        }
        let flows = view.devices(process).iter().flat_map(|device| view.flows(*device));
        for node in flows.filter_map(|id| tree.flows.get(*id)) {
            let flow = tree.flow(node);
            let [from, to] = [&flow.source, &flow.destination].map(|(ip, port)| address(ip, *port));
            let text = format!("{from} → {to}");
            self.add(depth, LineKind::Flow, text, protocol(flow.l4_protocol), node.base.generation());
        }
        for node in view.syscalls(process).iter().filter_map(|id| tree.syscalls.get(*id)) {
            let name = (self.syscall_name)(node.number);
            let name = name.map_or_else(|| node.number.to_string(), str::to_owned);
            self.add(depth, LineKind::Syscall, name, String::new(), node.base.generation());
        }
        for node in view.capabilities(process).iter().filter_map(|id| tree.capabilities.get(*id)) {
            let held = if node.is_held { "" } else { "denied" };
            let name = capability(node.number);
            self.add(depth, LineKind::Capability, name, held.to_owned(), node.base.generation());
        }
    }
}

/// How a file was opened, as in a listing: `r`, `w`, `rw`, and whether it was made or emptied.
fn access(open: Open) -> String {
    const O_ACCMODE: u32 = 0o3;
    const O_CREAT: u32 = 0o100;
    const O_TRUNC: u32 = 0o1000;
    // Flags of several opens come together: reading has no bit of its own.
    let mut words = vec![match open.flags & O_ACCMODE {
        0 => "r",
        1 => "w",
        _ => "rw",
    }];
    words.extend((open.flags & O_CREAT != 0).then_some("create"));
    words.extend((open.flags & O_TRUNC != 0).then_some("truncate"));
    words.extend((open.retval < 0).then_some("refused"));
    words.join(" ")
}
