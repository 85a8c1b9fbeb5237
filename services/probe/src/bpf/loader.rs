//! Loads the object and attaches its programs, each by itself.
//!
//! A hook that this kernel refuses is reported with what that costs, and the others run.

use std::borrow::Cow;

use aya::maps::Map;
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError, ProgramFd};
use aya::{Btf, Ebpf, EbpfLoader};
use event::Kind;
use event_abi::scope_mode;

use super::scope;
use super::sensor::{Scope, SensorConfig, SensorError};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe.bpf.o"));

/// Why the object could not be loaded at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No BTF.
    #[error(
        "this kernel does not describe its types (/sys/kernel/btf/vmlinux): a kernel with CONFIG_DEBUG_INFO_BTF is needed"
    )]
    Btf(#[source] aya::BtfError),
    /// The object or its maps were refused.
    #[error(
        "the kernel refused the bpf maps: run `shrike doctor` to see what is missing (root, CAP_BPF or memory)"
    )]
    Object(#[source] aya::EbpfError),
    /// A map is not of the type that its user expects.
    #[error("a bpf map has another type than expected: probe and bpf object come from different builds")]
    Map(#[source] aya::maps::MapError),
    /// A map is missing.
    #[error("the bpf object has no map {name}: probe and bpf object come from different builds")]
    MissingMap {
        /// Its name.
        name: &'static str,
    },
}

/// What became of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    /// What it reports: a kind of event, `cgroup_made`, `cgroup_gone` or `snapshot`.
    pub kind: String,
    /// The program.
    pub program: String,
    /// Where it is attached, `tp_btf/sched_process_exec`.
    pub attach: String,
    /// Whether it runs.
    pub active: bool,
    /// Why it does not, and what is not seen without it.
    pub error: Option<String>,
}

/// A hook and what its absence costs.
struct Hook {
    kind: Option<Kind>,
    name: &'static str,
    attach: &'static str,
    /// Tried in this order; the first that loads is used.
    programs: &'static [&'static str],
    cost: &'static str,
}

impl Hook {
    fn is_iterator(&self) -> bool {
        self.attach == "task"
    }

    fn attach_name(&self) -> String {
        format!("{}/{}", if self.is_iterator() { "iter" } else { "tp_btf" }, self.attach)
    }
}

/// Cgroups come first: a cgroup made while the others are attached must not be missed.
const HOOKS: [Hook; 7] = [
    Hook {
        kind: None,
        name: "cgroup_made",
        attach: "cgroup_mkdir",
        programs: &["on_cgroup_mkdir"],
        cost: "new cgroups are noticed only by their first event",
    },
    Hook {
        kind: None,
        name: "cgroup_gone",
        attach: "cgroup_rmdir",
        programs: &["on_cgroup_rmdir"],
        cost: "removed cgroups stay in the scope map",
    },
    Hook {
        kind: Some(Kind::Exit),
        name: "exit",
        attach: "sched_process_exit",
        // The kernel says since 6.16 whether a thread is the last one.
        programs: &["on_exit_group_dead", "on_exit_count_threads"],
        cost: "the end of processes is not reported",
    },
    Hook {
        kind: Some(Kind::Exec),
        name: "exec",
        attach: "sched_process_exec",
        programs: &["on_exec"],
        cost: "started programs are not reported, lineages hold only what ran before",
    },
    Hook {
        kind: Some(Kind::Fork),
        name: "fork",
        attach: "sched_process_fork",
        programs: &["on_fork"],
        cost: "new processes are not reported, lineages have gaps",
    },
    Hook {
        kind: Some(Kind::Open),
        name: "open",
        attach: "sys_exit",
        programs: &["on_sys_exit"],
        cost: "opened files are not reported",
    },
    Hook {
        kind: None,
        name: "snapshot",
        attach: "task",
        programs: &["on_task"],
        cost: "processes that ran before the probe are known only from /proc",
    },
];

