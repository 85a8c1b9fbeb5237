//! The fields of Linux: groups that appear under many names, and what each kind has of its own.

mod address;
mod events;
mod file;
mod process;

use secl::model::{EventSet, IteratorId};

pub(crate) use events::EVENTS;

use crate::fields::{Builder, Place};
use crate::leaves;
use crate::row::{Which, Who};

/// `process.ancestors`.
pub(crate) const ANCESTORS: IteratorId = IteratorId(0);

/// The iterators by their place.
pub(crate) const ITERATORS: [&str; 3] =
    ["process.ancestors", "ptrace.tracee.ancestors", "signal.target.ancestors"];

/// All fields of Linux.
pub(crate) fn fields(to: &mut Builder) {
    let on_all = Place { events: EventSet::ALL, iterator: None };
    to.rows("", "", on_all, &events::COMMON, events::read);
    for (prefix, event, who) in [
        ("process", None, Some(Who::Acting)),
        ("process.parent", None, Some(Who::Parent)),
        ("process.ancestors", None, Some(Who::Ancestor)),
        ("exec", Some("exec"), Some(Who::Acting)),
        ("exit", Some("exit"), Some(Who::Acting)),
        ("ptrace.tracee", Some("ptrace"), None),
        ("ptrace.tracee.parent", Some("ptrace"), None),
        ("ptrace.tracee.ancestors", Some("ptrace"), None),
        ("signal.target", Some("signal"), None),
        ("signal.target.parent", Some("signal"), None),
        ("signal.target.ancestors", Some("signal"), None),
    ] {
        let iterator = ITERATORS.iter().position(|name| *name == prefix);
        let iterator = iterator.and_then(|at| u16::try_from(at).ok()).map(IteratorId);
        let place = Place { events: event.map_or(EventSet::ALL, |name| to.events(&[name])), iterator };
        to.rows("process", &format!("{prefix}."), place, &process::ROWS, |read| process::read(who, read));
        for (name, which) in
            [("file", who.map(Which::Program)), ("interpreter.file", who.map(Which::Interpreter))]
        {
            to.rows("file", &format!("{prefix}.{name}."), place, &file::ROWS, |read| file::read(which, read));
        }
    }
    for prefix in [
        "chdir.file",
        "chmod.file",
        "chown.file",
        "link.file",
        "link.file.destination",
        "load_module.file",
        "mkdir.file",
        "mmap.file",
        "open.file",
        "removexattr.file",
        "rename.file",
        "rename.file.destination",
        "rmdir.file",
        "setxattr.file",
        "splice.file",
        "unlink.file",
        "utimes.file",
    ] {
        let which = leaves::file_field(prefix).map(|(kind, place)| Which::OfEvent(kind, place));
        let event = prefix.split('.').next().unwrap_or_default();
        let place = Place { events: to.events(&[event]), iterator: None };
        to.rows("file", &format!("{prefix}."), place, &file::ROWS, |read| file::read(which, read));
    }
    for name in events::WITH_RETVAL {
        let place = Place { events: to.events(&[name]), iterator: None };
        to.rows("", &format!("{name}."), place, &events::RETVAL, |read| events::retval(name, read));
    }
    for (prefix, names) in [("network", &["dns", "imds"][..]), ("packet", &["packet"])] {
        let place = Place { events: to.events(names), iterator: None };
        to.rows("network", &format!("{prefix}."), place, &events::NETWORK, events::read);
    }
    for name in address::EVENTS {
        let place = Place { events: to.events(&[name]), iterator: None };
        to.rows("", &format!("{name}."), place, &address::ROWS, |read| address::read(name, read));
    }
    for (name, rows) in events::OWN {
        let place = Place { events: to.events(&[name]), iterator: None };
        to.rows("", &format!("{name}."), place, rows, events::read);
    }
}
