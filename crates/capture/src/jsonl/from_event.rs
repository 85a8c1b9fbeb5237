//! Domain → line. Only fixed defaults are left out (see `defaults`).

use event::{
    Cgroup, Credentials, Event, Exec, ExecKind, ExitStatus, File, Host, KnownProcess, Layer, Namespaces,
    Open, PathState, ProcessKey, Runtime, Strings, Task, Text, What, Workload,
};

use super::defaults::{self, Role};
use super::scalar::{Bits, Bytes, OctalMode, OpenFlags};
use super::{
    CgroupPart, ContainerPart, CredentialsPart, ExecPart, ExitPart, FilePart, HostLine, JSONL_VERSION,
    KeyPart, LayerName, LineKind, NamespacesPart, OpenPart, PathStateName, RuntimeName, ScriptPart, TaskLine,
};

pub(crate) fn host_line(host: Host) -> HostLine {
    HostLine {
        kind: LineKind::Host,
        capture: JSONL_VERSION,
        boot_id: Some(host.boot_id),
        hostname: Some(host.hostname),
        kernel: Some(host.kernel),
        wall_offset_ns: Some(host.wall_offset_ns),
    }
}

pub(crate) fn process_line(process: &KnownProcess) -> TaskLine {
    TaskLine {
        parent: Some(process.parent.map(key)),
        exec_ns: Some(process.exec_ns),
        exec: process.exec.as_deref().map(exec),
        ..task_line(LineKind::Process, &process.task)
    }
}

pub(crate) fn event_line(event: &Event) -> TaskLine {
    let base = |kind| TaskLine { time: Some(event.boot_ns), ..task_line(kind, &event.task) };
    match &event.what {
        What::Exec(image) => TaskLine { exec: Some(exec(image)), ..base(LineKind::Exec) },
        What::Fork { parent } => TaskLine { parent: Some(Some(key(*parent))), ..base(LineKind::Fork) },
        What::Exit(status) => TaskLine { exit: Some(exit(*status)), ..base(LineKind::Exit) },
        What::Open(result) => TaskLine { open: Some(open(result)), ..base(LineKind::Open) },
    }
}

fn task_line(kind: LineKind, task: &Task) -> TaskLine {
    TaskLine {
        kind,
        time: None,
        pid: task.process.tgid,
        start_ns: Some(task.process.start_ns),
        tid: unless(task.tid, task.process.tgid),
        ppid: Some(task.ppid),
        comm: Some(bytes(&task.comm)),
        parent: None,
        exec_ns: None,
        exec: None,
        exit: None,
        open: None,
        credentials: Some(credentials(&task.credentials)),
        namespaces: Some(namespaces(task.namespaces)),
        cgroup: Some(cgroup(&task.cgroup)),
    }
}

/// The value, unless it is what the reader would assume anyway.
fn unless<T: PartialEq>(value: T, default: T) -> Option<T> {
    (value != default).then_some(value)
}

fn bytes(text: &Text) -> Bytes {
    Bytes(text.clone())
}

fn key(key: ProcessKey) -> KeyPart {
    KeyPart { pid: key.tgid, start_ns: Some(key.start_ns) }
}

fn credentials(credentials: &Credentials) -> CredentialsPart {
    let Credentials { uid, gid, euid, egid, fsuid, fsgid, cap_effective, cap_permitted } = *credentials;
    CredentialsPart {
        uid,
        gid: unless(gid, uid),
        euid: unless(euid, uid),
        egid: unless(egid, gid),
        fsuid: unless(fsuid, euid),
        fsgid: unless(fsgid, egid),
        cap_effective: unless(cap_effective, 0).map(Bits),
        cap_permitted: unless(cap_permitted, cap_effective).map(Bits),
    }
}

fn namespaces(namespaces: Namespaces) -> NamespacesPart {
    let Namespaces { mount, pid, network, user } = namespaces;
    NamespacesPart { mount, pid, network, user }
}

