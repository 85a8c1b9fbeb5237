//! The unprivileged part of Shrike: all logic.
//!
//! Events come from the probe over one socket, payloads go to the reporter over another, subscribers and the
//! command line come to a third; there is no other way in or out. What decides is pure and has its own file; actors
//! only carry batches between those files. Invariant: nothing is stored or passed on that was not scrubbed.

pub mod api;
pub mod backoff;
pub mod compose;
pub mod config;
pub mod context;
pub mod dumps;
pub mod link;
pub mod metrics;
pub mod output;
pub mod privilege;
pub mod replay;
pub mod stages;
