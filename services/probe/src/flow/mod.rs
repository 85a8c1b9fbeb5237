//! The way of an event through the probe: drained, decoded, put into the order of time, parted into batches.

pub mod batcher;
pub mod control;
pub mod drain;
pub mod drainer;
pub mod order;
pub mod source;
pub mod switch;
