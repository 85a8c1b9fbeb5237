//! Parts to build events from, with every field set as a real event has it.

use std::sync::Arc;

use event::{
    Cgroup, Credentials, Event, Exec, File, Host, Layer, Lineage, Namespaces, ProcessKey, Run, Runtime,
    Source, Strings, Task, Text, What, Workload,
};
use event_json::{Names, Writer};

/// Boot time of every test host: 2026-03-01 12:00:00 UTC.
pub(crate) const BOOT: i64 = 1_772_366_400_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn host() -> Host {
    Host { wall_offset_ns: BOOT, ..Host::default() }
}

pub(crate) fn names() -> Names {
    Names::parse(b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n", b"root:x:0:\nstaff:x:1000:\n")
}

pub(crate) fn writer() -> Writer {
    Writer::new(&host()).with_names(names())
}

pub(crate) fn file(path: &str) -> File {
    File {
        path: path.into(),
        inode: 4711,
        generation: 1,
        mount_id: 31,
        device: 2049,
        mode: 0o100_755,
        nlink: 1,
        uid: 0,
        gid: 0,
        filesystem: "ext4".into(),
        access_ns: BOOT - 3,
        modification_ns: BOOT - 2,
        change_ns: BOOT - 1,
        ..File::default()
    }
}

pub(crate) fn strings(items: &[&str]) -> Strings {
    Strings { items: items.iter().map(|item| Text::from(*item)).collect(), truncated: false }
}

pub(crate) fn exec(path: &str, args: &[&str]) -> Exec {
    Exec {
        executable: Arc::new(file(path)),
        args: strings(args),
        envs: strings(&["HOME", "PATH=/usr/bin:/bin"]),
        tty: "pts0".into(),
        ..Exec::default()
    }
}

pub(crate) fn container() -> Arc<Cgroup> {
    let id: Arc<str> = "3f".repeat(32).into();
    Arc::new(Cgroup {
        id: 99,
        path: format!("/docker/{id}").into(),
        workload: Workload::Container { id, runtime: Runtime::Docker, pod_uid: None },
        created_ns: BOOT + 7,
    })
}

pub(crate) fn task(tgid: u32, ppid: u32, comm: &str, uid: u32) -> Task {
    Task {
        process: ProcessKey { start_ns: u64::from(tgid) * SECOND, tgid },
        tid: tgid,
        ppid,
        comm: comm.into(),
        credentials: Credentials {
            uid,
            gid: uid,
            euid: uid,
            egid: uid,
            fsuid: uid,
            fsgid: uid,
            cap_effective: if uid == 0 { 0b10_0000_0001 } else { 0 },
            cap_permitted: if uid == 0 { 0b10_0000_0001 } else { 0 },
        },
        cgroup: Arc::default(),
        namespaces: Namespaces::default(),
    }
}

/// A run of its own program, started by exec a tenth of a second after its process was created.
pub(crate) fn run(task: Task, exec: Exec, ancestor: Option<&Arc<Run>>) -> Arc<Run> {
    let fork_ns = task.process.start_ns;
    Arc::new(Run {
        key: task.process,
        fork_ns,
        exec_ns: fork_ns + SECOND / 10,
        exit_ns: 0,
        exec: Some(Arc::new(exec)),
        is_own_exec: true,
        ancestor: ancestor.cloned(),
        lineage: Lineage::Complete,
        depth: ancestor.map_or(0, |ancestor| ancestor.depth + 1),
        source: Source::Event,
        task: Arc::new(task),
    })
}

/// The run of a child that has not called exec.
pub(crate) fn fork(task: Task, parent: &Arc<Run>) -> Arc<Run> {
    let exec = parent.exec.clone();
    let child = run(task, Exec::default(), Some(parent));
    Arc::new(Run { exec, is_own_exec: false, exec_ns: 0, ..Run::clone(&child) })
}

/// What the process of a run did twenty seconds after it was created.
pub(crate) fn event(run: &Arc<Run>, what: What) -> Event {
    Event { boot_ns: run.fork_ns + 20 * SECOND + 123, task: Arc::clone(&run.task), what }
}

pub(crate) fn exec_event(run: &Arc<Run>) -> Event {
    event(run, What::Exec(run.exec.clone().unwrap()))
}

pub(crate) fn upper(path: &str) -> File {
    File { filesystem: "overlay".into(), layer: Layer::Upper, ..file(path) }
}
