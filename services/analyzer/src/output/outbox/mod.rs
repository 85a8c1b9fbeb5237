//! The way out: groups of payloads get tags, the reporter settles them, and then their batches are acknowledged.

mod acks;
mod forwarder;
mod group;
mod queue;
mod reporter;
mod room;
mod stream;
mod tagger;
mod tracker;

pub use acks::Acks;
pub use forwarder::{Outbox, OutboxParts, ToOutbox};
pub use group::{Fixed, Group, Head, Label};
pub use queue::{Queue, Readiness, WrongMark};
pub use reporter::{Reporter, SubmitError};
pub use room::Room;
pub use stream::{Stream, StreamEvent};
pub use tagger::Tagger;
pub use tracker::{BatchId, Settled, Tracker};
