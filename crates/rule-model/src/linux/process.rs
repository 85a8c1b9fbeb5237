//! The fields of a process.

use event::Workload;
use secl::Value;

use crate::actor::{Actor, text_at};
use crate::row::OfActor::{Many, One};
use crate::row::Shape::{Bool, Int, Text, Texts, Time};
use crate::row::{OfActor, Read, Row, Who, row, unfilled};

pub(crate) fn read(who: Option<Who>, read: OfActor) -> Read {
    who.map_or(Read::Nothing, |who| Read::Actor(who, read))
}

pub(crate) const ROWS: [Row<OfActor>; 44] = [
    row("pid", Int, "process id", "== 1", One(|actor| int(actor.task.process.tgid))),
    row("tid", Int, "thread id", "== 1", One(|actor| int(actor.task.tid))),
    row("ppid", Int, "process id of the parent", "== 1", One(|actor| int(actor.task.ppid))),
    row("comm", Text, "name the kernel gives the thread", "== \"sh\"", One(|actor| text(&actor.task.comm))),
    row("tty_name", Text, "controlling terminal", "!= \"\"", One(|actor| exec_text(actor, |exec| &exec.tty))),
    row("created_at", Time, "when its program started", "< 5s", One(|actor| Value::Int(actor.created_ns()))),
    row(
        "args",
        Text,
        "arguments behind the first, with blanks between them",
        "=~ \"*/dev/tcp/*\"",
        One(|actor| Value::Text(&actor.arguments().joined)),
    ),
    row(
        "argv",
        Texts,
        "arguments behind the first",
        "in [ \"-c\" ]",
        Many(|actor| actor.argv().len(), |actor, at| actor.argv().get(at).map_or(EMPTY, text)),
    ),
    row(
        "argv0",
        Text,
        "the first argument",
        "== \"bash\"",
        One(|actor| actor.exec().and_then(|exec| exec.args.items.first()).map_or(EMPTY, text)),
    ),
    row(
        "args_flags",
        Texts,
        "options without their values: `l` and `n` of `-ln`, `version` of `--version`",
        "in [ \"d\" ]",
        Many(|actor| actor.arguments().flags.len(), |actor, at| text_at(&actor.arguments().flags, at)),
    ),
    row(
        "args_options",
        Texts,
        "options with their values: `n=v` of `--n=v`, `--n v` and `-n v`",
        "in [ ~\"output=*\" ]",
        Many(|actor| actor.arguments().options.len(), |actor, at| text_at(&actor.arguments().options, at)),
    ),
    row(
        "args_truncated",
        Bool,
        "arguments are missing or cut",
        "",
        One(|actor| Value::Bool(actor.exec().is_some_and(|exec| exec.args.truncated))),
    ),
    row(
        "envs",
        Texts,
        "names of environment variables",
        "in [ \"LD_PRELOAD\" ]",
        Many(
            |actor| actor.envs().len(),
            |actor, at| {
                let variable = actor.envs().get(at).map(event::Text::as_bytes).unwrap_or_default();
                Value::Text(variable.split(|byte| *byte == b'=').next().unwrap_or_default())
            },
        ),
    ),
    row(
        "envp",
        Texts,
        "environment variables, `NAME=value` where the value is not hidden",
        "in [ ~\"LD_PRELOAD=*\" ]",
        Many(|actor| actor.envs().len(), |actor, at| actor.envs().get(at).map_or(EMPTY, text)),
    ),
    row(
        "envs_truncated",
        Bool,
        "environment variables are missing or cut",
        "",
        One(|actor| Value::Bool(actor.exec().is_some_and(|exec| exec.envs.truncated))),
    ),
    row("uid", Int, "user id", "== 0", One(|actor| int(actor.task.credentials.uid))),
    row("gid", Int, "group id", "== 0", One(|actor| int(actor.task.credentials.gid))),
    row("euid", Int, "effective user id", "== 0", One(|actor| int(actor.task.credentials.euid))),
    row("egid", Int, "effective group id", "== 0", One(|actor| int(actor.task.credentials.egid))),
    row("fsuid", Int, "user id for files", "== 0", One(|actor| int(actor.task.credentials.fsuid))),
    row("fsgid", Int, "group id for files", "== 0", One(|actor| int(actor.task.credentials.fsgid))),
    unfilled("auid", Int, "user id of the login", "!= AUDIT_AUID_UNSET"),
    unfilled("user", Text, "name of the user", "== \"root\""),
    unfilled("group", Text, "name of the group", "== \"root\""),
    unfilled("euser", Text, "name of the effective user", "== \"root\""),
    unfilled("egroup", Text, "name of the effective group", "== \"root\""),
    unfilled("fsuser", Text, "name of the user for files", "== \"root\""),
    unfilled("fsgroup", Text, "name of the group for files", "== \"root\""),
    row(
        "cap_effective",
        Int,
        "effective capabilities",
        "& CAP_SYS_ADMIN > 0",
        One(|actor| mask(actor.task.credentials.cap_effective)),
    ),
    row(
        "cap_permitted",
        Int,
        "permitted capabilities",
        "& CAP_SYS_ADMIN > 0",
        One(|actor| mask(actor.task.credentials.cap_permitted)),
    ),
    row(
        "is_thread",
        Bool,
        "runs the program of its parent: a child that called no exec",
        "",
        One(|actor| {
            let is_child = actor.run.exec.is_some() || actor.run.source == event::Source::Event;
            Value::Bool(!actor.run.is_own_exec && is_child)
        }),
    ),
    row("is_exec", Bool, "runs a program of its own", "", One(|actor| Value::Bool(actor.run.is_own_exec))),
    row("is_kworker", Bool, "a thread of the kernel", "", One(|actor| Value::Bool(actor.is_kernel_thread()))),
    row(
        "container.id",
        Text,
        "id of the container",
        "!= \"\"",
        One(|actor| word(actor.task.cgroup.workload.container_id().map(|id| &**id))),
    ),
    row(
        "cgroup.id",
        Text,
        "path of the control group",
        "=~ \"*/docker/*\"",
        One(|actor| text(&actor.task.cgroup.path)),
    ),
    row(
        "cgroup.manager",
        Text,
        "who made the control group",
        "== \"docker\"",
        One(|actor| word(manager(actor))),
    ),
    unfilled("cgroup.file.inode", Int, "inode of the control group", "== 4711"),
    unfilled("cgroup.file.mount_id", Int, "mount of the control group", "== 25"),
    unfilled("user_session.k8s_username", Text, "user of `kubectl exec`", "!= \"\""),
    unfilled("user_session.k8s_uid", Text, "id of that user", "!= \"\""),
    unfilled("user_session.k8s_groups", Texts, "groups of that user", "in [ \"system:masters\" ]"),
    unfilled("caps_attempted", Int, "capabilities it tried to use", "& CAP_SYS_ADMIN > 0"),
    unfilled("caps_used", Int, "capabilities it used", "& CAP_SYS_ADMIN > 0"),
    unfilled("cgroup.version", Int, "version of the control group hierarchy", "== 2"),
];

const EMPTY: Value<'static> = Value::Text(b"");

/// Who made the control group; nothing for one that stands for no workload.
pub(crate) fn manager<'f>(actor: Actor<'f>) -> Option<&'f str> {
    match &actor.task.cgroup.workload {
        Workload::Host => None,
        Workload::Container { runtime, .. } => Some(runtime.name()),
        Workload::Service { .. } => Some("systemd"),
    }
}

fn exec_text<'f>(actor: Actor<'f>, of: fn(&event::Exec) -> &event::Text) -> Value<'f> {
    actor.exec().map(of).map_or(EMPTY, text)
}

fn text(text: &event::Text) -> Value<'_> {
    Value::Text(text.as_bytes())
}

pub(crate) fn word(word: Option<&str>) -> Value<'_> {
    Value::Text(word.unwrap_or_default().as_bytes())
}

fn int(value: u32) -> Value<'static> {
    Value::Int(value.into())
}

fn mask(value: u64) -> Value<'static> {
    Value::Int(value.cast_signed())
}
