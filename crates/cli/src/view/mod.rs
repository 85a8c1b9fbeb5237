//! What people see: pure functions from messages to text, and the terminal they are written to.
//!
//! Nothing below this module reads a clock, a socket or the environment, except `terminal`.

pub(crate) mod event_line;
mod layout;
pub(crate) mod matched;
pub(crate) mod paint;
pub(crate) mod select;
pub(crate) mod status;
pub(crate) mod terminal;
pub(crate) mod text;
pub(crate) mod tree;
