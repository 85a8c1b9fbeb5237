//! A batch of which every event was looked at, for everybody who takes events.

use std::sync::Arc;

use event::Host;

use crate::stages::dispatch::Dispatched;
use crate::stages::out::{Custom, Emitted};

/// Dispatched events of one batch.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Where they happened.
    pub host: Arc<Host>,
    /// Of the probe; with the number of the batch and the position of an event it identifies the event.
    pub session: u64,
    /// Number of the batch.
    pub seq: u64,
    /// The events, in order.
    pub events: Vec<Dispatched>,
    /// Those that a stage sends to every output.
    pub emitted: Vec<Emitted>,
    /// What the stages say of the system itself.
    pub custom: Vec<Custom>,
}

impl Published {
    /// Picks the events that no stage sends to the outputs.
    pub fn untaken<'a>(&self) -> impl FnMut((usize, &'a Dispatched)) -> Option<&'a Dispatched> {
        let mut emitted = self.emitted.iter().map(|emitted| emitted.position).peekable();
        move |(position, event)| {
            let mut is_taken = false;
            // Positions grow; what several stages emitted is there several times.
            while emitted.next_if_eq(&position).is_some() {
                is_taken = true;
            }
            (!is_taken).then_some(event)
        }
    }
}
