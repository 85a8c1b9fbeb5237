//! What an event is seen in the light of: its container's tags, the calendar; and what may not be seen of it.

pub mod clock;
pub mod scrub;
pub mod tags;
pub mod workloads;
