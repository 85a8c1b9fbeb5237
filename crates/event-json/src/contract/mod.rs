//! The shape of the contract: one struct per object of the schema, borrowed from the domain.
//!
//! What does not apply is left out, never null; optional numbers are left out when zero, `uid` and `gid` never are.
//! An object that the writer assembles from parts made at different times is split along those parts: an event is
//! [`Lead`], its process, [`Trail`]; a process is [`Who`] acts and what it [`Runs`].

mod file;
mod lineage;
mod process;
mod sections;

use event::{Event, Run};
use serde::Serialize;

use crate::Names;
use crate::text::Time;

pub(crate) use file::File;
pub(crate) use lineage::{Ancestor, Detail, Shared};
pub(crate) use process::{Container, Credentials, CredentialsOf, Process, Runs, RunsTraits, Who};
pub(crate) use sections::Lead;

/// What the domain leaves to its edges: names of ids, and the wall clock.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) names: &'a Names,
    pub(crate) wall_offset_ns: i64,
}

impl Context<'_> {
    /// A moment of the boot-time clock; 0 means that it is not known.
    fn time(self, boot_ns: u64) -> Option<Time> {
        (boot_ns != 0).then(|| Time::since_boot(boot_ns, self.wall_offset_ns))
    }
}

/// Names of ids as one process sees them.
#[derive(Clone, Copy)]
pub(crate) struct Ids<'a> {
    names: &'a Names,
    contained: bool,
}

impl<'a> Ids<'a> {
    pub(crate) fn of(task: &event::Task, context: Context<'a>) -> Self {
        Self { names: context.names, contained: task.cgroup.workload.container_id().is_some() }
    }

    fn user(self, uid: u32) -> Option<&'a str> {
        self.names.user(uid, self.contained)
    }

    fn group(self, gid: u32) -> Option<&'a str> {
        self.names.group(gid, self.contained)
    }
}

/// The part of an event after its process.
#[derive(Serialize)]
pub(crate) struct Trail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Container<'a>>,
    usr: User<'a>,
    dd: Span,
}

impl<'a> Trail<'a> {
    pub(crate) fn new(event: &'a Event, context: Context<'a>) -> Self {
        let ids = Ids::of(&event.task, context);
        let credentials = &event.task.credentials;
        Self {
            container: Container::of(&event.task),
            usr: User { id: ids.user(credentials.uid), group: ids.group(credentials.gid) },
            dd: Span {},
        }
    }
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
}

/// The tracing context. Shrike follows no traces, and the contract has the object all the same.
#[derive(Serialize)]
struct Span {}

/// A whole event, for the way without a cache.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    #[serde(flatten)]
    lead: Lead<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process<'a>>,
    #[serde(flatten)]
    trail: Trail<'a>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(event: &'a Event, run: &'a Run, context: Context<'a>) -> Self {
        Self {
            lead: Lead::new(event, run, context),
            process: (event.task.process.tgid != 0).then(|| Process::new(event, run, context)),
            trail: Trail::new(event, context),
        }
    }
}

/// `skip_serializing_if` for optional numbers and flags.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
