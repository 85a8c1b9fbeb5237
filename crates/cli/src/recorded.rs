//! The events of a capture, each with the program that was acting, and what its batches say beside them.
//!
//! The arguments are those of the capture: the analyzer hides secrets in them before its rules see them.

use std::path::Path;
use std::sync::Arc;

use capture::convert::JsonLines;
use capture::{CaptureError, Item, Reader};
use event::{Event, Host, Run};
use process_tree::{Limits, Tree};
use wire::batch::News;

use crate::failure::Failure;

/// What a capture shows.
pub(crate) enum Seen<'a> {
    /// The beginning of a batch, with the processes that are known by then.
    Batch(&'a Host, &'a News, &'a Tree),
    /// An event.
    Event(&'a Host, &'a Event, &'a Arc<Run>),
}

/// Calls `see` with everything in the capture at `path`, in either form, until it says that it has seen enough.
pub(crate) fn replay(
    path: &Path,
    mut see: impl FnMut(Seen<'_>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut state = State { host: Host::default(), tree: Tree::new(Limits::default()) };
    match Reader::open(path) {
        Ok(items) => {
            let failed = |source| Failure::Capture { path: path.to_owned(), source };
            state.run(path, items.map(|item| item.map_err(failed)), &mut see)
        }
        // Not the binary form: then it is the one for people, whose errors name the line.
        Err(CaptureError::NotACapture) => {
            let failed = |source| Failure::Conversion { path: path.to_owned(), source };
            let items = JsonLines::open(path).map_err(failed)?;
            state.run(path, items.map(|item| item.map_err(failed)), &mut see)
        }
        Err(source) => Err(Failure::Capture { path: path.to_owned(), source }),
    }
}

struct State {
    host: Host,
    tree: Tree,
}

impl State {
    fn run(
        &mut self,
        path: &Path,
        items: impl Iterator<Item = Result<Item, Failure>>,
        see: &mut impl FnMut(Seen<'_>) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for item in items {
            let batch = match item? {
                Item::Hello(host) => {
                    if host.boot_id != self.host.boot_id {
                        self.tree = Tree::new(Limits::default());
                    }
                    self.host = host;
                    continue;
                }
                Item::Batch(batch) => batch,
                Item::Status(_) => continue,
            };
            let decoded = wire::batch::decode(&batch).map_err(|source| Failure::CapturedBatch {
                path: path.to_owned(),
                seq: batch.seq,
                source,
            })?;
            decoded.processes.iter().for_each(|process| self.tree.know(process));
            if !see(Seen::Batch(&self.host, &decoded.news, &self.tree))? {
                return Ok(());
            }
            for event in &decoded.events {
                let run = self.tree.apply(event);
                if !see(Seen::Event(&self.host, event, &run))? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
