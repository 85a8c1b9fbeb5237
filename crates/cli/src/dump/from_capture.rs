//! `shrike dump from-capture`: the dump that a running Shrike would have made of the events of a capture.

use std::collections::BTreeMap;
use std::path::Path;

use activity_tree::Options;
use dump::{Facts, Recorded, Recorder, Taken, Target};
use event::{Cgroup, Host};

use super::files;
use crate::args::DumpFromArgs;
use crate::failure::Failure;
use crate::recorded::{self, Seen};
use crate::view::terminal::note;
use crate::view::text::{grouped, printable};

/// Builds the dump and writes it.
pub(crate) fn run(args: &DumpFromArgs) -> Result<(), Failure> {
    let form = files::form(&args.output)?;
    let (target, cgroup) = choose(&args.capture, args.container.as_deref())?;
    let recording = record(&args.capture, &target, args.differentiate_args)?;
    let Recording { recorder, host, first_ns, last_ns, .. } = recording;
    let missed = recorder.missed().events();
    let (start_ns, end_ns) = (recorder.wall(first_ns), recorder.wall(last_ns));
    let facts = Facts {
        name: dump::name(&[host.boot_id.as_bytes(), target.to_string().as_bytes(), &first_ns.to_le_bytes()]),
        host: host.hostname,
        kernel: host.kernel,
        version: bootstrap::VERSION.to_owned(),
        start_ns,
        end_ns,
        container_id: target.container_id().unwrap_or_default().to_owned(),
        cgroup,
        ..Facts::default()
    };
    if missed > 0 {
        note(&format!("{} events are not in the dump: its tags say why", grouped(missed.into())));
    }
    let dump = dump::finish(recorder.tree().clone(), recorder.missed(), facts);
    files::write(&args.output, Recorded::Dump(Box::new(dump)), form, args.force)
}

struct Recording {
    recorder: Recorder,
    host: Host,
    first_ns: u64,
    last_ns: u64,
    /// What was recorded last has begun.
    is_begun: bool,
}

fn record(capture: &Path, target: &Target, differentiate_args: bool) -> Result<Recording, Failure> {
    let options = Options { differentiate_args, ..Options::default() };
    let mut recording: Option<Recording> = None;
    recorded::replay(capture, |seen| {
        let host = match &seen {
            Seen::Batch(host, ..) | Seen::Event(host, ..) => *host,
        };
        let recording = recording.get_or_insert_with(|| Recording {
            recorder: Recorder::new(target.clone(), options, host.wall_offset_ns),
            host: host.clone(),
            first_ns: 0,
            last_ns: 0,
            is_begun: false,
        });
        recording.see(&seen);
        Ok(true)
    })?;
    recording.ok_or_else(|| Failure::WhichWorkload {
        path: capture.to_owned(),
        count: 0,
        names: String::new(),
    })
}

impl Recording {
    fn see(&mut self, seen: &Seen<'_>) {
        let recorder = &mut self.recorder;
        match seen {
            Seen::Batch(_, news, processes) => {
                if !self.is_begun {
                    let target = recorder.target().clone();
                    let ours = processes.living().filter(|run| target.has(&run.task.cgroup));
                    ours.for_each(|run| recorder.know(run, "", run.exec_ns.max(run.fork_ns)));
                }
                let (target, offset) = (recorder.target().clone(), self.host.wall_offset_ns);
                let wall = move |ns: u64| ns.saturating_add_signed(offset);
                let missed = recorder.missed_mut();
                news.lost.iter().for_each(|loss| missed.lose(&target, loss));
                news.not_observed.iter().for_each(|gap| missed.not_observed(gap, wall));
                for gap in &news.unwanted {
                    missed.unwanted(
                        gap,
                        |kind| {
                            Recorder::kinds_of(activity_tree::Traced::default()).any(|traced| traced == kind)
                        },
                        self.last_ns,
                        wall,
                    );
                }
            }
            Seen::Event(_, event, run) => {
                self.is_begun = true;
                if recorder.take(event, run, "", || Ok(())) != Taken::Passed {
                    if self.first_ns == 0 {
                        self.first_ns = event.boot_ns;
                    }
                    self.last_ns = event.boot_ns;
                }
            }
        }
    }
}

/// The workload that is asked for, or the only one, with the path of its control group.
fn choose(capture: &Path, wanted: Option<&str>) -> Result<(Target, String), Failure> {
    let mut found: BTreeMap<Target, (String, u64)> = BTreeMap::new();
    recorded::replay(capture, |seen| {
        if let Seen::Event(_, event, _) = seen {
            let cgroup = &event.task.cgroup;
            if wanted.is_none_or(|wanted| is_wanted(cgroup, wanted)) {
                let path = || (cgroup.path.to_lossy().into_owned(), 0);
                found.entry(Target::of(cgroup)).or_insert_with(path).1 += 1;
            }
        }
        Ok(true)
    })?;
    if found.len() == 1
        && let Some((target, (path, _))) = found.pop_first()
    {
        return Ok((target, path));
    }
    let name = |(target, (path, n)): (&Target, &(String, u64))| {
        let name = target.container_id().unwrap_or(path);
        format!("  {} ({} events)", printable(name), grouped((*n).into()))
    };
    let names: Vec<String> = found.iter().map(name).collect();
    Err(Failure::WhichWorkload { path: capture.to_owned(), count: found.len(), names: names.join("\n") })
}

fn is_wanted(cgroup: &Cgroup, wanted: &str) -> bool {
    match cgroup.workload.container_id() {
        Some(id) => id.starts_with(wanted),
        None => cgroup.path.to_lossy() == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/example.capture.jsonl")
    }

    fn args(output: &Path) -> DumpFromArgs {
        DumpFromArgs {
            capture: example(),
            output: output.to_owned(),
            container: None,
            differentiate_args: false,
            force: false,
        }
    }

    #[test]
    fn the_example_becomes_the_same_dump_every_time_in_every_format() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["a.protobuf", "b.protobuf"].map(|name| dir.path().join(name));
        run(&args(&first)).unwrap();
        run(&args(&second)).unwrap();
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
        let lines = files::read(&first).unwrap().tree().outline(dump::NO_SYSCALL_NAMES);
        let shown: Vec<String> = lines.iter().map(|line| format!("{} {}", line.depth, line.text)).collect();
        let expected = include_str!("example.expected");
        assert_eq!(shown.join("\n"), expected.trim_end());
        for ending in ["profile", "json", "dot", "html", "json.gz"] {
            run(&args(&dir.path().join(format!("a.{ending}")))).unwrap();
        }
        for ending in ["profile", "json", "json.gz"] {
            let read = files::read(&dir.path().join(format!("a.{ending}"))).unwrap();
            assert_eq!(read.tree().outline(dump::NO_SYSCALL_NAMES), lines, "{ending}");
        }
    }

    #[test]
    fn a_workload_that_is_not_there_is_told_with_those_that_are() {
        let dir = tempfile::tempdir().unwrap();
        let args = DumpFromArgs { container: Some("nobody".to_owned()), ..args(&dir.path().join("a.json")) };
        let error = run(&args).unwrap_err().to_string();
        assert!(error.contains("no workloads"), "{error}");
        assert!(matches!(
            run(&DumpFromArgs { output: "a.txt".into(), ..args }),
            Err(Failure::UnknownDumpEnding { .. })
        ));
    }
}
