//! A tree as messages, field for field in the order of their numbers.

use std::collections::BTreeMap;

use super::messages::{write_file, write_open, write_process};
use super::wire::Writer;
use crate::arena::TextId;
use crate::dump::{Context, Dump, Metadata, Profile};
use crate::model::{Generation, Times, Traffic};
use crate::node::{Base, NodeKind, NodeRef, Owner};
use crate::records;
use crate::view::{Shown, View};

/// Our field for what some messages have none for.
const GENERATION: u32 = 1001;
/// The shape of the names that a pattern stands for.
const SIGNATURE: u32 = 1002;

pub(super) fn dump(dump: &Dump) -> Vec<u8> {
    let mut w = Writer::default();
    w.text(1, &dump.host);
    w.text(2, &dump.service);
    w.text(3, &dump.source);
    write_metadata(&mut w, 4, &dump.metadata);
    dump.tags.iter().for_each(|tag| w.always(5, tag));
    tree(&mut w, &View::new(&dump.tree));
    w.into_bytes()
}

pub(super) fn profile(profile: &Profile) -> Vec<u8> {
    let mut w = Writer::default();
    write_metadata(&mut w, 3, &profile.metadata);
    tree(&mut w, &View::new(&profile.tree));
    for (tag, context) in &profile.contexts {
        let entry = w.open(7);
        w.always(1, tag);
        let value = w.open(2);
        write_context(&mut w, context);
        w.close(value);
        w.close(entry);
    }
    let selector = w.open(8);
    w.text(1, &profile.selector.image_name);
    w.text(2, &profile.selector.image_tag);
    w.close(selector);
    w.number(9, profile.disabled);
    w.into_bytes()
}

fn write_metadata(w: &mut Writer, field: u32, m: &Metadata) {
    let open = w.open(field);
    w.text(1, &m.agent_version);
    w.text(2, &m.agent_commit);
    w.text(3, &m.kernel_version);
    w.text(4, &m.linux_distribution);
    w.text(5, &m.name);
    w.text(6, &m.protobuf_version);
    w.number(7, m.differentiate_args);
    w.text(8, &m.comm);
    w.text(9, &m.container_id);
    w.number(10, m.start);
    w.number(11, m.end);
    w.number(12, m.size);
    w.text(13, &m.arch);
    w.text(14, &m.serialization);
    w.text(15, &m.cgroup_id);
    w.text(16, &m.cgroup_manager);
    w.close(open);
}

fn write_context(w: &mut Writer, context: &Context) {
    w.number(1, context.first_seen);
    w.number(2, context.last_seen);
    for (kind, state) in &context.event_types {
        let entry = w.open(3);
        w.optional(1, Some(*kind));
        let value = w.open(2);
        w.number(1, state.last_anomaly);
        w.number(2, state.state);
        w.close(value);
        w.close(entry);
    }
    w.packed(4, context.syscalls.iter().copied());
    context.tags.iter().for_each(|tag| w.always(5, tag));
}

/// Both messages have the tree in field 6.
fn tree(w: &mut Writer, view: &View<'_>) {
    view.roots.iter().filter_map(|root| view.shown.get(*root)).for_each(|root| process(w, view, 6, root));
}

/// As deep as a view is: bounded by lineages and chains.
fn process(w: &mut Writer, view: &View<'_>, field: u32, shown: &Shown) {
    let id = shown.process;
    let Some((node, mut process_info)) = view.tree.processes.get(id).zip(view.tree.process(id)) else {
        return;
    };
    let open = w.open(field);
    let info = w.open(1);
    process_info.is_exec = shown.is_exec;
    write_process(w, &process_info);
    w.close(info);
    let children = shown.children.iter().filter_map(|child| view.shown.get(*child));
    children.for_each(|child| process(w, view, 3, child));
    if !shown.is_stub {
        view.files(Owner::process(id)).iter().for_each(|file| write_file_node(w, view, 4, *file, ""));
        view.names(id).iter().for_each(|name| dns(w, view, *name));
        sockets(w, view, id);
    }
    let node_ref = NodeKind::Process.at(id);
    w.number(8, node.base.generation() as u8);
    if !shown.is_stub {
        rules(w, view, 9, node_ref);
        imds(w, view, id);
        syscalls(w, view, id);
        devices(w, view, id);
    }
    seen(w, view, 14, node.base, node_ref);
    if !shown.is_stub {
        capabilities(w, view, id);
    }
    w.close(open);
}

fn write_file_node(w: &mut Writer, view: &View<'_>, field: u32, id: u32, above: &str) {
    let Some(node) = view.tree.files.get(id) else { return };
    let name = view.tree.texts.text(node.name);
    let path = format!("{above}/{name}");
    let node_ref = NodeKind::File.at(id);
    let open = w.open(field);
    w.text(1, name);
    if node.leaf != TextId(0) {
        let (file, how) = records::leaf(&view.tree.texts, node.leaf, &path);
        if let Some(file) = file {
            let open = w.open(2);
            write_file(w, &file);
            w.close(open);
        }
        if let Some(how) = how {
            let open = w.open(5);
            write_open(w, how);
            w.close(open);
        }
    }
    view.files(Owner::file(id)).iter().for_each(|file| write_file_node(w, view, 6, *file, &path));
    w.number(7, name.contains('*'));
    w.number(8, node.base.generation() as u8);
    rules(w, view, 9, node_ref);
    seen(w, view, 11, node.base, node_ref);
    w.text(SIGNATURE, view.tree.signature_of(id));
    w.close(open);
}

