//! From runs of programs, as the process tree of a host has them, to the lineage that an activity needs (spec 2.3).

use event::{Exec, ExecKind, File, Layer, Lineage, Run};

use crate::look::is_busybox;
use crate::model::{Credentials, FileInfo, Process};
use crate::reduce::reduce;
use crate::refusal::Refusal;

/// Programs that bring a container up and are no part of it: no workload begins with one. Those of Docker, containerd
/// and Kubernetes as in the original, and those of podman.
const RUNTIMES: [&[u8]; 4] = [b"runc", b"containerd-shim", b"crun", b"conmon"];

/// The runs that make the lineage of one, the first of the workload first.
///
/// `is_inside` says whether a run is of the workload. Runs of one program one after the other count once, and so do forks
/// that call no exec. What is above the first that can begin a workload is left out. An ancestor that nobody knows ends
/// the lineage: what is watched begins at the container, and what is above it is not seen.
///
/// # Errors
/// When the lineage was cut, the program is not known, or no run can begin a workload.
pub fn lineage(run: &Run, is_inside: impl Fn(&Run) -> bool) -> Result<Vec<&Run>, Refusal> {
    if !is_inside(run) || run.lineage == Lineage::Truncated || executable(run).is_none() {
        return Err(Refusal::BrokenLineage);
    }
    let mut branch = vec![run];
    let mut above = next_above(run);
    while let Some(ancestor) = above.filter(|ancestor| is_inside(ancestor)) {
        branch.push(ancestor);
        above = next_above(ancestor);
    }
    // Above the first of the workload there may be something that is not inside it.
    while branch.last().is_some_and(|top| !can_begin(top)) {
        branch.pop();
    }
    if branch.is_empty() {
        return Err(Refusal::InvalidRoot);
    }
    branch.reverse();
    Ok(branch)
}

/// The next ancestor that runs another program; none when it is not known which it runs.
fn next_above(run: &Run) -> Option<&Run> {
    let mut below = run;
    for ancestor in run.ancestors() {
        let program = executable(ancestor).filter(|file| file.inode != 0)?;
        if program.path != executable(below)?.path {
            return Some(ancestor);
        }
        if is_busybox(&program.path.to_lossy()) {
            let argv0 = |run: &Run| run.exec.as_ref().and_then(|exec| exec.args.items.first().cloned());
            let [mine, other] = [argv0(below), argv0(ancestor)].map(Option::unwrap_or_default);
            if other.is_empty() {
                return None;
            }
            if mine != other {
                return Some(ancestor);
            }
        }
        below = ancestor;
    }
    None
}

/// Whether a workload can begin with this.
fn can_begin(run: &Run) -> bool {
    if run.key.tgid == 1 {
        return false;
    }
    let is_fileless = run.exec.as_ref().is_some_and(|exec| exec.kind == ExecKind::Unlinked);
    let is_runtime_above = is_fileless && next_above(run).is_some_and(is_runtime);
    !is_runtime(run) && !is_runtime_above
}

fn is_runtime(run: &Run) -> bool {
    let name =
        |file: &File| file.path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    executable(run).map(name).is_some_and(|name| RUNTIMES.iter().any(|runtime| name.starts_with(runtime)))
}

/// The file that was asked for: of a script the script, as in rules and event JSON.
fn executable(run: &Run) -> Option<&File> {
    let program = |exec: &'_ Exec| exec.script.is_none();
    let exec = run.exec.as_ref()?;
    let file = if program(exec) { &exec.executable } else { exec.script.as_ref()? };
    (!file.path.is_empty()).then_some(&**file)
}

impl Process {
    /// A run as a process of a tree. `wall_offset_ns` turns the boot-time clock into time since the epoch.
    #[must_use]
    pub fn from_run(run: &Run, wall_offset_ns: i64) -> Self {
        let wall =
            |boot_ns: u64| if boot_ns == 0 { 0 } else { boot_ns.saturating_add_signed(wall_offset_ns) };
        let exec = run.exec.as_deref();
        let text =
            |strings: &[event::Text]| strings.iter().map(|text| text.to_lossy().into_owned()).collect();
        let args = exec.map(|exec| exec.args.items.as_slice()).unwrap_or_default();
        let file = executable(run).map(FileInfo::from_file).unwrap_or_default();
        let reduced = reduce(&file.path, run.key.tgid, Some(&file.filesystem)).into_owned();
        let c = run.task.credentials;
        Self {
            exec_time: wall(run.exec_ns),
            fork_time: wall(run.fork_ns),
            exit_time: wall(run.exit_ns),
            file: FileInfo { path: reduced.into(), ..file.into_owned() },
            argv0: args.first().map(|text| text.to_lossy().into_owned()).unwrap_or_default(),
            args: text(args.get(1..).unwrap_or_default()),
            args_truncated: exec.is_some_and(|exec| exec.args.truncated),
            envs: text(exec.map(|exec| exec.envs.items.as_slice()).unwrap_or_default()),
            envs_truncated: exec.is_some_and(|exec| exec.envs.truncated),
            pid: run.key.tgid,
            tid: run.task.tid,
            ppid: run.task.ppid,
            cookie: 0,
            is_thread: run.task.tid != run.key.tgid,
            is_exec: is_exec(run),
            container_id: run
                .task
                .cgroup
                .workload
                .container_id()
                .map(|id| (**id).to_owned())
                .unwrap_or_default(),
            tty: exec.map(|exec| exec.tty.to_lossy().into_owned()).unwrap_or_default(),
            comm: run.task.comm.to_lossy().into_owned(),
            credentials: Credentials {
                uid: c.uid,
                gid: c.gid,
                effective_uid: c.euid,
                effective_gid: c.egid,
                fs_uid: c.fsuid,
                fs_gid: c.fsgid,
                cap_effective: c.cap_effective,
                cap_permitted: c.cap_permitted,
                ..Credentials::default()
            },
        }
    }
}

/// Whether a program took the place of one that was itself started by exec in the same process (spec 0.3). Runs of one
/// program count once, so it is the first of them that tells, of which the others are copies.
fn is_exec(run: &Run) -> bool {
    let above = next_above(run);
    let runs = std::iter::once(run).chain(run.ancestors().map(|run| &**run));
    let first =
        runs.take_while(|run| above.is_none_or(|above| !std::ptr::eq(*run, above))).last().unwrap_or(run);
    let is_before = |before: &Run| before.key == first.key && before.is_own_exec;
    first.is_own_exec && above.is_some_and(is_before)
}

impl<'a> FileInfo<'a> {
    /// A file as the kernel resolved it.
    #[must_use]
    pub fn from_file(file: &'a File) -> Self {
        let since_epoch = |ns: i64| u64::try_from(ns).unwrap_or(0);
        let path = file.path.to_lossy();
        Self {
            basename: crate::records::basename(&path).to_owned().into(),
            path,
            inode: file.inode,
            ctime: since_epoch(file.change_ns),
            mtime: since_epoch(file.modification_ns),
            mode: file.mode.into(),
            uid: file.uid,
            gid: file.gid,
            mount_id: file.mount_id,
            in_upper_layer: file.layer == Layer::Upper,
            filesystem: file.filesystem.to_lossy(),
            ..Self::default()
        }
    }
}
