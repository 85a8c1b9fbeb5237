//! The hooks, in the order in which they are attached, and the programs that can serve each.

use event::Kind;

/// A hook and what its absence costs.
pub(super) struct Hook {
    pub(super) kind: Option<Kind>,
    pub(super) name: &'static str,
    pub(super) attach: &'static str,
    /// Tried in this order; the first that loads is used.
    pub(super) programs: &'static [Choice],
    pub(super) cost: &'static str,
}

/// One way to serve a hook.
pub(super) struct Choice {
    pub(super) program: &'static str,
    /// A program that must run before, and where it is attached.
    pub(super) helper: Option<(&'static str, &'static str)>,
}

const fn alone(program: &'static str) -> Choice {
    Choice { program, helper: None }
}

impl Hook {
    pub(super) fn is_iterator(&self) -> bool {
        self.attach == "task"
    }

    pub(super) fn attach_name(&self) -> String {
        format!("{}/{}", if self.is_iterator() { "iter" } else { "tp_btf" }, self.attach)
    }
}

/// Cgroups come first: a cgroup made while the others are attached must not be missed.
pub(super) const HOOKS: [Hook; 8] = [
    Hook {
        kind: None,
        name: "cgroup_made",
        attach: "cgroup_mkdir",
        programs: &[alone("on_cgroup_mkdir")],
        cost: "new cgroups are noticed only by their first event",
    },
    Hook {
        kind: None,
        name: "cgroup_gone",
        attach: "cgroup_rmdir",
        programs: &[alone("on_cgroup_rmdir")],
        cost: "removed cgroups stay in the scope map",
    },
    Hook {
        kind: Some(Kind::Exit),
        name: "exit",
        attach: "sched_process_exit",
        // The kernel says since 6.16 whether a thread is the last one.
        programs: &[
            alone("on_exit_group_dead"),
            Choice {
                program: "on_exit_count_threads",
                helper: Some(("on_fork_unmark", "sched_process_fork")),
            },
        ],
        cost: "the end of processes is not reported",
    },
    Hook {
        kind: Some(Kind::Exec),
        name: "exec",
        attach: "sched_process_exec",
        programs: &[alone("on_exec")],
        cost: "started programs are not reported, lineages hold only what ran before",
    },
    Hook {
        kind: Some(Kind::Fork),
        name: "fork",
        attach: "sched_process_fork",
        programs: &[alone("on_fork")],
        cost: "new processes are not reported, lineages have gaps",
    },
    Hook {
        kind: Some(Kind::Open),
        name: "open",
        attach: "sys_exit",
        programs: &[alone("on_sys_exit")],
        cost: "opened files are not reported",
    },
    Hook {
        kind: None,
        name: "snapshot",
        attach: "task",
        programs: &[alone("on_task")],
        cost: "processes that ran before the probe are known only from /proc",
    },
    Hook {
        kind: None,
        name: "living",
        attach: "task",
        programs: &[alone("on_living")],
        cost: "processes whose end was lost are taken for living",
    },
];
