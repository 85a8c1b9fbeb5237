//! What becomes of dumps: files, and a stream of those that ended.
//!
//! [`DumpManager`] is the task, [`Store`] the directory. What is recorded is decided in `stages::dump`.

mod keeper;
mod manager;
mod store;

pub use manager::{Ask, DumpManager, DumpManagerParts, Finished, Transcoded};
pub use store::{Store, StoreError, prepare};