fn dns(w: &mut Writer, view: &View<'_>, id: u32) {
    let Some(node) = view.tree.names.get(id) else { return };
    let node_ref = NodeKind::Name.at(id);
    let open = w.open(5);
    for question in view.questions(id).iter().filter_map(|id| view.tree.questions.get(*id)) {
        let open = w.open(1);
        w.text(1, view.tree.texts.text(node.name));
        w.number(2, question.qtype);
        w.number(3, question.class);
        w.number(4, question.size);
        w.number(5, question.count);
        w.close(open);
    }
    rules(w, view, 2, node_ref);
    seen(w, view, 4, node.base, node_ref);
    generation(w, node.base);
    w.close(open);
}

/// Binds of a process, those of one family below one node.
fn sockets(w: &mut Writer, view: &View<'_>, process: u32) {
    let mut families: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for id in view.binds(process) {
        if let Some(node) = view.tree.binds.get(*id) {
            families.entry(view.tree.texts.text(node.family)).or_default().push(*id);
        }
    }
    for (family, binds) in families {
        let open = w.open(6);
        w.text(1, family);
        for (id, node) in binds.iter().filter_map(|id| view.tree.binds.get(*id).map(|node| (*id, node))) {
            let open = w.open(2);
            w.number(1, node.port);
            w.text(2, view.tree.texts.text(node.ip));
            rules(w, view, 3, NodeKind::Bind.at(id));
            w.number(5, node.protocol);
            seen(w, view, 6, node.base, NodeKind::Bind.at(id));
            generation(w, node.base);
            w.close(open);
        }
        w.close(open);
    }
}

fn imds(w: &mut Writer, view: &View<'_>, process: u32) {
    for id in view.imds(process) {
        let Some(node) = view.tree.imds.get(*id) else { continue };
        let node_ref = NodeKind::Imds.at(*id);
        let open = w.open(11);
        rules(w, view, 1, node_ref);
        w.message(3, view.tree.texts.get(node.event));
        seen(w, view, 4, node.base, node_ref);
        generation(w, node.base);
        w.close(open);
    }
}

fn syscalls(w: &mut Writer, view: &View<'_>, process: u32) {
    for id in view.syscalls(process) {
        let Some(node) = view.tree.syscalls.get(*id) else { continue };
        let open = w.open(12);
        // An int32, so that a negative one has all 64 bits.
        w.number(2, i64::from(node.number.cast_signed()).cast_unsigned());
        seen(w, view, 3, node.base, NodeKind::Syscall.at(*id));
        generation(w, node.base);
        w.close(open);
    }
}

fn capabilities(w: &mut Writer, view: &View<'_>, process: u32) {
    for id in view.capabilities(process) {
        let Some(node) = view.tree.capabilities.get(*id) else { continue };
        let open = w.open(15);
        seen(w, view, 1, node.base, NodeKind::Capability.at(*id));
        w.number(2, node.number);
        w.number(3, node.is_held);
        generation(w, node.base);
        w.close(open);
    }
}

fn devices(w: &mut Writer, view: &View<'_>, process: u32) {
    for id in view.devices(process) {
        let Some(device) = view.tree.device(*id) else { continue };
        let open = w.open(13);
        rules(w, view, 1, NodeKind::Device.at(*id));
        w.number(2, device.netns);
        w.number(3, device.ifindex);
        w.text(4, &device.ifname);
        for (id, node) in
            view.flows(*id).iter().filter_map(|id| view.tree.flows.get(*id).map(|node| (*id, node)))
        {
            let flow = view.tree.flow(node);
            let open = w.open(5);
            for (field, (ip, port)) in [(2, &flow.source), (3, &flow.destination)] {
                let open = w.open(field);
                w.text(1, ip);
                w.number(2, *port);
                w.close(open);
            }
            w.number(4, flow.l3_protocol);
            w.number(5, flow.l4_protocol);
            traffic(w, 6, flow.ingress);
            traffic(w, 7, flow.egress);
            seen(w, view, 8, node.base, NodeKind::Flow.at(id));
            generation(w, node.base);
            w.close(open);
        }
        w.close(open);
    }
}

fn traffic(w: &mut Writer, field: u32, traffic: Traffic) {
    let open = w.open(field);
    w.number(1, traffic.bytes);
    w.number(2, traffic.packets);
    w.close(open);
}

fn rules(w: &mut Writer, view: &View<'_>, field: u32, node: NodeRef) {
    view.rules(node).for_each(|rule| w.message(field, rule));
}

fn generation(w: &mut Writer, base: Base) {
    if base.generation() != Generation::Unknown {
        w.number(GENERATION, base.generation() as u8);
    }
}

/// `NodeBase`: the versions a node was seen in.
fn seen(w: &mut Writer, view: &View<'_>, field: u32, base: Base, node: NodeRef) {
    let seen = view.seen(base, node);
    if seen.is_empty() {
        return;
    }
    let open = w.open(field);
    for (tag, Times { first, last }) in seen {
        let entry = w.open(1);
        w.always(1, tag);
        let value = w.open(2);
        w.number(1, first);
        w.number(2, last);
        w.close(value);
        w.close(entry);
    }
    w.close(open);
}
