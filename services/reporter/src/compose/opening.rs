//! Opens the outputs that are configured, each with its queue and its spool.

use std::sync::Arc;

use bootstrap::counters::Registry;
use bootstrap::log_limit::LogLimit;
use tokio::sync::watch;

use super::{Running, StartError, unusable};
use crate::config::{Config, Endpoint, IntakeConfig, LineFormat, SpoolConfig};
use crate::intake::labels::Labels;
use crate::metrics::spool::SpoolMetrics;
use crate::metrics::{DestinationMetrics, FileMetrics};
use crate::outputs::http::{self, Intake};
use crate::outputs::lines::rotate::RotatingFile;
use crate::outputs::lines::{LineWriter, Sink, Stdout};
use crate::outputs::output::{Output, OutputParts, Shared};
use crate::spool::Spool;
use crate::spool::keeper::{self, Keeper};
use crate::spool::store::Disk;

/// The outputs that are being opened, and what they need.
pub(super) struct Opening<'a> {
    pub(super) config: &'a Config,
    pub(super) hostname: String,
    pub(super) registry: Registry,
    pub(super) labels: Arc<Labels>,
    pub(super) shared: Arc<Shared>,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) abandoned: watch::Receiver<bool>,
    pub(super) running: Vec<Running>,
}

impl Opening<'_> {
    pub(super) fn open(&mut self) -> Result<(), StartError> {
        let config = self.config;
        if let Some(intake) = &config.intake {
            for setting in intake.without_effect() {
                tracing::warn!(
                    setting,
                    "has no effect: events of this product go over HTTP; a proxy is set with `proxy`"
                );
            }
            for endpoint in intake.endpoints()? {
                tracing::info!(destination = endpoint.name, "{}", http::status_line(intake, &endpoint));
                self.open_intake(intake, &endpoint)?;
            }
        }
        if let Some(file) = &config.file {
            let output = self.output("file", file.reliable, file.queue_bytes, None);
            let metrics = FileMetrics::new(&self.registry, "file");
            let sink = RotatingFile::open(file, metrics.cut_bytes.clone())?;
            self.write_lines(sink, file.format, output, metrics)?;
        }
        if let Some(stdout) = &config.stdout {
            let output = self.output("stdout", stdout.reliable, stdout.queue_bytes, None);
            let metrics = FileMetrics::new(&self.registry, "stdout");
            let sink = Stdout::new().map_err(StartError::Stdout)?;
            self.write_lines(sink, stdout.format, output, metrics)?;
        }
        Ok(())
    }

    fn open_intake(&mut self, config: &IntakeConfig, endpoint: &Endpoint) -> Result<(), StartError> {
        let kept = self.config.spool.as_ref().filter(|_| endpoint.is_reliable);
        let spool = kept.map(|_| Arc::<Spool>::default());
        let output = self.output(endpoint.name, endpoint.is_reliable, config.queue_bytes, spool.clone());
        let stopped = self.stopped.clone();
        let intake = Intake::new(config, endpoint, &self.hostname, output.clone(), &self.registry, stopped)?;
        let spool = match (kept, spool) {
            (Some(kept), Some(spool)) => Some(self.keep(&output, spool, kept)?),
            _ => None,
        };
        self.running.push(Running { output, task: tokio::spawn(intake.run()), spool });
        Ok(())
    }

    /// Starts what keeps on disk what this output has not delivered.
    fn keep(
        &self,
        output: &Arc<Output>,
        spool: Arc<Spool>,
        config: &SpoolConfig,
    ) -> Result<(Arc<Spool>, std::thread::JoinHandle<()>), StartError> {
        let store =
            Disk::open(&config.path, output.name()).map_err(|error| unusable(config.path.clone(), error))?;
        let metrics = SpoolMetrics::new(&self.registry, output.name());
        metrics.limit_bytes.set(config.max_bytes);
        let keeper = Keeper {
            store,
            spool: spool.clone(),
            output: output.clone(),
            labels: self.labels.clone(),
            config: config.clone(),
            metrics,
            logs: keeper::Logs::default(),
        };
        Ok((spool, keeper.start().map_err(StartError::Thread)?))
    }

    fn output(
        &self,
        name: &'static str,
        is_reliable: bool,
        queue_bytes: u64,
        spool: Option<Arc<Spool>>,
    ) -> Arc<Output> {
        Arc::new(Output::new(OutputParts {
            index: self.running.len(),
            name,
            is_reliable,
            queue_bytes: usize::try_from(queue_bytes).unwrap_or(usize::MAX),
            spool,
            metrics: DestinationMetrics::new(&self.registry, self.labels.clone(), name),
            shared: self.shared.clone(),
        }))
    }

    fn write_lines(
        &mut self,
        sink: impl Sink,
        format: LineFormat,
        output: Arc<Output>,
        metrics: FileMetrics,
    ) -> Result<(), StartError> {
        let writer = LineWriter {
            sink,
            output: output.clone(),
            format,
            hostname: self.hostname.as_str().into(),
            metrics,
            stopping: self.stopped.clone(),
            errors: LogLimit::default(),
        };
        let finished = writer.spawn(self.abandoned.clone()).map_err(StartError::Thread)?;
        // The sender disappears only with its thread, finished or not.
        let task = tokio::spawn(async { drop(finished.await) });
        self.running.push(Running { output, task, spool: None });
        Ok(())
    }
}
