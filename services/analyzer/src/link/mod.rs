//! The side of the probe: receive and decode batches, hand them on, acknowledge them.

pub mod connection;
pub mod ingest;
pub mod wanted;
