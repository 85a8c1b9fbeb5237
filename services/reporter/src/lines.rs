//! Files and standard output as destinations: one line per payload.
//!
//! Each has its own thread, because writing can block for as long as a disk or the reader of a pipe likes.

use std::io::Write;

use tokio::sync::{mpsc, oneshot};

use crate::config::LineFormat;
use crate::intake::append_entry;
use crate::log_limit::LogLimit;
use crate::metrics::{DestinationMetrics, DropCause};
use crate::payload::{Group, Payload, now_ms};
use crate::rotate::RotatingFile;

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Sink {
    File(RotatingFile),
    Stdout,
}

impl Sink {
    /// Writes lines; returns how many were written whole, and the error that stopped it.
    fn write(&mut self, lines: &[Vec<u8>]) -> (usize, Option<std::io::Error>) {
        match self {
            Self::File(file) => file.write(lines),
            Self::Stdout => {
                let mut out = std::io::stdout().lock();
                match out.write_all(&lines.concat()).and_then(|()| out.flush()) {
                    Ok(()) => (lines.len(), None),
                    Err(error) => (0, Some(error)),
                }
            }
        }
    }
}

/// Writes payloads to one sink.
#[derive(Debug)]
pub(crate) struct LineWriter {
    pub(crate) sink: Sink,
    pub(crate) format: LineFormat,
    pub(crate) hostname: Box<str>,
    pub(crate) metrics: DestinationMetrics,
}

impl LineWriter {
    /// Starts the thread; the receiver resolves when `groups` has ended and all of it is written or given up.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn spawn(
        mut self,
        name: &str,
        mut groups: mpsc::Receiver<Group>,
    ) -> std::io::Result<oneshot::Receiver<()>> {
        let (done, finished) = oneshot::channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let errors = LogLimit::default();
            while let Some(group) = groups.blocking_recv() {
                self.write(&group, &errors);
            }
            drop(done);
        })?;
        Ok(finished)
    }

    fn write(&mut self, group: &[std::sync::Arc<Payload>], errors: &LogLimit) {
        let now_ms = now_ms();
        let lines: Vec<Vec<u8>> = group.iter().filter_map(|payload| self.line(payload, now_ms)).collect();
        self.metrics.drop_payloads(DropCause::Encoding, group.len() - lines.len());
        let (written, error) = self.sink.write(&lines);
        self.metrics.delivered.add(written as u64);
        self.metrics.drop_payloads(DropCause::Write, lines.len() - written);
        if let Some(error) = error
            && let Some(suppressed) = errors.permit()
        {
            let dropped = lines.len() - written;
            tracing::error!(%error, dropped, suppressed, "cannot write payloads, they are dropped");
        }
    }

    fn line(&self, payload: &Payload, now_ms: i64) -> Option<Vec<u8>> {
        let mut line = Vec::with_capacity(payload.content.len() + 1);
        match self.format {
            LineFormat::Event => line.extend_from_slice(payload.content.as_bytes()),
            LineFormat::Intake => append_entry(&mut line, payload, &self.hostname, now_ms).ok()?,
        }
        line.push(b'\n');
        Some(line)
    }
}