#[cfg(test)]
thread_local! {
    /// A program that is treated as if this kernel had refused it, so that tests reach the one tried next.
    pub(super) static SKIPPED_PROGRAM: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

const SNAPSHOT_PROGRAM: &str = "on_task";

/// Creates the maps. Nothing is attached yet.
pub(super) fn open(config: &SensorConfig) -> Result<Ebpf, LoadError> {
    let btf = Btf::from_sys_fs().map_err(LoadError::Btf)?;
    let mode = match config.scope {
        Scope::Containers => scope_mode::SCOPE_CONTAINERS,
        Scope::Cgroup { .. } => scope_mode::SCOPE_CGROUP,
        Scope::Host => scope_mode::SCOPE_HOST,
    };
    let (bulk, never_drop) = (ring_size(config.bulk_bytes), ring_size(config.never_drop_bytes));
    let (bulk_mark, never_drop_mark) = (mark(bulk), mark(never_drop));
    let v1_mask = scope::v1_mask();
    EbpfLoader::new()
        .btf(Some(&btf))
        .override_global("scope_mode", &mode.0, true)
        .override_global("v1_controllers", &v1_mask, true)
        .override_global("bulk_mark", &bulk_mark, true)
        .override_global("never_drop_mark", &never_drop_mark, true)
        // Task storage is only used by programs, and aya has no type for it.
        .allow_unsupported_maps()
        .map_max_entries("bulk", bulk)
        .map_max_entries("never_drop", never_drop)
        .load(OBJECT)
        .map_err(LoadError::Object)
}

/// Ring sizes must be a power of two of pages.
fn ring_size(bytes: usize) -> u32 {
    const SMALLEST: u32 = 64 << 10;
    const LARGEST: u32 = 1 << 30;
    u32::try_from(bytes).unwrap_or(LARGEST).clamp(SMALLEST, LARGEST).next_power_of_two()
}

/// How much one CPU sends before it wakes the reader: when all have, a quarter of the ring is filled.
fn mark(ring: u32) -> u64 {
    let cpus = aya::util::nr_cpus().ok().and_then(|cpus| u64::try_from(cpus).ok()).unwrap_or(1);
    let share = u64::from(ring) / 4 / cpus.next_power_of_two().max(1);
    share.max(4096)
}

pub(super) fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, LoadError> {
    ebpf.take_map(name).ok_or(LoadError::MissingMap { name })
}

/// Loads and attaches the hooks of these kinds, and those that every kind needs.
pub(super) fn attach(ebpf: &mut Ebpf, kinds: &[Kind]) -> Result<Vec<HookReport>, LoadError> {
    let btf = Btf::from_sys_fs().map_err(LoadError::Btf)?;
    let wanted = |hook: &&Hook| hook.kind.is_none_or(|kind| kinds.contains(&kind));
    Ok(HOOKS.iter().filter(wanted).map(|hook| attach_hook(ebpf, hook, &btf)).collect())
}

fn attach_hook(ebpf: &mut Ebpf, hook: &Hook, btf: &Btf) -> HookReport {
    let mut refusals = Vec::new();
    for name in hook.programs {
        #[cfg(test)]
        if SKIPPED_PROGRAM.get() == *name {
            continue;
        }
        match attach_program(ebpf, hook, name, btf) {
            Ok(()) => return report(hook, name, None),
            Err(error) => refusals.push(format!("{name}: {}", chain(&error))),
        }
    }
    let program = hook.programs.last().copied().unwrap_or_default();
    report(hook, program, Some(format!("{}: {}", hook.cost, refusals.join("; "))))
}

fn report(hook: &Hook, program: &str, error: Option<String>) -> HookReport {
    HookReport {
        kind: hook.name.to_owned(),
        program: program.to_owned(),
        attach: hook.attach_name(),
        active: error.is_none(),
        error,
    }
}

fn attach_program(ebpf: &mut Ebpf, hook: &Hook, name: &str, btf: &Btf) -> Result<(), ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    if hook.is_iterator() {
        // It runs when a snapshot is taken, so there is nothing to attach now.
        let program: &mut Iter = program.try_into()?;
        return program.load(hook.attach, btf);
    }
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load(hook.attach, btf)?;
    program.attach().map(drop)
}

/// The loaded task iterator.
pub(super) fn snapshot_program(ebpf: &mut Ebpf) -> Result<&mut Iter, SensorError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| SensorError::Snapshot {
        what: "the iterator is not loaded",
        source,
    };
    let program = ebpf.program_mut(SNAPSHOT_PROGRAM).ok_or_else(|| failed("no such program".into()))?;
    program.try_into().map_err(|error: ProgramError| failed(error.into()))
}

/// The descriptor of a loaded program.
pub(super) fn program_fd(program: &Program) -> Option<&ProgramFd> {
    program.fd().ok()
}

/// One attempt of [`try_hooks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookTrial {
    /// What became of it.
    pub report: HookReport,
    /// What is not seen without it.
    pub cost: Cow<'static, str>,
}

/// Loads and attaches every hook with a scope in which nothing is, and detaches them all again.
///
/// # Errors
/// When the object itself cannot be used.
pub fn try_hooks() -> Result<Vec<HookTrial>, LoadError> {
    let config = SensorConfig {
        scope: Scope::Cgroup { ids: Vec::new() },
        never_drop_bytes: 0,
        bulk_bytes: 0,
        kinds: Kind::ALL.to_vec(),
    };
    let mut ebpf = open(&config)?;
    let reports = attach(&mut ebpf, &config.kinds)?;
    let trial = |report: HookReport| {
        let hook = HOOKS.iter().find(|hook| hook.name == report.kind);
        HookTrial { cost: hook.map_or("", |hook| hook.cost).into(), report }
    };
    Ok(reports.into_iter().map(trial).collect())
}

/// An error with its causes in one line; of a verifier log only the end, which names the reason.
fn chain(error: &dyn std::error::Error) -> String {
    const LOG_LINES: usize = 4;
    let mut text = String::new();
    for cause in std::iter::successors(Some(error), |error| error.source()) {
        let message = cause.to_string();
        let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let skip = lines.len().saturating_sub(LOG_LINES);
        let shown = if skip > 1 {
            let head = lines.first().copied().into_iter();
            head.chain(std::iter::once("…")).chain(lines.into_iter().skip(skip)).collect::<Vec<_>>().join(" ")
        } else {
            lines.join(" ")
        };
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&shown);
    }
    text
}
