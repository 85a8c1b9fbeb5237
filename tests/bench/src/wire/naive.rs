//! The twin that batches are compared with: one protobuf message per event, self-contained, same fields, encoded as
//! well as protobuf can (varints, zeros left out).

use std::net::IpAddr;
use std::sync::Arc;

use event::{
    Address, Endpoint, Event, Exec, ExitStatus, Field, File, Flags, Names, ProcessKey, Strings, Task, Text,
    Visitor, Workload,
};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NaiveEvent {
    #[prost(uint64, tag = "1")]
    boot_ns: u64,
    #[prost(message, optional, tag = "2")]
    task: Option<NaiveTask>,
    #[prost(message, optional, tag = "3")]
    what: Option<NaiveWhat>,
}

/// The fields of an event: those that are numbers in their order, the others by their type.
#[derive(Clone, PartialEq, prost::Message)]
struct NaiveWhat {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(message, repeated, tag = "2")]
    files: Vec<NaiveFile>,
    #[prost(message, repeated, tag = "3")]
    programs: Vec<NaiveExec>,
    #[prost(message, repeated, tag = "4")]
    processes: Vec<NaiveKey>,
    #[prost(sint64, repeated, tag = "5")]
    numbers: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    texts: Vec<Vec<u8>>,
}

impl<'a> Visitor<'a> for NaiveWhat {
    fn file(&mut self, _: &'static Field, value: &'a Arc<File>) {
        self.files.push(file(value));
    }

    fn program(&mut self, _: &'static Field, value: &'a Arc<Exec>) {
        self.programs.push(exec(value));
    }

    fn process(&mut self, _: &'static Field, value: ProcessKey) {
        self.processes.push(key(value));
    }

    fn status(&mut self, _: &'static Field, status: ExitStatus) {
        let (value, cause) = match status {
            ExitStatus::Exited(code) => (code, 0),
            ExitStatus::Signaled(signal) => (signal, 1),
            ExitStatus::CoreDumped(signal) => (signal, 2),
        };
        self.numbers.extend([value.into(), cause]);
    }

    fn address(&mut self, _: &'static Field, address: &'a Address) {
        let (bits, port) = match &address.endpoint {
            Endpoint::Ip(IpAddr::V4(ip), port) => (ip.octets().to_vec(), *port),
            Endpoint::Ip(IpAddr::V6(ip), port) => (ip.octets().to_vec(), *port),
            Endpoint::Path(text) | Endpoint::Abstract(text) => (text.as_bytes().to_vec(), 0),
            Endpoint::Family(_) => (Vec::new(), 0),
        };
        self.texts.push(bits);
        self.numbers.extend([address.endpoint.family().into(), port.into(), address.state as i64]);
    }

    fn text(&mut self, _: &'static Field, text: &'a Text) {
        self.texts.push(text.as_bytes().to_vec());
    }

    fn number(&mut self, _: &'static Field, _: &'static Names, number: u32) {
        self.numbers.push(number.into());
    }

    fn flags(&mut self, _: &'static Field, _: &'static Flags, flags: u32) {
        self.numbers.push(flags.into());
    }

    fn mode(&mut self, _: &'static Field, mode: u32) {
        self.numbers.push(mode.into());
    }

    fn descriptor(&mut self, _: &'static Field, retval: i32) {
        self.numbers.push(retval.into());
    }

