//! Line → domain, with everything that was left out filled in.

use std::sync::Arc;

use event::{
    Cgroup, Credentials, Event, Exec, ExecKind, ExitStatus, File, Host, KnownProcess, Layer, Namespaces,
    Open, PathState, ProcessKey, Runtime, Strings, Task, Text, What, Workload,
};

use super::defaults::{self, Context, Role};
use super::scalar::Bytes;
use super::{
    CgroupPart, CredentialsPart, ExecPart, ExitPart, FilePart, HostLine, JSONL_VERSION, KeyPart, LayerName,
    LineKind, NamespacesPart, OpenPart, PathStateName, RuntimeName, TaskLine,
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
    /// A key is there that means nothing for this kind.
    #[error("a line of kind {kind} cannot have the key `{key}`")]
    Superfluous {
        /// Kind of the line.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
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
    check_keys(&line)?;
    let boot_ns = line.time.unwrap_or_else(|| context.next_ns());
    let parent = parent_of(&line, context)?;
    let exec = line.exec.take().map(|part| Arc::new(exec(part)));
    let open = line.open.take().map(open);
    let exit = exit(line.exit.take().unwrap_or_default())?;
    let (kind, exec_ns) = (line.kind, line.exec_ns);
    let task = task(line, boot_ns, parent, exec.as_deref(), context)?;
    let what = match kind {
        LineKind::Host | LineKind::Process => {
            let exec_ns = exec_ns.unwrap_or(if exec.is_some() { task.process.start_ns } else { 0 });
            return Ok(Record::Process(KnownProcess { task, parent, exec_ns, exec }));
        }
        LineKind::Exec => What::Exec(exec.ok_or(needs(kind, "exec"))?),
        LineKind::Fork => What::Fork { parent: parent.ok_or(needs(kind, "ppid"))? },
        LineKind::Open => What::Open(open.ok_or(needs(kind, "open"))?),
        LineKind::Exit => {
            context.forget(task.process.tgid);
            What::Exit(exit)
        }
    };
    context.passed(boot_ns);
    Ok(Record::Event(Event { boot_ns, task, what }))
}

fn needs(kind: LineKind, key: &'static str) -> LineProblem {
    LineProblem::Needs { kind: name(kind), key }
}

fn name(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Host => "host",
        LineKind::Process => "process",
        LineKind::Exec => "exec",
        LineKind::Fork => "fork",
        LineKind::Exit => "exit",
        LineKind::Open => "open",
    }
}

/// Refuses keys that would be ignored: a person who writes one expects it to do something.
fn check_keys(line: &TaskLine) -> Result<()> {
    use LineKind::{Exec, Exit, Fork, Open, Process};
    let keys: [(&str, bool, &[LineKind]); 6] = [
        ("time", line.time.is_some(), &[Exec, Fork, Exit, Open]),
        ("parent", line.parent.is_some(), &[Process, Fork]),
        ("exec_ns", line.exec_ns.is_some(), &[Process]),
        ("exec", line.exec.is_some(), &[Process, Exec]),
        ("exit", line.exit.is_some(), &[Exit]),
        ("open", line.open.is_some(), &[Open]),
    ];
    let wrong = keys.iter().find(|(_, is_there, kinds)| *is_there && !kinds.contains(&line.kind));
    wrong.map_or(Ok(()), |(key, ..)| Err(LineProblem::Superfluous { kind: name(line.kind), key }))
}

/// The parent of a new or known process: as written, otherwise the process with the pid `ppid`.
fn parent_of(line: &TaskLine, context: &Context) -> Result<Option<ProcessKey>> {
    let start_of = |pid| context.key(pid).map_or(0, |key| key.start_ns);
    match (line.kind, &line.parent) {
        (LineKind::Fork, Some(None)) => Err(needs(line.kind, "parent")),
        (_, Some(parent)) => Ok(parent.as_ref().map(|KeyPart { pid, start_ns }| ProcessKey {
            tgid: *pid,
            start_ns: start_ns.unwrap_or_else(|| start_of(*pid)),
        })),
        (LineKind::Fork, None) => {
            let pid = line.ppid.ok_or(needs(line.kind, "ppid"))?;
            Ok(Some(ProcessKey { tgid: pid, start_ns: start_of(pid) }))
        }
        (_, None) => Ok(line.ppid.and_then(|pid| context.key(pid))),
    }
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
    let known = if line.kind == LineKind::Fork { None } else { context.task(line.pid) };
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

fn open(part: OpenPart) -> Open {
    let retval = part.retval.unwrap_or(3);
    Open {
        file: file(part.path, &part.file, Role::of_open(retval)),
        flags: part.flags.0,
        mode: part.mode.0,
        retval,
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
