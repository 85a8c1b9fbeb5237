//! One event of ours, as rules see it.
//!
//! Invariant: reading a field allocates nothing, but for what is derived from arguments, once per event and process.

use std::cell::Cell;

use event::{Address, Event, File, Host, Open, Run, Unlink, What};
use secl::Value;
use secl::model::{FieldId, IteratorId, Type};

use crate::actor::{Actor, Derived, interpreter, program, wall};
use crate::fields::Fields;
use crate::leaves;
use crate::row::{OfActor, OfEvent, Read, Which, Who};

/// What an event is seen with.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'e> {
    /// What happened.
    pub event: &'e Event,
    /// The run that was acting, with its lineage.
    pub run: &'e Run,
    /// Where.
    pub host: &'e Host,
    /// Tags of the container, `key:value`.
    pub tags: &'e [Box<str>],
}

/// An event as rules see it.
#[derive(Debug)]
pub struct Facts<'e> {
    pub(crate) seen: Seen<'e>,
    fields: &'e Fields,
    /// The ancestor that was asked for last, and its place: they are mostly asked for in order.
    cursor: Cell<(usize, Option<&'e Run>)>,
    derived: Derived,
}

impl<'e> Facts<'e> {
    /// The event as rules over these fields see it.
    #[must_use]
    pub fn new(fields: &'e Fields, seen: Seen<'e>) -> Self {
        let cursor = Cell::new((0, seen.run.ancestor.as_deref()));
        let derived = Derived::new(usize::try_from(seen.run.depth).unwrap_or(0));
        Self { seen, fields, cursor, derived }
    }

    /// Place of the event's type in [`secl::Model::event_types`].
    #[must_use]
    pub fn event_type(&self) -> Option<usize> {
        self.fields.event_type(self.seen.event.kind().name())
    }

    pub(crate) fn now(&self) -> i64 {
        wall(self.seen.event.boot_ns, self.seen.host.wall_offset_ns)
    }

    pub(crate) fn open(&self) -> Option<&'e Open> {
        if let What::Open(open) = &self.seen.event.what { Some(open) } else { None }
    }

    pub(crate) fn unlink(&self) -> Option<&'e Unlink> {
        if let What::Unlink(unlink) = &self.seen.event.what { Some(unlink) } else { None }
    }

    /// The address of a socket, in events that have one.
    pub(crate) fn address(&self) -> Option<&'e Address> {
        leaves::address(&self.seen.event.what)
    }

    /// What the system call returned, in events of one.
    pub(crate) fn retval(&self) -> Option<i32> {
        self.seen.event.what.retval()
    }

    fn ancestor(&self, at: usize) -> Option<&'e Run> {
        let (mut place, mut run) = self.cursor.get();
        if place > at || run.is_none() {
            (place, run) = (0, self.seen.run.ancestor.as_deref());
        }
        while place < at {
            run = run?.ancestor.as_deref();
            place += 1;
        }
        self.cursor.set((place, run));
        run
    }

    fn depth(&self) -> usize {
        usize::try_from(self.seen.run.depth).unwrap_or(0)
    }

    pub(crate) fn actor(&self, who: Who, item: usize) -> Option<Actor<'_>> {
        let (place, run) = match who {
            Who::Acting => (0, self.seen.run),
            Who::Parent => (1, self.ancestor(0)?),
            Who::Ancestor => (item.checked_add(1)?, self.ancestor(item)?),
        };
        // The acting task may be another thread than the one that made the run, with other credentials.
        let task = if place == 0 { &self.seen.event.task } else { &run.task };
        let wall_offset_ns = self.seen.host.wall_offset_ns;
        Some(Actor { task, run, place, derived: &self.derived, wall_offset_ns })
    }

    fn file(&self, which: Which, item: usize) -> Option<&'e File> {
        let run = |who| match who {
            Who::Acting => Some(self.seen.run),
            Who::Parent => self.ancestor(0),
            Who::Ancestor => self.ancestor(item),
        };
        match which {
            Which::OfEvent(kind, place) => leaves::file(&self.seen.event.what, kind, place),
            Which::Program(who) => run(who)?.exec.as_deref().map(program),
            Which::Interpreter(who) => run(who)?.exec.as_deref().and_then(interpreter),
        }
    }

    fn read(&self, field: FieldId, item: usize, element: usize) -> Option<Value<'_>> {
        match self.fields.read(field) {
            Read::File(which, read) => self.file(which, item).map(read),
            Read::Actor(who, OfActor::One(read)) => self.actor(who, item).map(read),
            Read::Actor(who, OfActor::Many(_, read)) => {
                self.actor(who, item).map(|actor| read(actor, element))
            }
            Read::Event(OfEvent::One(read)) => Some(read(self)),
            Read::Event(OfEvent::Many(_, read)) => Some(read(self, element)),
            Read::Nothing => None,
        }
    }
}

impl secl::Event for Facts<'_> {
    fn now_ns(&self) -> i64 {
        self.now()
    }

    fn items(&self, iterator: IteratorId) -> usize {
        if iterator == crate::linux::ANCESTORS { self.depth() } else { 0 }
    }

    fn elements(&self, field: FieldId, item: usize) -> usize {
        match self.fields.read(field) {
            Read::Actor(who, OfActor::Many(count, _)) => self.actor(who, item).map_or(0, count),
            Read::Event(OfEvent::Many(count, _)) => count(self),
            Read::Actor(_, OfActor::One(_))
            | Read::Event(OfEvent::One(_))
            | Read::File(..)
            | Read::Nothing => 0,
        }
    }

    fn value(&self, field: FieldId, item: usize, element: usize) -> Value<'_> {
        self.read(field, item, element).unwrap_or_else(|| match self.fields.type_of(field) {
            Type::Bool => Value::Bool(false),
            Type::Int => Value::Int(0),
            // An address that is not there is an empty text, which equals none.
            Type::Text | Type::Net => Value::Text(b""),
        })
    }
}
