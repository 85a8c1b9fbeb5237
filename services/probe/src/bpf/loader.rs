//! Loads the object and attaches its programs, each by itself.
//!
//! A hook that this kernel refuses is reported with what that costs, and the others run.

use std::borrow::Cow;
use std::collections::HashMap;

use aya::maps::Map;
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use event::Kind;
use event_abi::scope_mode;

use super::config::{Scope, SensorConfig};
use super::error::{LoadError, SensorError};
use super::hooks::{Choice, HOOKS, Hook};
use super::kernel_types::KernelTypes;
use super::scope;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe.bpf.o"));

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

#[cfg(test)]
thread_local! {
    /// A program that is treated as if this kernel had refused it, so that tests reach the one tried next.
    pub(super) static SKIPPED_PROGRAM: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
    /// Treats this kernel as one in which programs preempt each other.
    pub(super) static IS_PREEMPTIBLE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// A bit for each pid a kernel can give; the size of `exited` in ebpf/process/exit.h.
const EXIT_MARK_WORDS: u32 = (4 << 20) / 64;

/// Lists the processes in scope with what is known of each.
pub(super) const SNAPSHOT_PROGRAM: &str = "on_task";

/// Lists who they are.
pub(super) const LIVING_PROGRAM: &str = "on_living";

/// The types of the running kernel. Reading them takes time, so it is done once.
pub(super) fn kernel_types() -> Result<KernelTypes, LoadError> {
    KernelTypes::read(OBJECT)
}

/// Creates the maps. Nothing is attached yet.
pub(super) fn open(config: &SensorConfig, types: &KernelTypes) -> Result<Ebpf, LoadError> {
    let mode = match config.scope {
        Scope::Containers => scope_mode::SCOPE_CONTAINERS,
        Scope::Cgroup { .. } => scope_mode::SCOPE_CGROUP,
        Scope::Host => scope_mode::SCOPE_HOST,
    };
    let bulk = ring_size(config.bulk_bytes);
    let never_drop = ring_size(config.never_drop_bytes);
    let strings = ring_size(config.strings_bytes);
    let (bulk_mark, never_drop_mark, strings_mark) = (mark(bulk), mark(never_drop), mark(strings));
    let v1_mask = scope::v1_mask();
    let is_preemptible = u8::from(is_preemptible());
    EbpfLoader::new()
        .btf(Some(types.for_relocation()))
        .override_global("scope_mode", &mode.0, true)
        .override_global("v1_controllers", &v1_mask, true)
        .override_global("is_preemptible", &is_preemptible, true)
        .override_global("bulk_mark", &bulk_mark, true)
        .override_global("never_drop_mark", &never_drop_mark, true)
        .override_global("strings_mark", &strings_mark, true)
        .override_global("bulk_share", &share(bulk), true)
        .override_global("never_drop_share", &share(never_drop), true)
        .override_global("strings_share", &share(strings), true)
        .map_max_entries("exited", if needs_exit_marks() { EXIT_MARK_WORDS } else { 1 })
        .map_max_entries("bulk", bulk)
        .map_max_entries("never_drop", never_drop)
        .map_max_entries("strings", strings)
        .load(OBJECT)
        .map_err(LoadError::Object)
}

/// Whether the end of a process is found out with a mark per pid, because the kernel (before 6.16) does not tell.
fn needs_exit_marks() -> bool {
    #[cfg(test)]
    if !SKIPPED_PROGRAM.get().is_empty() {
        return true;
    }
    kernel_version() < (6, 16)
}

/// Whether programs can preempt each other: tracepoints of 7.0 can be preempted.
fn is_preemptible() -> bool {
    #[cfg(test)]
    if IS_PREEMPTIBLE.get() {
        return true;
    }
    kernel_version() >= (7, 0)
}

fn kernel_version() -> (u32, u32) {
    let release = nix::sys::utsname::uname().map(|names| names.release().to_owned()).unwrap_or_default();
    version_of(&release.to_string_lossy())
}

fn version_of(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|word| word.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
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

/// How much one cgroup may send between two drains before it is kept to half of the ring.
fn share(ring: u32) -> u64 {
    u64::from(ring) / 4
}

pub(super) fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, LoadError> {
    ebpf.take_map(name).ok_or(LoadError::MissingMap { name })
}

/// Loads and attaches the hooks of these kinds, and those that every kind needs. They are loaded side by side, because
/// the kernel verifies each by itself, and attached in their order.
pub(super) fn attach(ebpf: &mut Ebpf, kinds: &[Kind], types: &KernelTypes) -> Vec<HookReport> {
    let btf = &types.all;
    let wanted = |hook: &&Hook| hook.kind.is_none_or(|kind| kinds.contains(&kind));
    let mut programs: HashMap<String, &mut Program> =
        ebpf.programs_mut().map(|(name, program)| (name.to_owned(), program)).collect();
    let candidates: Vec<_> =
        HOOKS.iter().filter(wanted).map(|hook| Candidates::new(hook, &mut programs)).collect();
    let loaded: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> =
            candidates.into_iter().map(|hook| scope.spawn(move || hook.load(btf))).collect();
        running.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let reports = HOOKS.iter().filter(wanted).zip(loaded).map(|(hook, loaded)| match loaded {
        Ok(Ok(choice)) => choice.attach(hook),
        Ok(Err(refusals)) => refused(hook, &refusals),
        Err(_) => refused(hook, "loading it panicked"),
    });
    reports.collect()
}

/// The programs of one hook, in the order in which they are tried.
struct Candidates<'a> {
    hook: &'static Hook,
    choices: Vec<ChoicePrograms<'a>>,
}

/// The programs of one choice. Some, if the object has them.
struct ChoicePrograms<'a> {
    choice: &'static Choice,
    program: Option<&'a mut Program>,
    helper: Option<&'a mut Program>,
}

