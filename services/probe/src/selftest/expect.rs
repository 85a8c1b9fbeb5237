//! Compares what was observed with what the child did.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use event::{Event, ExecKind, ExitStatus, Kind, KnownProcess, Open, PathState, ProcessKey, What};

use super::child::{
    self, CREATED, EXISTING, EXIT_CODE, MISSING, OPENED, RACE_EXIT_CODE, RACES, SCRIPT, SCRIPT_EXIT_CODE,
    STARTED,
};
use super::{Check, Observed};
use crate::bpf::HookReport;

const ENOENT: i32 = 2;
/// The programs, the races and the script.
const IMAGES: usize = STARTED as usize + RACES + 1;

/// All checks, in the order in which a person would ask.
pub(super) fn checks(observed: &Observed) -> Vec<Check> {
    let mut checks = hooks(&observed.hooks);
    checks.extend([
        child_ended(observed),
        snapshot(observed),
        entering(observed),
        living(observed),
        forks(observed),
        execs(observed),
        arguments(observed),
        script(observed),
        exits(observed),
        opens(observed, EXISTING, OPENED),
        opens(observed, CREATED, 1),
        missing(observed),
        credentials(observed),
        attaching(observed),
        accounting(observed),
    ]);
    checks
}

/// One check per hook: whether it runs.
pub(super) fn hooks(hooks: &[HookReport]) -> Vec<Check> {
    let judge = |hook: &HookReport| {
        let found = hook.error.clone().unwrap_or_else(|| {
            let (program, attach, instructions) = (&hook.program, &hook.attach, hook.instructions);
            let refused: String = hook.refused.iter().map(|why| format!("; refused: {why}")).collect();
            format!("{program} on {attach}, {instructions} instructions verified{refused}")
        });
        Check { name: format!("hook {} is attached", hook.kind), passed: hook.active, found }
    };
    hooks.iter().map(judge).collect()
}

fn check(name: &str, passed: bool, found: impl Into<String>) -> Check {
    Check { name: name.to_owned(), passed, found: found.into() }
}

fn child_ended(observed: &Observed) -> Check {
    let passed = observed.status.code() == Some(i32::from(EXIT_CODE));
    check("the child did all its work", passed, observed.status.to_string())
}

fn snapshot(observed: &Observed) -> Check {
    check(
        "the snapshot holds the child and its program, and no parent, which is outside",
        is_the_child(&observed.known, observed),
        format!("{} processes in scope", observed.known.len()),
    )
}

fn entering(observed: &Observed) -> Check {
    check(
        "a process that joins the cgroup is told of with its program",
        is_the_child(&observed.entered, observed),
        format!("{} processes entered", observed.entered.len()),
    )
}

/// Whether these are the child, alone.
fn is_the_child(known: &[KnownProcess], observed: &Observed) -> bool {
    let [child] = known else { return false };
    let is_program = child.exec.as_ref().is_some_and(|exec| {
        same_path(&exec.executable.path, &observed.program) && exec.kind == ExecKind::File
    });
    is_program && child.task.process.tgid == observed.child && child.parent.is_none()
}

fn living(observed: &Observed) -> Check {
    let known: Vec<_> = observed.known.iter().map(|known| known.task.process).collect();
    let found = match &observed.living {
        Some(living) => format!("{} of {}", living.len(), known.len()),
        None => "no list".to_owned(),
    };
    let passed = observed.living.as_ref() == Some(&known);
    check("the living processes are listed without a capability", passed, found)
}

fn forks(observed: &Observed) -> Check {
    let count = of_kind(observed, Kind::Fork).count();
    let key = key_of_child(observed);
    let passed = of_kind(observed, Kind::Fork)
        .all(|event| matches!(event.what, What::Fork(parent) if Some(parent) == key))
        && count == IMAGES;
    check("forks are counted and name the parent", passed, format!("{count} of {IMAGES}"))
}

