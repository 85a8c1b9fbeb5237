//! The metrics of all three services for Prometheus: those of this one, and those that the analyzer hands over.
//!
//! Nothing is computed or asked for unless somebody reads. Its port is bound before the reporter confines itself, which
//! may bind none afterwards.

mod server;
mod text;

use std::sync::Arc;
use std::time::Instant;

use bootstrap::counters::{Counter, Registry};
use wire::v1;

use crate::intake::handover::Neighbour;
use crate::outputs::Outputs;
use text::Page;

pub(crate) use server::{PATH, serve};

/// What is shown.
#[derive(Debug)]
pub(crate) struct Exposition {
    registry: Registry,
    outputs: Arc<Outputs>,
    neighbour: Arc<Neighbour>,
    started: Instant,
    uptime: Counter,
    analyzer_up: Counter,
    scrapes: Counter,
    refused_samples: Counter,
}

impl Exposition {
    pub(crate) fn new(registry: &Registry, outputs: Arc<Outputs>, neighbour: Arc<Neighbour>) -> Self {
        Self {
            registry: registry.clone(),
            outputs,
            neighbour,
            started: Instant::now(),
            uptime: registry.counter("reporter_uptime_seconds", &[]),
            analyzer_up: registry.counter("reporter_analyzer_up", &[]),
            scrapes: registry.counter("reporter_metrics_scrapes_total", &[]),
            refused_samples: registry.counter("reporter_metrics_refused_samples_total", &[]),
        }
    }

    /// The page as it is now.
    pub(crate) async fn page(&self) -> String {
        let handed_over = self.neighbour.ask().await;
        self.scrapes.inc();
        self.analyzer_up.set(handed_over.is_some().into());
        self.uptime.set(self.started.elapsed().as_secs());
        self.outputs.show();
        let mut page = Page::default();
        for v1::Metric { name, labels, value } in handed_over.unwrap_or_default() {
            // Nobody else speaks for this service.
            if name.starts_with("reporter_") || !page.add(&name, labels, value) {
                self.refused_samples.inc();
            }
        }
        for sample in self.registry.samples() {
            let labels = sample.labels.into_iter().map(|(key, value)| (key.to_owned(), value));
            let is_shown = page.add(sample.name, labels, sample.value);
            debug_assert!(is_shown, "{} is in no table with these labels", sample.name);
        }
        page.write()
    }
}
