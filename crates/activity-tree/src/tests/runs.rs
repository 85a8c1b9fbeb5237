//! Lineages from runs of a host's process tree (spec 2.3, and the older table of 8.1).

use std::sync::Arc;

use event::{
    Cgroup, Exec, ExecKind, File, Lineage, ProcessKey, Run, Runtime, Source, Strings, Task, Text, Workload,
};

use crate::model::Process;
use crate::{Refusal, lineage};

/// One run: pid, path, and whether it is by exec or a copy made by fork.
fn run(ancestor: Option<Arc<Run>>, pid: u32, path: &str, is_own_exec: bool) -> Arc<Run> {
    let executable = File { path: path.into(), inode: 1, filesystem: "overlay".into(), ..File::default() };
    let args = Strings { items: vec![path.into(), "-x".into()], truncated: true };
    let exec = Exec { executable: Arc::new(executable), args, ..Exec::default() };
    let workload = Workload::Container { id: "c1".into(), runtime: Runtime::Docker, pod_uid: None };
    let cgroup = Arc::new(Cgroup { workload, ..Cgroup::default() });
    let key = ProcessKey { start_ns: u64::from(pid), tgid: pid };
    let task = Task { process: key, tid: pid, ppid: 9, comm: "c".into(), cgroup, ..Task::default() };
    Arc::new(Run {
        key,
        task: Arc::new(task),
        fork_ns: 100,
        exec_ns: if is_own_exec { 200 } else { 0 },
        exit_ns: 0,
        exec: Some(Arc::new(exec)),
        is_own_exec,
        ancestor,
        lineage: Lineage::Complete,
        depth: 0,
        source: Source::Event,
    })
}

/// `pid:path` or `pid:=path` for a copy by fork, from the first ancestor on.
fn chain(text: &str) -> Arc<Run> {
    let mut last = None;
    for word in text.split_whitespace() {
        let (pid, path) = word.split_once(':').unwrap();
        let copy = path.strip_prefix('=');
        last = Some(run(last, pid.parse().unwrap(), copy.unwrap_or(path), copy.is_none()));
    }
    last.unwrap()
}

fn shown(run: &Run, is_inside: impl Fn(&Run) -> bool) -> Result<String, Refusal> {
    let runs = lineage(run, is_inside)?;
    let words = runs.into_iter().map(|run| {
        let process = Process::from_run(run, 0);
        format!("{}{}", if process.is_exec { "=>" } else { "->" }, process.file.path)
    });
    Ok(words.collect::<Vec<_>>().join(" "))
}

fn check(text: &str, expect: Result<&str, Refusal>) {
    assert_eq!(shown(&chain(text), |_| true), expect.map(str::to_owned), "{text}");
}

#[test]
fn runs_of_one_program_count_once_and_execs_are_told_from_forks() {
    check("2:/bash", Ok("->/bash"));
    check("2:/bash 3:=/bash 3:/ls", Ok("->/bash ->/ls"));
    check("2:/bash 3:=/bash 3:/web 3:/ls", Ok("->/bash ->/web =>/ls"));
    check("2:/bash 3:=/bash 4:=/bash 4:/ls", Ok("->/bash ->/ls"));
    check("2:/a 2:/b 2:/b 2:/c", Ok("->/a =>/b =>/c"));
    check("2:/a 3:=/a", Ok("->/a"));
    check("2:/a 2:/b 3:=/b 3:/c", Ok("->/a =>/b ->/c"));
}

#[test]
fn no_workload_begins_with_what_brings_it_up() {
    check("5:/usr/bin/containerd-shim-runc-v2 6:/usr/sbin/runc 6:/nginx", Ok("=>/nginx"));
    check("6:/runc 7:/runc-child", Err(Refusal::InvalidRoot));
    check("6:/runc 7:/a 8:/runc", Ok("->/a ->/runc"));
    check("6:/usr/bin/crun 6:/a", Ok("=>/a"));
    check("6:/usr/bin/conmon 7:/a", Ok("->/a"));
    check("1:/sbin/init 7:/a", Ok("->/a"));
    check("1:/sbin/init", Err(Refusal::InvalidRoot));
    check("6:/runc", Err(Refusal::InvalidRoot));
}

fn changed(run: &Arc<Run>, change: impl FnOnce(&mut Run)) -> Run {
    let mut run = (**run).clone();
    change(&mut run);
    run
}

