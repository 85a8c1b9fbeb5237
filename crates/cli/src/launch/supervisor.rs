//! All services of one run: started in order, stopped in order.

use tokio::sync::mpsc;

use super::service::{Service, Spec, Stops};
use crate::failure::Failure;

/// The services that run.
#[derive(Debug)]
pub(crate) struct Supervisor {
    services: Vec<(Stops, Service)>,
    failures: mpsc::Receiver<Failure>,
    report: mpsc::Sender<Failure>,
}

impl Supervisor {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (report, failures) = mpsc::channel(1);
        Self { services: Vec::new(), failures, report }
    }

    /// Starts one more and waits until it is ready.
    pub(crate) async fn start(&mut self, spec: Spec) -> Result<(), Failure> {
        let stops = spec.stops;
        self.services.push((stops, Service::start(spec, self.report.clone()).await?));
        Ok(())
    }

    /// Waits for a service that cannot be kept running.
    pub(crate) async fn failure(&mut self) -> Failure {
        match self.failures.recv().await {
            Some(failure) => failure,
            // Not possible while we hold a sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// Stops all in the order of [`Stops`]. A second Ctrl-C kills what is left.
    pub(crate) async fn stop(mut self) {
        let mut impatient = std::pin::pin!(bootstrap::shutdown::requested());
        let mut is_patient = true;
        self.services.sort_by_key(|(stops, _)| *stops);
        for (_, service) in &mut self.services {
            if is_patient {
                tokio::select! {
                    () = service.stop() => continue,
                    _ = &mut impatient => is_patient = false,
                }
            }
            service.kill().await;
        }
    }
}
