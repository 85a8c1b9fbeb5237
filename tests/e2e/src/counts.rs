//! The accounting of a whole stack, read from its status.

use event::{Kind, Losses, PerKind, ProbeCounters};
use wire::v1;

/// What became of every event, from the hooks to the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accounting {
    /// The ledger of the probe.
    pub counters: ProbeCounters,
    /// Payloads that outputs dropped, each output for itself.
    pub dropped_by_outputs: u64,
    /// Payloads that outputs have, each output for itself.
    pub delivered_by_outputs: u64,
}

impl Accounting {
    /// Reads a status.
    ///
    /// # Errors
    /// When the probe counts losses for a cause that this build does not know.
    pub fn of(status: &v1::AnalyzerStatus) -> anyhow::Result<Self> {
        let probe = status.probe.clone().unwrap_or_default();
        let of_outputs = |name| metric(&status.reporter, |metric| metric.name == name);
        Ok(Self {
            counters: wire::status::counters(&probe),
            dropped_by_outputs: of_outputs("reporter_destination_dropped_total"),
            delivered_by_outputs: of_outputs("reporter_destination_delivered_total"),
        })
    }

    /// True when nothing is on its way: `generated = delivered + no taker + suppressed + lost`, for each kind.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.counters.in_flight(kind) == 0)
    }

    /// Seen by the hooks, in scope.
    #[must_use]
    pub fn generated(&self) -> u64 {
        self.counters.generated.total()
    }

    /// Lost, by kind.
    #[must_use]
    pub fn lost(&self) -> PerKind<u64> {
        self.counters.lost.by_kind()
    }

    /// Lost, by cause.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.counters.lost
    }
}

/// The sum of the matching metrics of a service.
pub fn metric(status: &Option<v1::ServiceStatus>, matches: impl Fn(&v1::Metric) -> bool) -> u64 {
    let metrics = status.iter().flat_map(|status| &status.metrics);
    metrics.filter(|metric| matches(metric)).map(|metric| metric.value).sum()
}
