use std::sync::Arc;

use event::{
    Address, AddressState, Bind, Cgroup, Connect, Credentials, Endpoint, Event, Exec, ExitStatus, File, Host,
    Layer, Lineage, Open, ProcessKey, Rename, Run, Runtime, Source, Strings, Task, Unlink, What, Workload,
};
use secl::model::EventSet;
use secl::{Binding, Event as _, Macros, Model, Rule, Value, check_rule};

use super::*;

const CONTAINER: &str = "8d2d4f1e0f0c4d6bb7a7e3a5a9e3c1b28d2d4f1e0f0c4d6bb7a7e3a5a9e3c1b2";

fn text(text: &str) -> event::Text {
    event::Text::from(text)
}

fn task(pid: u32, ppid: u32, comm: &str, uid: u32) -> Arc<Task> {
    let workload = Workload::Container { id: CONTAINER.into(), runtime: Runtime::Docker, pod_uid: None };
    Arc::new(Task {
        process: ProcessKey { start_ns: 5, tgid: pid },
        tid: pid + 1,
        ppid,
        comm: text(comm),
        credentials: Credentials { uid, gid: 7, cap_effective: 1 << 21, ..Credentials::default() },
        cgroup: Arc::new(Cgroup { path: text("/docker/x"), workload, created_ns: 77, ..Cgroup::default() }),
        ..Task::default()
    })
}

fn exec(path: &str, args: &[&str]) -> Arc<Exec> {
    Arc::new(Exec {
        executable: Arc::new(File { path: text(path), inode: 9, mode: 0o104_755, ..File::default() }),
        args: Strings { items: args.iter().map(|arg| text(arg)).collect(), truncated: false },
        envs: Strings { items: vec![text("PATH=/bin"), text("HOME")], truncated: true },
        tty: text("pts0"),
        ..Exec::default()
    })
}

fn run(task: &Arc<Task>, exec: Option<Arc<Exec>>, ancestor: Option<Arc<Run>>) -> Arc<Run> {
    let depth = ancestor.as_ref().map_or(0, |ancestor| ancestor.depth + 1);
    Arc::new(Run {
        key: task.process,
        task: Arc::clone(task),
        fork_ns: 100,
        exec_ns: if exec.is_some() { 200 } else { 0 },
        exit_ns: 0,
        is_own_exec: exec.is_some(),
        exec,
        ancestor,
        lineage: Lineage::Complete,
        depth,
        source: Source::Event,
    })
}

/// `systemd` started `sh`, which runs a script, which started `cat`.
fn lineage() -> Arc<Run> {
    let root = run(&task(1, 0, "systemd", 0), Some(exec("/usr/lib/systemd/systemd", &["init"])), None);
    let script = Exec {
        script: Some(Arc::new(File { path: text("/opt/run.sh"), ..File::default() })),
        ..(*exec("/bin/sh", &["/bin/sh", "-x", "/opt/run.sh"])).clone()
    };
    let shell = run(&task(100, 1, "run.sh", 33), Some(Arc::new(script)), Some(root));
    run(
        &task(101, 100, "cat", 33),
        Some(exec("/bin/cat", &["cat", "-n", "--file=x", "/etc/shadow"])),
        Some(shell),
    )
}

fn open() -> What {
    What::Open(Open {
        file: Arc::new(File {
            path: text("/etc/shadow"),
            inode: 4711,
            mode: 0o100_640,
            filesystem: text("overlay"),
            layer: Layer::Upper,
            modification_ns: 900,
            ..File::default()
        }),
        flags: 0o101,
        mode: 0o600,
        retval: -13,
    })
}

fn matches(fields: &Fields, what: What, expression: &str) -> bool {
    let run = lineage();
    // Another thread of cat, with other credentials than those it started with.
    let event = Event { boot_ns: 1000, task: task(101, 100, "worker", 0), what };
    let host = Host { hostname: "web-1".into(), wall_offset_ns: 1_000_000, ..Host::default() };
    let tags = ["image_name:web".into()];
    let facts = Facts::new(fields, Seen { event: &event, run: &run, host: &host, tags: &tags });
    rule(fields, expression).matches(&facts)
}

fn rule(fields: &Fields, expression: &str) -> Rule {
    check_rule(expression, fields, &Macros::default(), Binding::Any).unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(|error| error.render(expression)).collect::<String>())
    })
}

