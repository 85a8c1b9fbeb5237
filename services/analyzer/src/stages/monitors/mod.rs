//! Stages that watch the watching.

pub mod abnormal;
pub mod kinds;
pub mod loss;