fn execs(observed: &Observed) -> Check {
    let (mut right, mut count) = (0, 0);
    for event in of_kind(observed, Kind::Exec) {
        let What::Exec(exec) = &event.what else { continue };
        count += 1;
        let file = &exec.executable;
        let is_file = std::fs::metadata(&observed.program).is_ok_and(|metadata| {
            (metadata.ino(), metadata.mode()) == (file.inode, u32::from(file.mode))
                && metadata.uid() == file.uid
                && metadata.mtime() == file.modification_ns.div_euclid(1_000_000_000)
        });
        let is_right = is_file && same_path(&file.path, &observed.program);
        right += usize::from(is_right && event.task.ppid == observed.child);
    }
    let passed = right == count && count == IMAGES;
    check(
        "execs are counted, with path, inode, mode and time of the file",
        passed,
        format!("{count} of {IMAGES}, {right} right"),
    )
}

fn arguments(observed: &Observed) -> Check {
    let (name, value) = child::VARIABLE;
    let program = observed.program.to_string_lossy().into_owned();
    let mut seen: Vec<Vec<String>> = Vec::new();
    let mut is_environment_right = true;
    for event in of_kind(observed, Kind::Exec) {
        let What::Exec(exec) = &event.what else { continue };
        if exec.script.is_some() {
            continue;
        }
        seen.push(exec.args.items.iter().map(ToString::to_string).collect());
        let environment: Vec<String> = exec.envs.items.iter().map(ToString::to_string).collect();
        is_environment_right &= environment == [format!("{name}={value}")] && !exec.args.truncated;
    }
    let mut wanted: Vec<Vec<String>> =
        (0..STARTED).map(|n| std::iter::once(program.clone()).chain(child::arguments(n)).collect()).collect();
    let race = [program.as_str(), child::CHILD_ARGUMENT, child::RACE].map(str::to_owned).to_vec();
    wanted.extend(std::iter::repeat_n(race, RACES));
    seen.sort();
    wanted.sort();
    let found =
        format!("{} lists, environment {}", seen.len(), if is_environment_right { "right" } else { "wrong" });
    check("arguments and environment are complete", seen == wanted && is_environment_right, found)
}

fn script(observed: &Observed) -> Check {
    let path = observed.directory.join(SCRIPT);
    let inode = std::fs::metadata(&path).map(|metadata| metadata.ino()).ok();
    let mut found = Vec::new();
    for event in of_kind(observed, Kind::Exec) {
        let What::Exec(exec) = &event.what else { continue };
        found.extend(exec.script.clone());
    }
    let passed = matches!(found.as_slice(), [file]
        if same_path(&file.path, &path) && Some(file.inode) == inode && file.path_state == PathState::Resolved);
    let texts: Vec<String> =
        found.iter().map(|file| format!("{} {:?}", file.path, file.path_state)).collect();
    check("a script is reported with its own file beside the interpreter", passed, texts.join(", "))
}

fn exits(observed: &Observed) -> Check {
    let mut codes: Vec<u8> = Vec::new();
    let mut own = None;
    for event in of_kind(observed, Kind::Exit) {
        let What::Exit(ExitStatus::Exited(code)) = event.what else { continue };
        if event.task.process.tgid == observed.child {
            own = Some(code);
        } else {
            codes.push(code);
        }
    }
    codes.sort_unstable();
    let races = codes.iter().filter(|code| **code == RACE_EXIT_CODE).count();
    codes.retain(|code| *code != RACE_EXIT_CODE);
    let count = of_kind(observed, Kind::Exit).count();
    let passed = codes.iter().copied().eq((0..STARTED).chain([SCRIPT_EXIT_CODE]))
        && races == RACES
        && own == Some(EXIT_CODE)
        && count == IMAGES + 1;
    check(
        "every process ends exactly once, with its code",
        passed,
        format!("{count}, {races} of {RACES} races, codes {codes:?} and {own:?}"),
    )
}

