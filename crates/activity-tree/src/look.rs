//! Finding what an activity would touch, without touching it.

use std::borrow::Cow;

use crate::activity::{Activity, Verdict, What};
use crate::arena::TextId;
use crate::codec::imds_bytes;
use crate::model::{Bind, Flow, Process, Question};
use crate::node::{Ends, ROOT, segments};
use crate::refusal::{EventType, MAX_LINEAGE, MAX_SEGMENTS, MAX_TEXT, Refusal};
use crate::{Generation, Tree, similar};

/// What was found of an activity.
pub(crate) struct Look {
    pub(crate) verdict: Verdict,
    /// The last process of the lineage, if it is there.
    pub(crate) process: Option<u32>,
}

/// What makes a process the same as another, in ids of this tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) path: TextId,
    pub(crate) argv0: TextId,
    pub(crate) args: TextId,
}

impl Tree {
    /// Whether an activity can be in a tree at all (spec 2.1, 2.2).
    pub(crate) fn check(&self, activity: &Activity<'_>) -> Result<(), Refusal> {
        if activity.generation == Generation::Unknown {
            return Err(Refusal::Generation);
        }
        if !self.options.traced.has(EventType::of(&activity.what)) {
            return Err(Refusal::EventType);
        }
        if activity.lineage.is_empty() || activity.lineage.iter().any(|process| process.file.path.is_empty())
        {
            return Err(Refusal::BrokenLineage);
        }
        if activity.lineage.len() > MAX_LINEAGE {
            return Err(Refusal::TooDeep);
        }
        let is_long = |text: &str| text.len() > MAX_TEXT;
        if activity.lineage.iter().any(|process| is_long(&process.file.path) || is_long(&process.argv0)) {
            return Err(Refusal::TextTooLong);
        }
        match &activity.what {
            What::Open { path, .. } if is_long(path) => Err(Refusal::TextTooLong),
            What::Open { path, .. } if segments(path).count() > MAX_SEGMENTS => Err(Refusal::TooDeep),
            What::Dns(question) if is_long(&question.name) => Err(Refusal::TextTooLong),
            What::Bind(bind, _) if !["AF_INET", "AF_INET6"].contains(&bind.family.as_ref()) => {
                Err(Refusal::BindFamily)
            }
            What::Imds(imds) => check_imds(imds),
            What::Exec
            | What::Exit(_)
            | What::Open { .. }
            | What::Dns(_)
            | What::Bind(..)
            | What::Syscalls(_)
            | What::Flows(..)
            | What::Capability(..)
            | What::Other => Ok(()),
        }
    }

    /// What the tree knows of an activity, for somebody who asks: names by depth, paths by patterns.
    pub(crate) fn look(&self, activity: &Activity<'_>) -> Look {
        self.look_for(activity, |process, what| {
            if let What::Dns(question) = what {
                self.has_name(process, question)
            } else {
                self.has(process, what)
            }
        })
    }

    /// What the tree knows of an activity, for somebody who would add what is missing.
    pub(crate) fn look_exactly(&self, activity: &Activity<'_>) -> Look {
        self.look_for(activity, |process, what| self.has(process, what))
    }

