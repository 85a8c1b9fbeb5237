//! Trees and activities made from few words, and random ones for the property tests.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::model::{
    AwsCredentials, AwsImds, Bind, Device, FileInfo, Flow, Generation, Imds, MatchedRule, Open, Process,
    Question, Traffic,
};
use crate::node::{NodeKind, Owner, ROOT};
use crate::view::View;
use crate::{Activity, Dump, Options, Tree, Verdict, What};

pub(crate) fn process(name: &str) -> Process {
    let path = format!("/usr/bin/{name}");
    let file =
        FileInfo { path: path.clone().into(), basename: name.to_owned().into(), ..FileInfo::default() };
    Process { file, argv0: path, comm: name.chars().take(15).collect(), exec_time: 5, ..Process::default() }
}

/// `a -> b => c`: a forked b, which exec turned into c.
pub(crate) fn lineage(text: &str) -> Vec<Process> {
    let mut processes = Vec::new();
    let mut is_exec = false;
    for word in text.split_whitespace() {
        match word {
            "->" => is_exec = false,
            "=>" => is_exec = true,
            name => processes.push(Process { is_exec, ..process(name) }),
        }
    }
    processes
}

/// Something done by the last of a lineage, at time 10, in version `v1`.
pub(crate) fn with<R>(text: &str, what: What<'_>, run: impl FnOnce(&Activity<'_>) -> R) -> R {
    let processes = lineage(text);
    let lineage: Vec<&Process> = processes.iter().collect();
    run(&Activity {
        lineage: &lineage,
        what,
        image_tag: "v1",
        at_ns: 10,
        generation: Generation::Runtime,
        rules: &[],
        adds_processes: true,
    })
}

pub(crate) fn insert(tree: &mut Tree, text: &str, what: What<'_>) -> Verdict {
    with(text, what, |activity| tree.insert(activity).unwrap())
}

pub(crate) fn contains(tree: &Tree, text: &str, what: What<'_>) -> Verdict {
    with(text, what, |activity| tree.contains(activity).unwrap())
}

pub(crate) fn open(path: &str) -> What<'_> {
    What::Open { path, file: None, open: Open::default() }
}

pub(crate) fn bytes(tree: &Tree) -> Vec<u8> {
    Dump { tree: tree.clone(), ..Dump::new(Options::default()) }.to_protobuf()
}

/// The processes as they are shown: `bash{->ls =>sh}`, stubs with `~`.
pub(crate) fn shape(tree: &Tree) -> String {
    fn one(view: &View<'_>, at: usize) -> String {
        let shown = &view.shown[at];
        let process = view.tree.process(shown.process).unwrap();
        let mut children: Vec<String> = shown.children.iter().map(|child| one(view, *child)).collect();
        children.sort();
        let below = if children.is_empty() { String::new() } else { format!("{{{}}}", children.join(" ")) };
        let arrow = if shown.is_exec { "=>" } else { "->" };
        format!("{arrow}{}{}{below}", process.file.basename, if shown.is_stub { "~" } else { "" })
    }
    let view = View::new(tree);
    let mut roots: Vec<String> = view.roots.iter().map(|root| one(&view, *root)).collect();
    roots.sort();
    roots.join(" ")
}

/// The files of all processes, sorted.
pub(crate) fn files(tree: &Tree) -> Vec<String> {
    let mut paths: Vec<String> = tree.files.iter().map(|(id, _)| tree.path_of(id)).collect();
    paths.sort();
    paths
}

/// Everything that was done, each as one line, whatever else is said of it. With `types`, also types of names.
pub(crate) fn behaviours(tree: &Tree, types: bool) -> BTreeSet<String> {
    let view = View::new(tree);
    let mut all = BTreeSet::new();
    for (id, node) in tree.processes.iter() {
        let mut key = String::new();
        let (mut at, mut next) = (Some(*node), node.parent);
        while let Some(node) = at {
            let text = |id| tree.texts.text(id);
            let args: Vec<&str> = crate::records::list(&tree.texts, node.args).collect();
            key = format!("{}({} {args:?})/{key}", text(node.path), text(node.argv0));
            at = if next == ROOT { None } else { tree.processes.get(next).copied() };
            next = at.map_or(ROOT, |node| node.parent);
        }
        let mut add = |what: String| all.insert(format!("{key} {what}"));
        add("runs".to_owned());
        let mut below: Vec<Owner> = vec![Owner::process(id)];
        while let Some(owner) = below.pop() {
            for file in view.files(owner) {
                add(format!("opens {}", tree.path_of(*file)));
                below.push(Owner::file(*file));
            }
        }
        for name in view.names(id) {
            let asked = tree.texts.text(tree.names.get(*name).unwrap().name);
            add(format!("asks {asked}"));
            for question in view.questions(*name).iter().filter(|_| types) {
                add(format!("asks {asked} {}", tree.questions.get(*question).unwrap().qtype));
            }
        }
        for bind in view.binds(id).iter().filter_map(|id| tree.binds.get(*id)) {
            add(format!("binds {:?}", tree.bind(bind)));
        }
        for imds in view.imds(id).iter().filter_map(|id| tree.imds.get(*id)) {
            add(format!("{:?}", tree.texts.get(imds.event)));
        }
        for call in view.syscalls(id).iter().filter_map(|id| tree.syscalls.get(*id)) {
            add(format!("calls {}", call.number));
        }
        for capability in view.capabilities(id).iter().filter_map(|id| tree.capabilities.get(*id)) {
            add(format!("needs {} {}", capability.number, capability.is_held));
        }
        for device in view.devices(id) {
            for flow in view.flows(*device).iter().filter_map(|id| tree.flows.get(*id)) {
                let flow =
                    Flow { ingress: Traffic::default(), egress: Traffic::default(), ..tree.flow(flow) };
                add(format!("sends {:?} {flow:?}", tree.device(*device)));
            }
        }
    }
    all
}

