//! Line → domain, with everything that was left out filled in.

use std::sync::Arc;

use event::{
    Address, AddressState, Builder, Cgroup, Credentials, Endpoint, Event, Exec, ExecKind, ExitStatus,
    FAMILIES, Field, File, Flags, Host, Kind, KnownProcess, Layer, Names, Namespaces, PathState, ProcessKey,
    Runtime, Strings, Task, Text, What, Workload,
};

use super::defaults::{self, Context, Role};
use super::parts::{self, Part, Parts};
use super::scalar::{Bytes, OctalMode};
use super::task_line::TaskLine;
use super::{
    AddressPart, AddressStateName, CgroupPart, CredentialsPart, ExecPart, ExitPart, FilePart, HostLine,
    JSONL_VERSION, KeyPart, LayerName, LineKind, NamespacesPart, PathPart, PathStateName, RuntimeName,
};

/// What a line that is not a host stands for.
pub(crate) enum Record {
    Process(KnownProcess),
    Event(Event),
}

/// Why a line that is valid JSON with known keys still says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// A key is missing that has no default.
    #[error("a line of kind {kind} needs the key `{key}`")]
    Needs {
        /// Kind of the line.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// Nobody knows that address family.
    #[error("address family {0:?}: write a name like AF_NETLINK or the number")]
    Family(String),
    /// Two keys contradict each other.
    #[error("`{0}` and `{1}` cannot stand together")]
    Contradiction(&'static str, &'static str),
    /// The form has another version.
    #[error("`capture` is {found}, this program reads version {JSONL_VERSION}")]
    Version {
        /// The version in the line.
        found: u32,
    },
}

type Result<T> = std::result::Result<T, LineProblem>;

pub(crate) fn host(line: HostLine) -> Result<Host> {
    if line.capture != JSONL_VERSION {
        return Err(LineProblem::Version { found: line.capture });
    }
    let default = defaults::host();
    Ok(Host {
        boot_id: line.boot_id.unwrap_or(default.boot_id),
        hostname: line.hostname.unwrap_or(default.hostname),
        kernel: line.kernel.unwrap_or(default.kernel),
        wall_offset_ns: line.wall_offset_ns.unwrap_or(default.wall_offset_ns),
    })
}

pub(crate) fn record(mut line: TaskLine, context: &mut Context) -> Result<Record> {
    let boot_ns = line.time.unwrap_or_else(|| context.next_ns());
    let by_ppid = line.ppid.map(|pid| (pid, context.key(pid)));
    let LineKind::Event(kind) = line.kind else {
        let parent = match line.parent.take() {
            Some(parent) => parent.map(|part| key(&part, context)),
            None => by_ppid.and_then(|(_, key)| key),
        };
        let exec = line.exec.take().map(|part| Arc::new(exec(part)));
        let exec_ns = line.exec_ns;
        let task = task(line, boot_ns, parent, exec.as_deref(), context)?;
        let exec_ns = exec_ns.unwrap_or(if exec.is_some() { task.process.start_ns } else { 0 });
        return Ok(Record::Process(KnownProcess { task, parent, exec_ns, exec }));
    };
    let mut cells = Cells::new(kind, line.what.take(), by_ppid, context);
    let what = What::build(kind, &mut cells)?;
    let exec = if let What::Exec(exec) = &what { Some(Arc::clone(exec)) } else { None };
    let forked_by = if let What::Fork(parent) = &what { Some(*parent) } else { None };
    let parent = forked_by.or_else(|| by_ppid.and_then(|(_, key)| key));
    let task = task(line, boot_ns, parent, exec.as_deref(), context)?;
    if kind == Kind::Exit {
        context.forget(task.process.tgid);
    }
    context.passed(boot_ns);
    Ok(Record::Event(Event { boot_ns, task, what }))
}

/// The values of a line, with what was left out filled in.
struct Cells<'c> {
    kind: Kind,
    has_object: bool,
    values: std::vec::IntoIter<Option<Part>>,
    /// What the result says of the files.
    role: Role,
    /// The pid in `ppid`, and who that is as far as it is known.
    by_ppid: Option<(u32, Option<ProcessKey>)>,
    context: &'c Context,
}

