//! Event JSON: megabytes per second on one core, beside serde_json of the same structs without a cache.
//!
//! The stream is made, not recorded, so that every run measures the same bytes: containers whose processes are
//! forked, call exec, open files and exit. Every round starts with an empty cache, so each program and lineage is
//! serialized once by the writer too.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::{
    Cgroup, Credentials, Event, Exec, ExitStatus, File, Host, Layer, Lineage, Namespaces, Open, PathState,
    ProcessKey, Run, Runtime, Source, Strings, Task, Text, What, Workload,
};
use event_json::{Names, Writer, write_uncached};

/// Processes in the stream.
const PROCESSES: u32 = 400;
/// Files each of them opens.
const OPENS: u32 = 24;
/// Events whose JSON shares a buffer, as in the analyzer.
const BATCH: usize = 1024;

/// What one run measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JsonSpeed {
    /// Events in a round.
    pub events: usize,
    /// Their JSON.
    pub bytes: usize,
    /// The shortest round of the writer.
    pub writer: Duration,
    /// The shortest round of serde_json alone.
    pub serde: Duration,
}

impl JsonSpeed {
    /// Bytes of an average document.
    #[must_use]
    pub fn bytes_per_event(&self) -> f64 {
        as_f64(self.bytes) / as_f64(self.events)
    }

    /// Megabytes (10^6 bytes) per second of the writer; the target is at least 300.
    #[must_use]
    pub fn writer_mb_per_second(&self) -> f64 {
        as_f64(self.bytes) / 1e6 / self.writer.as_secs_f64()
    }

    /// Megabytes (10^6 bytes) per second of serde_json alone.
    #[must_use]
    pub fn serde_mb_per_second(&self) -> f64 {
        as_f64(self.bytes) / 1e6 / self.serde.as_secs_f64()
    }

    /// How many times as fast as serde_json alone the writer is.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.serde.as_secs_f64() / self.writer.as_secs_f64()
    }
}

/// Measures both ways in alternating rounds on this thread.
#[must_use]
pub fn measure(rounds: u32) -> JsonSpeed {
    let host = Host { wall_offset_ns: 1_772_366_400_000_000_000, ..Host::default() };
    let names = Names::default();
    let stream = stream();
    let mut out = Vec::new();
    let mut speed = JsonSpeed { events: stream.len(), bytes: 0, writer: Duration::MAX, serde: Duration::MAX };
    for _ in 0..rounds.max(1) {
        let mut writer = Writer::new(&host);
        let (elapsed, bytes) = round(&stream, &mut out, |out, event, run| writer.write(out, event, run));
        speed.writer = speed.writer.min(elapsed);
        speed.bytes = bytes;
        let (elapsed, _) =
            round(&stream, &mut out, |out, event, run| write_uncached(out, event, run, &host, &names));
        speed.serde = speed.serde.min(elapsed);
    }
    speed
}

fn round(
    stream: &[(Event, Arc<Run>)],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut Vec<u8>, &Event, &Arc<Run>),
) -> (Duration, usize) {
    let start = Instant::now();
    let mut bytes = 0;
    for batch in stream.chunks(BATCH) {
        out.clear();
        for (event, run) in batch {
            write(out, black_box(event), run);
        }
        bytes += black_box(&*out).len();
    }
    (start.elapsed(), bytes)
}

/// The events of one round, each with the run of its process.
fn stream() -> Vec<(Event, Arc<Run>)> {
    let mut stream = Vec::new();
    for number in 0..PROCESSES {
        // The server of one of eight containers starts a worker.
        let cgroup = container(number % 8);
        let server = run(&task(101, 1, "gunicorn", &cgroup), &program("/usr/local/bin/gunicorn", 1), None);
        let task = task(1_000 + number, 101, "python3", &cgroup);
        let worker = run(&task, &program("/usr/bin/python3.11", number), Some(&server));
        let forked = Run { exec: server.exec.clone(), is_own_exec: false, exec_ns: 0, ..Run::clone(&worker) };
        let forked = Arc::new(forked);
        stream.push((event(&forked, 0, What::Fork(server.key)), forked));
        let exec = worker.exec.clone();
        stream.extend(exec.map(|exec| (event(&worker, 1, What::Exec(exec)), Arc::clone(&worker))));
        for open in 0..OPENS {
            let what = What::Open(opened(number, open));
            stream.push((event(&worker, u64::from(open) + 2, what), Arc::clone(&worker)));
        }
        let ended = Arc::new(Run { exit_ns: 9_000, ..Run::clone(&worker) });
        stream.push((event(&ended, 99, What::Exit(ExitStatus::Exited(0))), ended));
    }
    stream
}

fn container(number: u32) -> Arc<Cgroup> {
    let id: Arc<str> = format!("{number:064x}").into();
    let workload = Workload::Container { id, runtime: Runtime::Containerd, pod_uid: None };
    Arc::new(Cgroup {
        id: number.into(),
        path: Text::default(),
        workload,
        created_ns: 1_772_366_400_000_000_000,
    })
}

