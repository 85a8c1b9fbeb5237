//! Makes the maps of the object, as the configuration and the running kernel want them, and tries its hooks.

use std::borrow::Cow;

use aya::maps::Map;
use aya::programs::{Iter, ProgramError};
use aya::{Ebpf, EbpfLoader};
use event::Kind;
use event_abi::scope_mode;

use super::attachments::{Attachments, HookReport};
use super::config::{Scope, SensorConfig};
use super::error::{LoadError, SensorError};
use super::hooks::HOOKS;
use super::kernel_types::KernelTypes;
use super::{programs, scope, snapshot};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe.bpf.o"));

#[cfg(test)]
thread_local! {
    /// Treats this kernel as one in which programs preempt each other.
    pub(super) static IS_PREEMPTIBLE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// Treats this page of each list of arguments as one that was swapped out.
    pub(super) static MISSING_PAGE: std::cell::Cell<u64> = const { std::cell::Cell::new(u64::MAX) };
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

/// The types, and the maps made with them. The library's loader reads all types again when it is made, whatever it is given
/// afterwards, so that happens beside.
pub(super) fn start(config: &SensorConfig) -> Result<(KernelTypes, Ebpf), LoadError> {
    std::thread::scope(|scope| {
        let loader = scope.spawn(EbpfLoader::new);
        let types = kernel_types()?;
        let loader = loader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let ebpf = open(loader, config, &types)?;
        Ok((types, ebpf))
    })
}

/// Creates the maps. Nothing is attached yet.
pub(super) fn open(
    loader: EbpfLoader<'static>,
    config: &SensorConfig,
    types: &KernelTypes,
) -> Result<Ebpf, LoadError> {
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
    #[cfg(test)]
    let missing_page = MISSING_PAGE.get();
    #[cfg(not(test))]
    let missing_page = u64::MAX;
    // Lives shorter than what it was made as: it borrows from here on.
    let mut loader: EbpfLoader<'_> = loader;
    loader
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
        .override_global("missing_page", &missing_page, true)
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
    if !programs::SKIPPED_PROGRAM.get().is_empty() {
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

/// What is attached, and who lived in between.
pub(super) struct Attached {
    pub(super) reports: Vec<HookReport>,
    pub(super) attachments: Attachments,
    /// The processes in scope at a moment after which every beginning is seen, and before which nothing else was.
    pub(super) running: Result<Vec<Vec<u8>>, SensorError>,
}

/// Loads and attaches the hooks of these kinds, and those that every kind needs.
pub(super) fn attach(ebpf: &mut Ebpf, kinds: &[Kind], types: &KernelTypes) -> Result<Attached, SensorError> {
    let mut attachments = Attachments::new(take_map(ebpf, "exit_handlers")?)?;
    let (acts, begins): (Vec<_>, Vec<_>) =
        programs::load(ebpf, kinds, &types.all).into_iter().partition(|loaded| loaded.hook.needs_process());
    let mut reports = attachments.attach_all(ebpf, begins);
    let running = snapshot::take(ebpf);
    reports.extend(attachments.attach_all(ebpf, acts));
    Ok(Attached { reports, attachments, running })
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
pub fn try_hooks() -> Result<Vec<HookTrial>, SensorError> {
    let config = SensorConfig::of_nothing();
    let (types, mut ebpf) = start(&config)?;
    let attached = attach(&mut ebpf, &config.kinds, &types)?;
    let trial = |report: HookReport| {
        let hook = HOOKS.iter().find(|hook| hook.name == report.kind);
        HookTrial { cost: hook.map_or("", |hook| &*hook.cost).into(), report }
    };
    Ok(attached.reports.into_iter().map(trial).collect())
}
