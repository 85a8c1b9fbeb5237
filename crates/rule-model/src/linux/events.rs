//! What every event has, and what each kind has of its own.

use event::{ExitStatus, What};
use secl::Value;

use super::process::word;
use crate::constants::exit_cause;
use crate::facts::Facts;
use crate::leaves;
use crate::row::OfEvent::{Many, One};
use crate::row::Shape::{Bool, Domain, Int, Ints, Net, Path, Text, Texts, Time};
use crate::row::{OfEvent, Read, Row, Who, row, unfilled};

/// The event types, in the order of the fields page. Those that the probe reports first.
pub(crate) const EVENTS: [&str; 32] = [
    "exec",
    "exit",
    "open",
    "bind",
    "bpf",
    "capset",
    "chdir",
    "chmod",
    "chown",
    "connect",
    "dns",
    "imds",
    "link",
    "load_module",
    "mkdir",
    "mmap",
    "mount",
    "mprotect",
    "packet",
    "ptrace",
    "removexattr",
    "rename",
    "rmdir",
    "selinux",
    "setgid",
    "setuid",
    "setxattr",
    "signal",
    "splice",
    "unlink",
    "unload_module",
    "utimes",
];

pub(crate) const WITH_RETVAL: [&str; 23] = [
    "bind",
    "bpf",
    "chdir",
    "chmod",
    "chown",
    "connect",
    "link",
    "load_module",
    "mkdir",
    "mmap",
    "mount",
    "mprotect",
    "open",
    "ptrace",
    "removexattr",
    "rename",
    "rmdir",
    "setxattr",
    "signal",
    "splice",
    "unlink",
    "unload_module",
    "utimes",
];

pub(crate) fn read(read: OfEvent) -> Read {
    Read::Event(read)
}

/// Nothing for a kind that no probe of ours reports with a result.
pub(crate) fn retval(event: &str, read: OfEvent) -> Read {
    if leaves::has_retval(event) { Read::Event(read) } else { Read::Nothing }
}

type Rows = [Row<OfEvent>];

pub(crate) const RETVAL: [Row<OfEvent>; 1] = [row(
    "retval",
    Int,
    "what the system call returned; an error is negative, and its name means the negative number",
    "== EPERM",
    One(|facts| Value::Int(facts.retval().map_or(0, i64::from))),
)];

pub(crate) const COMMON: [Row<OfEvent>; 14] = [
    unfilled("event.async", Bool, "the system call ran in the background", ""),
    row(
        "event.hostname",
        Text,
        "name of the host",
        "== \"web-1\"",
        One(|facts| Value::Text(facts.seen.host.hostname.as_bytes())),
    ),
    row("event.origin", Text, "where the event comes from", "== \"ebpf\"", One(|_| Value::Text(b"ebpf"))),
    row("event.os", Text, "operating system", "== \"linux\"", One(|_| Value::Text(b"linux"))),
    unfilled("event.service", Text, "the service the event belongs to", "== \"web\""),
    row("event.timestamp", Time, "when it happened", "> 0", One(|facts| Value::Int(facts.now()))),
    row(
        "container.id",
        Text,
        "id of the container",
        "!= \"\"",
        One(|facts| word(facts.seen.event.task.cgroup.workload.container_id().map(|id| &**id))),
    ),
    row(
        "container.runtime",
        Text,
        "runtime of the container",
        "== \"docker\"",
        One(|facts| match &facts.seen.event.task.cgroup.workload {
            event::Workload::Container { runtime, .. } => Value::Text(runtime.name().as_bytes()),
            event::Workload::Host | event::Workload::Service { .. } => Value::Text(b""),
        }),
    ),
    row(
        "container.created_at",
        Time,
        "when the container was created",
        "> 90s",
        One(|facts| {
            let cgroup = &facts.seen.event.task.cgroup;
            Value::Int(cgroup.workload.container_id().map_or(0, |_| cgroup.created_ns))
        }),
    ),
    row(
        "container.tags",
        Texts,
        "tags of the container, `key:value`",
        "in [ \"image_name:web\" ]",
        Many(|facts| facts.seen.tags.len(), |facts, at| word(facts.seen.tags.get(at).map(|tag| &**tag))),
    ),
    row(
        "cgroup.id",
        Text,
        "path of the control group",
        "=~ \"*/docker/*\"",
        One(|facts| Value::Text(facts.seen.event.task.cgroup.path.as_bytes())),
    ),
    row(
        "cgroup.manager",
        Text,
        "who made the control group",
        "== \"docker\"",
        One(|facts| word(facts.actor(Who::Acting, 0).and_then(super::process::manager))),
    ),
    unfilled("cgroup.file.inode", Int, "inode of the control group", "== 4711"),
    unfilled("cgroup.file.mount_id", Int, "mount of the control group", "== 25"),
];

