//! The output contract: one event as CWS event JSON, valid against [`schema`].
//!
//! The domain knows nothing of this shape: the contract's structs live here and are filled from it. Nothing is
//! scrubbed here, so secrets must be gone from an [`event::Exec`] before it reaches a [`Writer`]. Invariant: what a
//! writer produces is, byte for byte, what [`write_uncached`] produces (except that it bounds very large
//! lineages), and a document never exceeds [`MAX_DOCUMENT_BYTES`].
//!
//! ```
//! use std::sync::Arc;
//! # let task = Arc::new(event::Task { process: event::ProcessKey { start_ns: 1, tgid: 7 }, ..Default::default() });
//! # let run = Arc::new(event::Run { key: task.process, task: Arc::clone(&task), fork_ns: 1, exec_ns: 0,
//! #     exit_ns: 0, exec: None, is_own_exec: false, ancestor: None, lineage: event::Lineage::Complete, depth: 0,
//! #     source: event::Source::Event });
//! # let event = event::Event { boot_ns: 2, task, what: event::What::Exit(event::ExitStatus::Exited(0)) };
//! // One writer per stream of one host, kept for its life: it caches what events have in common.
//! let mut writer = event_json::Writer::new(&event::Host::default());
//! let mut out = Vec::new();
//! writer.write(&mut out, &event, &run);
//! assert!(out.starts_with(br#"{"evt":{"name":"exit","category":"Process Activity","outcome":"Success"}"#));
//! ```

mod cache;
mod constants;
mod containers;
mod contract;
mod custom;
mod names;
mod text;
mod writer;

pub use cache::CacheStats;
pub use constants::{category, open_flags, outcome};
pub use custom::{CustomBody, CustomEvent, NOT_OBSERVED, take_envelope, write_custom};
pub use names::Names;
pub use writer::{MAX_DOCUMENT_BYTES, Writer, write_uncached};

/// The JSON schema of the events that its first publication knew.
const BASE: &str = include_str!("../schema/event.schema.json");

/// The objects of kinds that it did not know, to be added to it.
const EXTENSION: &str = include_str!("../schema/extension.schema.json");

/// The JSON schema every document of this crate is valid against. It is the product's contract.
///
/// # Errors
/// Never, as long as the two files of it are JSON, which a test holds.
pub fn schema() -> serde_json::Result<serde_json::Value> {
    let mut schema: serde_json::Value = serde_json::from_str(BASE)?;
    let extension: serde_json::Value = serde_json::from_str(EXTENSION)?;
    for part in ["$defs", "properties"] {
        let more = extension.get(part).and_then(|more| more.as_object()).cloned().unwrap_or_default();
        if let Some(all) = schema.get_mut(part).and_then(|all| all.as_object_mut()) {
            all.extend(more);
        }
    }
    Ok(schema)
}