fn cgroup(cgroup: &Cgroup) -> CgroupPart {
    let (container, service) = match &cgroup.workload {
        Workload::Host => (None, None),
        Workload::Service { unit } => (None, Some((**unit).to_owned())),
        Workload::Container { id, runtime, pod_uid } => {
            let runtime = unless(*runtime, Runtime::Unknown).map(RuntimeName::from);
            let pod_uid = pod_uid.as_deref().map(str::to_owned);
            (Some(ContainerPart { id: (**id).to_owned(), runtime, pod_uid }), None)
        }
    };
    CgroupPart {
        id: unless(cgroup.id, defaults::number(cgroup.path.as_bytes()).into()),
        path: bytes(&cgroup.path),
        container,
        service,
        created_ns: unless(cgroup.created_ns, 0),
    }
}

fn exec(exec: &Exec) -> ExecPart {
    let list = |strings: &Strings| strings.items.iter().map(bytes).collect::<Vec<_>>();
    ExecPart {
        path: bytes(&exec.executable.path),
        args: Some(list(&exec.args)),
        args_truncated: exec.args.truncated,
        envs: list(&exec.envs),
        envs_truncated: exec.envs.truncated,
        tty: bytes(&exec.tty),
        unlinked: exec.kind == ExecKind::Unlinked,
        file: file(&exec.executable, Role::Program),
        script: exec
            .script
            .as_ref()
            .map(|script| ScriptPart { path: bytes(&script.path), file: file(script, Role::Program) }),
    }
}

fn exit(status: ExitStatus) -> ExitPart {
    match status {
        ExitStatus::Exited(code) => ExitPart { code: Some(code), ..ExitPart::default() },
        ExitStatus::Signaled(signal) => ExitPart { signal: Some(signal), ..ExitPart::default() },
        ExitStatus::CoreDumped(signal) => {
            ExitPart { signal: Some(signal), core_dumped: true, ..ExitPart::default() }
        }
    }
}

fn open(open: &Open) -> OpenPart {
    OpenPart {
        path: bytes(&open.file.path),
        flags: OpenFlags(open.flags),
        mode: OctalMode(open.mode),
        retval: Some(open.retval),
        file: file(&open.file, Role::of_open(open.retval)),
    }
}

fn file(file: &File, role: Role) -> FilePart {
    let default = defaults::file(file.path.clone(), role);
    FilePart {
        path_state: unless(file.path_state, default.path_state).map(PathStateName::from),
        inode: unless(file.inode, default.inode),
        generation: unless(file.generation, default.generation),
        mount_id: unless(file.mount_id, default.mount_id),
        device: unless(file.device, default.device),
        mode: unless(file.mode, default.mode).map(OctalMode),
        nlink: unless(file.nlink, default.nlink),
        uid: unless(file.uid, default.uid),
        gid: unless(file.gid, default.gid),
        filesystem: unless(&file.filesystem, &default.filesystem).map(bytes),
        layer: unless(file.layer, default.layer).map(LayerName::from),
        access_ns: unless(file.access_ns, default.access_ns),
        modification_ns: unless(file.modification_ns, default.modification_ns),
        change_ns: unless(file.change_ns, default.change_ns),
    }
}

impl From<Runtime> for RuntimeName {
    fn from(runtime: Runtime) -> Self {
        match runtime {
            Runtime::Unknown => Self::Unknown,
            Runtime::Docker => Self::Docker,
            Runtime::Containerd => Self::Containerd,
            Runtime::CriO => Self::CriO,
            Runtime::Podman => Self::Podman,
        }
    }
}

impl From<PathState> for PathStateName {
    fn from(state: PathState) -> Self {
        match state {
            PathState::Resolved => Self::Resolved,
            PathState::TruncatedParents => Self::TruncatedParents,
            PathState::Argument => Self::Argument,
            PathState::Unreadable => Self::Unreadable,
        }
    }
}

impl From<Layer> for LayerName {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::None => Self::None,
            Layer::Lower => Self::Lower,
            Layer::Upper => Self::Upper,
        }
    }
}
