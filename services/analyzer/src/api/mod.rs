//! The API of the analyzer on its unix socket: subscriptions, recording, dumps, status.

mod dumps;
pub mod metrics;
mod server;
pub mod status;

pub use server::{Api, ApiParts, Dumping, LIMITS};
