//! Counts events by kind.

use crate::metrics::EventMetrics;
use crate::stages::dispatch::{Dispatched, Stage};
use crate::stages::out::Out;

/// The monitor that counts.
#[derive(Debug)]
pub struct KindMonitor(pub EventMetrics);

impl Stage for KindMonitor {
    fn event(&mut self, event: &mut Dispatched, _: &mut Out) {
        self.0.of(event.event.kind()).inc();
    }
}
