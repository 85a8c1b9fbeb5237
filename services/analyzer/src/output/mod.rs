//! The ways out: documents for the outputs of the reporter, and streams of subscribers and recorders.

pub mod handover;
pub mod outbox;
pub mod payloads;
pub mod published;
pub mod render;
pub mod subscribers;
