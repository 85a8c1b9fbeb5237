//! Real programs on the real kernel, each test in a cgroup of its own.
//!
//! They need root and BTF; without, each says that it is skipped ([`skipped`]). What is watched is this test program
//! again, run with one ignored test that does the work (`workload`).

mod asleep;
mod attach;
mod busy;
mod cost;
mod entering;
mod exits;
mod full;
mod kinds;
mod names;
mod paths;
mod sockets;
mod truth;
mod workload;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aya::EbpfLoader;
use event::{Event, Kind, LossCause, Open, Text, What};

use super::*;
use crate::decode::{Decoded, Decoder};
use crate::selftest::OwnCgroup;

/// False, with a message, when this machine cannot load programs.
fn can_load() -> bool {
    let reason = if !nix::unistd::geteuid().is_root() {
        "not root"
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        "no BTF"
    } else {
        return true;
    };
    skipped(reason);
    false
}

/// Says that this test cannot run here. libtest will call it passed, and `build/sum-tests.awk` takes it back by this
/// line, which must not be captured: it does not go through `println`.
fn skipped(reason: &str) {
    use std::io::Write as _;
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    let line = format!("test-skipped: {name}: {reason}\n");
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
}

/// Where the workload's descriptors are in the kernel, because files are read in another way from each.
#[derive(Debug, Clone, Copy)]
enum Table {
    /// Wherever they come to be.
    Any,
    /// In the table of 64.
    Near,
    /// In a larger one.
    Wide,
}

impl Table {
    const BOTH: [Self; 2] = [Self::Near, Self::Wide];
}

/// A sensor that watches one cgroup, and everything it has reported.
struct Watch {
    cgroup: OwnCgroup,
    directory: tempfile::TempDir,
    table: Table,
    sensor: Sensor,
    decoder: Decoder,
    events: Vec<Event>,
    cgroups: Vec<Decoded>,
}

impl Watch {
    fn with_table(name: &str, table: Table) -> Self {
        Self { table, ..Self::new(&format!("{name}-{table:?}")) }
    }

    fn new(name: &str) -> Self {
        let cgroup = OwnCgroup::new(name).unwrap();
        let scope = Scope::Cgroup { ids: vec![cgroup.id()] };
        Self::with_scope(cgroup, scope)
    }

    fn with_scope(cgroup: OwnCgroup, scope: Scope) -> Self {
        let config = SensorConfig {
            scope,
            never_drop_bytes: 8 << 20,
            strings_bytes: 8 << 20,
            bulk_bytes: 16 << 20,
            kinds: Kind::ALL.to_vec(),
        };
        Self::with_config(cgroup, &config)
    }