fn task(tgid: u32, ppid: u32, comm: &str, cgroup: &Arc<Cgroup>) -> Task {
    // Half of the containers run as root, with what runtimes give by default.
    const ROOT: Credentials = Credentials {
        uid: 0,
        gid: 0,
        euid: 0,
        egid: 0,
        fsuid: 0,
        fsgid: 0,
        cap_effective: 0xa804_25fb,
        cap_permitted: 0xa804_25fb,
    };
    const USER: Credentials = Credentials {
        uid: 1000,
        gid: 1000,
        euid: 1000,
        egid: 1000,
        fsuid: 1000,
        fsgid: 1000,
        cap_effective: 0,
        cap_permitted: 0,
    };
    Task {
        process: ProcessKey { start_ns: 1_000_000 + u64::from(tgid), tgid },
        tid: tgid,
        ppid,
        comm: comm.into(),
        credentials: if cgroup.id.is_multiple_of(2) { ROOT } else { USER },
        cgroup: Arc::clone(cgroup),
        namespaces: Namespaces::default(),
    }
}

fn file(path: String) -> Arc<File> {
    Arc::new(File {
        path: path.into(),
        path_state: PathState::Resolved,
        inode: 1_234_567,
        generation: 7,
        mount_id: 812,
        device: 2_097_164,
        mode: 0o100_755,
        nlink: 1,
        uid: 0,
        gid: 0,
        filesystem: "overlay".into(),
        layer: Layer::Lower,
        access_ns: 1_772_366_400_123_456_789,
        modification_ns: 1_771_366_400_987_654_321,
        change_ns: 1_771_366_400_987_654_321,
    })
}

fn program(path: &str, number: u32) -> Exec {
    let text = |item: &str| Text::from(item);
    let mut args = vec![text(path), text("-m"), text("app.worker")];
    args.push(format!("--queue=orders-{number}").into());
    let names =
        ["HOME", "HOSTNAME", "LANG", "PYTHONPATH", "KUBERNETES_SERVICE_HOST", "KUBERNETES_PORT", "APP_ENV"];
    let mut envs = vec![text("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")];
    envs.extend(names.into_iter().map(text));
    let strings = |items| Strings { items, truncated: false };
    Exec { executable: file(path.to_owned()), args: strings(args), envs: strings(envs), ..Exec::default() }
}

fn run(task: &Task, exec: &Exec, ancestor: Option<&Arc<Run>>) -> Arc<Run> {
    Arc::new(Run {
        key: task.process,
        task: Arc::new(task.clone()),
        fork_ns: task.process.start_ns,
        exec_ns: task.process.start_ns + 700,
        exit_ns: 0,
        exec: Some(Arc::new(exec.clone())),
        is_own_exec: true,
        ancestor: ancestor.cloned(),
        lineage: Lineage::Complete,
        depth: ancestor.map_or(0, |ancestor| ancestor.depth + 1),
        source: Source::Event,
    })
}

/// Every event has its own task, as if each came in a batch of its own.
fn event(run: &Run, after_us: u64, what: What) -> Event {
    let task = Arc::new(Task::clone(&run.task));
    Event { boot_ns: run.fork_ns + 1_000 * after_us, task, what }
}

fn opened(number: u32, open: u32) -> Open {
    let path = format!("/usr/lib/python3.11/site-packages/app/module_{}/part_{open}.py", number % 50);
    // One call in eight looks for what is not there.
    if open % 8 == 7 {
        let file = File { path: path.into(), path_state: PathState::Argument, ..File::default() };
        return Open { file: Arc::new(file), flags: 0o2_000_000, mode: 0, retval: -2 };
    }
    Open { file: file(path), flags: 0o2_000_000, mode: 0, retval: 3 }
}

#[expect(clippy::cast_precision_loss, reason = "sizes and counts of one run stay far below 2^52")]
fn as_f64(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_documents_have_the_size_of_real_ones_and_are_the_same_both_ways() {
        let host = Host::default();
        let mut writer = Writer::new(&host);
        let stream = stream();
        let mut bytes = 0;
        for (event, run) in &stream {
            let (mut cached, mut plain) = (Vec::new(), Vec::new());
            writer.write(&mut cached, event, run);
            write_uncached(&mut plain, event, run, &host, &Names::default());
            assert_eq!(cached, plain);
            bytes += cached.len();
        }
        assert!((2_000..5_000).contains(&(bytes / stream.len())), "{} bytes per event", bytes / stream.len());
    }

    #[test]
    fn both_ways_are_measured() {
        let speed = measure(1);
        assert!(speed.bytes_per_event() > 1_000.0 && speed.ratio() > 0.0, "{speed:?}");
        assert!(speed.writer_mb_per_second() > 0.0 && speed.serde_mb_per_second() > 0.0);
    }
}
