//! What the writer does with lineages that do not fit.

use std::sync::Arc;

use event::{Cgroup, Event, Exec, File, Run, Runtime, Strings, Task, Text, What, Workload};
use event_json::{MAX_DOCUMENT_BYTES, Writer, write_uncached};
use serde_json::Value;

use crate::build::*;
use crate::check::{document, parse};

/// The worst a kernel lets a program be: every byte needs six in JSON, in every place that has a limit.
fn worst(number: u32) -> Exec {
    let path = |directory: &str| {
        let path = format!("/{directory}/{}", "\u{1}".repeat(4085));
        Arc::new(File { path: path.into(), ..file("") })
    };
    let items: Vec<Text> = (0..200).map(|_| Text::from("\u{2}".repeat(300))).collect();
    let strings = Strings { items, truncated: false };
    Exec {
        executable: path("bin"),
        script: Some(path("app")),
        args: strings.clone(),
        envs: strings,
        tty: format!("pts{number}").into(),
        ..Exec::default()
    }
}

fn lineage(depth: u32, program: impl Fn(u32) -> Exec) -> Arc<Run> {
    let mut last = run(task(100, 1, "first", 0), program(0), None);
    for number in 1..=depth {
        last = run(task(100 + number, 99 + number, "next", 0), program(number), Some(&last));
    }
    last
}

fn ancestors(document: &Value) -> &Vec<Value> {
    document["process"]["ancestors"].as_array().unwrap()
}

#[test]
fn a_lineage_of_the_largest_programs_stays_within_the_limit() {
    for depth in 0..6 {
        let leaf = lineage(
            depth,
            |number| if number + 1 < depth { exec("/bin/sh", &["sh"]) } else { worst(number) },
        );
        let small_leaf =
            lineage(depth, |number| if number == depth { exec("/bin/ls", &["ls"]) } else { worst(number) });
        for run in [leaf, small_leaf] {
            let mut out = Vec::new();
            writer().write(&mut out, &exec_event(&run), &run);
            parse(&out);
            assert!(out.len() <= MAX_DOCUMENT_BYTES, "{} bytes at depth {depth}", out.len());
        }
    }
}

#[test]
fn a_large_lineage_loses_arguments_first_and_says_so() {
    let argument = "x".repeat(250);
    let program = |_| exec("/bin/sh", &vec![argument.as_str(); 128]);
    let leaf = lineage(30, program);
    let document = document(&mut writer(), &exec_event(&leaf), &leaf);
    assert_eq!(ancestors(&document).len(), 30, "every ancestor is there");
    let cut = ancestors(&document).iter().position(|ancestor| ancestor.get("args").is_none()).unwrap();
    for ancestor in &ancestors(&document)[cut..] {
        assert_eq!(ancestor.get("argv0"), None);
        assert_eq!(ancestor.get("envs"), None);
        assert_eq!(ancestor["args_truncated"], true);
        assert_eq!(ancestor["executable"]["path"], "/bin/sh");
    }
}

