//! What is normal for an image: learned from its workloads, asked about every event.
//!
//! Pure: no I/O, no thread, no clock; time comes in as an argument. Invariants: nothing leads out of a stable state; a look-up
//! changes nothing; nothing becomes stable over a time with loss or that nobody observed; memory is bounded. `docs/profiles.md`
//! says how and why, and where it differs from the original on purpose.

mod completeness;
mod explain;
mod file;
mod identity;
mod learn;
mod machine;
mod observation;
mod profile;
mod quorum;
mod reported;
mod seccomp;
mod settings;
mod state;
mod version;

#[cfg(test)]
mod tests;

pub use completeness::Completeness;
pub use explain::{Because, Explanation, Missing, TypeExplanation};
pub use file::{FileError, number_of};
pub use identity::Key;
pub use learn::{Consent, LearnError};
pub use machine::{Clock, Facts, Limits};
pub use observation::{Anomaly, Known, Loss, NO_TAG, NoProfile, NotLearned, Observation, Reason, Verdict};
pub use profile::{Evicted, Profile};
pub use seccomp::{Otherwise, SeccompError};
pub use settings::Settings;
pub use state::{Kept, State};
