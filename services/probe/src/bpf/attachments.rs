//! What is attached, and which hooks need it.
//!
//! Programs are loaded once and their descriptors kept, so attaching one later makes a link or fills a place in an array,
//! and that needs no capability (docs/kernel.md says on which kernels that was tried). Invariant: a program that no
//! attached hook needs is not attached, so nobody pays for it.

use std::collections::{BTreeSet, HashMap};

use aya::Ebpf;
use aya::maps::{Map, MapData, ProgramArray};
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, ProgramError};
use event::Kind;

use super::error::{LoadError, SensorError};
use super::hooks::{Alternative, Hook, Part, Place, of_kind};
use super::programs::Loaded;

/// What became of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    /// What it reports: a kind of event, `cgroup_made`, `cgroup_gone`, `cgroup_entered`, `snapshot` or `living`.
    pub kind: String,
    /// The program.
    pub program: String,
    /// Where it is attached, `tp_btf/sched_process_exec`.
    pub attach: String,
    /// Whether it runs.
    pub active: bool,
    /// Why it does not, and what is not seen without it.
    pub error: Option<String>,
    /// What would have been preferred, and why this kernel refused it.
    pub refused: Vec<String>,
    /// What the verifier looked at until it was content.
    pub instructions: u32,
}

/// The links of the attached programs. Dropping it detaches them.
pub(super) struct Attachments {
    served: HashMap<&'static str, &'static Alternative>,
    links: HashMap<&'static str, Attached>,
    handlers: ProgramArray<MapData>,
}

/// An attached program and the hooks that need it.
struct Attached {
    link: Link,
    users: BTreeSet<&'static str>,
}

enum Link {
    TracePoint(BtfTracePointLink),
    /// A place in the array of handlers.
    Handler(u32),
    /// It runs when it is asked for.
    None,
}

impl Attachments {
    pub(super) fn new(handlers: Map) -> Result<Self, SensorError> {
        let handlers = handlers.try_into().map_err(LoadError::Map)?;
        Ok(Self { served: HashMap::new(), links: HashMap::new(), handlers })
    }

    /// Attaches what was loaded, in the order of the hooks.
    pub(super) fn attach_all(&mut self, ebpf: &mut Ebpf, loaded: Vec<Loaded>) -> Vec<HookReport> {
        loaded.into_iter().map(|loaded| self.attach_loaded(ebpf, loaded)).collect()
    }

    fn attach_loaded(&mut self, ebpf: &mut Ebpf, loaded: Loaded) -> HookReport {
        let Loaded { hook, served_by, refused, instructions } = loaded;
        let last = hook.alternatives.last().and_then(Alternative::reporter);
        let part = served_by.and_then(Alternative::reporter).or(last);
        let why = served_by.map_or_else(
            || Some(refused.join("; ")),
            |alternative| {
                self.served.insert(hook.name, alternative);
                self.attach(ebpf, hook).err().map(|error| super::programs::chain(&error))
            },
        );
        HookReport {
            kind: hook.name.to_owned(),
            program: part.map_or_else(String::new, |part| part.program.to_string()),
            attach: part.map_or_else(String::new, |part| part.place.name()),
            active: why.is_none(),
            refused: if why.is_none() { refused } else { Vec::new() },
            error: why.map(|why| format!("{}: {why}", hook.cost)),
            instructions,
        }
    }

    /// Attaches the programs of an optional kind. Nothing changes for the others.
    pub(super) fn attach_kind(&mut self, ebpf: &mut Ebpf, kind: Kind) -> Result<(), SensorError> {
        let hook = optional(kind)?;
        self.attach(ebpf, hook).map_err(|source| SensorError::Attach { kind, source })
    }

    /// Detaches those that no other kind needs.
    pub(super) fn detach_kind(&mut self, kind: Kind) -> Result<(), SensorError> {
        let hook = optional(kind)?;
        self.detach(hook.name);
        Ok(())
    }

    /// Detaches every program.
    pub(super) fn detach_all(&mut self) {
        let hooks: BTreeSet<_> = self.links.values().flat_map(|attached| &attached.users).copied().collect();
        for hook in hooks {
            self.detach(hook);
        }
    }

    fn attach(&mut self, ebpf: &mut Ebpf, hook: &'static Hook) -> Result<(), ProgramError> {
        let alternative = self.served.get(hook.name).copied().ok_or(ProgramError::NotLoaded)?;
        for part in &alternative.parts {
            if let Err(error) = self.need(ebpf, part, hook.name) {
                self.detach(hook.name);
                return Err(error);
            }
        }
        Ok(())
    }

    fn need(&mut self, ebpf: &mut Ebpf, part: &'static Part, hook: &'static str) -> Result<(), ProgramError> {
        if let Some(attached) = self.links.get_mut(&*part.program) {
            attached.users.insert(hook);
            return Ok(());
        }
        let program = ebpf.program_mut(&part.program).ok_or(ProgramError::NotLoaded)?;
        let link = match part.place {
            Place::TracePoint(_) => {
                let program: &mut BtfTracePoint = program.try_into()?;
                let id = program.attach()?;
                Link::TracePoint(program.take_link(id)?)
            }
            Place::SyscallExit(kind) => {
                let place = kind as u32;
                self.handlers.set(place, program.fd()?, 0)?;
                Link::Handler(place)
            }
            Place::Iterator(_) => Link::None,
        };
        self.links.insert(&*part.program, Attached { link, users: BTreeSet::from([hook]) });
        Ok(())
    }

    fn detach(&mut self, hook: &'static str) {
        let parts = self.served.get(hook).map_or(&[][..], |alternative| &*alternative.parts);
        for part in parts.iter().rev() {
            let Some(attached) = self.links.get_mut(&*part.program) else { continue };
            attached.users.remove(hook);
            if !attached.users.is_empty() {
                continue;
            }
            match self.links.remove(&*part.program).map(|attached| attached.link) {
                Some(Link::Handler(place)) => {
                    if let Err(error) = self.handlers.clear_index(&place) {
                        tracing::debug!(hook, %error, "the handler was not there");
                    }
                }
                Some(Link::TracePoint(link)) => drop(link),
                Some(Link::None) | None => {}
            }
        }
    }

    /// Programs that are attached now.
    #[cfg(test)]
    pub(super) fn programs(&self) -> BTreeSet<&'static str> {
        self.links.keys().copied().collect()
    }
}

fn optional(kind: Kind) -> Result<&'static Hook, SensorError> {
    of_kind(kind).filter(|hook| hook.is_optional).ok_or(SensorError::NotOptional { kind })
}
