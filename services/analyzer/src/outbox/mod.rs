//! The way out: event JSON becomes payloads with tags, and the reporter gets them.

mod forwarder;
mod labeller;
mod queue;
mod reporter;

pub use forwarder::{Deliver, Drain, OutboxManager, OutboxParts, UseResolver};
pub use queue::{Payload, Queue, Readiness};
pub use reporter::{Reporter, SubmitError};
