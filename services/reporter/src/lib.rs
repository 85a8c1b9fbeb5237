//! The reporter: takes finished payloads into its care and gets them to where they belong.
//!
//! The only service that talks to the outside. It knows nothing of events: a payload is a line of JSON with tags, and
//! a label that it is counted by. Invariants: for every destination `payloads = delivered + dropped + pending`;
//! nothing counts as delivered that the destination did not confirm; nothing is settled that neither a reliable
//! destination nor its spool has, or that is not counted as lost.

mod compose;
pub mod config;
pub mod confinement;
mod exposition;
mod intake;
pub mod metrics;
mod outputs;
mod spool;

pub use compose::{Left, Reporter, StartError, listen, prepare};
pub use intake::documents::{MAX_CONTENT_BYTES, MAX_GROUP_BYTES};
pub use outputs::http::{ClientError, check};
pub use outputs::lines::rotate::FileError;
