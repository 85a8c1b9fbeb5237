//! Taking an activity in (spec 2.1 to 2.9).

use crate::activity::{Activity, Verdict, What};
use crate::arena::TextId;
use crate::codec::{imds_bytes, rule_bytes};
use crate::look::{last_labels, lower};
use crate::model::{Bind, Device, FileInfo, Flow, MatchedRule, Open, Process, Question, Times, Traffic};
use crate::node::{
    Base, BindNode, CapabilityNode, DeviceNode, Ends, FlowNode, ImdsNode, NameNode, NodeKind, NodeRef, Pred,
    ProcessNode, QuestionNode, ROOT, RuleEntry, Suffix, SyscallNode, segments,
};
use crate::refusal::{EventType, Refusal};
use crate::{Generation, Tree, look, records};

/// How what is inserted is marked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) tag: u16,
    pub(crate) times: Times,
    pub(crate) generation: Generation,
}

impl Mark {
    pub(crate) fn base(self) -> Base {
        Base::new(self.generation, self.tag)
    }
}

impl Tree {
    pub(crate) fn try_insert(&mut self, activity: &Activity<'_>) -> Result<Verdict, Refusal> {
        self.check(activity)?;
        let look = self.look_exactly(activity);
        if look.process.is_none() && !activity.adds_processes {
            return Ok(Verdict::NewProcess);
        }
        if look.verdict.is_new() && (self.is_full() || !self.texts.has_room(1 << 22)) {
            return Err(Refusal::Full);
        }
        let mark = Mark {
            tag: self.tag(activity.image_tag)?,
            times: Times::at(activity.at_ns),
            generation: activity.generation,
        };
        let process = self.put_lineage(activity.lineage, mark);
        self.put_what(process, activity, mark);
        if look.verdict.is_new() {
            self.fold_if_grown();
        }
        Ok(look.verdict)
    }

    /// The last process of a lineage; all of them are there then, and were seen.
    fn put_lineage(&mut self, lineage: &[&Process], mark: Mark) -> u32 {
        let (mut parent, mut last) = (ROOT, ROOT);
        for process in lineage {
            let pred = if process.is_exec { last } else { ROOT };
            if !process.is_exec {
                parent = last;
            }
            last = match self.find_process(parent, process) {
                Some(id) => id,
                None => {
                    self.counters.add(EventType::Exec, mark.generation);
                    self.add_process(parent, process, mark)
                }
            };
            self.put_pred(last, pred);
            self.touch(NodeKind::Process.at(last), mark.tag, mark.times);
        }
        last
    }

    /// Adds a process that is not in the tree.
    pub(crate) fn add_process(&mut self, parent: u32, process: &Process, mark: Mark) -> u32 {
        let path = self.texts.add(process.file.path.as_bytes());
        let argv0 = if look::is_busybox(&process.file.path) {
            self.texts.add(process.argv0.as_bytes())
        } else {
            TextId(0)
        };
        let info = records::put_info(&mut self.texts, process, &process.file.path);
        let args = if self.options.differentiate_args { info.args } else { TextId(0) };
        self.processes.add(ProcessNode { parent, path, argv0, args, info, base: mark.base() })
    }

    /// Notes that a process took the place of another one in the same task.
    pub(crate) fn put_pred(&mut self, node: u32, pred: u32) {
        if pred != ROOT && pred != node && self.preds.find((node, pred)).is_none() {
            self.preds.add(Pred { node, pred });
        }
    }

