//! From events to a dump of one workload, and from a dump to a file of any format and back.
//!
//! Shared by the analyzer, which records, and the command line, which builds dumps from captures and looks into files: it
//! joins `event` and `activity-tree`. Pure: no I/O, no clock, no thread. Invariant: an event of the workload that is given
//! to a recorder is in its tree, has no place in any tree, or is counted in what the dump missed. `docs/activity-dumps.md`.

mod acts;
mod finish;
mod format;
mod header;
mod missed;
mod recorder;
mod target;

pub use finish::{Facts, finish, name};
pub use format::{Format, MAX_FILE_BYTES, ReadError, Recorded, read};
pub use header::header;
pub use missed::{Lacks, Missed, PREFIX, Partial};
pub use recorder::{Recorder, Taken};
pub use target::Target;

/// Who makes dumps, for the programs that read them.
pub const SOURCE: &str = "runtime-security-agent";

/// Names of system calls for what is drawn. Until there is a kind for them, files of others show their numbers.
pub const NO_SYSCALL_NAMES: activity_tree::SyscallName<'static> = &|_| None;
