//! The privileged part: eBPF in, batches of events out.
//!
//! Everything that touches the kernel is here, and nothing that a user wrote: no rule, no profile, no JSON of events.
//! Records come out of `bpf`, become events in `decode`, get their workload and their order in `flow`, and wait in
//! `backlog` until the analyzer has them. Invariant: every event that a hook counted is delivered, suppressed or
//! lost, by kind and cause, and the status says how many of each.

pub mod backlog;
pub mod bpf;
pub mod cli;
pub mod compose;
pub mod config;
pub mod context;
pub mod decode;
pub mod doctor;
pub mod flow;
#[cfg(test)]
mod made;
pub mod metrics;
pub mod privileges;
pub mod seccomp_profiles;
pub mod selftest;
pub mod server;