/// The versions in which the process at the end of a lineage was seen.
pub(crate) fn tags_of(tree: &Tree, text: &str) -> Vec<String> {
    let look = with(text, What::Exec, |activity| tree.look(activity).process).unwrap();
    let node = tree.processes.get(look).unwrap();
    tree.seen(node.base, NodeKind::Process.at(look)).map(|(tag, _)| tree.tag_name(tag).to_owned()).collect()
}

/// An activity that owns what it speaks of.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) lineage: Vec<Process>,
    pub(crate) done: Done,
    pub(crate) image_tag: &'static str,
    pub(crate) at_ns: u64,
    pub(crate) generation: Generation,
    pub(crate) rules: Vec<MatchedRule>,
}

#[derive(Debug, Clone)]
pub(crate) enum Done {
    Exec,
    Exit(u64),
    Open(String, Option<Box<FileInfo<'static>>>, Open),
    Dns(Question<'static>),
    Bind(Bind<'static>),
    Imds(Box<Imds>),
    Syscalls(Vec<u32>),
    Flows(Device<'static>, Vec<Flow<'static>>),
    Capability(u32, bool),
}

impl Step {
    pub(crate) fn with<R>(&self, run: impl FnOnce(&Activity<'_>) -> R) -> R {
        let lineage: Vec<&Process> = self.lineage.iter().collect();
        let what = match &self.done {
            Done::Exec => What::Exec,
            Done::Exit(at) => What::Exit(*at),
            Done::Open(path, file, open) => What::Open { path, file: file.as_deref(), open: *open },
            Done::Dns(question) => What::Dns(question.clone()),
            Done::Bind(bind) => What::Bind(bind.clone(), 0),
            Done::Imds(imds) => What::Imds(imds),
            Done::Syscalls(numbers) => What::Syscalls(numbers),
            Done::Flows(device, flows) => What::Flows(device.clone(), flows),
            Done::Capability(number, is_held) => What::Capability(*number, *is_held),
        };
        run(&Activity {
            lineage: &lineage,
            what,
            image_tag: self.image_tag,
            at_ns: self.at_ns,
            generation: self.generation,
            rules: &self.rules,
            adds_processes: true,
        })
    }
}

pub(crate) fn tree_of<'a>(steps: impl IntoIterator<Item = &'a Step>, options: Options) -> Tree {
    let mut tree = Tree::new(options);
    for step in steps {
        step.with(|activity| tree.insert(activity)).unwrap();
    }
    tree
}

fn any_process() -> impl Strategy<Value = Process> {
    let name = prop::sample::select(vec!["a", "b", "c", "busybox"]);
    let text = prop::sample::select(vec!["", "x", "y\u{1F600}\"<"]);
    (
        name,
        prop::bool::weighted(0.4),
        text.clone(),
        prop::collection::vec(text.clone(), 0..3),
        0..3_u64,
        any::<u64>(),
        0..4_u32,
    )
        .prop_map(|(name, is_exec, text, args, time, cookie, n)| {
            let mut process =
                Process { is_exec, argv0: text.to_owned(), exec_time: time, cookie, pid: n, ..process(name) };
            process.args = args.iter().map(ToString::to_string).collect();
            process.envs = args.iter().map(|arg| format!("E={arg}")).collect();
            process.envs_truncated = n == 1;
            process.credentials.fs_user = text.to_owned();
            process.credentials.cap_permitted = cookie;
            process.file.inode = n.into();
            process
        })
}

fn any_file(path: String) -> impl Strategy<Value = Done> {
    let number = prop::sample::select(vec![0, 1, u32::MAX]);
    let epoch = prop::option::of(number.clone());
    let release = prop::option::of(prop::sample::select(vec!["", "r"]));
    (prop::option::of((number.clone(), epoch, release)), number, any::<i64>(), any::<bool>()).prop_map(
        move |(file, flags, retval, is_own_path)| {
            let file = file.map(|(number, epoch, release)| {
                let mut file = FileInfo {
                    path: if is_own_path { path.clone() } else { String::new() }.into(),
                    basename: crate::records::basename(&path).to_owned().into(),
                    inode: number.into(),
                    ctime: 1_800_000_000_000_000_000 + u64::from(number),
                    mtime: number.into(),
                    mode: number,
                    hashes: vec!["sha1:a".into(); usize::from(number == 1)],
                    filesystem: "overlay".into(),
                    ..FileInfo::default()
                };
                file.package.epoch = epoch;
                file.package.source_release = release.map(Into::into);
                Box::new(file)
            });
            Done::Open(path.clone(), file, Open { retval, flags, mode: flags >> 1 })
        },
    )
}

fn any_flow() -> impl Strategy<Value = Flow<'static>> {
    let ip = prop::sample::select(vec!["10.0.0.1", "::1", ""]);
    ((ip.clone(), 0..2_u16), (ip, 0..2_u16), 0..2_u16, any::<u64>()).prop_map(
        |(source, destination, l4_protocol, bytes)| Flow {
            source: (source.0.into(), source.1),
            destination: (destination.0.into(), destination.1),
            l3_protocol: 0x800,
            l4_protocol,
            ingress: Traffic { bytes, packets: bytes / 2 },
            egress: Traffic { bytes: bytes / 3, packets: 0 },
        },
    )
}

fn any_imds() -> impl Strategy<Value = Done> {
    (0..3_u8, prop::sample::select(vec!["/x", "/y"]), any::<bool>()).prop_map(|(kind, url, flag)| {
        let credentials = AwsCredentials { access_key_id: url.to_owned(), ..AwsCredentials::default() };
        let aws = AwsImds { is_imds_v2: flag, credentials: Some(credentials) };
        Done::Imds(Box::new(Imds {
            kind: ["request", "response", "other"][usize::from(kind)].to_owned(),
            url: url.to_owned(),
            aws: (kind == 1).then_some(aws),
            ..Imds::default()
        }))
    })
}

fn any_done() -> impl Strategy<Value = Done> {
    let name = prop::sample::select(vec!["a.example.com", "B.example.com", "example.com", "com", ""]);
    let path = prop::collection::vec(prop::sample::select(vec!["etc", "lib", "*", "\u{e9}\"|<>"]), 0..4);
    let device =
        (0..2_u32, 0..2_u32).prop_map(|(netns, ifindex)| Device { netns, ifindex, ifname: "eth0".into() });
    prop_oneof![
        Just(Done::Exec),
        (0..9_u64).prop_map(Done::Exit),
        path.prop_flat_map(|path| any_file(format!("/{}", path.join("/")))),
        (name, 0..3_u16, any::<u16>()).prop_map(|(name, qtype, n)| Done::Dns(Question {
            name: name.into(),
            qtype,
            class: n % 2,
            size: n,
            count: n / 2
        })),
        (any::<bool>(), 0..2_u16, 0..2_u16).prop_map(|(is_v6, port, protocol)| Done::Bind(Bind {
            family: if is_v6 { "AF_INET6" } else { "AF_INET" }.into(),
            ip: if is_v6 { "::" } else { "0.0.0.0" }.into(),
            port,
            protocol
        })),
        any_imds(),
        prop::collection::vec(prop::sample::select(vec![0, 1, 59, u32::MAX]), 0..4).prop_map(Done::Syscalls),
        (device, prop::collection::vec(any_flow(), 1..3))
            .prop_map(|(device, flows)| Done::Flows(device, flows)),
        (0..3_u32, any::<bool>()).prop_map(|(number, is_held)| Done::Capability(number, is_held)),
    ]
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let tag = prop::sample::select(vec!["v1", "v2", ""]);
    let at_ns = prop_oneof![0..5_u64, Just(1 << 60)];
    let generation = prop::sample::select(Generation::ALL[1..].to_vec());
    let rule = (0..2_u8).prop_map(|n| MatchedRule {
        rule_id: format!("rule{n}"),
        rule_tags: [("k".to_owned(), String::new())].into(),
        ..MatchedRule::default()
    });
    (
        prop::collection::vec(any_process(), 1..5),
        any_done(),
        tag,
        at_ns,
        generation,
        prop::collection::vec(rule, 0..2),
    )
        .prop_map(|(lineage, done, image_tag, at_ns, generation, rules)| Step {
            lineage,
            done,
            image_tag,
            at_ns,
            generation,
            rules,
        })
}

pub(crate) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 0..12)
}