impl<'c> Cells<'c> {
    fn new(
        kind: Kind,
        parts: Option<Parts>,
        by_ppid: Option<(u32, Option<ProcessKey>)>,
        context: &'c Context,
    ) -> Self {
        let has_object = parts.is_some();
        let values = parts.map_or_else(Vec::new, |parts| parts.values);
        let result = values
            .iter()
            .flatten()
            .find_map(|part| if let Part::Result(retval) = part { Some(*retval) } else { None });
        let role = Role::of_result(result.unwrap_or(0));
        Self { kind, has_object, values: values.into_iter(), role, by_ppid, context }
    }

    fn next(&mut self) -> Option<Part> {
        self.values.next().flatten()
    }

    /// The key that is missing when this field has no value.
    fn needs(&self, field: &'static Field) -> LineProblem {
        let key = if self.has_object { parts::key_in_object(field) } else { parts::key_of(self.kind) };
        LineProblem::Needs { kind: self.kind.name(), key }
    }

    fn result(&mut self, default: i32) -> i32 {
        if let Some(Part::Result(retval)) = self.next() { retval } else { default }
    }
}

impl Builder for Cells<'_> {
    type Error = LineProblem;

    fn file(&mut self, field: &'static Field) -> Result<Arc<File>> {
        let Some(Part::File(PathPart { path, file: part })) = self.next() else {
            return Err(self.needs(field));
        };
        Ok(file(path, &part, self.role))
    }

    fn program(&mut self, field: &'static Field) -> Result<Arc<Exec>> {
        let Some(Part::Program(part)) = self.next() else { return Err(self.needs(field)) };
        Ok(Arc::new(exec(*part)))
    }

    fn process(&mut self, field: &'static Field) -> Result<ProcessKey> {
        match (self.next(), self.by_ppid) {
            (Some(Part::Process(Some(part))), _) => Ok(key(&part, self.context)),
            (Some(_), _) => Err(self.needs(field)),
            (None, Some((pid, known))) => Ok(known.unwrap_or(ProcessKey { tgid: pid, start_ns: 0 })),
            (None, None) => Err(LineProblem::Needs { kind: self.kind.name(), key: "ppid" }),
        }
    }

    fn status(&mut self, _: &'static Field) -> Result<ExitStatus> {
        exit(if let Some(Part::Status(part)) = self.next() { part } else { ExitPart::default() })
    }

    fn address(&mut self, field: &'static Field) -> Result<Address> {
        let Some(Part::Address(part)) = self.next() else { return Err(self.needs(field)) };
        address(part)
    }

    fn text(&mut self, _: &'static Field) -> Result<Text> {
        Ok(if let Some(Part::Text(Bytes(text))) = self.next() { text } else { Text::default() })
    }

    fn number(&mut self, _: &'static Field, _: &'static Names) -> Result<u32> {
        Ok(if let Some(Part::Number(number, _)) = self.next() { number } else { 0 })
    }

    fn flags(&mut self, _: &'static Field, _: &'static Flags) -> Result<u32> {
        Ok(if let Some(Part::Flags(flags, _)) = self.next() { flags } else { 0 })
    }

    fn mode(&mut self, _: &'static Field) -> Result<u32> {
        Ok(if let Some(Part::Mode(OctalMode(mode))) = self.next() { mode } else { 0 })
    }

    fn descriptor(&mut self, _: &'static Field) -> Result<i32> {
        Ok(self.result(3))
    }

    fn errno(&mut self, _: &'static Field) -> Result<i32> {
        Ok(self.result(0))
    }
}

fn address(part: AddressPart) -> Result<Address> {
    let endpoint = match (part.ip, part.path, part.r#abstract, part.family) {
        (Some(ip), None, None, None) => Endpoint::Ip(ip, part.port),
        (None, Some(Bytes(path)), None, None) => Endpoint::Path(path),
        (None, None, Some(Bytes(name)), None) => Endpoint::Abstract(name),
        (None, None, None, Some(family)) => Endpoint::Family(family_of(&family)?),
        (None, None, None, None) => Endpoint::default(),
        _ => return Err(LineProblem::Contradiction("ip", "path, abstract or family")),
    };
    Ok(Address { endpoint, state: part.state.map_or(AddressState::Kernel, AddressStateName::into) })
}

