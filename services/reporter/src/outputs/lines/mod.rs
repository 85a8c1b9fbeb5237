//! Files and standard output as outputs: one line per payload.
//!
//! Each has its own thread, because writing can block for as long as a disk or the reader of a pipe likes. What
//! cannot be written is kept and tried again. Invariant: nothing but the rest of a line ever follows a part of it.

pub(crate) mod pieces;
pub(crate) mod rotate;

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::config::LineFormat;
use crate::intake::group::{Group, now_ms};
use crate::metrics::FileMetrics;
use crate::outputs::http::EntryForm;
use crate::outputs::lines::pieces::Lines;
use crate::outputs::lines::rotate::RotatingFile;
use crate::outputs::output::Output;
use bootstrap::log_limit::LogLimit;

/// First wait after a failed write; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Enough for the calls that write; the default of 2 MiB is only address space, but this says what is needed.
const STACK_BYTES: usize = 256 << 10;

/// Where lines go.
pub(crate) trait Sink: Send + 'static {
    /// Writes lines from a position on; returns how many of their bytes are there to stay, and the error that stopped
    /// it. After an error the next call continues at that byte.
    fn write(&mut self, lines: &Lines<'_>, from: usize) -> (usize, Option<io::Error>);
}

impl Sink for RotatingFile {
    fn write(&mut self, lines: &Lines<'_>, from: usize) -> (usize, Option<io::Error>) {
        Self::write(self, lines, from)
    }
}

/// Standard output, without the buffer of the library, which would hide how much was written.
#[derive(Debug)]
pub(crate) struct Stdout(std::fs::File);

impl Stdout {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(io::stdout().as_fd().try_clone_to_owned()?.into()))
    }
}

impl Sink for Stdout {
    fn write(&mut self, lines: &Lines<'_>, from: usize) -> (usize, Option<io::Error>) {
        lines.write_to(&mut self.0, from..lines.len())
    }
}

/// Writes payloads to one sink.
#[derive(Debug)]
pub(crate) struct LineWriter<S> {
    pub(crate) sink: S,
    pub(crate) output: Arc<Output>,
    pub(crate) format: LineFormat,
    pub(crate) hostname: Box<str>,
    pub(crate) metrics: FileMetrics,
    /// Becomes true when the reporter is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) errors: LogLimit,
}

impl<S: Sink> LineWriter<S> {
    /// Starts the thread; the receiver resolves when the output's queue has ended and all of it is written. Once
    /// `abandoned` is true it ends before the next write.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn spawn(self, mut abandoned: watch::Receiver<bool>) -> io::Result<oneshot::Receiver<()>> {
        let (done, finished) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        let name = self.output.name().to_owned();
        std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = abandoned.wait_for(|abandoned| *abandoned) => {}
                    () = self.run() => {}
                }
            });
            drop(done);
        })?;
        Ok(finished)
    }

    /// Writes until the queue ends.
    pub(crate) async fn run(mut self) {
        while let Some(group) = self.output.clone().next().await {
            for run in group.fit_runs() {
                self.write(&group, run).await;
            }
        }
    }

    /// Writes a run of documents, for as long as it takes.
    async fn write(&mut self, group: &Group, run: Range<u32>) {
        let mut entries = Vec::new();
        let lines = self.lines(group, &run, &mut entries);
        let mut written = 0;
        let mut delivered = run.start;
        let mut wait = FIRST_WAIT;
        loop {
            self.output.began();
            let (n, error) = self.sink.write(&lines, written);
            written += n;
            let whole = match error {
                None => run.end,
                Some(_) => run.start + u32::try_from(lines.whole_before(written)).unwrap_or(u32::MAX),
            };
            if whole > delivered {
                self.output.delivered(group, delivered..whole);
                delivered = whole;
            }
            let Some(error) = error else {
                self.output.succeeded();
                return;
            };
            self.failed(&error, run.end - delivered);
            self.pause(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The lines of a run; those that are not the documents are put into `entries`.
    fn lines<'a>(&self, group: &'a Group, run: &Range<u32>, entries: &'a mut Vec<u8>) -> Lines<'a> {
        match self.format {
            LineFormat::Event => {
                let (pieces, line_ends) = group.documents().lines(run.clone());
                Lines::new(pieces, line_ends)
            }
            LineFormat::Intake => {
                let mut form = EntryForm::new(group, &self.hostname);
                let now_ms = now_ms();
                let mut line_ends = Vec::with_capacity(run.len());
                for place in run.clone() {
                    form.append(entries, group, place, now_ms);
                    entries.push(b'\n');
                    line_ends.push(entries.len());
                }
                Lines::new(vec![entries], line_ends)
            }
        }
    }

    fn failed(&self, error: &io::Error, waiting: u32) {
        self.metrics.retries.inc();
        self.output.failed();
        if let Some(suppressed) = self.errors.permit() {
            let destination = self.output.name();
            tracing::error!(destination, %error, waiting, suppressed, "cannot write payloads, trying again");
        }
    }

    /// A stop ends the wait: there may not be time for another attempt.
    async fn pause(&mut self, wait: Duration) {
        let is_stopping = *self.stopping.borrow();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            Ok(_) = self.stopping.wait_for(|stopping| *stopping), if !is_stopping => {}
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
