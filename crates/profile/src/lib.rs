//! What is normal for an image: learned from its workloads, asked about every event.
//!
//! Pure: no I/O, no thread, no clock; time comes in as an argument. Invariants: nothing leads out of a stable state; a look-up
//! changes nothing; nothing becomes stable over a time with loss or that nobody observed; memory is bounded. `docs/profiles.md`
//! says how and why, and where it differs from the original on purpose.

mod machine;
mod state;

#[cfg(test)]
mod tests;

pub use machine::{Clock, Facts, Limits};
pub use state::{Kept, State};