fn family_of(name: &str) -> Result<u16> {
    let number = FAMILIES.from_name(name).ok().and_then(|number| u16::try_from(number).ok());
    number.ok_or_else(|| LineProblem::Family(name.to_owned()))
}

fn key(part: &KeyPart, context: &Context) -> ProcessKey {
    let start_of = || context.key(part.pid).map_or(0, |key| key.start_ns);
    ProcessKey { tgid: part.pid, start_ns: part.start_ns.unwrap_or_else(start_of) }
}

/// The acting task: what the line says, otherwise what is known of the process, otherwise what its parent gives it.
fn task(
    line: TaskLine,
    boot_ns: u64,
    parent: Option<ProcessKey>,
    exec: Option<&Exec>,
    context: &mut Context,
) -> Result<Arc<Task>> {
    // A fork starts a new process, whatever had its pid before.
    let known = if line.kind == LineKind::Event(Kind::Fork) { None } else { context.task(line.pid) };
    let ppid = line.ppid.or(known.map(|task| task.ppid)).or(parent.map(|key| key.tgid));
    let model = known.or_else(|| ppid.and_then(|pid| context.task(pid)));
    let start_ns = line.start_ns.or(known.map(|task| task.process.start_ns));
    let started = if line.kind == LineKind::Process { defaults::KNOWN_START_NS } else { boot_ns };
    let executed = exec.map(|exec| comm_of(&exec.executable.path));
    let comm = line.comm.map(|Bytes(comm)| comm).or(executed);
    let task = Task {
        process: ProcessKey { tgid: line.pid, start_ns: start_ns.unwrap_or(started) },
        tid: line.tid.unwrap_or(line.pid),
        ppid: ppid.unwrap_or(0),
        comm: comm.or_else(|| model.map(|task| task.comm.clone())).unwrap_or_default(),
        credentials: line
            .credentials
            .map(|part| credentials(&part))
            .or(model.map(|task| task.credentials))
            .unwrap_or_default(),
        cgroup: cgroup(line.cgroup, model)?,
        namespaces: line
            .namespaces
            .map(|part| namespaces(&part))
            .or(model.map(|task| task.namespaces))
            .unwrap_or_default(),
    };
    Ok(context.remember(task))
}

/// The kernel names a task after the file it runs, cut to 15 bytes.
fn comm_of(path: &Text) -> Text {
    let name = path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Text::from(name.get(..15).unwrap_or(name))
}

fn credentials(part: &CredentialsPart) -> Credentials {
    let gid = part.gid.unwrap_or(part.uid);
    let euid = part.euid.unwrap_or(part.uid);
    let egid = part.egid.unwrap_or(gid);
    let cap_effective = part.cap_effective.map_or(0, |bits| bits.0);
    Credentials {
        uid: part.uid,
        gid,
        euid,
        egid,
        fsuid: part.fsuid.unwrap_or(euid),
        fsgid: part.fsgid.unwrap_or(egid),
        cap_effective,
        cap_permitted: part.cap_permitted.map_or(cap_effective, |bits| bits.0),
    }
}

fn namespaces(part: &NamespacesPart) -> Namespaces {
    Namespaces { mount: part.mount, pid: part.pid, network: part.network, user: part.user }
}

fn cgroup(part: Option<CgroupPart>, model: Option<&Arc<Task>>) -> Result<Arc<Cgroup>> {
    let Some(part) = part else {
        return Ok(model.map(|task| Arc::clone(&task.cgroup)).unwrap_or_default());
    };
    let workload = match (part.container, part.service) {
        (Some(_), Some(_)) => return Err(LineProblem::Contradiction("container", "service")),
        (Some(container), None) => Workload::Container {
            id: container.id.into(),
            runtime: container.runtime.map_or(Runtime::Unknown, RuntimeName::into),
            pod_uid: container.pod_uid.map(Arc::from),
        },
        (None, Some(unit)) => Workload::Service { unit: unit.into() },
        (None, None) => Workload::Host,
    };
    let id = part.id.unwrap_or_else(|| defaults::number(part.path.0.as_bytes()).into());
    let cgroup = Cgroup { id, path: part.path.0, workload, created_ns: part.created_ns.unwrap_or(0) };
    Ok(match model {
        Some(task) if *task.cgroup == cgroup => Arc::clone(&task.cgroup),
        _ => Arc::new(cgroup),
    })
}

