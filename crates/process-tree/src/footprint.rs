//! How many bytes the parts of a run take.
//!
//! Text that several runs share through one `Arc` is counted once per run, except programs, which the tree
//! shares itself. So the sum is what the runs hold at most, allocator overhead apart.

use event::{Cgroup, Exec, File, Run, Strings, Task, Text, Workload};

/// Two reference counts in front of everything in an `Arc`.
const ARC: usize = 2 * size_of::<usize>();

/// One run without its program and its ancestors.
pub(super) fn run(run: &Run) -> usize {
    ARC + size_of::<Run>() + task(&run.task)
}

/// One program with its files and strings.
pub(super) fn exec(exec: &Exec) -> usize {
    ARC + size_of::<Exec>()
        + file(&exec.executable)
        + exec.script.as_deref().map_or(0, file)
        + strings(&exec.args)
        + strings(&exec.envs)
        + text(&exec.tty)
}

fn task(task: &Task) -> usize {
    ARC + size_of::<Task>() + text(&task.comm) + cgroup(&task.cgroup)
}

fn cgroup(cgroup: &Cgroup) -> usize {
    let names = match &cgroup.workload {
        Workload::Host => 0,
        Workload::Container { id, pod_uid, .. } => {
            ARC + id.len() + pod_uid.as_ref().map_or(0, |uid| ARC + uid.len())
        }
        Workload::Service { unit } => ARC + unit.len(),
    };
    ARC + size_of::<Cgroup>() + text(&cgroup.path) + names
}

fn file(file: &File) -> usize {
    ARC + size_of::<File>() + text(&file.path) + text(&file.filesystem)
}

fn strings(strings: &Strings) -> usize {
    strings.items.capacity() * size_of::<Text>() + strings.items.iter().map(text).sum::<usize>()
}

fn text(text: &Text) -> usize {
    ARC + text.len()
}
