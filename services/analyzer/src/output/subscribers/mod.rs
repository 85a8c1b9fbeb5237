//! Who watches while it happens: subscribers with a filter, and recorders. They may miss events and are told how many;
//! nobody waits for them.

mod describe;
mod filter;
mod manager;
mod recorders;

pub use describe::{line, message};
pub use filter::{Filter, FilterError};
pub use manager::{Audience, Publish, Subscribe, Subscription, SubscriptionManager};
pub use recorders::Recorders;