impl<'a> Candidates<'a> {
    fn new(hook: &'static Hook, programs: &mut HashMap<String, &'a mut Program>) -> Self {
        let choices = hook.programs.iter().filter(|choice| !is_skipped(choice));
        let choices = choices.map(|choice| ChoicePrograms {
            choice,
            program: programs.remove(choice.program),
            helper: choice.helper.and_then(|(name, _)| programs.remove(name)),
        });
        Self { hook, choices: choices.collect() }
    }

    /// The first choice that loads, or why none does.
    fn load(self, btf: &Btf) -> Result<ChoicePrograms<'a>, String> {
        let mut refusals = Vec::new();
        for mut choice in self.choices {
            match choice.load(self.hook, btf) {
                Ok(()) => return Ok(choice),
                Err(error) => refusals.push(format!("{}: {}", choice.choice.program, chain(&error))),
            }
        }
        Err(refusals.join("; "))
    }
}

impl ChoicePrograms<'_> {
    fn load(&mut self, hook: &Hook, btf: &Btf) -> Result<(), ProgramError> {
        if let Some((_, tracepoint)) = self.choice.helper {
            tracepoint_program(&mut self.helper)?.load(tracepoint, btf)?;
        }
        if !hook.is_iterator() {
            return tracepoint_program(&mut self.program)?.load(hook.attach, btf);
        }
        let program: &mut Iter = self.program.as_deref_mut().ok_or(ProgramError::NotLoaded)?.try_into()?;
        program.load(hook.attach, btf)
    }

    fn attach(mut self, hook: &Hook) -> HookReport {
        match self.try_attach(hook) {
            Ok(()) => report(hook, self.choice.program, None),
            Err(error) => refused(hook, &format!("{}: {}", self.choice.program, chain(&error))),
        }
    }

    fn try_attach(&mut self, hook: &Hook) -> Result<(), ProgramError> {
        if self.choice.helper.is_some() {
            tracepoint_program(&mut self.helper)?.attach()?;
        }
        if hook.is_iterator() {
            // It runs when a list is asked for, so there is nothing to attach now.
            return Ok(());
        }
        tracepoint_program(&mut self.program)?.attach().map(drop)
    }
}

fn tracepoint_program<'a>(
    program: &'a mut Option<&mut Program>,
) -> Result<&'a mut BtfTracePoint, ProgramError> {
    program.as_deref_mut().ok_or(ProgramError::NotLoaded)?.try_into()
}

#[cfg(test)]
fn is_skipped(choice: &Choice) -> bool {
    SKIPPED_PROGRAM.get() == choice.program
}

#[cfg(not(test))]
fn is_skipped(_: &Choice) -> bool {
    false
}

fn refused(hook: &Hook, why: &str) -> HookReport {
    let program = hook.programs.last().map_or("", |choice| choice.program);
    report(hook, program, Some(format!("{}: {why}", hook.cost)))
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

/// A loaded iterator.
pub(super) fn iterator<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Iter, SensorError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| SensorError::Snapshot {
        what: "the iterator is not loaded",
        source,
    };
    let program = ebpf.program_mut(name).ok_or_else(|| failed("no such program".into()))?;
    program.try_into().map_err(|error: ProgramError| failed(error.into()))
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
    let config = SensorConfig::of_nothing();
    let types = kernel_types()?;
    let mut ebpf = open(&config, &types)?;
    let reports = attach(&mut ebpf, &config.kinds, &types);
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
