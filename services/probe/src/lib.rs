//! The privileged part: eBPF in, batches of events out.
//!
//! Everything that touches the kernel is here, and nothing that a user wrote: no rule, no profile, no JSON of events.
//! Records come out of `bpf`, become events in `decode`, get their workload and their order in `drain`, and wait in
//! `backlog` until the analyzer has them. Invariant: every event that a hook counted is delivered, suppressed or
//! lost, by kind and cause, and the status says how many of each.

pub mod about;
pub mod backlog;
pub mod batcher;
pub mod bpf;
pub mod cli;
pub mod config;
pub mod decode;
pub mod doctor;
pub mod drain;
pub mod drainer;
pub mod host;
#[cfg(test)]
mod made;
pub mod metrics;
pub mod order;
pub mod outbox;
pub mod privileges;
pub mod proc_args;
pub mod report;
pub mod selftest;
pub mod server;
pub mod service;
pub mod source;
pub mod state;
pub mod table;
pub mod workload;
