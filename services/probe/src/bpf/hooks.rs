//! The hooks, in the order in which they are attached, and what can serve each.
//!
//! Those of the lifecycle and of the probe itself are listed. A kind in the bulk ring is a system call, and its hook
//! follows from its name: `on_<kind>` at the end of the call, or `on_<kind>_noted` if its beginning is noted, too. A kind
//! whose program is not in the object has a hook that cannot be attached, and every test on real programs says so.

use std::borrow::Cow;
use std::sync::LazyLock;

use event::{Kind, Ring};

/// Something to know, and what its absence costs.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) kind: Option<Kind>,
    pub(super) name: &'static str,
    /// Tried in this order; the first that loads is used.
    pub(super) alternatives: Vec<Alternative>,
    /// Whether it can be attached and detached while the probe runs. The process lifecycle cannot: every later event
    /// needs it, and who ended in between would be taken for living.
    pub(super) is_optional: bool,
    pub(super) cost: Cow<'static, str>,
}

/// One way to serve a hook: programs in the order in which they are attached. The last one reports.
#[derive(Debug)]
pub(super) struct Alternative {
    pub(super) parts: Vec<Part>,
}

/// A program, and where it runs. Several hooks may need the same one.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) program: Cow<'static, str>,
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

impl Hook {
    /// Whether it reports what a process does, and not that one begins or becomes another program.
    pub(super) fn needs_process(&self) -> bool {
        self.kind.is_some_and(|kind| !matches!(kind, Kind::Fork | Kind::Exec))
    }
}

impl Alternative {
    /// The part that reports.
    pub(super) fn reporter(&self) -> Option<&Part> {
        self.parts.last()
    }
}

/// Where [`Place::SyscallExit`] is.
pub(super) const SYSCALL_EXIT: &str = "sys_exit";

fn at(program: &'static str, tracepoint: &'static str) -> Part {
    Part { program: program.into(), place: Place::TracePoint(tracepoint) }
}

fn iterator(program: &'static str, name: &'static str) -> Part {
    Part { program: program.into(), place: Place::Iterator(name) }
}

/// What serves with a single program.
fn alone(part: Part) -> Vec<Alternative> {
    vec![Alternative { parts: vec![part] }]
}

/// The hook of a kind that is a system call.
fn of_syscall(kind: Kind) -> Hook {
    let handler = |end: &str| Part {
        program: format!("on_{}{end}", kind.name()).into(),
        place: Place::SyscallExit(kind),
    };
    let at_exit = || at("on_sys_exit", SYSCALL_EXIT);
    Hook {
        kind: Some(kind),
        name: kind.name(),
        alternatives: vec![
            Alternative { parts: vec![at("on_sys_enter", "sys_enter"), at_exit(), handler("_noted")] },
            Alternative { parts: vec![at_exit(), handler("")] },
        ],
        is_optional: true,
        cost: format!("events of kind {} are not reported", kind.name()).into(),
    }
}

/// Cgroups come first: a cgroup made while the others are attached must not be missed. Then the beginnings of processes and
/// of programs, then everything that a process can do ([`Hook::needs_process`]): between the two those that live are
/// listed, so that whoever is seen doing something is in that list or began later and was seen beginning.
pub(super) static HOOKS: LazyLock<Vec<Hook>> = LazyLock::new(|| {
    let syscalls = Kind::ALL.into_iter().filter(|kind| kind.ring() == Ring::Bulk).map(of_syscall);
    cgroups().into_iter().chain(lists()).chain(lifecycle()).chain(syscalls).collect()
});

fn cgroups() -> [Hook; 3] {
    [
        Hook {
            kind: None,
            name: "cgroup_made",
            alternatives: alone(at("on_cgroup_mkdir", "cgroup_mkdir")),
            is_optional: false,
            cost: "new cgroups are noticed only by their first event".into(),
        },
        Hook {
            kind: None,
            name: "cgroup_gone",
            alternatives: alone(at("on_cgroup_rmdir", "cgroup_rmdir")),
            is_optional: false,
            cost: "removed cgroups stay in the scope map".into(),
        },
        Hook {
            kind: None,
            name: "cgroup_entered",
            alternatives: alone(at("on_cgroup_attach", "cgroup_attach_task")),
            is_optional: false,
            cost: "of a process that is moved into the scope only its pid is known".into(),
        },
    ]
}

/// In this order: a process must not be seen ending before all are seen beginning.
fn lifecycle() -> [Hook; 3] {
    // The kernel says since 6.16 whether a thread is the last one.
    let by_counting =
        vec![at("on_fork_unmark", "sched_process_fork"), at("on_exit_count_threads", "sched_process_exit")];
    let mut exit = alone(at("on_exit_group_dead", "sched_process_exit"));
    exit.push(Alternative { parts: by_counting });
    [
        Hook {
            kind: Some(Kind::Fork),
            name: "fork",
            alternatives: alone(at("on_fork", "sched_process_fork")),
            is_optional: false,
            cost: "new processes are not reported, lineages have gaps".into(),
        },
        Hook {
            kind: Some(Kind::Exec),
            name: "exec",
            alternatives: alone(at("on_exec", "sched_process_exec")),
            is_optional: false,
            cost: "started programs are not reported, lineages hold only what ran before".into(),
        },
        Hook {
            kind: Some(Kind::Exit),
            name: "exit",
            alternatives: exit,
            is_optional: false,
            cost: "the end of processes is not reported".into(),
        },
    ]
}

/// What lists processes.
fn lists() -> [Hook; 2] {
    [
        Hook {
            kind: None,
            name: "snapshot",
            alternatives: alone(iterator("on_task", "task")),
            is_optional: false,
            cost: "processes that ran before the probe are known only from /proc".into(),
        },
        Hook {
            kind: None,
            name: "living",
            alternatives: alone(iterator("on_living", "task")),
            is_optional: false,
            cost: "processes whose end was lost are taken for living".into(),
        },
    ]
}

/// The hook of a kind.
pub(super) fn of_kind(kind: Kind) -> Option<&'static Hook> {
    HOOKS.iter().find(|hook| hook.kind == Some(kind))
}

/// Whether its programs can be attached and detached while the probe runs.
pub(super) fn is_optional(kind: Kind) -> bool {
    of_kind(kind).is_some_and(|hook| hook.is_optional)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_does_is_seen_only_when_its_beginning_would_have_been() {
        let names = |needs: bool| HOOKS.iter().filter(move |hook| hook.needs_process() == needs);
        let first = HOOKS.iter().position(Hook::needs_process).unwrap();
        assert_eq!(names(false).count(), first);
        let before: Vec<_> = names(false).map(|hook| hook.name).collect();
        assert_eq!(
            before,
            ["cgroup_made", "cgroup_gone", "cgroup_entered", "snapshot", "living", "fork", "exec"]
        );
    }

    #[test]
    fn every_kind_has_a_hook_of_its_name() {
        for kind in Kind::ALL {
            assert_eq!(of_kind(kind).map(|hook| hook.name), Some(kind.name()), "add it in hooks.rs");
        }
    }
}
