//! How large a batch may become, known before encoding it: an exec can carry 128 KiB of arguments and environment,
//! so a number of events alone does not bound a message.

use event::{Event, Exec, File, KnownProcess, Shared, Strings, Task, Workload};

/// Bytes that a sender puts into one batch at most, unless a single event is larger. Half of what gRPC accepts in
/// one message by default, and far below the frame limit of capture files.
pub const TARGET_BYTES: usize = 2 << 20;

/// Varints of the numbers in the rows of one event, when none is shared and all are large.
const ROW_BYTES: usize = 512;

/// Of them those of a file, for each beyond the first.
const FILE_ROW_BYTES: usize = 160;

/// The most bytes that this event can add to a batch: its texts, not shared with any other event, and its rows.
#[must_use]
pub fn event_bytes(event: &Event) -> usize {
    let mut bytes = ROW_BYTES + task_bytes(&event.task);
    event.what.each_shared(|part| {
        bytes += match part {
            Shared::File(file) => FILE_ROW_BYTES + file_bytes(file),
            Shared::Program(exec) => exec_bytes(exec),
            Shared::Text(text) => text.len(),
        };
    });
    bytes
}

/// The most bytes that this known process can add to a batch.
#[must_use]
pub fn process_bytes(process: &KnownProcess) -> usize {
    ROW_BYTES + task_bytes(&process.task) + process.exec.as_ref().map_or(0, |exec| exec_bytes(exec))
}

/// Cuts `items` where a batch of them could exceed `max_bytes`, in order. A larger single item is alone in its
/// batch; no part is empty.
pub fn split<T>(items: &[T], max_bytes: usize, bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut total = 0_usize;
        let fits = rest.iter().take_while(|item| {
            total = total.saturating_add(bytes(item));
            total <= max_bytes
        });
        let count = fits.count().max(1).min(rest.len());
        let (part, after) = rest.split_at_checked(count)?;
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

fn task_bytes(task: &Task) -> usize {
    let workload = match &task.cgroup.workload {
        Workload::Host => 0,
        Workload::Container { id, pod_uid, .. } => id.len() + pod_uid.as_ref().map_or(0, |uid| uid.len()),
        Workload::Service { unit } => unit.len(),
    };
    task.comm.len() + task.cgroup.path.len() + workload
}

fn file_bytes(file: &File) -> usize {
    file.path.len() + file.filesystem.len()
}

fn exec_bytes(exec: &Exec) -> usize {
    let script = exec.script.as_ref().map_or(0, |script| file_bytes(script) + ROW_BYTES);
    file_bytes(&exec.executable)
        + script
        + exec.tty.len()
        + strings_bytes(&exec.args)
        + strings_bytes(&exec.envs)
}

/// The bytes of the strings; each also costs a length and a reference, five bytes or less together in any batch
/// that stays under the target.
fn strings_bytes(strings: &Strings) -> usize {
    strings.items.iter().map(|item| item.len() + 10).sum()
}
