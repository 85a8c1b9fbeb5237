//! A page that shows a tree: its data as JSON, which a small script turns into text nodes when they are opened.

use serde_json::{Value, json};

use super::{SyscallName, address, capability, protocol, question_type, visible};
use crate::Dump;
use crate::arena::TextId;
use crate::model::Times;
use crate::node::{Base, NodeKind, NodeRef, Owner};
use crate::records;
use crate::view::View;

const PAGE: &str = include_str!("page.html");

pub(super) fn page(dump: &Dump, syscall_name: SyscallName<'_>) -> String {
    let view = View::new(&dump.tree);
    let stats = dump.tree.stats();
    // Flat, with the places of children: as deep as a tree is no parser of a browser has to go.
    let mut nodes = Nodes { view: &view, syscall_name, list: Vec::new() };
    let roots: Vec<usize> = view.roots.iter().map(|root| nodes.process(*root)).collect();
    let data = json!({
        "title": visible(&dump.metadata.name),
        "selector": visible(&dump.text_selector()),
        "host": visible(&dump.host),
        "start": dump.metadata.start.to_string(),
        "end": dump.metadata.end.to_string(),
        "counts": {
            "processes": stats.processes, "files": stats.files, "names": stats.dns_names, "sockets": stats.binds,
            "system calls": stats.syscalls, "capabilities": stats.capabilities, "flows": stats.flows,
            "metadata service": stats.imds_events,
        },
        "roots": roots,
        "nodes": nodes.list,
    });
    // Inside of a script element nothing but `<` could end it.
    PAGE.replace("/*data*/", &data.to_string().replace('<', "\\u003c"))
}

struct Nodes<'v, 't> {
    view: &'v View<'t>,
    syscall_name: SyscallName<'v>,
    list: Vec<Value>,
}