#[test]
fn the_fields_of_an_open_are_those_of_the_event() {
    let fields = Fields::new(Os::Linux);
    for expression in [
        "open.file.path == \"/etc/shadow\" && open.file.name == \"shadow\" && open.file.inode == 4711",
        "open.file.mode & S_IFREG > 0 && open.file.rights == 0640 && open.file.in_upper_layer",
        "open.file.filesystem == \"overlay\" && open.file.modification_time == 900",
        "open.flags & O_CREAT > 0 && open.flags & O_WRONLY > 0 && open.retval == EACCES",
        "open.file.destination.mode == 0600 && open.filename =~ \"/etc/**\" && open.basename == \"shadow\"",
        "process.file.path == \"/bin/cat\" && process.comm == \"worker\" && process.uid == 0",
        "process.pid == 101 && process.tid == 102 && process.ppid == 100 && process.tty_name == \"pts0\"",
        "process.args == \"-n --file=x /etc/shadow\" && process.argv0 == \"cat\" && process.argv[2] == \"/etc/shadow\"",
        "process.args_flags in [ \"n\" ] && process.args_options in [ \"file=x\" ] && !process.args_truncated",
        "process.envs in [ \"PATH\" ] && process.envp in [ \"PATH=/bin\" ] && process.envs_truncated",
        "process.cap_effective & CAP_SYS_ADMIN > 0 && process.is_exec && !process.is_thread && !process.is_kworker",
        "process.created_at == 1000200 && process.created_at < 1s && event.timestamp == 1001000",
        "process.parent.file.path == \"/opt/run.sh\" && process.parent.interpreter.file.path == \"/bin/sh\"",
        "process.parent.uid == 33 && process.parent.args_flags in [ \"x\" ]",
        "process.ancestors.length == 2 && process.ancestors.comm in [ \"systemd\" ]",
        "process.ancestors[A].file.name == \"systemd\" && process.ancestors[A].pid == 1",
        "process.ancestors[A].args == \"-x /opt/run.sh\" && process.ancestors[A].comm == \"run.sh\"",
        "process.container.id != \"\" && container.id == process.container.id && container.runtime == \"docker\"",
        "container.created_at == 77 && container.tags in [ \"image_name:web\" ] && cgroup.manager == \"docker\"",
        "cgroup.id == \"/docker/x\" && event.hostname == \"web-1\" && event.os == \"linux\"",
        "process.interpreter.file.path == \"\" && process.file.rights & S_ISUID > 0",
        "open.file.path == \"/proc/${process.pid}/mem\" || open.flags > 0",
    ] {
        assert!(matches(&fields, open(), expression), "{expression}");
    }
    for expression in [
        "exec.file.path == \"/bin/cat\" && open.flags == 0",
        "process.ancestors[A].file.name == \"systemd\" && process.ancestors[A].pid == 100",
        "exit.code > 0",
        "process.ancestors.comm == \"cat\"",
    ] {
        let errors_or_false = check_rule(expression, &fields, &Macros::default(), Binding::Any)
            .map_or(true, |_| !matches(&fields, open(), expression));
        assert!(errors_or_false, "{expression}");
    }
}

#[test]
fn an_exec_and_an_exit_speak_of_the_acting_program() {
    let fields = Fields::new(Os::Linux);
    let what = || What::Exec(exec("/bin/cat", &["cat"]));
    assert!(matches(&fields, what(), "exec.file.path == \"/bin/cat\" && exec.args_flags in [ \"n\" ]"));
    let killed = || What::Exit(ExitStatus::CoreDumped(11));
    assert!(matches(
        &fields,
        killed(),
        "exit.cause == COREDUMPED && exit.code == SIGSEGV && exit.comm == \"worker\""
    ));
    assert!(matches(&fields, What::Exit(ExitStatus::Exited(3)), "exit.cause == EXITED && exit.code == 3"));
}

fn asked(path: &str) -> Arc<File> {
    Arc::new(File { path: text(path), ..File::default() })
}

fn rename() -> What {
    What::Rename(Rename { file: asked("/tmp/old"), destination: asked("/etc/new"), flags: 0, retval: -18 })
}