pub(crate) const NETWORK: [Row<OfEvent>; 8] = [
    unfilled("device.ifname", Text, "name of the network device", "== \"eth0\""),
    unfilled("l3_protocol", Int, "protocol of the network layer", "== ETH_P_IP"),
    unfilled("l4_protocol", Int, "protocol of the transport layer", "== IP_PROTO_UDP"),
    unfilled("size", Int, "bytes of the packet", "> 512"),
    unfilled("source.ip", Net, "address of the sender", "in 10.0.0.0/8"),
    unfilled("source.port", Int, "port of the sender", "== 53"),
    unfilled("destination.ip", Net, "address of the receiver", "in 10.0.0.0/8"),
    unfilled("destination.port", Int, "port of the receiver", "== 53"),
];

const fn number(suffix: &'static str, meaning: &'static str, example: &'static str) -> Row<OfEvent> {
    unfilled(suffix, Int, meaning, example)
}

const fn string(suffix: &'static str, meaning: &'static str, example: &'static str) -> Row<OfEvent> {
    unfilled(suffix, Text, meaning, example)
}

const fn path(suffix: &'static str, meaning: &'static str) -> Row<OfEvent> {
    unfilled(suffix, Path, meaning, "=~ \"/etc/**\"")
}

const fn flag(suffix: &'static str, meaning: &'static str) -> Row<OfEvent> {
    unfilled(suffix, Bool, meaning, "")
}

const SYSCALL_PATH: Row<OfEvent> = string("syscall.path", "path as the caller wrote it", "== \"../x\"");
const SYSCALL_PATHS: [Row<OfEvent>; 2] =
    [SYSCALL_PATH, string("syscall.destination.path", "new path as the caller wrote it", "!= \"\"")];
const TO_MODE: Row<OfEvent> = number("file.destination.mode", "the new mode", "& S_ISUID > 0");
const TO_RIGHTS: Row<OfEvent> = number("file.destination.rights", "the new permission bits", "& S_ISUID > 0");
const ATTRIBUTE: [Row<OfEvent>; 2] = [
    string("file.destination.name", "name of the attribute", "== \"security.capability\""),
    string("file.destination.namespace", "namespace of the attribute", "== \"security\""),
];