    fn with_config(cgroup: OwnCgroup, config: &SensorConfig) -> Self {
        let sensor = Sensor::load(config).unwrap();
        for hook in sensor.hooks() {
            assert!(hook.active, "{hook:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        Self {
            cgroup,
            directory,
            table: Table::Any,
            sensor,
            decoder: Decoder::default(),
            events: Vec::new(),
            cgroups: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    /// Runs a workload in the cgroup and takes all events until its end.
    fn run(&mut self, what: &str) -> ExitStatus {
        let procs = self.cgroup.procs();
        self.run_in(&procs, what)
    }

    fn run_in(&mut self, procs: &Path, what: &str) -> ExitStatus {
        let mut child = spawn_with(procs, &self.path(""), what, self.table);
        let status = loop {
            self.drain();
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            pause();
        };
        // The exit of the child came before its parent could wait for it.
        self.drain();
        status
    }

    fn drain(&mut self) {
        let Self { sensor, decoder, events, cgroups, .. } = self;
        sensor.drain(&mut |raw| match decoder.decode(raw).unwrap() {
            Some(Decoded::Event(event)) => events.push(event),
            Some(other) => cgroups.push(other),
            None => (),
        });
    }

    fn count(&self, kind: Kind) -> usize {
        self.events.iter().filter(|event| event.kind() == kind).count()
    }

    fn opens(&self) -> impl Iterator<Item = &Open> {
        self.events
            .iter()
            .filter_map(|event| if let What::Open(open) = &event.what { Some(open) } else { None })
    }

    fn execs(&self) -> impl Iterator<Item = &event::Exec> {
        self.events
            .iter()
            .filter_map(|event| if let What::Exec(exec) = &event.what { Some(&**exec) } else { None })
    }

    /// Everything that was counted has arrived, and nothing else has.
    fn assert_nothing_lost(&self) {
        let counters = self.sensor.counters();
        for kind in Kind::ALL {
            assert_eq!(counters.generated.get(kind), self.count(kind) as u64, "{kind:?} {counters:?}");
        }
        assert_eq!(counters.lost, event::Losses::default());
        assert_eq!((counters.missed_runs, counters.missed_runs_unread), (0, 0));
    }
}

/// This program again, with one workload. It joins the cgroup itself, so that everything before is not watched.
fn spawn(procs: &Path, directory: &Path, what: &str) -> Child {
    spawn_with(procs, directory, what, Table::Any)
}

fn spawn_with(procs: &Path, directory: &Path, what: &str, table: Table) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    match table {
        Table::Any => (),
        Table::Near => drop(command.env("SHRIKE_TABLE", "near")),
        Table::Wide => drop(command.env("SHRIKE_TABLE", "wide")),
    }
    command
        .args(["--exact", "bpf::tests::workload::run", "--ignored", "--nocapture", "--test-threads=1"])
        .env("SHRIKE_WORKLOAD", what)
        .env("SHRIKE_PROCS", procs)
        .env("SHRIKE_DIRECTORY", directory)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets others run between two looks at the rings.
fn pause() {
    let (_keep, nothing) = mpsc::channel::<()>();
    nothing.recv_timeout(Duration::from_millis(1)).unwrap_err();
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        pause();
    }
}

#[test]
fn every_hook_loads_on_this_kernel() {
    if !can_load() {
        return;
    }
    for trial in try_hooks().unwrap() {
        assert!(trial.report.active, "{trial:?}");
    }
}

#[test]
fn the_few_types_of_the_kernel_relocate_the_programs_as_all_of_them_do() {
    if !can_load() {
        return;
    }
    let config = SensorConfig::of_nothing();
    let few = loader::kernel_types().unwrap();
    assert!(few.needed.is_some());
    let all = kernel_types::KernelTypes { needed: None, ..loader::kernel_types().unwrap() };
    // A tag is a hash of the instructions.
    let tags = |types| {
        let mut ebpf = loader::open(EbpfLoader::new(), &config, types).unwrap();
        programs::load(&mut ebpf, &config.kinds, &types.all);
        let tag = |(name, program): (&str, &aya::programs::Program)| {
            Some((name.to_owned(), program.info().ok()?.tag()))
        };
        ebpf.programs().filter_map(tag).collect::<std::collections::BTreeMap<_, _>>()
    };
    let found = tags(&few);
    assert!(found.len() >= 8);
    assert_eq!(found, tags(&all));
}

#[test]
fn the_self_test_needs_its_own_program_and_says_when_it_is_another() {
    if !can_load() {
        return;
    }
    // The test program does not know the hidden argument, so the child ends without joining the cgroup.
    assert!(matches!(crate::selftest::run(), Err(crate::selftest::SelftestError::Child { .. })));
}

#[test]
fn two_thousand_forks_execs_exits_and_opens_are_reported_exactly() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("counts");
    assert!(watch.run("counts").success());
    let n = workload::COUNT;
    assert_eq!(watch.count(Kind::Fork), 2 * n);
    assert_eq!(watch.count(Kind::Exec), n);
    assert_eq!(watch.count(Kind::Exit), 2 * n + 1);
    let (here, missing) = (watch.path("file"), watch.path("missing"));
    let count = |path: &Path, is_open: bool| {
        let is_it = |open: &&Open| {
            open.file.path.to_lossy() == path.to_string_lossy() && (open.retval >= 0) == is_open
        };
        watch.opens().filter(is_it).count()
    };
    assert_eq!((count(&here, true), count(&missing, false)), (n, n));
    assert!(
        watch.execs().all(|exec| !exec.args.truncated && !exec.envs.truncated),
        "an exec overtook its strings"
    );
    watch.assert_nothing_lost();
}

#[test]
fn a_cgroup_made_in_the_scope_is_watched_and_reported() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("inherit");
    let inner = watch.cgroup.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let id = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&inner).unwrap());
    assert!(watch.run_in(&inner.join("cgroup.procs"), "nothing").success());
    std::fs::remove_dir(&inner).unwrap();
    watch.drain();
    assert_eq!(watch.count(Kind::Exit), 1);
    assert!(watch.events.iter().all(|event| event.task.cgroup.id == id));
    let parent = watch.cgroup.id();
    assert!(watch.cgroups.iter().any(|made| matches!(made,
        Decoded::CgroupMade { id: made, parent_id, hierarchy: 0, path, .. }
            if (*made, *parent_id) == (id, parent) && path.to_lossy().ends_with("/inner"))));
    assert!(watch.cgroups.contains(&Decoded::CgroupGone { id, hierarchy: 0 }));
}