fn fileless(run: &Arc<Run>) -> Run {
    changed(run, |run| {
        let exec = run.exec.as_deref().unwrap();
        run.exec = Some(Arc::new(Exec { kind: ExecKind::Unlinked, ..exec.clone() }));
    })
}

#[test]
fn a_program_without_a_file_begins_a_workload_unless_a_runtime_started_it() {
    assert_eq!(shown(&fileless(&chain("6:/bash 7:/memfd:x")), |_| true), Ok("->/bash ->/memfd:x".to_owned()));
    assert_eq!(shown(&fileless(&chain("6:/memfd:x")), |_| true), Ok("->/memfd:x".to_owned()));
    assert_eq!(shown(&fileless(&chain("6:/runc 6:/memfd:x")), |_| true), Err(Refusal::InvalidRoot));
}

#[test]
fn what_is_outside_the_workload_is_left_out() {
    let is_inside = |run: &Run| run.key.tgid >= 5;
    assert_eq!(shown(&chain("2:/host 3:/shim 5:/a 6:/b"), is_inside), Ok("->/a ->/b".to_owned()));
    assert_eq!(shown(&chain("2:/host"), is_inside), Err(Refusal::BrokenLineage));
}

#[test]
fn a_lineage_that_is_cut_is_broken_and_one_without_its_beginning_is_not() {
    let whole = chain("5:/a 6:/b");
    for (state, expect) in [
        (Lineage::Truncated, Err(Refusal::BrokenLineage)),
        (Lineage::MissingParent, Ok("->/a ->/b".to_owned())),
    ] {
        assert_eq!(shown(&changed(&whole, |run| run.lineage = state), |_| true), expect);
    }
    assert_eq!(shown(&changed(&whole, |run| run.exec = None), |_| true), Err(Refusal::BrokenLineage));
    let unknown = changed(&run(None, 4, "/x", true), |run| run.exec = None);
    assert_eq!(shown(&run(Some(Arc::new(unknown)), 6, "/b", true), |_| true), Ok("->/b".to_owned()));
}

#[test]
fn names_of_busybox_one_below_the_other_are_told_apart() {
    let named = |ancestor, pid, argv0: &str| {
        let run = run(ancestor, pid, "/bin/busybox", true);
        Arc::new(changed(&run, |run| {
            let mut exec = run.exec.as_deref().unwrap().clone();
            exec.args.items[0] = Text::from(argv0);
            run.exec = Some(Arc::new(exec));
        }))
    };
    let names = |run: &Run| -> Vec<String> {
        lineage(run, |_| true).unwrap().into_iter().map(|run| Process::from_run(run, 0).argv0).collect()
    };
    let sh = named(None, 5, "sh");
    assert_eq!(names(&named(Some(sh.clone()), 6, "ls")), ["sh", "ls"]);
    assert_eq!(names(&named(Some(sh), 6, "sh")), ["sh"]);
    assert_eq!(names(&named(Some(named(None, 5, "")), 6, "ls")), ["ls"]);
}

#[test]
fn a_process_says_what_its_run_says() {
    let run = changed(&chain("5:/proc/7/exe"), |run| run.exit_ns = 300);
    let process = Process::from_run(&run, 1000);
    assert_eq!((process.fork_time, process.exec_time, process.exit_time), (1100, 1200, 1300));
    assert_eq!((process.pid, process.tid, process.ppid, process.is_thread), (5, 5, 9, false));
    assert_eq!((&*process.argv0, &process.args[..]), ("/proc/7/exe", &["-x".to_owned()][..]));
    assert!(process.args_truncated && !process.envs_truncated);
    assert_eq!((&*process.container_id, &*process.comm), ("c1", "c"));
    assert_eq!(
        (&*process.file.path, &*process.file.basename, &*process.file.filesystem),
        ("/proc/*/exe", "exe", "overlay")
    );
    assert_eq!(
        Process::from_run(&chain("5:=/a"), 1000).exec_time,
        0,
        "not known is not the beginning of time"
    );
}

#[test]
fn a_script_is_the_program() {
    let run = changed(&chain("5:/usr/bin/python3"), |run| {
        let script = Arc::new(File { path: "/app/x.py".into(), inode: 3, ..File::default() });
        run.exec = Some(Arc::new(Exec { script: Some(script), ..run.exec.as_deref().unwrap().clone() }));
    });
    assert_eq!(Process::from_run(&run, 0).file.path, "/app/x.py");
    assert_eq!(shown(&run, |_| true), Ok("->/app/x.py".to_owned()));
}
