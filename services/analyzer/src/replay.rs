//! Runs a capture through a fresh pipeline with the recorded clock.
//!
//! No sockets, no labels, no clock of today: the same capture gives the same bytes every time.

use std::io::{self, Write};
use std::path::Path;

use capture::{CaptureError, Item, Reader};
use event::Host;
use wire::WireError;

use crate::api;
use crate::config::{Config, ScrubError};
use crate::dispatch::{Dispatched, Stages};
use crate::pipeline::{Pipeline, Renderer};

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
    items: impl Iterator<Item = Result<Item, CaptureError>>,
    config: &Config,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, ReplayError> {
    let mut pipeline = Pipeline::new(config.tree, config.scrub.scrubber()?, Stages::default());
    let mut renderer = Renderer::new(&Host::default(), event_json::Names::default());
    let mut count = 0;
    for item in items {
        match item? {
            Item::Hello(host) => {
                renderer = Renderer::new(&host, event_json::Names::default());
                pipeline.begin(host, 0);
            }
            Item::Batch(batch) => {
                let decoded = wire::batch::decode(&batch)
                    .map_err(|source| ReplayError::Batch { seq: batch.seq, source })?;
                let mut events = pipeline.process(decoded).events;
                if format == Format::Json {
                    renderer.render(&mut events);
                }
                for event in &events {
                    write_event(out, event, pipeline.host(), format)?;
                    count += 1;
                }
            }
            // Counters of the probe say nothing about single events.
            Item::Status(_) => {}
        }
    }
    Ok(count)
}

fn write_event(out: &mut impl Write, event: &Dispatched, host: &Host, format: Format) -> io::Result<()> {
    match format {
        Format::Json => {
            out.write_all(&event.json)?;
            out.write_all(b"\n")
        }
        Format::Line => writeln!(out, "{}", api::line(&api::message(event, host, None))),
    }
}