fn opens(observed: &Observed, name: &str, wanted: usize) -> Check {
    let path = observed.directory.join(name);
    let metadata = std::fs::metadata(&path).ok();
    let (mut count, mut right) = (0, 0);
    for (_, open) in opens_of(observed) {
        if !same_path(&open.file.path, &path) {
            continue;
        }
        count += 1;
        let is_file = metadata.as_ref().is_some_and(|metadata| {
            (metadata.ino(), metadata.mode()) == (open.file.inode, u32::from(open.file.mode))
                && (metadata.uid(), metadata.gid()) == (open.file.uid, open.file.gid)
        });
        let is_resolved = open.file.path_state == PathState::Resolved && !open.file.filesystem.is_empty();
        right += usize::from(is_file && is_resolved && open.retval >= 0);
    }
    check(
        &format!("opens of the file '{name}' are counted and resolved"),
        count == wanted && right == wanted,
        format!("{count} of {wanted}, {right} right"),
    )
}

fn missing(observed: &Observed) -> Check {
    let path = observed.directory.join(MISSING);
    let found: Vec<&Open> =
        opens_of(observed).map(|(_, open)| open).filter(|open| same_path(&open.file.path, &path)).collect();
    let passed = matches!(found.as_slice(), [open]
        if open.retval == -ENOENT && open.file.path_state == PathState::Argument && open.file.inode == 0);
    check(
        "a failed open is reported with the directory it was relative to",
        passed,
        format!("{} of 1", found.len()),
    )
}

fn credentials(observed: &Observed) -> Check {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let namespace = std::fs::metadata("/proc/self/ns/mnt").map(|metadata| metadata.ino()).ok();
    let wrong = observed.events.iter().filter(|event| {
        let task = &event.task;
        let credentials = &task.credentials;
        let is_mount_namespace = namespace.is_none_or(|inode| inode == u64::from(task.namespaces.mount));
        (credentials.uid, credentials.euid, credentials.fsgid) != (uid, uid, gid)
            || task.process.start_ns == 0
            || !is_mount_namespace
    });
    let wrong = wrong.count();
    check(
        "every event carries the credentials and namespaces of its task",
        wrong == 0,
        format!("{wrong} of {} wrong", observed.events.len()),
    )
}

/// That nothing else was lost meanwhile is what the other checks say.
fn attaching(observed: &Observed) -> Check {
    let turns = observed.turns;
    check(
        "a kind is detached and attached again without a capability",
        turns > 1,
        format!("{turns} times while the others were counted"),
    )
}

fn accounting(observed: &Observed) -> Check {
    let counters = &observed.counters;
    let lost = counters.lost.by_kind().total() + counters.missed_runs;
    let is_exact = Kind::ALL.into_iter().all(|kind| {
        u64::try_from(of_kind(observed, kind).count()).is_ok_and(|seen| seen == counters.generated.get(kind))
    });
    check(
        "what the kernel side counted is what arrived",
        is_exact && lost == 0,
        format!("{:?} generated, {} seen, {lost} lost", counters.generated, observed.events.len()),
    )
}

fn of_kind(observed: &Observed, kind: Kind) -> impl Iterator<Item = &Event> {
    observed.events.iter().filter(move |event| event.kind() == kind)
}

fn opens_of(observed: &Observed) -> impl Iterator<Item = (&Event, &Open)> {
    observed
        .events
        .iter()
        .filter_map(|event| if let What::Open(open) = &event.what { Some((event, open)) } else { None })
}

fn key_of_child(observed: &Observed) -> Option<ProcessKey> {
    let mut keys = observed.events.iter().map(|event| event.task.process);
    keys.find(|key| key.tgid == observed.child)
}

fn same_path(reported: &event::Text, path: &Path) -> bool {
    reported.as_bytes() == path.as_os_str().as_encoded_bytes()
}
