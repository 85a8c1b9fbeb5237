//! The activity tree: what a workload was seen doing, in little space.
//!
//! For dumps, which record one, and profiles, which ask it about every event. Pure: no I/O, no clock, no thread, no
//! dependency on a service. Invariants: a look-up never changes a tree; the order of insertions does not decide what is
//! in it; equal trees are equal bytes; its size is known to the byte. `docs/activity-tree.md` says how and why, and where
//! it differs from the original on purpose.

mod absorb;
mod activity;
mod arena;
mod codec;
mod draw;
mod dump;
mod insert;
mod lineage;
mod look;
mod model;
mod node;
mod options;
mod patterns;
mod rebuild;
mod records;
mod reduce;
mod refusal;
mod similar;
mod stats;
mod tree;
mod varint;
mod view;

#[cfg(test)]
mod tests;

pub use activity::{Activity, Verdict, What};
pub use codec::{DecodeError, WireError, gunzip, gzip};
pub use draw::{Line, LineKind, SyscallName};
pub use dump::{Context, Dump, EventTypeState, Metadata, Profile, Selector};
pub use lineage::lineage;
pub use model::{
    AwsCredentials, AwsImds, Bind, Credentials, Device, FileInfo, Flow, Generation, Imds, MatchedRule, Open,
    Package, Process, Question, Times, Traffic,
};
pub use options::{Options, Patterns, Traced};
pub use reduce::reduce;
pub use refusal::{EventType, MAX_LINEAGE, MAX_SEGMENTS, MAX_TAGS, MAX_TEXT, Refusal};
pub use similar::paths_match;
pub use stats::{Counters, Stats};
pub use tree::Tree;
