//! Turns records of the kernel into events.
//!
//! Checked decoding is `event_abi`'s; this adds what one record cannot say by itself: the arguments of an exec, which
//! come in chunks before it on the same CPU, and shared parts (task, file, cgroup) that many records repeat. It knows
//! neither workloads nor the order between CPUs. Invariant: what it keeps is bounded, whatever the records say.

mod cache;
mod convert;
mod kinds;
#[cfg(test)]
mod seeds;
mod strings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use event::{Event, Exec, ExecKind, Kind, KnownProcess, ProcessKey, Task, Text};
use event_abi::{AbiError, FileParts, Reader, Record, event_start, file_flag, known_event, task_context};

use cache::{FileCache, TaskCache};
use strings::PendingStrings;

/// Why bytes did not become an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a record of this layout.
    #[error("cannot decode a record of the kernel side")]
    Layout {
        /// Of the event, when the beginning of the record was good enough to tell and it is one.
        kind: Option<Kind>,
        /// What is wrong.
        #[source]
        source: AbiError,
    },
    /// A number that has a meaning has one that this build does not know.
    #[error("path state {0} is not known: probe and bpf object come from different builds")]
    PathState(u8, Kind),
    /// The same for how an address is known.
    #[error("address state {0} is not known: probe and bpf object come from different builds")]
    AddressState(u8, Kind),
}

impl From<AbiError> for DecodeError {
    fn from(source: AbiError) -> Self {
        Self::Layout { kind: None, source }
    }
}

impl DecodeError {
    /// The kind of event that is lost by this, if it is known.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Layout { kind, .. } => *kind,
            Self::PathState(_, kind) | Self::AddressState(_, kind) => Some(*kind),
        }
    }

    /// The same of an event of this kind.
    fn of(self, kind: Option<Kind>) -> Self {
        match self {
            Self::Layout { source, .. } => Self::Layout { kind, source },
            Self::PathState(..) | Self::AddressState(..) => self,
        }
    }
}

/// What a record said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Something that a process in scope did.
    Event(Event),
    /// A cgroup was made.
    CgroupMade {
        /// As in the events of its processes.
        id: u64,
        /// 0 = it is the root of its hierarchy.
        parent_id: u64,
        /// 0 = cgroup v2.
        hierarchy: u32,
        /// From the root of its hierarchy.
        path: Text,
        /// When, `CLOCK_BOOTTIME`.
        boot_ns: u64,
    },
    /// A cgroup was removed.
    CgroupGone {
        /// As in the events of its processes.
        id: u64,
        /// 0 = cgroup v2.
        hierarchy: u32,
    },
    /// A process that was found by a snapshot; without arguments and environment.
    Known(KnownProcess),
}

/// Decodes the records of one sensor, in the order in which they were drained.
#[derive(Debug, Default)]
pub struct Decoder {
    strings: PendingStrings,
    tasks: TaskCache,
    files: FileCache,
    path: Vec<u8>,
}

impl Decoder {
    /// Decodes one record; `None` when it only continues another one.
    ///
    /// # Errors
    /// When the bytes are not a record of the object this probe was built with.
    pub fn decode(&mut self, raw: &[u8]) -> Result<Option<Decoded>, DecodeError> {
        let of_kind = |error: DecodeError| error.of(convert::kind_of(raw));
        let record = event_abi::decode(raw).map_err(|error| of_kind(error.into()))?;
        let decoded = match record {
            Record::Event(number, reader) => self.event(number, reader).map_err(of_kind)?,
            Record::ExecStrings { event, bytes } => {
                self.strings.add(event, bytes);
                return Ok(None);
            }
            Record::CgroupMade { event, path } => Decoded::CgroupMade {
                id: event.id,
                parent_id: event.parent_id,
                hierarchy: event.hierarchy,
                path: path.into(),
                boot_ns: event.header.boot_ns,
            },
            Record::CgroupGone { event, .. } => {
                Decoded::CgroupGone { id: event.id, hierarchy: event.hierarchy }
            }
            Record::Known { event, executable } => Decoded::Known(self.known(event, executable)?),
        };
        Ok(Some(decoded))
    }

    fn event(&mut self, number: u16, mut reader: Reader<'_>) -> Result<Decoded, DecodeError> {
        let kind = Kind::from_number(number).ok_or(AbiError::UnknownKind(number))?;
        let start: &event_start = reader.fixed()?;
        let what = self.what(kind, &mut reader)?;
        reader.end()?;
        Ok(Decoded::Event(Event { boot_ns: start.header.boot_ns, task: self.task(&start.task), what }))
    }

    fn task(&mut self, context: &task_context) -> Arc<Task> {
        self.tasks.get(context)
    }

    fn known(&mut self, event: &known_event, executable: FileParts<'_>) -> Result<KnownProcess, DecodeError> {
        let exec = if executable.has(file_flag::FILE_PRESENT) {
            Some(Arc::new(Exec {
                kind: exec_kind(executable),
                executable: self.file(executable, Kind::Exec)?,
                tty: convert::text(&event.tty),
                ..Exec::default()
            }))
        } else {
            None
        };
        let parent = ProcessKey { start_ns: event.parent_start_ns, tgid: event.task.ppid };
        Ok(KnownProcess {
            task: self.task(&event.task),
            parent: (parent.tgid != 0 && parent.start_ns != 0).then_some(parent),
            exec_ns: 0,
            exec,
        })
    }

    fn file(&mut self, parts: FileParts<'_>, kind: Kind) -> Result<Arc<event::File>, DecodeError> {
        if let Some(file) = self.files.get(parts) {
            return Ok(file);
        }
        let file = convert::file(parts, kind, &mut self.path)?;
        Ok(self.files.put(parts, file))
    }
}

fn exec_kind(file: FileParts<'_>) -> ExecKind {
    if file.has(file_flag::FILE_UNLINKED) || file.has(file_flag::FILE_NO_ROOT) {
        ExecKind::Unlinked
    } else {
        ExecKind::File
    }
}
