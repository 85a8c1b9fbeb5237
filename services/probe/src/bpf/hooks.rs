//! The hooks, in the order in which they are attached, and what can serve each.

use event::Kind;

/// Something to know, and what its absence costs.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) kind: Option<Kind>,
    pub(super) name: &'static str,
    /// Tried in this order; the first that loads is used.
    pub(super) alternatives: &'static [Alternative],
    /// Whether it can be attached and detached while the probe runs. The process lifecycle cannot: every later event
    /// needs it, and who ended in between would be taken for living.
    pub(super) is_optional: bool,
    pub(super) cost: &'static str,
}

/// One way to serve a hook: programs in the order in which they are attached. The last one reports.
#[derive(Debug)]
pub(super) struct Alternative {
    pub(super) parts: &'static [Part],
}

/// A program, and where it runs. Several hooks may need the same one.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) program: &'static str,
    pub(super) place: Place,
}

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A tracepoint, with arguments whose types the verifier knows (`tp_btf`).
    TracePoint(&'static str),
    /// An iterator: when somebody reads it.
    Iterator(&'static str),
    /// At the end of the system calls of this kind, called by the program that is attached there.
    SyscallExit(Kind),
}

impl Place {
    /// As in the section names of the object, `tp_btf/sched_process_exec`.
    pub(super) fn name(self) -> String {
        match self {
            Self::TracePoint(name) => format!("tp_btf/{name}"),
            Self::Iterator(name) => format!("iter/{name}"),
            Self::SyscallExit(_) => format!("tp_btf/{SYSCALL_EXIT}"),
        }
    }
}

impl Alternative {
    /// The part that reports.
    pub(super) fn reporter(&self) -> Option<&'static Part> {
        self.parts.last()
    }
}

/// Where [`Place::SyscallExit`] is.
pub(super) const SYSCALL_EXIT: &str = "sys_exit";

const ON_SYS_EXIT: Part = at("on_sys_exit", SYSCALL_EXIT);

const fn at(program: &'static str, tracepoint: &'static str) -> Part {
    Part { program, place: Place::TracePoint(tracepoint) }
}

const fn iterator(program: &'static str, name: &'static str) -> Part {
    Part { program, place: Place::Iterator(name) }
}

const fn at_exit_of(kind: Kind, program: &'static str) -> Part {
    Part { program, place: Place::SyscallExit(kind) }
}

/// Cgroups come first: a cgroup made while the others are attached must not be missed.
pub(super) const HOOKS: [Hook; 8] = [
    Hook {
        kind: None,
        name: "cgroup_made",
        alternatives: &[Alternative { parts: &[at("on_cgroup_mkdir", "cgroup_mkdir")] }],
        is_optional: false,
        cost: "new cgroups are noticed only by their first event",
    },
    Hook {
        kind: None,
        name: "cgroup_gone",
        alternatives: &[Alternative { parts: &[at("on_cgroup_rmdir", "cgroup_rmdir")] }],
        is_optional: false,
        cost: "removed cgroups stay in the scope map",
    },
    Hook {
        kind: Some(Kind::Exit),
        name: "exit",
        // The kernel says since 6.16 whether a thread is the last one.
        alternatives: &[
            Alternative { parts: &[at("on_exit_group_dead", "sched_process_exit")] },
            Alternative {
                parts: &[
                    at("on_fork_unmark", "sched_process_fork"),
                    at("on_exit_count_threads", "sched_process_exit"),
                ],
            },
        ],
        is_optional: false,
        cost: "the end of processes is not reported",
    },
    Hook {
        kind: Some(Kind::Exec),
        name: "exec",
        alternatives: &[Alternative { parts: &[at("on_exec", "sched_process_exec")] }],
        is_optional: false,
        cost: "started programs are not reported, lineages hold only what ran before",
    },
    Hook {
        kind: Some(Kind::Fork),
        name: "fork",
        alternatives: &[Alternative { parts: &[at("on_fork", "sched_process_fork")] }],
        is_optional: false,
        cost: "new processes are not reported, lineages have gaps",
    },
    Hook {
        kind: Some(Kind::Open),
        name: "open",
        alternatives: &[Alternative { parts: &[ON_SYS_EXIT, at_exit_of(Kind::Open, "on_open")] }],
        is_optional: true,
        cost: "opened files are not reported",
    },
    Hook {
        kind: None,
        name: "snapshot",
        alternatives: &[Alternative { parts: &[iterator("on_task", "task")] }],
        is_optional: false,
        cost: "processes that ran before the probe are known only from /proc",
    },
    Hook {
        kind: None,
        name: "living",
        alternatives: &[Alternative { parts: &[iterator("on_living", "task")] }],
        is_optional: false,
        cost: "processes whose end was lost are taken for living",
    },
];

/// The hook of a kind.
pub(super) fn of_kind(kind: Kind) -> Option<&'static Hook> {
    const { &HOOKS }.iter().find(|hook| hook.kind == Some(kind))
}
