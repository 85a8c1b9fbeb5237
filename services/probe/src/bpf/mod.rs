//! The kernel side as the probe sees it: programs that are loaded, rings that are drained, counters, scope.
//!
//! The only place of the workspace with unsafe code. It knows records as bytes and nothing of what they mean; that
//! is `decode`. Invariant: whatever is loaded or attached here is gone when the [`Sensor`] is dropped; nothing is
//! pinned.
#![expect(unsafe_code, reason = "the rings are memory shared with the kernel")]

mod attachments;
mod config;
mod confined;
mod counters;
mod error;
mod hooks;
mod kernel_types;
mod loader;
mod losses;
mod memory;
mod programs;
mod ring;
mod scope;
mod sensor;
mod snapshot;
#[cfg(test)]
mod tests;

pub use attachments::HookReport;
pub use config::{Scope, SensorConfig};
pub use confined::attempt as attempt_new;
pub use counters::{KERNEL_CAUSES, KernelCounters};
pub use error::{LoadError, SensorError};
pub use loader::{HookTrial, try_hooks};
pub use losses::CgroupLoss;
pub use memory::give_back;
pub use scope::{Decision, Hierarchy, Kinds, MAX_CGROUPS, v1_hierarchies};
pub use sensor::Sensor;
