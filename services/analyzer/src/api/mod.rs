//! The API of the analyzer on its unix socket: subscriptions, recording, status.

mod server;
pub mod status;

pub use server::{Api, ApiParts, LIMITS};
