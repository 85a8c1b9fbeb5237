//! The accounting of a whole stack, read from its status.

use wire::v1;

/// What became of every event, from the hooks to the intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accounting {
    /// Seen by the hooks.
    pub generated: Counts,
    /// In batches that the analyzer acknowledged.
    pub delivered: Counts,
    /// Dropped on purpose in the probe.
    pub suppressed: Counts,
    /// Lost before the analyzer, all causes.
    pub lost: Counts,
    /// Dispatched by the analyzer.
    pub dispatched: Counts,
    /// Dropped by the analyzer's outbox, or by the reporter with a counted cause.
    pub dropped_later: u64,
    /// Acknowledged by the intake, as the reporter counts.
    pub at_intake: u64,
}

/// One number per kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Execs.
    pub exec: u64,
    /// Forks.
    pub fork: u64,
    /// Exits.
    pub exit: u64,
    /// Opens.
    pub open: u64,
}

impl Counts {
    /// The sum.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.exec + self.fork + self.exit + self.open
    }

    fn plus(self, other: Self) -> Self {
        Self {
            exec: self.exec + other.exec,
            fork: self.fork + other.fork,
            exit: self.exit + other.exit,
            open: self.open + other.open,
        }
    }
}

impl From<Option<v1::KindCounts>> for Counts {
    fn from(counts: Option<v1::KindCounts>) -> Self {
        let v1::KindCounts { exec, fork, exit, open } = counts.unwrap_or_default();
        Self { exec, fork, exit, open }
    }
}

impl Accounting {
    /// Reads a status.
    #[must_use]
    pub fn of(status: &v1::AnalyzerStatus) -> Self {
        let probe = status.probe.clone().unwrap_or_default();
        let lost = probe.lost.iter().fold(Counts::default(), |sum, loss| sum.plus(Counts::from(loss.counts)));
        let dispatched = |kind| {
            metric(&status.analyzer, |metric| {
                metric.name == "analyzer_dispatch_events_total"
                    && metric.labels.get("kind").is_some_and(|label| label == kind)
            })
        };
        let dropped = metric(&status.analyzer, |metric| {
            ["analyzer_outbox_dropped_total"].contains(&metric.name.as_str())
        });
        let dropped_by_reporter = metric(&status.reporter, |metric| {
            ["reporter_submit_dropped_total", "reporter_destination_dropped_total"]
                .contains(&metric.name.as_str())
        });
        Self {
            generated: probe.generated.into(),
            delivered: probe.delivered.into(),
            suppressed: probe.suppressed.into(),
            lost,
            dispatched: Counts {
                exec: dispatched("exec"),
                fork: dispatched("fork"),
                exit: dispatched("exit"),
                open: dispatched("open"),
            },
            dropped_later: dropped + dropped_by_reporter,
            at_intake: metric(&status.reporter, |metric| {
                metric.name == "reporter_destination_delivered_total"
            }),
        }
    }

    /// True when nothing is between two counters: `generated = delivered + suppressed + lost`, everything delivered
    /// was dispatched, and everything dispatched is at the intake or counted as dropped.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.generated == self.delivered.plus(self.suppressed).plus(self.lost)
            && self.delivered == self.dispatched
            && self.dispatched.total() == self.at_intake + self.dropped_later
    }
}

/// The sum of the matching metrics of a service.
pub fn metric(status: &Option<v1::ServiceStatus>, matches: impl Fn(&v1::Metric) -> bool) -> u64 {
    let metrics = status.iter().flat_map(|status| &status.metrics);
    metrics.filter(|metric| matches(metric)).map(|metric| metric.value).sum()
}
