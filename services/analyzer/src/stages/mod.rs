//! What is thought about an event, in the order of the contract.

pub mod dispatch;
pub mod pipeline;
