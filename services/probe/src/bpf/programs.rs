//! The programs of the object: each is loaded once, by itself, and its descriptor kept.
//!
//! A hook names alternatives; the first whose programs all load serves it. What this kernel refuses is told, and the
//! other hooks run.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use aya::programs::{BtfTracePoint, Iter, Program, ProgramError};
use aya::{Btf, Ebpf};
use event::Kind;

use super::hooks::{Alternative, HOOKS, Hook, Part, Place, SYSCALL_EXIT};

#[cfg(test)]
thread_local! {
    /// A program that is treated as if this kernel had refused it, so that tests reach the one tried next.
    pub(super) static SKIPPED_PROGRAM: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

/// What loading did for one hook.
pub(super) struct Loaded {
    pub(super) hook: &'static Hook,
    /// What serves it.
    pub(super) served_by: Option<&'static Alternative>,
    /// The program and the reason of each alternative that was refused before.
    pub(super) refused: Vec<String>,
    /// What the verifier looked at, of all programs of the alternative.
    pub(super) instructions: u32,
}

/// Loads the programs of the hooks of these kinds, and of those that every kind needs, side by side, because the kernel
/// verifies each by itself.
pub(super) fn load(ebpf: &mut Ebpf, kinds: &[Kind], btf: &Btf) -> Vec<Loaded> {
    let wanted = |hook: &&Hook| hook.kind.is_none_or(|kind| kinds.contains(&kind));
    let programs = Programs(ebpf.programs_mut().map(|(name, program)| (name, Slot::new(program))).collect());
    // A thread begins with the values of its own.
    #[cfg(test)]
    let skipped = SKIPPED_PROGRAM.get();
    std::thread::scope(|scope| {
        let start = |hook: &'static Hook| {
            let programs = &programs;
            let running = scope.spawn(move || {
                #[cfg(test)]
                SKIPPED_PROGRAM.set(skipped);
                programs.load(hook, btf)
            });
            (hook, running)
        };
        let running: Vec<_> = HOOKS.iter().filter(wanted).map(start).collect();
        let join = |(hook, running): (_, std::thread::ScopedJoinHandle<'_, Loaded>)| {
            let refused = vec!["loading it panicked".to_owned()];
            running.join().unwrap_or(Loaded { hook, served_by: None, refused, instructions: 0 })
        };
        running.into_iter().map(join).collect()
    })
}

/// All programs, each loaded at most once, whoever asks first.
struct Programs<'a>(HashMap<&'a str, Slot<'a>>);

struct Slot<'a> {
    program: Mutex<&'a mut Program>,
    /// How many instructions the verifier looked at, or why it was refused.
    loaded: OnceLock<Result<u32, String>>,
}

impl<'a> Slot<'a> {
    fn new(program: &'a mut Program) -> Self {
        Self { program: Mutex::new(program), loaded: OnceLock::new() }
    }

    fn load(&self, place: Place, btf: &Btf) -> Result<u32, String> {
        let load = || {
            let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
            load_at(&mut program, place, btf).map_err(|error| chain(&error))
        };
        self.loaded.get_or_init(load).clone()
    }
}

impl Programs<'_> {
    fn load(&self, hook: &'static Hook, btf: &Btf) -> Loaded {
        let mut loaded = Loaded { hook, served_by: None, refused: Vec::new(), instructions: 0 };
        // An alternative whose program nobody wrote is none, unless there is no other.
        let is_written = |alternative: &&Alternative| {
            alternative.parts.iter().all(|part| self.0.contains_key(&*part.program))
        };
        let written: Vec<&'static Alternative> = hook.alternatives.iter().filter(is_written).collect();
        let last = hook.alternatives.last().into_iter().filter(|_| written.is_empty());
        for alternative in written.iter().copied().chain(last) {
            let parts: Result<Vec<u32>, String> =
                alternative.parts.iter().map(|part| self.load_part(part, btf)).collect();
            match parts {
                Ok(instructions) => {
                    loaded.served_by = Some(alternative);
                    loaded.instructions = instructions.iter().sum();
                    break;
                }
                Err(why) => loaded.refused.push(why),
            }
        }
        loaded
    }

    fn load_part(&self, part: &Part, btf: &Btf) -> Result<u32, String> {
        let name = &*part.program;
        #[cfg(test)]
        if SKIPPED_PROGRAM.get() == name {
            return Err(format!("{name}: skipped"));
        }
        let slot = self.0.get(name).ok_or_else(|| format!("{name}: not in the object"))?;
        slot.load(part.place, btf).map_err(|why| format!("{name}: {why}"))
    }
}

fn load_at(program: &mut Program, place: Place, btf: &Btf) -> Result<u32, ProgramError> {
    match place {
        Place::TracePoint(name) => <&mut BtfTracePoint>::try_from(&mut *program)?.load(name, btf)?,
        Place::SyscallExit(_) => <&mut BtfTracePoint>::try_from(&mut *program)?.load(SYSCALL_EXIT, btf)?,
        Place::Iterator(name) => <&mut Iter>::try_from(&mut *program)?.load(name, btf)?,
    }
    Ok(program.info().ok().and_then(|info| info.verified_instruction_count()).unwrap_or(0))
}

/// An error with its causes in one line; of a verifier log only the end, which names the reason.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
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
