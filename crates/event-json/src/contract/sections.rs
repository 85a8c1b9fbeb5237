//! What the events of each kind add to a document: the sections of the contract.
//!
//! One arm for each kind: a kind that has none does not compile.

use event::{Address, Endpoint, Event, ExitStatus, PROTOCOLS, Run, What};
use serde::Serialize;

use super::{Context, File, Ids, process};
use crate::constants::{category, outcome};
use crate::text::Time;

/// The part of an event before its process.
#[derive(Serialize)]
pub(crate) struct Lead<'a> {
    evt: Evt,
    date: Time,
    #[serde(flatten)]
    sections: Sections<'a>,
}

/// The sections that kinds have; each kind fills its own.
#[derive(Serialize, Default)]
struct Sections<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<Exit>,
    #[serde(rename = "file", skip_serializing_if = "Option::is_none")]
    unlinked: Option<Unlinked<'a>>,
    #[serde(rename = "file", skip_serializing_if = "Option::is_none")]
    renamed: Option<Renamed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind: Option<Bind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<Connect>,
}

impl<'a> Sections<'a> {
    fn of(what: &'a What, run: &'a Run, ids: Ids<'a>) -> Self {
        let none = Self::default();
        match what {
            What::Exec(exec) => Self { file: Some(File::of_event(process::program(exec), ids)), ..none },
            What::Fork(_) => none,
            What::Exit(status) => {
                let program = run.exec.as_deref().map(process::program);
                let file = program.map(|file| File::of_event(file, ids));
                Self { file, exit: Some(Exit::new(*status)), ..none }
            }
            What::Rename(rename) => Self { renamed: Some(Renamed::new(rename, ids)), ..none },
            What::Bind(bind) => Self { bind: Some(Bind { addr: Addr::new(&bind.address) }), ..none },
            What::Connect(connect) => Self { connect: Some(Connect::new(connect)), ..none },
            What::Open(open) => Self { file: Some(File::of_open(open, ids)), ..none },
            What::Unlink(unlink) => Self { unlinked: Some(Unlinked::new(unlink, ids)), ..none },
        }
    }
}

impl<'a> Lead<'a> {
    pub(crate) fn new(event: &'a Event, run: &'a Run, context: Context<'a>) -> Self {
        let (kind, outcome) = (event.kind(), outcome(event));
        Self {
            evt: Evt { name: kind.name(), category: category(kind), outcome },
            date: Time::since_boot(event.boot_ns, context.wall_offset_ns),
            sections: Sections::of(&event.what, run, Ids::of(&event.task, context)),
        }
    }
}

#[derive(Serialize)]
struct Evt {
    name: &'static str,
    category: &'static str,
    outcome: &'static str,
}

#[derive(Serialize)]
struct Exit {
    cause: &'static str,
    code: u8,
}

impl Exit {
    fn new(status: ExitStatus) -> Self {
        let (cause, code) = match status {
            ExitStatus::Exited(code) => ("EXITED", code),
            ExitStatus::Signaled(signal) => ("SIGNALED", signal),
            ExitStatus::CoreDumped(signal) => ("COREDUMPED", signal),
        };
        Self { cause, code }
    }
}

/// The file that was removed, and how.
#[derive(Serialize)]
struct Unlinked<'a> {
    #[serde(flatten)]
    file: File<'a>,
    flags: Vec<&'static str>,
}

impl<'a> Unlinked<'a> {
    fn new(unlink: &'a event::Unlink, ids: Ids<'a>) -> Self {
        let is_directory = unlink.flags & libc::AT_REMOVEDIR.cast_unsigned() != 0;
        let flags = if is_directory { vec!["AT_REMOVEDIR"] } else { Vec::new() };
        Self { file: File::of_event(&unlink.file, ids), flags }
    }
}

/// The file that was renamed, and what it is now.
#[derive(Serialize)]
struct Renamed<'a> {
    #[serde(flatten)]
    file: File<'a>,
    destination: File<'a>,
}

impl<'a> Renamed<'a> {
    fn new(rename: &'a event::Rename, ids: Ids<'a>) -> Self {
        let destination = File::of_process(&rename.destination, ids);
        Self { file: File::of_event(&rename.file, ids), destination }
    }
}

/// The protocol is not in this section of the contract.
#[derive(Serialize)]
struct Bind {
    addr: Addr,
}

#[derive(Serialize)]
struct Connect {
    addr: Addr,
    /// Names that the address was looked up by: nobody here knows them.
    hostnames: [&'static str; 0],
    protocol: String,
}

impl Connect {
    fn new(connect: &event::Connect) -> Self {
        let protocol = PROTOCOLS.to_name(connect.protocol);
        Self { addr: Addr::new(&connect.address), hostnames: [], protocol }
    }
}

/// An address. The contract wants an IP address and a port of every family, and has no place for the path of another.
#[derive(Serialize)]
struct Addr {
    family: String,
    ip: String,
    port: u16,
}

impl Addr {
    fn new(address: &Address) -> Self {
        let (ip, port) = match &address.endpoint {
            Endpoint::Ip(ip, port) => (ip.to_string(), *port),
            Endpoint::Path(_) | Endpoint::Abstract(_) | Endpoint::Family(_) => (String::new(), 0),
        };
        Self { family: address.endpoint.family_name(), ip, port }
    }
}