    fn put_what(&mut self, process: u32, activity: &Activity<'_>, mark: Mark) {
        let node = match &activity.what {
            What::Exec | What::Syscalls(_) | What::Capability(..) | What::Flows(..) => {
                Some(NodeKind::Process.at(process))
            }
            What::Open { path, file, open } => self.put_file(process, path, *file, Some(*open), mark),
            What::Dns(question) => Some(self.put_question(process, question, mark)),
            What::Bind(_, retval) if *retval != 0 => None,
            What::Bind(bind, _) => Some(self.put_bind(process, bind, mark)),
            What::Imds(imds) => Some(self.put_imds(process, &imds_bytes(imds), mark)),
            What::Exit(_) | What::Other => None,
        };
        match &activity.what {
            What::Syscalls(numbers) => numbers.iter().for_each(|number| {
                self.put_syscall(process, *number, mark);
            }),
            What::Capability(number, is_held) => {
                self.put_capability(process, *number, *is_held, mark);
            }
            What::Flows(_, []) => {}
            What::Flows(device, flows) => {
                let device = self.put_device(process, device);
                for flow in *flows {
                    self.put_flow(device, flow, mark, u64::saturating_add);
                }
            }
            What::Exit(at_ns) => {
                if let Some(process) = self.processes.get_mut(process) {
                    process.info.exit_time = process.info.exit_time.max(*at_ns);
                }
            }
            What::Exec | What::Open { .. } | What::Dns(_) | What::Bind(..) | What::Imds(_) | What::Other => {}
        }
        if let Some(node) = node {
            activity.rules.iter().for_each(|rule| self.put_rule(node, rule));
        }
    }

    /// A path, all of whose directories were seen then. Nothing for the root itself.
    pub(crate) fn put_file(
        &mut self,
        process: u32,
        path: &str,
        file: Option<&FileInfo<'_>>,
        open: Option<Open>,
        mark: Mark,
    ) -> Option<NodeRef> {
        let mut place = self.files.below(process);
        let mut last = None;
        for segment in segments(path) {
            let (id, next) = match self.child_or_pattern(place, segment) {
                Some(child) => child,
                None => self.files.add(&mut self.texts, place, segment, mark.base()),
            };
            self.touch(NodeKind::File.at(id), mark.tag, mark.times);
            (last, place) = (Some(id), next);
        }
        let id = last?;
        self.put_leaf(id, file, open);
        Some(NodeKind::File.at(id))
    }

    /// What an event says of a file: metadata and result of the first one stay, flags and modes come together.
    fn put_leaf(&mut self, id: u32, file: Option<&FileInfo<'_>>, open: Option<Open>) {
        let Some(leaf) = self.files.get(id).map(|node| node.leaf) else { return };
        if records::says(&self.texts, leaf, file.is_some(), open) {
            return;
        }
        let path = self.path_of(id);
        let (known_file, known_open) = records::leaf(&self.texts, leaf, &path);
        let joined = match (known_open, open) {
            (Some(known), Some(open)) => Some(Open {
                flags: known.flags | open.flags,
                mode: known.mode | open.mode,
                retval: known.retval,
            }),
            (known, open) => known.or(open),
        };
        let known_file = known_file.map(FileInfo::into_owned);
        let put = records::put_leaf(&mut self.texts, known_file.as_ref().or(file), joined, &path);
        if let Some(node) = self.files.get_mut(id) {
            node.leaf = put;
        }
    }

    pub(crate) fn put_name(&mut self, process: u32, name: &str, mark: Mark) -> u32 {
        let name = self.texts.add(name.as_bytes());
        let id = match self.names.find((process, name)) {
            Some(id) => id,
            None => self.names.add(NameNode { process, name, base: mark.base() }),
        };
        self.touch(NodeKind::Name.at(id), mark.tag, mark.times);
        id
    }

    pub(crate) fn put_question(&mut self, process: u32, question: &Question<'_>, mark: Mark) -> NodeRef {
        let name = lower(&question.name);
        let id = self.put_name(process, &name, mark);
        let Question { qtype, class, size, count, .. } = *question;
        if self.questions.find((id, qtype)).is_none() {
            self.questions.add(QuestionNode { name: id, qtype, class, size, count });
        }
        self.put_suffix(process, &name, qtype);
        NodeKind::Name.at(id)
    }

    /// What look-ups by depth find.
    pub(crate) fn put_suffix(&mut self, process: u32, name: &str, qtype: u16) {
        let depth = self.options.dns_match_max_depth;
        if depth != 0 {
            let labels = self.texts.add(last_labels(name, depth).as_bytes());
            if self.suffixes.find((process, labels, qtype)).is_none() {
                self.suffixes.add(Suffix { process, labels, qtype });
            }
        }
    }