impl Nodes<'_, '_> {
    /// Adds a node and gives its place. `more` is what is said of it, `children` their places.
    fn add(&mut self, kind: &str, text: &str, more: Vec<(&str, String)>, children: Vec<usize>) -> usize {
        let more: Vec<[String; 2]> = more
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| [name.to_owned(), visible(&value)])
            .collect();
        self.list.push(json!({"k": kind, "t": visible(text), "m": more, "c": children}));
        self.list.len() - 1
    }

    fn group(&mut self, kind: &str, children: Vec<usize>) -> Option<usize> {
        (!children.is_empty()).then(|| self.add(kind, "", Vec::new(), children))
    }

    fn seen(&self, base: Base, node: NodeRef) -> Vec<(&'static str, String)> {
        let seen = self.view.seen(base, node);
        let time = |ns: u64| if ns == 0 { "?".to_owned() } else { ns.to_string() };
        let one = |(tag, Times { first, last }): (&&str, &Times)| {
            format!("{tag} @{} @{}", time(*first), time(*last))
        };
        let seen: Vec<String> = seen.iter().map(one).collect();
        vec![("seen", seen.join("\n")), ("known by", base.generation().name().to_owned())]
    }

    /// As deep as a view is.
    fn process(&mut self, place: usize) -> usize {
        let view = self.view;
        let Some(shown) = view.shown.get(place) else { return 0 };
        let id = shown.process;
        let Some((node, process)) = view.tree.processes.get(id).zip(view.tree.process(id)) else { return 0 };
        let mut children = Vec::new();
        if !shown.is_stub {
            let files = self.files(Owner::process(id), "");
            children.extend(self.group("files", files));
            children.extend(self.leaves(id));
        }
        children.extend(shown.children.iter().map(|child| self.process(*child)).collect::<Vec<usize>>());
        let credentials = &process.credentials;
        let command = format!("{} {}", process.argv0, process.args.join(" "));
        let mut more = vec![
            ("path", process.file.path.to_string()),
            ("command", if process.argv0.is_empty() { String::new() } else { command }),
            ("came by", if shown.is_exec { "exec" } else { "fork" }.to_owned()),
            ("pid", process.pid.to_string()),
            ("user", format!("{} {}", credentials.uid, credentials.user)),
            (
                "package",
                format!("{} {}", process.file.package.name, process.file.package.version).trim().to_owned(),
            ),
            ("hashes", process.file.hashes.join("\n")),
            ("environment", process.envs.join("\n")),
            ("rules", self.rules(NodeKind::Process.at(id))),
        ];
        more.extend(self.seen(node.base, NodeKind::Process.at(id)));
        let kind = if shown.is_stub {
            "again"
        } else if shown.is_exec {
            "exec"
        } else {
            "process"
        };
        let path = &process.file.path;
        let title = if crate::look::is_busybox(path) { &process.argv0 } else { records::basename(path) };
        self.add(kind, title, more, children)
    }

    fn rules(&self, node: NodeRef) -> String {
        self.view.rules(node).map(crate::codec::rule_id_of).collect::<Vec<_>>().join("\n")
    }

    fn files(&mut self, owner: Owner, above: &str) -> Vec<usize> {
        let view = self.view;
        let mut places = Vec::new();
        for id in view.files(owner) {
            let Some(node) = view.tree.files.get(*id) else { continue };
            let name = view.tree.texts.text(node.name);
            let path = format!("{above}/{name}");
            let children = self.files(Owner::file(*id), &path);
            let mut more = vec![("path", path.clone()), ("rules", self.rules(NodeKind::File.at(*id)))];
            if node.leaf != TextId(0) {
                let (file, open) = records::leaf(&view.tree.texts, node.leaf, &path);
                if let Some(open) = open {
                    more.push(("open flags", format!("{:#o}", open.flags)));
                }
                if let Some(file) = file {
                    more.push(("owner", format!("{} {}", file.uid, file.gid)));
                    more.push(("mode", format!("{:o}", file.mode)));
                    more.push(("file system", file.filesystem.to_string()));
                }
            }
            more.extend(self.seen(node.base, NodeKind::File.at(*id)));
            places.push(self.add(
                if children.is_empty() { "file" } else { "directory" },
                name,
                more,
                children,
            ));
        }
        places
    }

    /// What a process did beside opening files, by kind.
    fn leaves(&mut self, process: u32) -> Vec<usize> {
        let view = self.view;
        let mut groups = Vec::new();
        let mut places = Vec::new();
        for id in view.names(process) {
            let Some(node) = view.tree.names.get(*id) else { continue };
            let types = view.questions(*id).iter().filter_map(|id| view.tree.questions.get(*id));
            let types: Vec<String> = types.map(|question| question_type(question.qtype)).collect();
            let mut more = vec![("types", types.join(" "))];
            more.extend(self.seen(node.base, NodeKind::Name.at(*id)));
            places.push(self.add("name", view.tree.texts.text(node.name), more, Vec::new()));
        }
        groups.extend(self.group("names", std::mem::take(&mut places)));
        for id in view.binds(process) {
            let Some(node) = view.tree.binds.get(*id) else { continue };
            let bind = view.tree.bind(node);
            let mut more = vec![("family", bind.family.to_string()), ("protocol", protocol(bind.protocol))];
            more.extend(self.seen(node.base, NodeKind::Bind.at(*id)));
            places.push(self.add("socket", &address(&bind.ip, bind.port), more, Vec::new()));
        }
        groups.extend(self.group("sockets", std::mem::take(&mut places)));
        for id in view.imds(process) {
            let Some(node) = view.tree.imds.get(*id) else { continue };
            let imds = crate::codec::imds_of(view.tree.texts.get(node.event));
            let mut more =
                vec![("cloud", imds.cloud_provider), ("host", imds.host), ("user agent", imds.user_agent)];
            more.extend(self.seen(node.base, NodeKind::Imds.at(*id)));
            places.push(self.add("imds", &format!("{} {}", imds.kind, imds.url), more, Vec::new()));
        }
        groups.extend(self.group("metadata service", std::mem::take(&mut places)));
        for id in view.devices(process).iter().flat_map(|device| view.flows(*device)) {
            let Some(node) = view.tree.flows.get(*id) else { continue };
            let flow = view.tree.flow(node);
            let [from, to] = [&flow.source, &flow.destination].map(|(ip, port)| address(ip, *port));
            let mut more = vec![
                ("protocol", protocol(flow.l4_protocol)),
                ("in", format!("{} bytes, {} packets", flow.ingress.bytes, flow.ingress.packets)),
                ("out", format!("{} bytes, {} packets", flow.egress.bytes, flow.egress.packets)),
            ];
            more.extend(self.seen(node.base, NodeKind::Flow.at(*id)));
            places.push(self.add("flow", &format!("{from} → {to}"), more, Vec::new()));
        }
        groups.extend(self.group("flows", std::mem::take(&mut places)));
        for id in view.syscalls(process) {
            let Some(node) = view.tree.syscalls.get(*id) else { continue };
            let name =
                (self.syscall_name)(node.number).map_or_else(|| node.number.to_string(), str::to_owned);
            let more = self.seen(node.base, NodeKind::Syscall.at(*id));
            places.push(self.add("syscall", &name, more, Vec::new()));
        }
        groups.extend(self.group("system calls", std::mem::take(&mut places)));
        for id in view.capabilities(process) {
            let Some(node) = view.tree.capabilities.get(*id) else { continue };
            let held = if node.is_held { "" } else { " (denied)" };
            let more = self.seen(node.base, NodeKind::Capability.at(*id));
            places.push(self.add(
                "capability",
                &format!("{}{held}", capability(node.number)),
                more,
                Vec::new(),
            ));
        }
        groups.extend(self.group("capabilities", places));
        groups
    }
}
