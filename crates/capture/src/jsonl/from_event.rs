//! Domain → line. Only fixed defaults are left out (see `defaults`).

use std::sync::Arc;

use event::{
    Address, AddressState, Cgroup, Credentials, Endpoint, Event, Exec, ExecKind, ExitStatus, Field, File,
    Flags, Host, KnownProcess, Layer, Names, Namespaces, PathState, ProcessKey, Runtime, Strings, Task, Text,
    Visitor, Workload,
};

use super::defaults::{self, Role};
use super::parts::{Part, Parts};
use super::scalar::{Bits, Bytes, OctalMode};
use super::task_line::TaskLine;
use super::{
    AddressPart, AddressStateName, CgroupPart, ContainerPart, CredentialsPart, ExecPart, ExitPart, FilePart,
    HostLine, JSONL_VERSION, KeyPart, LayerName, LineKind, NamespacesPart, PathPart, PathStateName,
    RuntimeName,
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
    let mut fields = Fields { values: Vec::new(), files: Vec::new(), role: Role::Reached };
    event.what.visit(&mut fields);
    let Fields { mut values, files, role } = fields;
    for (slot, path) in values.iter_mut().zip(files) {
        *slot = path.map(|path| Part::File(path_part(path, role))).or_else(|| slot.take());
    }
    let parts = Parts { kind: event.kind(), values };
    TaskLine {
        time: Some(event.boot_ns),
        what: Some(parts),
        ..task_line(LineKind::Event(event.kind()), &event.task)
    }
}

/// Collects the fields of an event. What is known of its files depends on the result, which comes after them.
struct Fields<'a> {
    values: Vec<Option<Part>>,
    files: Vec<Option<&'a File>>,
    role: Role,
}

impl Fields<'_> {
    fn push(&mut self, part: Option<Part>) {
        self.values.push(part);
        self.files.push(None);
    }
}

impl<'a> Visitor<'a> for Fields<'a> {
    fn file(&mut self, _: &'static Field, file: &'a Arc<File>) {
        self.values.push(None);
        self.files.push(Some(file));
    }

    fn program(&mut self, _: &'static Field, program: &'a Arc<Exec>) {
        self.push(Some(Part::Program(Box::new(exec(program)))));
    }

    fn process(&mut self, _: &'static Field, process: ProcessKey) {
        self.push(Some(Part::Process(Some(key(process)))));
    }

    fn status(&mut self, _: &'static Field, status: ExitStatus) {
        self.push(Some(Part::Status(exit(status))));
    }

    fn address(&mut self, _: &'static Field, address: &'a Address) {
        self.push(Some(Part::Address(address_part(address))));
    }

    fn text(&mut self, _: &'static Field, text: &'a Text) {
        self.push(Some(Part::Text(bytes(text))));
    }

    fn number(&mut self, _: &'static Field, names: &'static Names, number: u32) {
        self.push(Some(Part::Number(number, names)));
    }

    fn flags(&mut self, _: &'static Field, names: &'static Flags, flags: u32) {
        self.push(Some(Part::Flags(flags, names)));
    }

    fn mode(&mut self, _: &'static Field, mode: u32) {
        self.push(unless(mode, 0).map(|mode| Part::Mode(OctalMode(mode))));
    }

    fn descriptor(&mut self, _: &'static Field, retval: i32) {
        self.role = Role::of_result(retval);
        self.push(Some(Part::Result(retval)));
    }

    fn errno(&mut self, _: &'static Field, retval: i32) {
        self.role = Role::of_result(retval);
        self.push(Some(Part::Result(retval)));
    }
}

fn address_part(address: &Address) -> AddressPart {
    let state = unless(address.state, AddressState::Kernel).map(AddressStateName::from);
    let part = AddressPart { state, ..AddressPart::default() };
    match &address.endpoint {
        Endpoint::Ip(ip, port) => AddressPart { ip: Some(*ip), port: *port, ..part },
        Endpoint::Path(path) => AddressPart { path: Some(bytes(path)), ..part },
        Endpoint::Abstract(name) => AddressPart { r#abstract: Some(bytes(name)), ..part },
        Endpoint::Family(_) => AddressPart { family: Some(address.endpoint.family_name()), ..part },
    }
}

fn path_part(path: &File, role: Role) -> PathPart {
    PathPart { path: bytes(&path.path), file: file(path, role) }
}

fn task_line(kind: LineKind, task: &Task) -> TaskLine {
    TaskLine {
        start_ns: Some(task.process.start_ns),
        tid: unless(task.tid, task.process.tgid),
        ppid: Some(task.ppid),
        comm: Some(bytes(&task.comm)),
        credentials: Some(credentials(&task.credentials)),
        namespaces: Some(namespaces(task.namespaces)),
        cgroup: Some(cgroup(&task.cgroup)),
        ..TaskLine::new(kind, task.process.tgid)
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
        script: exec.script.as_ref().map(|script| path_part(script, Role::Program)),
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
            PathState::NoPlace => Self::NoPlace,
            PathState::Detached => Self::Detached,
        }
    }
}

impl From<AddressState> for AddressStateName {
    fn from(state: AddressState) -> Self {
        match state {
            AddressState::Kernel => Self::Kernel,
            AddressState::Argument => Self::Argument,
            AddressState::Unreadable => Self::Unreadable,
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
