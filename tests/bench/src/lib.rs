//! Ratios measured in one run: what we cost, beside nothing, beside the naive way, and beside a peer.
//!
//! Absolute numbers of a shared machine mean little; every line of the report is a pair from the same minutes.

pub mod child;
pub mod e2e;
pub mod empty_hook;
pub mod first;
pub mod hooks;
pub mod idle;
pub mod json;
pub mod latency;
pub mod load;
pub mod options;
pub mod overhead;
pub mod probe;
pub mod programs;
pub mod recorded;
pub mod report;
pub mod rules;
pub mod spread;
pub mod stack;
pub mod start;
pub mod tally;
pub mod trees;
pub mod user_space;
pub mod watcher;
pub mod wire;
