//! The unprivileged part of Shrike: all logic.
//!
//! Events come from the probe over one socket, payloads go to the reporter over another, subscribers and the
//! command line come to a third; there is no other way in or out. What decides is pure and has its own file; actors
//! only carry batches between those files. Invariant: nothing is stored or passed on that was not scrubbed.

pub mod api;
pub mod backoff;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod ingest;
pub mod labels;
pub mod metrics;
pub mod outbox;
pub mod payloads;
pub mod pipeline;
pub mod privilege;
pub mod probe_link;
pub mod render;
pub mod replay;
pub mod scrub;
pub mod status;
pub mod supervisor;