#[test]
fn the_fields_of_what_has_no_descriptor_are_those_of_the_event() {
    let fields = Fields::new(Os::Linux);
    let unlink = || What::Unlink(Unlink { file: asked("/etc/passwd"), flags: 0x200, retval: -13 });
    let socket = |endpoint| Address { endpoint, state: AddressState::Kernel };
    let ip = || socket(Endpoint::Ip("10.1.2.3".parse().unwrap(), 443));
    let connect = || What::Connect(Connect { address: ip(), protocol: 6, retval: -115 });
    let bind = |endpoint| What::Bind(Bind { address: socket(endpoint), protocol: 0, retval: 0 });
    let v6 = || bind(Endpoint::Ip("2001:db8::1".parse().unwrap(), 53));
    let named = || bind(Endpoint::Path(text("/run/x.sock")));
    for (what, expression) in [
        (unlink(), "unlink.file.path == \"/etc/passwd\" && unlink.file.name == \"passwd\""),
        (unlink(), "unlink.flags & AT_REMOVEDIR > 0 && unlink.retval == EACCES"),
        (rename(), "rename.file.path == \"/tmp/old\" && rename.file.destination.path == \"/etc/new\""),
        (rename(), "rename.file.destination.name == \"new\" && rename.file.name == \"old\""),
        (rename(), "rename.old.filename =~ \"/tmp/**\" && rename.retval == EXDEV"),
        (connect(), "connect.addr.ip in 10.0.0.0/8 && connect.addr.port == 443"),
        (connect(), "connect.addr.family == AF_INET && connect.retval == EINPROGRESS"),
        (connect(), "connect.addr.ip != 10.1.2.4 && connect.addr.ip in [ 10.1.2.3, 192.168.0.0/16 ]"),
        (v6(), "bind.addr.ip in 2001:db8::/32 && bind.addr.family == AF_INET6 && bind.addr.port == 53"),
        (named(), "bind.addr.family == AF_UNIX && bind.addr.port == 0 && bind.retval == 0"),
    ] {
        assert!(matches(&fields, what, expression), "{expression}");
    }
    for (what, expression) in [
        (connect(), "connect.addr.ip in 11.0.0.0/8"),
        (named(), "bind.addr.ip in 0.0.0.0/0"),
        (named(), "bind.addr.ip in ::/0"),
        (rename(), "rename.file.path == \"/etc/new\""),
    ] {
        assert!(!matches(&fields, what, expression), "{expression}");
    }
}

#[test]
fn what_the_probe_fills_follows_from_the_descriptions_of_its_kinds() {
    let fields = Fields::new(Os::Linux);
    let is_filled = |name: &str| fields.doc(fields.field(name).unwrap()).unwrap().is_filled;
    for kind in event::Kind::ALL.into_iter().filter(|kind| kind.only().is_none()) {
        for field in kind.fields() {
            let name = if field.leaf == event::Leaf::File {
                format!("{}.path", field.path)
            } else if field.leaf == event::Leaf::Address {
                format!("{}.ip", field.path)
            } else if matches!(field.leaf, event::Leaf::Errno | event::Leaf::Descriptor) {
                field.path.to_owned()
            } else {
                continue;
            };
            assert!(is_filled(&name), "{name}");
        }
    }
    for name in ["mkdir.file.path", "mkdir.retval", "chmod.file.path"] {
        assert!(!is_filled(name), "{name}");
    }
}

/// Whatever the table says the type is, that is what is read, on an event of every kind and with nothing known.
#[test]
fn every_field_gives_values_of_its_type_and_its_example_is_a_rule() {
    let (bare_task, host) = (Arc::new(Task::default()), Host::default());
    let bare = run(&bare_task, None, None);
    let address = Address { endpoint: Endpoint::Ip([1, 2, 3, 4].into(), 5), ..Address::default() };
    let connect = What::Connect(Connect { address, protocol: 6, retval: 0 });
    let bind = What::Bind(Bind { address: Address::default(), protocol: 6, retval: 0 });
    let whats =
        [open(), rename(), connect, bind, What::Exec(Arc::default()), What::Exit(ExitStatus::Exited(0))];
    for os in [Os::Linux, Os::Windows] {
        let fields = Fields::new(os);
        assert!(fields.fields().len() > if os == Os::Linux { 1000 } else { 50 });
        for field in fields.fields() {
            let example = &fields.doc(field).unwrap().example;
            rule(&fields, example);
            for (what, run) in whats
                .iter()
                .flat_map(|what| [(what, &bare), (what, &lineage())].map(|(w, i)| (w, Arc::clone(i))))
            {
                let event = Event { boot_ns: 1, task: Arc::clone(&bare_task), what: what.clone() };
                let facts = Facts::new(&fields, Seen { event: &event, run: &run, host: &host, tags: &[] });
                let is_type = match facts.value(field.id, 0, 0) {
                    Value::Bool(_) => field.ty == secl::model::Type::Bool,
                    Value::Int(_) => field.ty == secl::model::Type::Int,
                    Value::Text(_) => matches!(field.ty, secl::model::Type::Text | secl::model::Type::Net),
                    Value::Net(_) => field.ty == secl::model::Type::Net,
                };
                assert!(is_type, "{}", field.name);
                assert!(field.is_array || facts.elements(field.id, 0) == 0, "{}", field.name);
            }
        }
    }
}

