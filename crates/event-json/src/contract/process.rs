//! The process objects of the contract.

use std::sync::Arc;

use event::{Event, Exec, Run, Source, Task, What};
use serde::Serialize;

use super::file::path_error;
use super::lineage::{Ancestor, Ancestors, Detail, Shared};
use super::{Context, File, Ids, is_default};
use crate::constants::Capabilities;
use crate::text::{Item, Items, Lossy, MAX_ITEMS, Time, arguments};

/// The file a process was started from: what was asked for, so a script rather than its interpreter.
pub(super) fn program(exec: &Exec) -> &event::File {
    exec.script.as_ref().unwrap_or(&exec.executable)
}

/// Kernel threads are `kthreadd`, which has pid 2 on every Linux, and its children, as long as they run no program.
pub(crate) fn is_kernel_thread(task: &Task, exec: Option<&Arc<Exec>>) -> bool {
    const KTHREADD: u32 = 2;
    exec.is_none() && (task.process.tgid == KTHREADD || task.ppid == KTHREADD)
}

/// The part of a process that its task decides, but for its credentials.
#[derive(Serialize)]
pub(crate) struct Who<'a> {
    #[serde(skip_serializing_if = "is_default")]
    pid: u32,
    #[serde(skip_serializing_if = "is_default")]
    ppid: u32,
    #[serde(skip_serializing_if = "is_default")]
    tid: u32,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Lossy::is_empty")]
    comm: Lossy<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fork_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exec_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Container<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    is_kworker: bool,
}

impl<'a> Who<'a> {
    /// The acting process of an event: its task is the one of the event, which may be another thread than the one
    /// that made the run, with other credentials.
    pub(crate) fn acting(event: &'a Event, run: &'a Run, context: Context<'a>) -> Self {
        let exit_ns = match (run.exit_ns, &event.what) {
            (0, What::Exit(_)) => event.boot_ns,
            (exit_ns, _) => exit_ns,
        };
        Self::new(&event.task, run, exit_ns, context)
    }

    /// A process of the lineage. What it shares with the one before it is left out, the names of ids with its
    /// credentials, and the thread unless it was not the first.
    pub(super) fn of_ancestor(run: &'a Run, shared: Shared, context: Context<'a>) -> Self {
        let all = Self::new(&run.task, run, run.exit_ns, context);
        let named = |name: Option<&'a str>| name.filter(|_| !shared.credentials);
        Self {
            ppid: if shared.process { 0 } else { all.ppid },
            tid: if all.tid == all.pid { 0 } else { all.tid },
            user: named(all.user),
            group: named(all.group),
            fork_time: all.fork_time.filter(|_| !shared.process),
            ..all
        }
    }

    fn new(task: &'a Task, run: &'a Run, exit_ns: u64, context: Context<'a>) -> Self {
        let ids = Ids::of(task, context);
        let credentials = &task.credentials;
        if is_kernel_thread(task, run.exec.as_ref()) {
            return Self::kernel_thread(task);
        }
        Self {
            pid: task.process.tgid,
            ppid: task.ppid,
            tid: task.tid,
            uid: credentials.uid,
            gid: credentials.gid,
            user: ids.user(credentials.uid),
            group: ids.group(credentials.gid),
            comm: Lossy(task.comm.as_bytes()),
            fork_time: context.time(run.fork_ns),
            exec_time: context.time(run.exec_ns),
            exit_time: context.time(exit_ns),
            container: Container::of(task),
            is_kworker: false,
        }
    }

    /// The reduced form the contract has for kernel threads.
    fn kernel_thread(task: &Task) -> Self {
        Self {
            pid: task.process.tgid,
            ppid: 0,
            tid: task.tid,
            uid: 0,
            gid: 0,
            user: None,
            group: None,
            comm: Lossy(&[]),
            fork_time: None,
            exec_time: None,
            exit_time: None,
            container: None,
            is_kworker: true,
        }
    }
}

/// The credentials of a process.
#[derive(Serialize)]
pub(crate) struct Credentials<'a> {
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    euid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    euser: Option<&'a str>,
    egid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    egroup: Option<&'a str>,
    fsuid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fsuser: Option<&'a str>,
    fsgid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fsgroup: Option<&'a str>,
    cap_effective: Capabilities,
    cap_permitted: Capabilities,
}

/// Whose credentials they are. It decides, with the names, how they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CredentialsOf {
    credentials: event::Credentials,
    is_contained: bool,
    is_kernel_thread: bool,
}

impl CredentialsOf {
    pub(crate) fn task(task: &Task, exec: Option<&Arc<Exec>>) -> Self {
        let is_contained = task.cgroup.workload.container_id().is_some();
        let is_kernel_thread = is_kernel_thread(task, exec);
        // The contract has empty ones for kernel threads.
        let credentials = if is_kernel_thread { event::Credentials::default() } else { task.credentials };
        Self { credentials, is_contained, is_kernel_thread }
    }
}

impl CredentialsOf {
    /// Those that a run began with.
    pub(crate) fn run(run: &Run) -> Self {
        Self::task(&run.task, run.exec.as_ref())
    }
}

impl<'a> Credentials<'a> {
    pub(crate) fn new(of: CredentialsOf, context: Context<'a>) -> Self {
        let credentials = of.credentials;
        let ids = Ids { names: context.names, contained: of.is_contained };
        let user = |uid| if of.is_kernel_thread { None } else { ids.user(uid) };
        let group = |gid| if of.is_kernel_thread { None } else { ids.group(gid) };
        Self {
            uid: credentials.uid,
            user: user(credentials.uid),
            gid: credentials.gid,
            group: group(credentials.gid),
            euid: credentials.euid,
            euser: user(credentials.euid),
            egid: credentials.egid,
            egroup: group(credentials.egid),
            fsuid: credentials.fsuid,
            fsuser: user(credentials.fsuid),
            fsgid: credentials.fsgid,
            fsgroup: group(credentials.fsgid),
            cap_effective: Capabilities(credentials.cap_effective),
            cap_permitted: Capabilities(credentials.cap_permitted),
        }
    }
}