    fn errno(&mut self, _: &'static Field, retval: i32) {
        self.numbers.push(retval.into());
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct NaiveKey {
    #[prost(uint64, tag = "1")]
    start_ns: u64,
    #[prost(uint32, tag = "2")]
    tgid: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NaiveTask {
    #[prost(message, optional, tag = "1")]
    process: Option<NaiveKey>,
    #[prost(uint32, tag = "2")]
    tid: u32,
    #[prost(uint32, tag = "3")]
    ppid: u32,
    #[prost(bytes = "vec", tag = "4")]
    comm: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    credentials: Option<NaiveCredentials>,
    #[prost(message, optional, tag = "6")]
    cgroup: Option<NaiveCgroup>,
    #[prost(uint32, tag = "7")]
    mount_namespace: u32,
    #[prost(uint32, tag = "8")]
    pid_namespace: u32,
    #[prost(uint32, tag = "9")]
    network_namespace: u32,
    #[prost(uint32, tag = "10")]
    user_namespace: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NaiveCredentials {
    #[prost(uint32, tag = "1")]
    uid: u32,
    #[prost(uint32, tag = "2")]
    gid: u32,
    #[prost(uint32, tag = "3")]
    euid: u32,
    #[prost(uint32, tag = "4")]
    egid: u32,
    #[prost(uint32, tag = "5")]
    fsuid: u32,
    #[prost(uint32, tag = "6")]
    fsgid: u32,
    #[prost(uint64, tag = "7")]
    cap_effective: u64,
    #[prost(uint64, tag = "8")]
    cap_permitted: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NaiveCgroup {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(bytes = "vec", tag = "2")]
    path: Vec<u8>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint32, tag = "4")]
    runtime: u32,
    #[prost(string, tag = "5")]
    pod_uid: String,
    #[prost(int64, tag = "6")]
    created_ns: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NaiveFile {
    #[prost(bytes = "vec", tag = "1")]
    path: Vec<u8>,
    #[prost(uint32, tag = "2")]
    path_state: u32,
    #[prost(uint64, tag = "3")]
    inode: u64,
    #[prost(uint32, tag = "4")]
    generation: u32,
    #[prost(uint32, tag = "5")]
    mount_id: u32,
    #[prost(uint64, tag = "6")]
    device: u64,
    #[prost(uint32, tag = "7")]
    mode: u32,
    #[prost(uint32, tag = "8")]
    nlink: u32,
    #[prost(uint32, tag = "9")]
    uid: u32,
    #[prost(uint32, tag = "10")]
    gid: u32,
    #[prost(bytes = "vec", tag = "11")]
    filesystem: Vec<u8>,
    #[prost(uint32, tag = "12")]
    layer: u32,
    #[prost(int64, tag = "13")]
    access_ns: i64,
    #[prost(int64, tag = "14")]
    modification_ns: i64,
    #[prost(int64, tag = "15")]
    change_ns: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NaiveExec {
    #[prost(message, optional, tag = "1")]
    executable: Option<NaiveFile>,
    #[prost(message, optional, tag = "2")]
    script: Option<NaiveFile>,
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(bytes = "vec", repeated, tag = "4")]
    args: Vec<Vec<u8>>,
    #[prost(bool, tag = "5")]
    args_truncated: bool,
    #[prost(bytes = "vec", repeated, tag = "6")]
    envs: Vec<Vec<u8>>,
    #[prost(bool, tag = "7")]
    envs_truncated: bool,
    #[prost(bytes = "vec", tag = "8")]
    tty: Vec<u8>,
}

/// The event as one message that needs nothing else.
pub(super) fn event(event: &Event) -> NaiveEvent {
    let mut what = NaiveWhat { kind: event.kind().number().into(), ..NaiveWhat::default() };
    event.what.visit(&mut what);
    NaiveEvent { boot_ns: event.boot_ns, task: Some(task(&event.task)), what: Some(what) }
}

fn key(key: ProcessKey) -> NaiveKey {
    NaiveKey { start_ns: key.start_ns, tgid: key.tgid }
}

fn task(task: &Task) -> NaiveTask {
    let credentials = &task.credentials;
    let cgroup = &task.cgroup;
    let (name, runtime, pod_uid) = match &cgroup.workload {
        Workload::Host => (String::new(), 0, String::new()),
        Workload::Service { unit } => (unit.to_string(), 0, String::new()),
        Workload::Container { id, runtime, pod_uid } => {
            (id.to_string(), *runtime as u32, pod_uid.as_deref().unwrap_or_default().to_owned())
        }
    };
    NaiveTask {
        process: Some(key(task.process)),
        tid: task.tid,
        ppid: task.ppid,
        comm: bytes(&task.comm),
        credentials: Some(NaiveCredentials {
            uid: credentials.uid,
            gid: credentials.gid,
            euid: credentials.euid,
            egid: credentials.egid,
            fsuid: credentials.fsuid,
            fsgid: credentials.fsgid,
            cap_effective: credentials.cap_effective,
            cap_permitted: credentials.cap_permitted,
        }),
        cgroup: Some(NaiveCgroup {
            id: cgroup.id,
            path: bytes(&cgroup.path),
            name,
            runtime,
            pod_uid,
            created_ns: cgroup.created_ns,
        }),
        mount_namespace: task.namespaces.mount,
        pid_namespace: task.namespaces.pid,
        network_namespace: task.namespaces.network,
        user_namespace: task.namespaces.user,
    }
}

fn file(file: &File) -> NaiveFile {
    NaiveFile {
        path: bytes(&file.path),
        path_state: file.path_state as u32,
        inode: file.inode,
        generation: file.generation,
        mount_id: file.mount_id,
        device: file.device,
        mode: file.mode.into(),
        nlink: file.nlink,
        uid: file.uid,
        gid: file.gid,
        filesystem: bytes(&file.filesystem),
        layer: file.layer as u32,
        access_ns: file.access_ns,
        modification_ns: file.modification_ns,
        change_ns: file.change_ns,
    }
}

fn exec(exec: &Exec) -> NaiveExec {
    let list = |strings: &Strings| strings.items.iter().map(bytes).collect();
    NaiveExec {
        executable: Some(file(&exec.executable)),
        script: exec.script.as_deref().map(file),
        kind: exec.kind as u32,
        args: list(&exec.args),
        args_truncated: exec.args.truncated,
        envs: list(&exec.envs),
        envs_truncated: exec.envs.truncated,
        tty: bytes(&exec.tty),
    }
}

fn bytes(text: &Text) -> Vec<u8> {
    text.as_bytes().to_vec()
}