/// A login over SSH, `sudo`, and shells and scripts in shells: 17 runs above the last.
fn root_shell() -> Arc<Run> {
    const ALL: u64 = (1 << 41) - 1;
    let root = |tgid: u32, comm: &str| {
        let mut task = task(tgid, tgid - 1, comm, 0);
        (task.credentials.cap_effective, task.credentials.cap_permitted) = (ALL, ALL);
        task
    };
    let envs = "SHELL PWD LOGNAME HOME LANG LS_COLORS SSH_CONNECTION LESSCLOSE TERM LESSOPEN USER DISPLAY SHLVL \
                SSH_CLIENT XDG_SESSION_ID XDG_RUNTIME_DIR XDG_SESSION_TYPE XDG_SESSION_CLASS SSH_TTY OLDPWD MAIL _";
    let program = |path: &str, args: &[&str]| {
        let mut envs: Vec<&str> = envs.split_whitespace().collect();
        envs.push("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        Exec { envs: strings(&envs), ..exec(path, args) }
    };
    let mut last = run(root(1, "systemd"), program("/usr/lib/systemd/systemd", &["/sbin/init"]), None);
    let started: [(&str, &[&str]); 8] = [
        ("/usr/sbin/sshd", &["/usr/sbin/sshd", "-D"]),
        ("/usr/sbin/sshd", &["sshd: root@pts/0"]),
        ("/usr/bin/bash", &["-bash"]),
        ("/usr/bin/sudo", &["sudo", "-i"]),
        ("/usr/bin/bash", &["-bash"]),
        ("/usr/bin/make", &["make", "-C", "/srv/app", "deploy"]),
        ("/usr/bin/dash", &["/bin/sh", "-c", "./deploy.sh --all"]),
        ("/usr/bin/bash", &["/usr/bin/bash", "./deploy.sh", "--all"]),
    ];
    for (number, (path, args)) in (0..).zip(started) {
        let comm = path.rsplit('/').next().unwrap();
        if number > 0 {
            last = fork(root(2000 + number, &last.task.comm.to_string()), &last);
        }
        last = run(root(2000 + number, comm), program(path, args), Some(&last));
    }
    let copy = fork(root(3000, "bash"), &last);
    run(
        root(3000, "cp"),
        program("/usr/bin/cp", &["cp", "-a", "/srv/app/new", "/srv/app/current"]),
        Some(&copy),
    )
}

#[test]
fn a_document_of_a_root_shell_with_17_ancestors_is_at_most_6_kb() {
    let shell = root_shell();
    let file = Arc::new(file("/srv/app/current/config.json"));
    let open = What::Open(event::Open { file, flags: 0, mode: 0, retval: 3 });
    for event in [exec_event(&shell), event(&shell, open)] {
        let mut out = Vec::new();
        writer().write(&mut out, &event, &shell);
        let document = parse(&out);
        println!(
            "{}: {} bytes with {} ancestors",
            document["evt"]["name"],
            out.len(),
            ancestors(&document).len()
        );
        assert!(ancestors(&document).len() == 17);
        assert!(out.len() <= 6 * 1024, "{} bytes: {}", out.len(), String::from_utf8_lossy(&out));
    }
}

#[test]
fn an_ancestor_says_what_differs_from_the_process_before_it_and_the_parent_has_its_program() {
    let document = document(&mut writer(), &exec_event(&root_shell()), &root_shell());
    let lineage = ancestors(&document);
    let has = |key: &str| lineage.iter().map(|ancestor| ancestor.get(key).is_some()).collect::<Vec<_>>();
    let programs: Vec<bool> =
        (0..17).map(|position| [0, 16].contains(&position) || position % 2 == 1).collect();
    assert_eq!(has("executable"), programs, "the nearest, and the oldest of each program start");
    assert_eq!(has("argv0"), (0..17).map(|position| position == 16 || position % 2 == 1).collect::<Vec<_>>());
    for key in ["credentials", "envs", "user", "group", "tid"] {
        assert_eq!(has(key), [false; 17], "{key}: as of the acting process");
    }
    assert_eq!(document["process"]["parent"], lineage[0]);
    // The copy of a shell that called exec is the process before it in the lineage.
    let other = (0..17).map(|position| [0, 16].contains(&position) || position % 2 == 1).collect::<Vec<_>>();
    assert_eq!(
        (has("ppid"), has("fork_time")),
        (other[..16].iter().copied().chain([false]).collect(), other)
    );
    let program = &lineage[1]["executable"];
    assert_eq!(program["path"], "/usr/bin/bash");
    assert!(program["inode"].is_u64() && program.get("change_time").is_none());
}

#[test]
fn an_endless_lineage_ends() {
    let leaf = lineage(5_000, |_| exec("/bin/sh", &["sh"]));
    let mut out = Vec::new();
    writer().write(&mut out, &exec_event(&leaf), &leaf);
    assert!(out.len() <= MAX_DOCUMENT_BYTES, "{} bytes", out.len());
    assert!(ancestors(&parse(&out)).len() > 300);
}

#[test]
fn forks_without_exec_name_their_arguments_once_in_the_oldest() {
    let shell = run(task(100, 1, "sh", 0), exec("/bin/sh", &["sh", "-i"]), None);
    let first = fork(task(101, 100, "sh", 0), &shell);
    let second = fork(task(102, 101, "sh", 0), &first);
    let leaf = fork(task(103, 102, "sh", 0), &second);
    let document = document(&mut writer(), &event(&leaf, What::Fork(second.key)), &leaf);
    assert_eq!(document["process"]["argv0"], "sh", "the acting process keeps its own");
    let argv0s: Vec<bool> =
        ancestors(&document).iter().map(|ancestor| ancestor.get("argv0").is_some()).collect();
    assert_eq!(argv0s, [false, false, true]);
    assert_eq!(document["process"]["parent"], ancestors(&document)[0]);
}

#[test]
fn all_events_of_one_image_and_its_forks_share_one_cached_part() {
    let shell = run(task(100, 1, "sh", 0), exec("/bin/sh", &["sh", "-i"]), None);
    let mut writer = writer();
    let mut out = Vec::new();
    for number in 0..10 {
        let child = fork(task(200 + number, 100, "sh", 0), &shell);
        writer.write(&mut out, &event(&child, What::Fork(shell.key)), &child);
        let ended = Arc::new(Run { exit_ns: 77, ..Run::clone(&child) });
        writer.write(&mut out, &event(&child, What::Exit(event::ExitStatus::Exited(0))), &ended);
    }
    // The first event finds nothing; the parent is written twice. The others find the tail.
    assert_eq!((writer.cache().misses, writer.cache().hits), (3, 1 + 19));
}

#[test]
fn the_second_event_of_a_run_gets_the_shared_tail_and_all_others_the_same_memory() {
    let shell = run(task(100, 1, "sh", 0), exec("/bin/sh", &["sh", "-i"]), None);
    let mut writer = writer();
    let exit = event(&shell, What::Exit(event::ExitStatus::Exited(0)));
    let mut whole = Vec::new();
    assert_eq!(writer.write_parted(&mut whole, &exit, &shell), None);
    let mut parts = || {
        let mut head = Vec::new();
        let tail = writer.write_parted(&mut head, &exit, &shell).unwrap();
        (head, tail)
    };
    let ((head, tail), (_, same)) = (parts(), parts());
    assert_eq!([head.as_slice(), &tail].concat(), [whole.as_slice(), b"\n"].concat());
    assert_eq!(tail.as_ptr(), same.as_ptr());
    assert!(tail.starts_with(b",\"credentials\":{") && head.len() < tail.len());
}

#[test]
fn what_ends_a_document_is_part_of_its_tail() {
    let program = exec("/bin/sh", &["sh"]);
    let own = |uid, id: &str| {
        let mut task = task(100, 1, "sh", uid);
        let workload = Workload::Container { id: id.into(), runtime: Runtime::Docker, pod_uid: None };
        task.cgroup = Arc::new(Cgroup { workload, ..Cgroup::default() });
        task
    };
    let run = run(own(0, "a"), program, None);
    let mut writer = writer();
    for task in [own(0, "a"), own(0, "b"), own(1000, "a"), own(0, "a"), Task::default()] {
        let event = Event { boot_ns: 1, task: Arc::new(task), what: What::Fork(run.key) };
        let (mut plain, mut written) = (Vec::new(), Vec::new());
        write_uncached(&mut plain, &event, &run, &host(), &names());
        writer.write(&mut written, &event, &run);
        assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(plain).unwrap());
    }
}

#[test]
fn a_writer_without_a_cache_writes_the_same() {
    let leaf = lineage(4, |_| exec("/bin/sh", &["sh"]));
    let mut without = Writer::new(&host()).with_names(names()).with_cache_bytes(0);
    for _ in 0..2 {
        assert_eq!(
            document(&mut without, &exec_event(&leaf), &leaf),
            document(&mut writer(), &exec_event(&leaf), &leaf)
        );
    }
    assert_eq!(without.cache().entries, 0);
}