fn exec(part: ExecPart) -> Exec {
    let texts = |list: Vec<Bytes>| list.into_iter().map(|Bytes(text)| text).collect();
    let args = part.args.unwrap_or_else(|| vec![part.path.clone()]);
    Exec {
        executable: file(part.path, &part.file, Role::Program),
        script: part.script.map(|script| file(script.path, &script.file, Role::Program)),
        kind: if part.unlinked { ExecKind::Unlinked } else { ExecKind::File },
        args: Strings { items: texts(args), truncated: part.args_truncated },
        envs: Strings { items: texts(part.envs), truncated: part.envs_truncated },
        tty: part.tty.0,
    }
}

fn exit(part: ExitPart) -> Result<ExitStatus> {
    match (part.code, part.signal, part.core_dumped) {
        (Some(_), Some(_), _) => Err(LineProblem::Contradiction("code", "signal")),
        (Some(_), None, true) => Err(LineProblem::Contradiction("code", "core_dumped")),
        (None, None, true) => Err(LineProblem::Needs { kind: "exit", key: "signal" }),
        (code, None, false) => Ok(ExitStatus::Exited(code.unwrap_or(0))),
        (None, Some(signal), false) => Ok(ExitStatus::Signaled(signal)),
        (None, Some(signal), true) => Ok(ExitStatus::CoreDumped(signal)),
    }
}

fn file(Bytes(path): Bytes, part: &FilePart, role: Role) -> Arc<File> {
    let default = defaults::file(path, role);
    Arc::new(File {
        path_state: part.path_state.map_or(default.path_state, PathStateName::into),
        inode: part.inode.unwrap_or(default.inode),
        generation: part.generation.unwrap_or(default.generation),
        mount_id: part.mount_id.unwrap_or(default.mount_id),
        device: part.device.unwrap_or(default.device),
        mode: part.mode.map_or(default.mode, |mode| mode.0),
        nlink: part.nlink.unwrap_or(default.nlink),
        uid: part.uid.unwrap_or(default.uid),
        gid: part.gid.unwrap_or(default.gid),
        filesystem: part.filesystem.as_ref().map_or(default.filesystem, |name| name.0.clone()),
        layer: part.layer.map_or(default.layer, LayerName::into),
        access_ns: part.access_ns.unwrap_or(default.access_ns),
        modification_ns: part.modification_ns.unwrap_or(default.modification_ns),
        change_ns: part.change_ns.unwrap_or(default.change_ns),
        path: default.path,
    })
}

impl From<RuntimeName> for Runtime {
    fn from(name: RuntimeName) -> Self {
        match name {
            RuntimeName::Unknown => Self::Unknown,
            RuntimeName::Docker => Self::Docker,
            RuntimeName::Containerd => Self::Containerd,
            RuntimeName::CriO => Self::CriO,
            RuntimeName::Podman => Self::Podman,
        }
    }
}

impl From<PathStateName> for PathState {
    fn from(name: PathStateName) -> Self {
        match name {
            PathStateName::Resolved => Self::Resolved,
            PathStateName::TruncatedParents => Self::TruncatedParents,
            PathStateName::Argument => Self::Argument,
            PathStateName::Unreadable => Self::Unreadable,
            PathStateName::NoPlace => Self::NoPlace,
            PathStateName::Detached => Self::Detached,
        }
    }
}

impl From<AddressStateName> for AddressState {
    fn from(name: AddressStateName) -> Self {
        match name {
            AddressStateName::Kernel => Self::Kernel,
            AddressStateName::Argument => Self::Argument,
            AddressStateName::Unreadable => Self::Unreadable,
        }
    }
}

impl From<LayerName> for Layer {
    fn from(name: LayerName) -> Self {
        match name {
            LayerName::None => Self::None,
            LayerName::Lower => Self::Lower,
            LayerName::Upper => Self::Upper,
        }
    }
}
