//! Runs a capture through a fresh pipeline with the recorded clock.
//!
//! No sockets, no tags, no clock of today: the same capture gives the same bytes every time.

use std::io::{self, Write};
use std::path::Path;

use capture::{CaptureError, Item, Reader};
use event::Host;
use prost::Message as _;
use wire::WireError;
use wire::v1::EventMessage;

use crate::config::{Config, ScrubError};
use crate::metrics::Metrics;
use crate::output::render::{BatchIds, Renderer};
use crate::output::subscribers;
use crate::stages;
use crate::stages::pipeline::Pipeline;

/// Why a capture was not replayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file is not a good capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A batch in it cannot be decoded.
    #[error("batch {seq} of the capture cannot be decoded: {source}; the events before it are printed")]
    Batch {
        /// Its number.
        seq: u64,
        /// Why.
        source: WireError,
    },
    /// What was replayed cannot be written.
    #[error("cannot write the events")]
    Write(#[from] io::Error),
    /// The configuration is not usable.
    #[error(transparent)]
    Scrub(#[from] ScrubError),
}

impl ReplayError {
    /// True when the reader of our output has seen enough (`replay FILE | head`).
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line for people.
    Line,
    /// The event JSON, one line each.
    Json,
    /// For `shrike replay`: what a subscriber would get, each message with its length in front. What the system says of
    /// itself is not among it.
    Messages {
        /// With the event JSON in each.
        with_json: bool,
    },
}

/// Replays the capture at `path` into `out` and gives the number of events. What can be read is written before an
/// error is returned.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(path: &Path, config: &Config, format: Format, out: impl Write) -> Result<u64, ReplayError> {
    let mut out = io::BufWriter::new(out);
    let replayed = replay_items(Reader::open(path)?, config, format, &mut out);
    out.flush()?;
    replayed
}

fn replay_items(
    mut items: Reader<impl io::Read>,
    config: &Config,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, ReplayError> {
    let stages = stages::configured(config.internal_monitoring, Metrics::new().events);
    let mut pipeline = Pipeline::new(config.tree, config.scrub.scrubber()?, stages);
    let mut renderer = Renderer::new(&Host::default(), event_json::Names::default());
    let mut count = 0;
    let mut line = Vec::new();
    let mut session = 0;
    while let Some(item) = items.next() {
        match item? {
            Item::Hello(host) => {
                renderer = Renderer::new(&host, event_json::Names::default());
                session = items.session();
                pipeline.begin(host, session);
            }
            Item::Batch(batch) => {
                let decoded = wire::batch::decode(&batch)
                    .map_err(|source| ReplayError::Batch { seq: batch.seq, source })?;
                let processed = pipeline.process(decoded);
                let ids = BatchIds::new(session, processed.seq);
                for (index, event) in processed.events.iter().enumerate() {
                    count += 1;
                    line.clear();
                    match format {
                        Format::Line => {
                            let text = subscribers::line(&subscribers::message(event, pipeline.host(), None));
                            line.extend_from_slice(text.as_bytes());
                            line.push(b'\n');
                        }
                        Format::Json => {
                            renderer.event(&mut line, &ids, index, event);
                            line.push(b'\n');
                        }
                        Format::Messages { with_json } => {
                            if with_json {
                                renderer.event(&mut line, &ids, index, event);
                            }
                            let message = subscribers::message(event, pipeline.host(), None);
                            let json = std::mem::take(&mut line);
                            line = EventMessage { json, ..message }.encode_length_delimited_to_vec();
                        }
                    }
                    out.write_all(&line)?;
                }
                if matches!(format, Format::Messages { .. }) {
                    continue;
                }
                for (index, custom) in (processed.events.len()..).zip(&processed.custom) {
                    line.clear();
                    renderer.custom(&mut line, &ids, index, custom, &processed.events);
                    line.push(b'\n');
                    out.write_all(&line)?;
                }
            }
            // Counters of the probe say nothing about single events.
            Item::Status(_) => {}
        }
    }
    Ok(count)
}
