//! What is thought about an event, in the order of the contract.

pub mod dispatch;
pub mod dump;
pub mod limiter;
pub mod monitors;
pub mod out;
pub mod pipeline;
pub mod rules;

use crate::config::MonitoringConfig;
use crate::metrics::EventMetrics;
use dispatch::{Stage, Stages};
use monitors::abnormal::AbnormalMonitor;
use monitors::kinds::KindMonitor;
use monitors::loss::LossMonitor;

/// The stages that the configuration asks for; live and in a replay. Dumps are recorded live only, see `compose`.
#[must_use]
pub fn configured(config: MonitoringConfig, metrics: EventMetrics) -> Stages {
    let mut monitors: Vec<Box<dyn Stage>> = vec![Box::new(KindMonitor(metrics)), Box::new(LossMonitor)];
    if config.enabled {
        monitors.push(Box::new(AbnormalMonitor));
    }
    Stages { monitors, ..Stages::default() }
}
