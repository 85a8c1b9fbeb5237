//! Writes events, keeping what they have in common.
//!
//! Most of a document, from the credentials of its process on to its end, is the same for all events of one run. The
//! writer serializes this tail once, and hands it out; per event it writes only what is before.

use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Host, Run};
use serde::Serialize;

use crate::cache::{Cache, CacheStats, Holds, address};
use crate::containers::Containers;
use crate::contract::{
    Ancestor, Context, Credentials, CredentialsOf, Detail, Document, Ids, Lead, Runs, RunsTraits, Shared,
    Trail, Who,
};
use crate::names::Names;

/// No document is larger, as long as paths are within the 4096 bytes that Linux allows: what intakes accept.
///
/// A lineage may hold any number of programs with long arguments. Once a document's process has
/// 256 KiB, the arguments of further ancestors are left out (`args_truncated`), and once it has 512 KiB, the further ancestors are.
pub const MAX_DOCUMENT_BYTES: usize = 1_000_000;
const FULL_PROCESS_BYTES: usize = 256 * 1024;
const CUT_PROCESS_BYTES: usize = 512 * 1024;

/// Bytes of serialized parts a writer keeps unless told otherwise.
const DEFAULT_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Writes the events of one host as JSON. Keep one for the life of a stream: it caches.
pub struct Writer {
    wall_offset_ns: i64,
    names: Names,
    tails: Cache<TailKey>,
    /// By run, and what it shares with the one before it.
    ancestors: Cache<(usize, Shared)>,
    credentials: Cache<CredentialsOf>,
    containers: Containers,
}

/// What decides the tail of a document. It is not the run: forks of one run that have not called exec share it, and so
/// does the copy of a run that an exit event carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct TailKey {
    exec: usize,
    ancestor: usize,
    traits: RunsTraits,
    credentials: CredentialsOf,
    /// Those of the task: the credentials of kernel threads are empty, and their user is not.
    uid: u32,
    gid: u32,
    container: u64,
}

impl Writer {
    /// A writer for events of this host. Of user and group names it knows only `root`, until
    /// [`Writer::with_names`] tells it more.
    #[must_use]
    pub fn new(host: &Host) -> Self {
        let writer = Self {
            wall_offset_ns: host.wall_offset_ns,
            names: Names::default(),
            tails: Cache::new(0),
            ancestors: Cache::new(0),
            credentials: Cache::new(0),
            containers: Containers::default(),
        };
        writer.with_cache_bytes(DEFAULT_CACHE_BYTES)
    }

    /// Names the users and groups of the host's own processes. For a writer that has not written yet: what it
    /// cached keeps the names it has.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Changes how many bytes of serialized parts are kept (8 MiB); 0 keeps none.
    #[must_use]
    pub fn with_cache_bytes(self, limit: usize) -> Self {
        let share = limit / 8;
        let (tails, ancestors, credentials) =
            (Cache::new(5 * share), Cache::new(2 * share), Cache::new(share));
        Self { tails, ancestors, credentials, ..self }
    }

    /// Appends the JSON of one event, without a line break.
    ///
    /// `run` is the run the acting process had at the event, with its lineage: for an exec the new one, for a
    /// fork the child's, for an exit a copy whose `exit_ns` is set (without it, the time of the event is taken).
    /// Arguments and environment come from runs only, and are written as they are: scrub an exec before
    /// anything keeps it.
    pub fn write(&mut self, out: &mut Vec<u8>, event: &Event, run: &Arc<Run>) {
        if let Some(tail) = self.write_parted(out, event, run) {
            out.extend_from_slice(tail.strip_suffix(b"\n").unwrap_or(&tail));
        }
    }

    /// The same for a document that may come in two parts: appends the beginning, and returns the rest with a line
    /// break behind it. The rest is shared with other events, so equal rests mostly are one piece of memory. `None`:
    /// it was not known yet, and the whole document is appended, without a line break.
    pub fn write_parted(&mut self, out: &mut Vec<u8>, event: &Event, run: &Arc<Run>) -> Option<Bytes> {
        let context = Context { names: &self.names, wall_offset_ns: self.wall_offset_ns };
        put(out, &Lead::new(event, run, context));
        reopen(out);
        if event.task.process.tgid == 0 {
            put_fields(out, &Trail::new(event, self.context()));
            return None;
        }
        out.extend_from_slice(b",\"process\":");
        put(out, &Who::acting(event, run, context));
        reopen(out);
        let key = TailKey {
            exec: address(run.exec.as_ref()),
            ancestor: address(run.ancestor.as_ref()),
            traits: RunsTraits::of(run, &event.task),
            credentials: CredentialsOf::task(&event.task, run.exec.as_ref()),
            uid: event.task.credentials.uid,
            gid: event.task.credentials.gid,
            container: self.containers.number(&event.task.cgroup),
        };
        if let Some(tail) = self.tails.get(&key) {
            return Some(tail.clone());
        }
        let start = out.len();
        self.write_tail(out, event, run, key);
        out.push(b'\n');
        let tail = out.get(start..).unwrap_or_default();
        self.tails.insert(key, tail, Holds::new(run.exec.as_ref(), run.ancestor.as_ref()));
        out.pop();
        None
    }

