//! The API of the analyzer on its unix socket: subscriptions, recording, status.

mod describe;
mod filter;
mod recorders;
mod server;
mod subscriptions;

pub use describe::{line, message};
pub use filter::{Filter, FilterError};
pub use recorders::Recorders;
pub use server::{Api, ApiParts, LIMITS};
pub use subscriptions::{Audience, Publish, Subscribe, Subscription, SubscriptionManager};