/// The container a task runs in.
#[derive(Serialize)]
pub(crate) struct Container<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Time>,
}

impl<'a> Container<'a> {
    pub(crate) fn of(task: &'a Task) -> Option<Self> {
        let id = task.cgroup.workload.container_id()?;
        Some(Self { id, created_at: Time::known(task.cgroup.created_ns) })
    }
}

/// The part of a process that its run decides.
#[derive(Serialize)]
pub(crate) struct Runs<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path_resolution_error: Option<&'static str>,
    #[serde(skip_serializing_if = "Lossy::is_empty")]
    tty: Lossy<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interpreter: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argv0: Option<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Items<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    args_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    envs: Option<Items<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    envs_truncated: bool,
    #[serde(skip_serializing_if = "is_default")]
    is_thread: bool,
    #[serde(skip_serializing_if = "is_default")]
    is_exec_child: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
}

/// What of a run decides its [`Runs`], besides the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RunsTraits {
    /// A child that has not started a program of its own.
    is_thread: bool,
    /// Started a program after it had already started one itself.
    is_exec_child: bool,
    is_kernel_thread: bool,
    source: Source,
}

impl RunsTraits {
    pub(crate) fn of(run: &Run, task: &Task) -> Self {
        let previous = run.ancestor.as_ref().filter(|ancestor| ancestor.key == run.key);
        Self {
            is_thread: !run.is_own_exec && (run.exec.is_some() || run.source == Source::Event),
            is_exec_child: run.is_own_exec && previous.is_some_and(|previous| previous.is_own_exec),
            is_kernel_thread: is_kernel_thread(task, run.exec.as_ref()),
            source: run.source,
        }
    }
}

impl<'a> Runs<'a> {
    /// For an ancestor beyond the parent: the names of its files are the ends of their paths.
    pub(super) fn without_names(self) -> Self {
        Self {
            executable: self.executable.map(File::without_name),
            interpreter: self.interpreter.map(File::without_name),
            ..self
        }
    }

    /// For an ancestor with the terminal of the process before it.
    pub(super) fn without_tty(self) -> Self {
        Self { tty: Lossy(&[]), ..self }
    }

    pub(crate) fn new(exec: Option<&'a Arc<Exec>>, traits: RunsTraits, detail: Detail, ids: Ids<'a>) -> Self {
        let source = match traits.source {
            Source::Unknown => Some("unknown"),
            Source::Event => (detail == Detail::Full).then_some("event"),
            Source::Snapshot => Some("procfs snapshot"),
        };
        let bare = Self {
            path_resolution_error: None,
            tty: Lossy(&[]),
            executable: None,
            interpreter: None,
            argv0: None,
            args: None,
            args_truncated: false,
            envs: None,
            envs_truncated: false,
            is_thread: traits.is_thread && !traits.is_kernel_thread,
            is_exec_child: traits.is_exec_child,
            source,
        };
        let Some(exec) = exec else { return bare };
        let file = if detail == Detail::Full { File::of_process } else { File::of_ancestor };
        let named = Self {
            path_resolution_error: path_error(program(exec).path_state),
            tty: Lossy(exec.tty.as_bytes()),
            executable: Some(file(program(exec), ids)),
            interpreter: exec.script.as_ref().map(|_| file(&exec.executable, ids)),
            ..bare
        };
        match detail {
            Detail::Copy => bare,
            Detail::Inherited => named,
            Detail::Cut => {
                Self { args_truncated: exec.args.truncated || !exec.args.items.is_empty(), ..named }
            }
            Detail::Ancestor => {
                let (argv0, args, args_truncated) = arguments(&exec.args);
                Self { argv0, args, args_truncated, ..named }
            }
            Detail::Full => {
                let (argv0, args, args_truncated) = arguments(&exec.args);
                let (envs, envs_cut) = Items::new(&exec.envs.items, MAX_ITEMS);
                let envs_truncated = exec.envs.truncated || envs_cut;
                Self { argv0, args, args_truncated, envs, envs_truncated, ..named }
            }
        }
    }
}

/// The acting process, for the way without a cache.
#[derive(Serialize)]
pub(crate) struct Process<'a> {
    #[serde(flatten)]
    who: Who<'a>,
    credentials: Credentials<'a>,
    #[serde(flatten)]
    runs: Runs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Ancestor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ancestors: Option<Ancestors<'a>>,
}

impl<'a> Process<'a> {
    pub(crate) fn new(event: &'a Event, run: &'a Run, context: Context<'a>) -> Self {
        let ids = Ids::of(&event.task, context);
        let traits = RunsTraits::of(run, &event.task);
        let credentials = CredentialsOf::task(&event.task, run.exec.as_ref());
        Self {
            who: Who::acting(event, run, context),
            credentials: Credentials::new(credentials, context),
            runs: Runs::new(run.exec.as_ref(), traits, Detail::Full, ids),
            parent: run
                .ancestor
                .as_deref()
                .map(|parent| Ancestor::new(parent, Shared::of_parent(parent, credentials), context)),
            ancestors: run.ancestor.is_some().then_some(Ancestors { run, credentials, context }),
        }
    }
}