    pub(crate) fn put_bind(&mut self, process: u32, bind: &Bind<'_>, mark: Mark) -> NodeRef {
        let id = self.find_bind(process, bind).unwrap_or_else(|| {
            let [family, ip] = [&bind.family, &bind.ip].map(|text| self.texts.add(text.as_bytes()));
            let Bind { port, protocol, .. } = *bind;
            self.binds.add(BindNode { process, family, ip, port, protocol, base: mark.base() })
        });
        self.touch(NodeKind::Bind.at(id), mark.tag, mark.times);
        NodeKind::Bind.at(id)
    }

    pub(crate) fn put_imds(&mut self, process: u32, event: &[u8], mark: Mark) -> NodeRef {
        let event = self.texts.add(event);
        let id = match self.imds.find((process, event)) {
            Some(id) => id,
            None => self.imds.add(ImdsNode { process, event, base: mark.base() }),
        };
        self.touch(NodeKind::Imds.at(id), mark.tag, mark.times);
        NodeKind::Imds.at(id)
    }

    pub(crate) fn put_syscall(&mut self, process: u32, number: u32, mark: Mark) -> u32 {
        let id = match self.syscalls.find((process, number)) {
            Some(id) => id,
            None => self.syscalls.add(SyscallNode { process, number, base: mark.base() }),
        };
        self.touch(NodeKind::Syscall.at(id), mark.tag, mark.times);
        id
    }

    pub(crate) fn put_capability(&mut self, process: u32, number: u32, is_held: bool, mark: Mark) -> u32 {
        let id = match self.capabilities.find((process, number, is_held)) {
            Some(id) => id,
            None => self.capabilities.add(CapabilityNode { process, number, is_held, base: mark.base() }),
        };
        self.touch(NodeKind::Capability.at(id), mark.tag, mark.times);
        id
    }

    pub(crate) fn put_device(&mut self, process: u32, device: &Device<'_>) -> u32 {
        let ifname = self.texts.add(device.ifname.as_bytes());
        let Device { netns, ifindex, .. } = *device;
        match self.devices.find((process, netns, ifindex, ifname)) {
            Some(id) => id,
            None => self.devices.add(DeviceNode { process, netns, ifindex, ifname }),
        }
    }

    /// A flow; `join` puts counters together.
    pub(crate) fn put_flow(
        &mut self,
        device: u32,
        flow: &Flow<'_>,
        mark: Mark,
        join: impl Fn(u64, u64) -> u64,
    ) -> u32 {
        let id = self.find_flow(device, flow).unwrap_or_else(|| {
            let [source, destination] =
                [&flow.source, &flow.destination].map(|(ip, _)| self.texts.add(ip.as_bytes()));
            let ports = [flow.source.1, flow.destination.1];
            let protocols = [flow.l3_protocol, flow.l4_protocol];
            let ends = Ends { source, destination, ports, protocols };
            let none = Traffic::default();
            self.flows.add(FlowNode { device, ends, ingress: none, egress: none, base: mark.base() })
        });
        if let Some(node) = self.flows.get_mut(id) {
            let join = |a: Traffic, b: Traffic| Traffic {
                bytes: join(a.bytes, b.bytes),
                packets: join(a.packets, b.packets),
            };
            node.ingress = join(node.ingress, flow.ingress);
            node.egress = join(node.egress, flow.egress);
        }
        self.touch(NodeKind::Flow.at(id), mark.tag, mark.times);
        id
    }

    pub(crate) fn put_rule(&mut self, node: NodeRef, rule: &MatchedRule) {
        self.put_rule_bytes(node, &rule_bytes(rule));
    }

    pub(crate) fn put_rule_bytes(&mut self, node: NodeRef, rule: &[u8]) {
        let rule = self.texts.add(rule);
        if self.rules.find((node, rule)).is_none() {
            self.rules.add(RuleEntry { node, rule });
        }
    }
}
