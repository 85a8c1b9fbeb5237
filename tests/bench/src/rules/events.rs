//! Events of the rules bench: what a web server opens.

use std::sync::Arc;

use cel_interpreter::Value;
use event::{
    Cgroup, Event, Exec, File, Host, Lineage, Open, ProcessKey, Run, Runtime, Source, Task, Text, What,
    Workload,
};
use rule_model::Seen;

/// An open with everything that a rule may ask.
#[derive(Debug)]
pub(super) struct Opened {
    event: Event,
    run: Arc<Run>,
    host: Host,
}

/// Opens that no rule of the bench is about: the same directories, other files.
pub(super) fn unmatched() -> Vec<Opened> {
    [
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", 0),
        ("/etc/ld.so.cache", 0),
        ("/etc/nginx/nginx.conf", 0),
        ("/proc/self/status", 0),
        ("/var/log/nginx/access.log", 0o2001),
        ("/tmp/upload-7f3a", 0o101),
        ("/home/app/.profile", 0),
        ("/usr/share/zoneinfo/UTC", 0),
    ]
    .map(|(path, flags)| opened(path, flags))
    .into()
}

fn opened(path: &str, flags: u32) -> Opened {
    let id = "8d2d4f1e0f0c4d6bb7a7e3a5a9e3c1b28d2d4f1e0f0c4d6bb7a7e3a5a9e3c1b2".into();
    let workload = Workload::Container { id, runtime: Runtime::Docker, pod_uid: None };
    let cgroup = Arc::new(Cgroup { created_ns: 1, workload, ..Cgroup::default() });
    let task = |pid| {
        let process = ProcessKey { start_ns: 1, tgid: pid };
        Arc::new(Task { process, comm: Text::from("nginx"), cgroup: Arc::clone(&cgroup), ..Task::default() })
    };
    let program = |path: &str| {
        let executable = Arc::new(File { path: Text::from(path), ..File::default() });
        Some(Arc::new(Exec { executable, ..Exec::default() }))
    };
    let run = |task: &Arc<Task>, exec, ancestor, depth| {
        Arc::new(Run {
            key: task.process,
            task: Arc::clone(task),
            fork_ns: 1,
            exec_ns: 2,
            exit_ns: 0,
            exec,
            is_own_exec: true,
            ancestor,
            lineage: Lineage::Complete,
            depth,
            source: Source::Event,
        })
    };
    let root = run(&task(1), program("/usr/bin/containerd-shim"), None, 0);
    let acting = task(100);
    let run = run(&acting, program("/usr/sbin/nginx"), Some(root), 1);
    let file = Arc::new(File { path: Text::from(path), mode: 0o100_644, ..File::default() });
    let what = What::Open(Open { file, flags, mode: 0, retval: 3 });
    Opened { event: Event { boot_ns: 1_000_000_000, task: acting, what }, run, host: Host::default() }
}

impl Opened {
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen { event: &self.event, run: &self.run, host: &self.host, tags: &[] }
    }

    /// The same for CEL, under short names.
    pub(super) fn variables(&self) -> Vec<(&'static str, Value)> {
        let What::Open(open) = &self.event.what else { return Vec::new() };
        let path = open.file.path.to_string();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        vec![
            ("name", text(&name)),
            ("path", text(&path)),
            ("writes", Value::Bool(open.flags != 0)),
            ("program", text("/usr/sbin/nginx")),
            ("program_name", text("nginx")),
            ("parent", text("/usr/bin/containerd-shim")),
            ("comm", text("nginx")),
            ("container", text("8d2d4f1e0f0c")),
            ("age", Value::Int(1)),
            ("uid", Value::Int(0)),
            ("retval", Value::Int(open.retval.into())),
        ]
    }
}