#[test]
fn processes_outside_the_scope_are_not_reported() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("inside");
    let other = OwnCgroup::new("outside").unwrap();
    assert!(watch.run_in(&other.procs(), "nothing").success());
    assert_eq!(watch.events, []);
    assert_eq!(watch.sensor.counters().generated.total(), 0);
}

#[test]
fn a_decision_takes_effect_and_can_be_forgotten() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("decide");
    let id = watch.cgroup.id();
    watch.sensor.decide(id, Decision::Ignore).unwrap();
    assert!(watch.run("nothing").success());
    assert_eq!(watch.events, []);
    watch.sensor.decide(id, Decision::Watch).unwrap();
    assert!(watch.run("nothing").success());
    assert_eq!(watch.count(Kind::Exit), 1);
    watch.sensor.forget(id);
    assert!(watch.run("nothing").success());
    assert_eq!(watch.count(Kind::Exit), 1);
}

#[test]
fn a_cgroup_can_be_watched_for_some_kinds_only_and_those_made_in_it_inherit_that() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("kinds");
    let only = |kinds: &[Kind]| Decision::WatchOnly(kinds.iter().copied().collect());
    let id = watch.cgroup.id();
    watch.sensor.decide(id, only(&[Kind::Exit])).unwrap();
    assert!(watch.run("few-opens").success());
    let inner = watch.cgroup.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    assert!(watch.run_in(&inner.join("cgroup.procs"), "few-opens").success());
    wait_until("the cgroup is empty", || std::fs::remove_dir(&inner).is_ok());
    assert_eq!((watch.count(Kind::Open), watch.count(Kind::Exit)), (0, 2));
    watch.sensor.decide(id, only(&[Kind::Open])).unwrap();
    assert!(watch.run("few-opens").success());
    assert!(watch.count(Kind::Open) >= workload::FEW);
    assert_eq!(watch.count(Kind::Exit), 2);
    watch.assert_nothing_lost();
}

/// The map is filled with decisions about cgroups that do not exist.
#[test]
fn a_decision_that_finds_no_room_is_counted_wherever_it_was_made() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("undecided");
    assert_eq!(watch.sensor.decisions.fill(), MAX_CGROUPS);
    let inner = watch.cgroup.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(watch.sensor.counters().undecided, 1);
    std::fs::remove_dir(&inner).unwrap();
    watch.sensor.decide(1, Decision::Watch).unwrap_err();
    assert_eq!(watch.sensor.counters().undecided, 2);
}