    fn look_for(&self, activity: &Activity<'_>, has: impl Fn(u32, &What<'_>) -> bool) -> Look {
        let Some(process) = self.find_lineage(activity.lineage) else {
            return Look { verdict: Verdict::NewProcess, process: None };
        };
        let verdict = if has(process, &activity.what) { Verdict::Known } else { Verdict::New };
        Look { verdict, process: Some(process) }
    }

    fn find_lineage(&self, lineage: &[&Process]) -> Option<u32> {
        let (mut parent, mut last) = (ROOT, ROOT);
        for process in lineage {
            if !process.is_exec {
                parent = last;
            }
            last = self.find_process(parent, process)?;
        }
        Some(last)
    }

    /// A process in the group below a parent.
    pub(crate) fn find_process(&self, parent: u32, process: &Process) -> Option<u32> {
        let exact = self
            .identity(process)
            .and_then(|Identity { path, argv0, args }| self.processes.find((parent, path, argv0, args)));
        if exact.is_some() || !self.options.similar_paths {
            return exact;
        }
        let (argv0, args) = self.identity(process).map(|it| (it.argv0, it.args)).or_else(|| {
            let other = self.names_beside_path(process)?;
            Some((other.0, other.1))
        })?;
        let siblings = self.processes.iter().filter(|(_, node)| {
            (node.parent, node.argv0, node.args) == (parent, argv0, args)
                && similar::paths_match(self.texts.text(node.path), &process.file.path)
        });
        siblings.min_by_key(|(_, node)| self.texts.text(node.path)).map(|(id, _)| id)
    }

    /// The ids of what makes a process itself, if all of it is in the tree.
    fn identity(&self, process: &Process) -> Option<Identity> {
        let path = self.texts.find(process.file.path.as_bytes())?;
        let (argv0, args) = self.names_beside_path(process)?;
        Some(Identity { path, argv0, args })
    }

    fn names_beside_path(&self, process: &Process) -> Option<(TextId, TextId)> {
        let argv0 = if is_busybox(&process.file.path) {
            self.texts.find(process.argv0.as_bytes())?
        } else {
            TextId(0)
        };
        let args = if self.options.differentiate_args {
            crate::records::find_list(&self.texts, process.args.iter().map(String::as_str))?
        } else {
            TextId(0)
        };
        Some((argv0, args))
    }

    /// Whether a process did this.
    fn has(&self, process: u32, what: &What<'_>) -> bool {
        match what {
            What::Exec | What::Exit(_) | What::Other => true,
            What::Open { path, .. } => {
                segments(path).next().is_none() || self.find_file(process, path).is_some()
            }
            What::Dns(question) => self.has_question(process, question),
            What::Bind(bind, retval) => *retval != 0 || self.find_bind(process, bind).is_some(),
            What::Imds(imds) => {
                let event = self.texts.find(&imds_bytes(imds));
                event.is_some_and(|event| self.imds.find((process, event)).is_some())
            }
            What::Syscalls(numbers) => {
                numbers.iter().all(|number| self.syscalls.find((process, *number)).is_some())
            }
            What::Flows(device, flows) => {
                let ifname = self.texts.find(device.ifname.as_bytes());
                let device = ifname
                    .and_then(|ifname| self.devices.find((process, device.netns, device.ifindex, ifname)));
                flows.iter().all(|flow| device.is_some_and(|device| self.find_flow(device, flow).is_some()))
            }
            What::Capability(number, is_held) => {
                self.capabilities.find((process, *number, *is_held)).is_some()
            }
        }
    }

    fn has_question(&self, process: u32, question: &Question<'_>) -> bool {
        let name = self.texts.find(lower(&question.name).as_bytes());
        let name = name.and_then(|name| self.names.find((process, name)));
        name.is_some_and(|name| self.questions.find((name, question.qtype)).is_some())
    }

    /// By depth (spec 2.8): without one the whole name counts and the type does not; else both, as far as the last labels.
    fn has_name(&self, process: u32, question: &Question<'_>) -> bool {
        let depth = self.options.dns_match_max_depth;
        let name = lower(&question.name);
        if depth == 0 {
            let name = self.texts.find(name.as_bytes());
            return name.is_some_and(|name| self.names.find((process, name)).is_some());
        }
        let labels = self.texts.find(last_labels(&name, depth).as_bytes());
        labels.is_some_and(|labels| self.suffixes.find((process, labels, question.qtype)).is_some())
    }

    pub(crate) fn find_bind(&self, process: u32, bind: &Bind<'_>) -> Option<u32> {
        let family = self.texts.find(bind.family.as_bytes())?;
        let ip = self.texts.find(bind.ip.as_bytes())?;
        self.binds.find((process, family, ip, bind.port, bind.protocol))
    }

    pub(crate) fn find_flow(&self, device: u32, flow: &Flow<'_>) -> Option<u32> {
        let ends = Ends {
            source: self.texts.find(flow.source.0.as_bytes())?,
            destination: self.texts.find(flow.destination.0.as_bytes())?,
            ports: [flow.source.1, flow.destination.1],
            protocols: [flow.l3_protocol, flow.l4_protocol],
        };
        self.flows.find((device, ends))
    }

    /// The node of a path: by its names, or else by the patterns that stand for them.
    pub(crate) fn find_file(&self, process: u32, path: &str) -> Option<u32> {
        let exact = self.files.find(&self.texts, process, path);
        if exact.is_some() || self.options.patterns.is_none() || self.signatures.len() == 0 {
            return exact;
        }
        let mut place = self.files.below(process);
        let mut found = None;
        for segment in segments(path) {
            let (id, next) = self.child_or_pattern(place, segment)?;
            (found, place) = (Some(id), next);
        }
        found
    }
}

fn check_imds(imds: &crate::Imds) -> Result<(), Refusal> {
    let credentials = imds.aws.as_ref().and_then(|aws| aws.credentials.as_ref());
    let has_key = credentials.is_some_and(|credentials| !credentials.access_key_id.is_empty());
    match imds.kind.as_str() {
        "response" if !has_key => Err(Refusal::ImdsResponse),
        "request" if imds.url.is_empty() => Err(Refusal::ImdsRequest),
        _ => Ok(()),
    }
}

/// One program with many names: only the first argument tells which (spec 2.3).
pub(crate) fn is_busybox(path: &str) -> bool {
    crate::records::basename(path) == "busybox"
}

/// Names of hosts are the same in capitals, and some resolvers mix them at random to be harder to fool.
pub(crate) fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The last labels of a name; one that has fewer is left whole (spec 2.8).
pub(crate) fn last_labels(name: &str, depth: usize) -> &str {
    let dots = name.bytes().enumerate().rev().filter(|(_, byte)| *byte == b'.').map(|(at, _)| at);
    dots.take(depth).nth(depth.saturating_sub(1)).and_then(|dot| name.get(dot + 1..)).unwrap_or(name)
}
