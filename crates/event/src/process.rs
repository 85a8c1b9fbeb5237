//! Processes: identity, the acting task, runs and their lineage.

use std::sync::Arc;

use crate::{Cgroup, Credentials, File, Text};

/// Identity of a process on one boot of one host. Never a pid alone: pids are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ProcessKey {
    /// Start of the thread group leader, nanoseconds of `CLOCK_BOOTTIME` (`task_struct.start_boottime`).
    pub start_ns: u64,
    /// Thread group id in the initial pid namespace: what people call the pid.
    pub tgid: u32,
}

/// The acting task at the moment of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Task {
    /// Its process.
    pub process: ProcessKey,
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// Pid of its parent process at that moment (`real_parent`), 0 if none.
    pub ppid: u32,
    /// Kernel name of the thread (`comm`), at most 15 bytes.
    pub comm: Text,
    /// Credentials at that moment.
    pub credentials: Credentials,
    /// Control group at that moment.
    pub cgroup: Arc<Cgroup>,
    /// Namespaces at that moment.
    pub namespaces: Namespaces,
}

/// Inode numbers of the namespaces of a task (`/proc/<pid>/ns`); 0 = not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Namespaces {
    /// Mount namespace.
    pub mount: u32,
    /// Pid namespace of the task itself.
    pub pid: u32,
    /// Network namespace.
    pub network: u32,
    /// User namespace.
    pub user: u32,
}

/// A program as a process runs it, set up by the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Exec {
    /// The executable the process maps (`mm.exe_file`). For a script it is the interpreter binary.
    pub executable: Arc<File>,
    /// The script, when the program was started through `#!`: the file that was asked for.
    pub script: Option<Arc<File>>,
    /// Whether it runs from an ordinary file.
    pub kind: ExecKind,
    /// Arguments, `argv[0]` first, from the new memory of the process.
    pub args: Strings,
    /// Environment, `NAME=value`.
    pub envs: Strings,
    /// Controlling terminal (`pts0`), empty if none.
    pub tty: Text,
}

/// Whether a program was started from an ordinary file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum ExecKind {
    /// A linked file on a file system.
    #[default]
    File = 0,
    /// A file without a link: memfd, `O_TMPFILE` or deleted.
    Unlinked = 1,
}

/// A list of strings that may be incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Strings {
    /// The strings in order.
    pub items: Vec<Text>,
    /// True when some are missing or the last is cut.
    pub truncated: bool,
}

/// A process that was already running when the probe started, or that the probe replays to a new analyzer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownProcess {
    /// The task of the thread group leader.
    pub task: Arc<Task>,
    /// The parent process; `None` = not known or outside the scope.
    pub parent: Option<ProcessKey>,
    /// When its current program was started, `CLOCK_BOOTTIME`; 0 = it never called exec, or not known.
    pub exec_ns: u64,
    /// The program; `None` = it runs that of its parent, or not known.
    pub exec: Option<Arc<Exec>>,
}

/// One run of a program by a process. Every exec makes a new one whose ancestor is the run before, and every fork
/// makes one whose ancestor is the run of the parent; runs never change, so events can share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The process.
    pub key: ProcessKey,
    /// The task that created this run (at fork or exec).
    pub task: Arc<Task>,
    /// When the process was created, `CLOCK_BOOTTIME`.
    pub fork_ns: u64,
    /// When this run was started; 0 when it is a copy of its parent's (fork without exec) or not known.
    pub exec_ns: u64,
    /// When this run ended by exec or exit, if it did; set only on the copy that the ending event carries.
    pub exit_ns: u64,
    /// The program; inherited from the ancestor by a fork; `None` = not known.
    pub exec: Option<Arc<Exec>>,
    /// True when `exec` is the run's own, false when inherited by fork.
    pub is_own_exec: bool,
    /// The run this one came from.
    pub ancestor: Option<Arc<Self>>,
    /// Whether the chain of ancestors reaches as far as it should.
    pub lineage: Lineage,
    /// Number of ancestors.
    pub depth: u32,
    /// How this run became known.
    pub source: Source,
}

/// How a run became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Source {
    /// Only as the parent of something else.
    #[default]
    Unknown,
    /// The probe saw its fork or exec.
    Event,
    /// It ran before the probe started, and was read from `/proc`.
    Snapshot,
}

/// Whether the ancestors of a run are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lineage {
    /// Up to the first process of the scope.
    #[default]
    Complete,
    /// An ancestor inside the scope was never seen (loss, or it ended before the probe started).
    MissingParent,
    /// Cut to stay within the depth limit.
    Truncated,
}

impl Run {
    /// The ancestors, nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(self.ancestor.as_ref(), |run| run.ancestor.as_ref())
    }
}