#[test]
fn a_v1_cgroup_stands_for_tasks_in_the_root_of_v2() {
    if !can_load() {
        return;
    }
    let Some(hierarchy) = v1_hierarchies().into_iter().next() else {
        return skipped("no cgroup v1 hierarchy on this host");
    };
    let path = Path::new("/sys/fs/cgroup")
        .join(hierarchy.controller)
        .join(format!("shrike-v1-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
    let id = event_abi::v1_cgroup_id(hierarchy.id, inode);
    let mut watch = Watch::with_scope(OwnCgroup::new("v1").unwrap(), Scope::Cgroup { ids: vec![id] });
    assert!(watch.run_in(&path.join("cgroup.procs"), "nothing").success());
    assert_eq!(watch.count(Kind::Exit), 1);
    assert!(watch.events.iter().all(|event| event.task.cgroup.id == id));
    wait_until("the cgroup is empty", || std::fs::remove_dir(&path).is_ok());
}

#[test]
fn a_snapshot_finds_the_processes_of_the_scope_and_only_those() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("snapshot");
    let mut child = spawn(&watch.cgroup.procs(), &watch.path(""), "wait");
    let procs = watch.cgroup.procs();
    wait_until("the child joins", || {
        std::fs::read_to_string(&procs).unwrap().trim() == child.id().to_string()
    });
    let raw = watch.sensor.snapshot().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let [record] = raw.as_slice() else { panic!("{} records", raw.len()) };
    let Ok(Some(Decoded::Known(known))) = watch.decoder.decode(record) else { panic!("{record:?}") };
    assert_eq!(known.task.process.tgid, child.id());
    assert_eq!(known.parent, None, "this test is not in the scope");
    let program = std::env::current_exe().unwrap();
    assert_eq!(known.exec.as_ref().unwrap().executable.path.to_lossy(), program.to_string_lossy());
}

#[test]
fn the_living_processes_of_the_scope_are_listed_without_any_capability() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("living");
    let mut child = spawn(&watch.cgroup.procs(), &watch.path(""), "wait");
    let procs = watch.cgroup.procs();
    wait_until("the child joins", || {
        std::fs::read_to_string(&procs).unwrap().trim() == child.id().to_string()
    });
    let [record] = &watch.sensor.snapshot().unwrap()[..] else { panic!("not one process") };
    let Ok(Some(Decoded::Known(known))) = watch.decoder.decode(record) else { panic!("{record:?}") };
    // Capabilities belong to a thread, and this one ends.
    let sensor = &mut watch.sensor;
    let mut living = || {
        std::thread::scope(|scope| {
            let list = || {
                let left = crate::privileges::drop_all_but(&[], None).unwrap();
                assert_eq!(left.effective, 0);
                // By which the age of a container is known that was not seen made.
                let running = sensor.snapshot().unwrap().len();
                let living = sensor.living().unwrap();
                assert_eq!(running, living.len());
                living
            };
            scope.spawn(list).join().unwrap()
        })
    };
    assert_eq!(living(), [known.task.process]);
    child.kill().unwrap();
    // It is a zombie when it has ended, and no process that lives.
    wait_until("the child ends", || living().is_empty());
    child.wait().unwrap();
}

#[test]
fn the_descriptor_becomes_ready_when_a_ring_crosses_its_mark_and_not_before() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    if !can_load() {
        return;
    }
    let cgroup = OwnCgroup::new("mark").unwrap();
    let config = SensorConfig {
        scope: Scope::Cgroup { ids: vec![cgroup.id()] },
        never_drop_bytes: 8 << 20,
        strings_bytes: 64 << 10,
        bulk_bytes: 64 << 10,
        kinds: vec![Kind::Open],
    };
    let mut sensor = Sensor::load(&config).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let is_ready = |sensor: &Sensor| {
        let mut fds = [PollFd::new(sensor.ready_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    };
    assert!(spawn(&cgroup.procs(), directory.path(), "nothing").wait().unwrap().success());
    assert!(!is_ready(&sensor));
    assert!(spawn(&cgroup.procs(), directory.path(), "opens").wait().unwrap().success());
    assert!(is_ready(&sensor));
    assert!(sensor.drain(&mut |_| ()) > 0);
    assert!(!is_ready(&sensor));
    let counters = sensor.counters();
    let (generated, lost) =
        (counters.generated.get(Kind::Open), counters.lost.of(LossCause::RingShare).get(Kind::Open));
    assert!(lost > 0, "the ring is too small for the workload, so it must say what it lost: {counters:?}");
    assert!(generated > lost);
}
