//! What every service does the same way before its own work starts: configuration, logs, counters, sockets,
//! shutdown.
//!
//! Shared by the three services and the command line. It knows nothing of events.

pub mod cause;
pub mod config;
pub mod confine;
pub mod counters;
pub mod log_limit;
pub mod logging;
pub mod metrics;
pub mod privacy;
pub mod readiness;
pub mod shutdown;
pub mod socket;

/// The version that every part reports, from the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