/// What each kind has besides groups.
pub(crate) const OWN: [(&str, &Rows); 29] = [
    ("exec", &[SYSCALL_PATH]),
    (
        "exit",
        &[
            row(
                "cause",
                Int,
                "EXITED, SIGNALED or COREDUMPED",
                "== SIGNALED",
                One(|facts| Value::Int(status(facts).map_or(0, exit_cause))),
            ),
            row(
                "code",
                Int,
                "exit code, or the number of the signal",
                "!= 0",
                One(|facts| {
                    Value::Int(status(facts).map_or(0, |status| match status {
                        ExitStatus::Exited(code)
                        | ExitStatus::Signaled(code)
                        | ExitStatus::CoreDumped(code) => code.into(),
                    }))
                }),
            ),
        ],
    ),
    (
        "open",
        &[
            row(
                "flags",
                Int,
                "flags of the call",
                "& (O_CREAT | O_WRONLY) > 0",
                One(|facts| Value::Int(facts.open().map_or(0, |open| open.flags.into()))),
            ),
            row(
                "file.destination.mode",
                Int,
                "mode of a file it creates",
                "& S_ISUID > 0",
                One(|facts| Value::Int(facts.open().map_or(0, |open| open.mode.into()))),
            ),
            SYSCALL_PATH,
            number("syscall.flags", "flags as the caller wrote them", "& O_CREAT > 0"),
            number("syscall.mode", "mode as the caller wrote it", "& S_ISUID > 0"),
        ],
    ),
    (
        "bpf",
        &[
            number("cmd", "command", "== BPF_MAP_CREATE"),
            string("map.name", "name of the map", "== \"events\""),
            number("map.type", "type of the map", "== BPF_MAP_TYPE_RINGBUF"),
            string("prog.name", "name of the program", "== \"probe\""),
            string("prog.tag", "tag of the program", "!= \"\""),
            number("prog.type", "type of the program", "== BPF_PROG_TYPE_KPROBE"),
            number("prog.attach_type", "where the program is attached", "> 0"),
            unfilled("prog.helpers", Ints, "helpers the program calls", "in [ 6 ]"),
        ],
    ),
    (
        "capset",
        &[
            number("cap_effective", "effective capabilities", "& CAP_SYS_ADMIN > 0"),
            number("cap_permitted", "permitted capabilities", "& CAP_SYS_ADMIN > 0"),
        ],
    ),
    ("chdir", &[SYSCALL_PATH]),
    (
        "chmod",
        &[
            TO_MODE,
            TO_RIGHTS,
            SYSCALL_PATH,
            number("syscall.mode", "mode as the caller wrote it", "& S_ISUID > 0"),
        ],
    ),
    (
        "chown",
        &[
            number("file.destination.uid", "the new owner, -1 when unchanged", "== 0"),
            number("file.destination.gid", "the new group, -1 when unchanged", "== 0"),
            string("file.destination.user", "name of the new owner", "== \"root\""),
            string("file.destination.group", "name of the new group", "== \"root\""),
            SYSCALL_PATH,
            number("syscall.uid", "owner as the caller wrote it", "== 0"),
            number("syscall.gid", "group as the caller wrote it", "== 0"),
        ],
    ),
    (
        "dns",
        &[
            number("id", "id of the request", "> 0"),
            unfilled("question.name", Domain, "name that is asked for", "== \"example.com\""),
            number("question.type", "type of record", "== TXT"),
            number("question.class", "class", "== CLASS_INET"),
            number("question.count", "how many questions the request has", "> 1"),
            number("question.length", "bytes of the request", "> 100"),
        ],
    ),
    (
        "imds",
        &[
            string("type", "request or response", "== \"request\""),
            string("cloud_provider", "whose service it is", "== \"AWS\""),
            string("host", "host of the request", "!= \"\""),
            string("url", "path of the request", "=~ \"*/security-credentials/*\""),
            string("user_agent", "who asks", "=~ \"curl*\""),
            string("server", "who answers", "!= \"\""),
            flag("aws.is_imds_v2", "asked with a token"),
            string("aws.security_credentials.type", "type of the credentials", "!= \"\""),
        ],
    ),
    ("link", &SYSCALL_PATHS),
    (
        "load_module",
        &[
            string("name", "name of the module", "== \"nf_tables\""),
            string("args", "arguments", "!= \"\""),
            unfilled("argv", Texts, "arguments, one by one", "in [ \"debug=1\" ]"),
            flag("args_truncated", "arguments are missing or cut"),
            flag("loaded_from_memory", "from memory and not from a file"),
        ],
    ),
    ("mkdir", &[TO_MODE, TO_RIGHTS]),
    (
        "mmap",
        &[
            number("protection", "protection", "& PROT_EXEC > 0"),
            number("flags", "flags", "& MAP_ANONYMOUS > 0"),
        ],
    ),
    (
        "mount",
        &[
            string("fs_type", "type of the file system", "== \"overlay\""),
            path("mountpoint.path", "where it is mounted"),
            path("root.path", "root of the mount inside its file system"),
            path("source.path", "what is mounted"),
            string("syscall.fs_type", "type as the caller wrote it", "== \"overlay\""),
            string("syscall.mountpoint.path", "mount point as the caller wrote it", "!= \"\""),
            string("syscall.source.path", "source as the caller wrote it", "!= \"\""),
        ],
    ),
    (
        "mprotect",
        &[
            number("vm_protection", "protection before", "& VM_WRITE > 0"),
            number("req_protection", "protection that is asked for", "& VM_EXEC > 0"),
        ],
    ),
    (
        "packet",
        &[
            string("filter", "filter in the language of pcap", "== \"tcp port 22\""),
            number("tls.version", "version of TLS", "> 0"),
        ],
    ),
    ("ptrace", &[number("request", "request", "== PTRACE_ATTACH")]),
    ("removexattr", &ATTRIBUTE),
    ("rename", &SYSCALL_PATHS),
    (
        "selinux",
        &[
            string("bool.name", "name of the boolean", "!= \"\""),
            string("bool.state", "its new state", "== \"on\""),
            flag("bool_commit.state", "booleans are committed"),
            string("enforce.status", "`enforcing`, `permissive` or `disabled`", "== \"disabled\""),
        ],
    ),
    (
        "setgid",
        &[
            number("gid", "new group id", "== 0"),
            number("egid", "new effective group id", "== 0"),
            number("fsgid", "new group id for files", "== 0"),
            string("group", "name of the new group", "== \"root\""),
            string("egroup", "name of the new effective group", "== \"root\""),
            string("fsgroup", "name of the new group for files", "== \"root\""),
        ],
    ),
    (
        "setuid",
        &[
            number("uid", "new user id", "== 0"),
            number("euid", "new effective user id", "== 0"),
            number("fsuid", "new user id for files", "== 0"),
            string("user", "name of the new user", "== \"root\""),
            string("euser", "name of the new effective user", "== \"root\""),
            string("fsuser", "name of the new user for files", "== \"root\""),
        ],
    ),
    ("setxattr", &ATTRIBUTE),
    ("signal", &[number("type", "signal", "== SIGKILL"), number("pid", "process id it is sent to", "== 1")]),
    (
        "splice",
        &[
            number("pipe_entry_flag", "flags of the pipe before", "& PIPE_BUF_FLAG_CAN_MERGE > 0"),
            number("pipe_exit_flag", "flags of the pipe after", "& PIPE_BUF_FLAG_CAN_MERGE > 0"),
        ],
    ),
    (
        "unlink",
        &[
            row(
                "flags",
                Int,
                "flags",
                "& AT_REMOVEDIR > 0",
                One(|facts| Value::Int(facts.unlink().map_or(0, |unlink| unlink.flags.into()))),
            ),
            number("syscall.dirfd", "directory as the caller wrote it", "> 0"),
            SYSCALL_PATH,
            number("syscall.flags", "flags as the caller wrote them", "& AT_REMOVEDIR > 0"),
        ],
    ),
    ("unload_module", &[string("name", "name of the module", "== \"nf_tables\"")]),
    ("utimes", &[SYSCALL_PATH]),
];

fn status(facts: &Facts<'_>) -> Option<ExitStatus> {
    if let What::Exit(status) = facts.seen.event.what { Some(status) } else { None }
}