    /// What the caches hold and did.
    #[must_use]
    pub fn cache(&self) -> CacheStats {
        self.tails.stats().plus(self.ancestors.stats()).plus(self.credentials.stats())
    }

    fn context(&self) -> Context<'_> {
        Context { names: &self.names, wall_offset_ns: self.wall_offset_ns }
    }

    fn write_credentials(&mut self, out: &mut Vec<u8>, of: CredentialsOf) {
        if let Some(object) = self.credentials.get(&of) {
            out.extend_from_slice(object);
            return;
        }
        let start = out.len();
        put(out, &Credentials::new(of, self.context()));
        self.credentials.insert(of, out.get(start..).unwrap_or_default(), Holds::new(None, None));
    }

    /// Ends the open process object with its credentials, its program and its lineage, and then the event.
    fn write_tail(&mut self, out: &mut Vec<u8>, event: &Event, run: &Run, key: TailKey) {
        out.extend_from_slice(b",\"credentials\":");
        self.write_credentials(out, key.credentials);
        let start = out.len();
        let ids = Ids::of(&event.task, self.context());
        put_fields(out, &Runs::new(run.exec.as_ref(), key.traits, Detail::Full, ids));
        if let Some(parent) = &run.ancestor {
            reopen(out);
            self.write_lineage(out, start, parent, Shared::of_parent(parent, key.credentials));
            out.push(b'}');
        }
        put_fields(out, &Trail::new(event, self.context()));
    }

    /// Adds the parent and the ancestors to the open object of a process whose program started at `start`.
    fn write_lineage(&mut self, out: &mut Vec<u8>, start: usize, parent: &Arc<Run>, shared: Shared) {
        out.extend_from_slice(b",\"parent\":");
        self.write_ancestor(out, start, parent, shared);
        out.extend_from_slice(b",\"ancestors\":[");
        self.write_ancestor(out, start, parent, shared);
        let mut child = parent;
        for ancestor in parent.ancestors() {
            if out.len() - start > CUT_PROCESS_BYTES {
                break;
            }
            out.push(b',');
            self.write_ancestor(out, start, ancestor, Shared::of(ancestor, child));
            child = ancestor;
        }
        out.push(b']');
    }

    fn write_ancestor(&mut self, out: &mut Vec<u8>, start: usize, run: &Arc<Run>, shared: Shared) {
        if out.len() - start > FULL_PROCESS_BYTES {
            put(out, &Ancestor::cut(run, shared, self.context()));
            return;
        }
        let key = (address(Some(run)), shared);
        if let Some(object) = self.ancestors.get(&key) {
            out.extend_from_slice(object);
            return;
        }
        let at = out.len();
        put(out, &Ancestor::new(run, shared, self.context()));
        self.ancestors.insert(key, out.get(at..).unwrap_or_default(), Holds::new(None, Some(run)));
    }
}

/// Appends the JSON of one event by serde alone: no cache, no bound on the lineage. It is what a [`Writer`] is
/// tested against and measured beside.
pub fn write_uncached(out: &mut Vec<u8>, event: &Event, run: &Run, host: &Host, names: &Names) {
    put(out, &Document::new(event, run, Context { names, wall_offset_ns: host.wall_offset_ns }));
}

/// Appends a value.
fn put(out: &mut Vec<u8>, value: &impl Serialize) {
    let result = serde_json::to_writer(out, value);
    debug_assert!(
        result.is_ok(),
        "writing to memory cannot fail, and no value of the contract refuses: {result:?}"
    );
}

/// Takes back the end of the object written last, so that fields can follow.
fn reopen(out: &mut Vec<u8>) {
    let end = out.pop();
    debug_assert_eq!(end, Some(b'}'));
}

/// Appends the fields of a value that is never empty to an open object that has fields, and ends the object.
fn put_fields(out: &mut Vec<u8>, value: &impl Serialize) {
    let at = out.len();
    put(out, value);
    if let Some(begin) = out.get_mut(at) {
        *begin = b',';
    }
}
