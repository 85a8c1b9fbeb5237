//! One document per case, kept in `tests/golden`. `UPDATE_GOLDEN=1` writes them anew; read the difference.

use std::path::Path;
use std::sync::Arc;

use event::{Event, Exec, ExitStatus, File, Kind, Layer, Lineage, Open, PathState, Run, Source, Task, What};
use event_json::write_uncached;

use crate::build::*;
use crate::check::document;
use crate::made::{Maker, Way};

/// Compares with `tests/golden/<name>.json`, which holds the same document, indented.
fn check(name: &str, event: &Event, run: &Arc<Run>) {
    let mut writer = writer();
    let cold = document(&mut writer, event, run);
    let warm = document(&mut writer, event, run);
    assert_eq!(cold, warm, "{name}: what comes from the cache differs");
    let mut plain = Vec::new();
    write_uncached(&mut plain, event, run, &host(), &names());
    let mut written = Vec::new();
    writer.write(&mut written, event, run);
    assert_eq!(String::from_utf8(plain).unwrap(), String::from_utf8(written).unwrap(), "{name}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&cold).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    assert_eq!(golden, text, "{name}: if the new document is right, UPDATE_GOLDEN=1 keeps it");
}

fn shell() -> Arc<Run> {
    let run = run(task(100, 1, "sh", 0), exec("/bin/sh", &["sh", "-c", "run everything"]), None);
    Arc::new(Run { source: Source::Snapshot, ..Run::clone(&run) })
}

fn cat() -> Arc<Run> {
    let forked = fork(task(200, 100, "sh", 1000), &shell());
    run(task(200, 100, "cat", 1000), exec("/usr/bin/cat", &["cat", "/etc/hostname"]), Some(&forked))
}

fn contained(task: Task) -> Task {
    Task { cgroup: container(), ..task }
}

fn open(file: File, flags: i32, retval: i32) -> What {
    What::Open(Open { file: Arc::new(file), flags: flags.cast_unsigned(), mode: 0o644, retval })
}

/// A kind without these files fails here; `UPDATE_GOLDEN=1` makes them.
#[test]
fn every_kind_as_a_success_as_refused_and_odd() {
    for kind in Kind::ALL {
        for way in Way::ALL {
            let Ok(what) = What::build(kind, &mut Maker::new(way));
            check(&format!("kind_{}_{}", kind.name(), way.name()), &event(&cat(), what), &cat());
        }
    }
}

#[test]
fn exec_of_a_binary() {
    check("exec_binary", &exec_event(&cat()), &cat());
}

#[test]
fn exec_of_a_script() {
    let script = Exec {
        script: Some(Arc::new(upper("/app/start.py"))),
        ..exec("/usr/bin/python3.11", &["python3", "/app/start.py", "--fast"])
    };
    let run = run(task(200, 100, "start.py", 1000), script, Some(&shell()));
    check("exec_script", &exec_event(&run), &run);
}

#[test]
fn exec_after_exec_of_the_same_process() {
    let first = run(task(100, 1, "sh", 0), exec("/bin/sh", &["sh", "-c", "exec top"]), None);
    let second = run(task(100, 1, "top", 0), exec("/usr/bin/top", &["top"]), Some(&first));
    check("exec_after_exec", &exec_event(&second), &second);
}

#[test]
fn exec_with_cut_arguments() {
    let long = "x".repeat(300);
    let mut exec = exec("/usr/bin/xargs", &["xargs", &long]);
    exec.args.items.extend((0..200).map(|number| format!("{number}").into()));
    exec.envs.truncated = true;
    let run = run(task(200, 100, "xargs", 0), exec, None);
    check("exec_cut_arguments", &exec_event(&run), &run);
}

#[test]
fn fork_of_a_shell() {
    let parent = shell();
    let child = fork(task(201, 100, "sh", 0), &parent);
    check("fork", &event(&child, What::Fork(parent.key)), &child);
}

#[test]
fn exits_of_every_cause() {
    let cases = [
        ("exit_exited", ExitStatus::Exited(3)),
        ("exit_signaled", ExitStatus::Signaled(9)),
        ("exit_coredumped", ExitStatus::CoreDumped(11)),
    ];
    for (name, status) in cases {
        let event = event(&cat(), What::Exit(status));
        let ended = Arc::new(Run { exit_ns: event.boot_ns, ..Run::clone(&cat()) });
        check(name, &event, &ended);
    }
}

#[test]
fn exit_of_a_process_whose_program_is_not_known() {
    let unknown = Run { exec: None, is_own_exec: false, source: Source::Unknown, ..Run::clone(&cat()) };
    let unknown = Arc::new(Run { ancestor: None, lineage: Lineage::MissingParent, ..unknown });
    check("exit_unknown_program", &event(&unknown, What::Exit(ExitStatus::Exited(0))), &unknown);
}

#[test]
fn open_success() {
    let file = File { mode: 0o100_644, layer: Layer::None, uid: 1000, gid: 1000, ..file("/etc/hostname") };
    check("open_success", &event(&cat(), open(file, libc::O_RDONLY, 3)), &cat());
}

#[test]
fn open_by_another_thread_with_other_credentials() {
    let mut event = event(&cat(), open(file("/etc/shadow"), libc::O_RDONLY | libc::O_CLOEXEC, 3));
    event.task = Arc::new(Task { tid: 205, ..task(200, 100, "worker-1", 0) });
    check("open_other_thread", &event, &cat());
}

#[test]
fn failed_opens() {
    let asked = |path: &str| File { path: path.into(), path_state: PathState::Argument, ..File::default() };
    let cases = [
        ("open_refused", "/etc/shadow", -libc::EACCES),
        ("open_not_permitted", "/etc/gshadow", -libc::EPERM),
        ("open_error", "/no/such/file", -libc::ENOENT),
    ];
    for (name, path, retval) in cases {
        check(name, &event(&cat(), open(asked(path), libc::O_RDWR | libc::O_NOFOLLOW, retval)), &cat());
    }
}

#[test]
fn open_that_creates() {
    let file = File { mode: 0o100_600, ..file("/tmp/new") };
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC;
    check("open_created", &event(&cat(), open(file, flags, 4)), &cat());
}

#[test]
fn open_in_the_upper_layer_of_an_overlay() {
    let run = run(contained(task(200, 100, "cat", 0)), exec("/bin/cat", &["cat"]), None);
    check("open_overlay_upper", &event(&run, open(upper("/root/notes"), libc::O_RDONLY, 3)), &run);
}

#[test]
fn open_with_a_truncated_path() {
    let file = File { path_state: PathState::TruncatedParents, ..file("deep/down/file") };
    check("open_truncated_path", &event(&cat(), open(file, libc::O_RDONLY, 3)), &cat());
    let unreadable = File { path: "".into(), path_state: PathState::Unreadable, ..crate::build::file("") };
    check("open_unreadable_path", &event(&cat(), open(unreadable, libc::O_RDONLY, 3)), &cat());
}

#[test]
fn open_of_what_is_no_path() {
    let name = "memfd:sh/bin/usr/";
    let memfd = File { path_state: PathState::NoPlace, nlink: 0, filesystem: "tmpfs".into(), ..file(name) };
    check("open_memfd", &event(&cat(), open(memfd, libc::O_RDONLY, 3)), &cat());
    let detached = File { path_state: PathState::Detached, ..file("etc/passwd") };
    check("open_detached", &event(&cat(), open(detached, libc::O_RDONLY, 3)), &cat());
}

#[test]
fn open_of_a_deleted_file() {
    let file = File { nlink: 0, ..file("/tmp/gone") };
    check("open_deleted", &event(&cat(), open(file, libc::O_RDWR, 3)), &cat());
}

#[test]
fn open_in_a_container_with_two_ancestors() {
    let init = run(contained(task(100, 90, "init", 0)), exec("/sbin/init", &["/sbin/init"]), None);
    let server =
        run(contained(task(110, 100, "server", 33)), exec("/srv/server", &["server", "-d"]), Some(&init));
    let worker = fork(contained(task(111, 110, "server", 33)), &server);
    let file =
        File { filesystem: "overlay".into(), layer: Layer::Lower, uid: 33, gid: 33, ..file("/srv/data") };
    check(
        "container_two_ancestors",
        &event(&worker, open(file, libc::O_RDONLY | libc::O_NONBLOCK, 9)),
        &worker,
    );
}

#[test]
fn exec_whose_parent_is_missing() {
    let orphan = Run { lineage: Lineage::MissingParent, ancestor: None, ..Run::clone(&cat()) };
    check("missing_parent", &exec_event(&cat()), &Arc::new(orphan));
}

#[test]
fn text_that_is_not_utf_8() {
    let file = File { path: b"/tmp/\xff\xfe/\x01caf\xc3\xa9\"\\".as_slice().into(), ..file("") };
    let mut program = exec("/usr/bin/printf", &["printf"]);
    program.args.items.push(b"\xf0\x28\x8c\x28".as_slice().into());
    let run = run(Task { comm: b"\xc3".as_slice().into(), ..task(200, 100, "", 1000) }, program, None);
    check("not_utf_8", &event(&run, open(file, libc::O_RDONLY, 3)), &run);
}

#[test]
fn users_with_and_without_a_name() {
    for (name, uid) in [("user_root", 0), ("user_known", 1000), ("user_unknown", 4242)] {
        let run = run(task(200, 100, "id", uid), exec("/usr/bin/id", &["id"]), None);
        check(name, &exec_event(&run), &run);
    }
}

#[test]
fn fork_of_a_kernel_thread() {
    let thread = run(task(77, 2, "kworker/0:1", 0), Exec::default(), None);
    let thread = Arc::new(Run { exec: None, is_own_exec: false, ..Run::clone(&thread) });
    check("kernel_thread", &event(&thread, What::Fork(thread.key)), &thread);
}