#[test]
fn names_are_unique_and_every_kind_of_the_probe_has_rules_but_fork() {
    for os in [Os::Linux, Os::Windows] {
        let fields = Fields::new(os);
        for field in fields.fields() {
            assert_eq!(fields.field(&field.name).unwrap().id, field.id, "{} is there twice", field.name);
        }
    }
    let linux = Fields::new(Os::Linux);
    for kind in event::Kind::ALL {
        assert_eq!(linux.event_type(kind.name()).is_some(), kind != event::Kind::Fork, "{}", kind.name());
    }
    assert!(linux.event_types().iter().all(|name| {
        let one = EventSet::one(linux.event_type(name).unwrap());
        linux.fields().iter().any(|field| field.events == one)
    }));
}

#[test]
fn old_names_still_resolve() {
    let fields = Fields::new(Os::Linux);
    for (old, present) in [
        ("open.filename", "open.file.path"),
        ("exec.basename", "exec.file.name"),
        ("process.ancestors.filename", "process.ancestors.file.path"),
        ("rename.old.filename", "rename.file.path"),
        ("rename.new.basename", "rename.file.destination.name"),
        ("link.source.inode", "link.file.inode"),
        ("link.target.filename", "link.file.destination.path"),
        ("chmod.mode", "chmod.file.destination.mode"),
        ("chown.uid", "chown.file.destination.uid"),
        ("setxattr.name", "setxattr.file.destination.name"),
        ("exec.name", "exec.comm"),
        ("process.ancestors.name", "process.ancestors.comm"),
    ] {
        let found = fields.field(old).map(|field| field.name.as_str());
        assert_eq!(found, Some(present), "{old}");
    }
    assert!(fields.field("open.inode").is_none());
    rule(&fields, "process.ancestors[A].filename == \"/x\"");
}

#[test]
fn an_author_is_told_what_is_not_reported_or_not_filled_yet() {
    let fields = Fields::new(Os::Linux);
    let warnings = |text: &str| -> Vec<String> {
        rule(&fields, text).warnings().iter().map(|warning| warning.message.clone()).collect()
    };
    assert!(warnings("mkdir.file.path == \"/x\" && mkdir.file.name == \"x\"")[0].starts_with("mkdir events"));
    assert_eq!(warnings("mkdir.file.path == \"/x\" && mkdir.file.name == \"x\"").len(), 1, "said once");
    assert!(warnings("open.file.user == \"root\"")[0].contains("not filled yet"));
    assert!(warnings("open.file.path == \"/x\"").is_empty());
    let nearest =
        check_rule("opne.file.path == \"/x\"", &fields, &Macros::default(), Binding::Any).unwrap_err();
    assert!(nearest[0].help.as_ref().unwrap().contains("`open.file.path`"), "{nearest:?}");
}

/// What section 16 of the cases says of expressions; the rest of it is about policies.
#[test]
fn an_element_of_an_array_is_a_value_and_a_field_alone_is_no_condition() {
    let fields = Fields::new(Os::Linux);
    rule(&fields, "open.file.hashes[0] == \"sha256:x\" && open.file.path == \"/a\"");
    for (text, expected) in [
        ("open.file.path", "not true or false"),
        ("open.file.name == \"value:${unknown_var}\"", "unknown variable"),
        ("process.file.path[0] == \"/a\" && open.flags > 0", "no array"),
    ] {
        let errors = check_rule(text, &fields, &Macros::default(), Binding::Any).unwrap_err();
        assert!(errors[0].message.contains(expected), "{text}: {errors:?}");
    }
}

#[test]
fn windows_paths_ignore_case_and_take_both_separators() {
    let fields = Fields::new(Os::Windows);
    let field = fields.field("create.file.path").unwrap();
    for (kind, literal, accepted) in [
        (secl::matcher::LiteralKind::Exact, "c:/windows/SYSTEM32", true),
        (secl::matcher::LiteralKind::Pattern, "C:\\windows\\*", true),
        (secl::matcher::LiteralKind::Pattern, "C:\\temp\\*", false),
    ] {
        let literal = secl::matcher::TextLiteral { kind, text: literal.to_owned() };
        let matchers = fields.matchers(field, &literal).unwrap();
        assert_eq!(matchers.iter().any(|m| m.matches(b"C:\\Windows\\System32")), accepted, "{literal:?}");
    }
    let text = "create.file.path =~ \"C:/Windows/**\"";
    let errors = check_rule(text, &fields, &Macros::default(), Binding::Any).unwrap_err();
    assert!(errors[0].message.contains("a path of Windows"), "{errors:?}");
}
