//! What became of all events of a stack, read from its status; of the first version and of later ones.

use wire::v1;

use crate::first;

/// Numbers of events, all kinds together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Seen by the hooks.
    pub generated: u64,
    /// Dropped on purpose in the probe.
    pub suppressed: u64,
    /// At an output.
    pub at_output: u64,
    /// Judged, and nobody takes them.
    pub no_taker: u64,
    /// Lost anywhere, all causes.
    pub lost: u64,
}

impl Tally {
    /// Reads a status.
    #[must_use]
    pub fn of(status: &v1::AnalyzerStatus) -> Self {
        let probe = status.probe.clone().unwrap_or_default();
        let lost: u64 = probe.lost.iter().map(|loss| total(loss.counts.as_ref())).sum();
        Self {
            generated: total(probe.generated.as_ref()),
            suppressed: total(probe.suppressed.as_ref()),
            at_output: total(probe.delivered.as_ref()),
            no_taker: total(probe.no_taker.as_ref()),
            lost,
        }
    }

    /// Reads a status of wire version 1. The first version called delivered what the analyzer had acknowledged; what came
    /// later is in the metrics.
    #[must_use]
    pub fn of_first(status: &first::Status) -> Self {
        let metric = |service: &Option<v1::ServiceStatus>, name: &str| -> u64 {
            let metrics = service.iter().flat_map(|service| &service.metrics);
            metrics.filter(|metric| metric.name == name).map(|metric| metric.value).sum()
        };
        let dropped = metric(&status.analyzer, "analyzer_outbox_dropped_total")
            + metric(&status.reporter, "reporter_submit_dropped_total")
            + metric(&status.reporter, "reporter_destination_dropped_total");
        let probe = status.probe.clone().unwrap_or_default();
        let count = |counts: Option<first::Counts>| counts.map_or(0, |counts| counts.total());
        let lost = probe.lost.iter().map(|loss| count(loss.counts)).sum::<u64>();
        if probe.backlog.is_some() {
            return Self {
                generated: count(probe.generated),
                suppressed: count(probe.suppressed),
                at_output: count(probe.delivered),
                no_taker: count(probe.no_taker),
                lost,
            };
        }
        Self {
            generated: count(probe.generated),
            suppressed: count(probe.suppressed),
            at_output: metric(&status.reporter, "reporter_destination_delivered_total"),
            no_taker: 0,
            lost: dropped + lost,
        }
    }

    /// True when no event is between two counters.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.generated == self.suppressed + self.at_output + self.no_taker + self.lost
    }

    /// Events that went the whole way.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.at_output + self.no_taker
    }
}

fn total(counts: Option<&v1::KindCounts>) -> u64 {
    counts.map_or(0, |counts| counts.counts.values().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(open: u64) -> Option<v1::KindCounts> {
        Some(event::PerKind::from([(event::Kind::Open, open)]).into())
    }

    fn service(name: &str, value: u64) -> Option<v1::ServiceStatus> {
        let metric = v1::Metric { name: name.to_owned(), value, ..v1::Metric::default() };
        Some(v1::ServiceStatus { metrics: vec![metric], ..v1::ServiceStatus::default() })
    }

    #[test]
    fn of_the_first_version_only_what_its_reporter_delivered_is_at_the_output() {
        // As its probe sent it: a field for each kind, not a name.
        let counts = |open| first::Counts { open, ..first::Counts::default() };
        let probe = first::Probe { generated: Some(counts(10)), ..first::Probe::default() };
        let mut status = first::Status {
            analyzer: None,
            probe: Some(probe),
            reporter: service("reporter_destination_delivered_total", 7),
        };
        let tally = Tally::of_first(&status);
        assert_eq!((tally.generated, tally.at_output, tally.is_settled()), (10, 7, false));
        status.analyzer = service("analyzer_outbox_dropped_total", 3);
        assert_eq!((Tally::of_first(&status).lost, Tally::of_first(&status).is_settled()), (3, true));
    }

    #[test]
    fn of_a_later_version_with_a_field_for_each_kind_the_word_of_the_probe_is_taken() {
        let counts = |open| Some(first::Counts { open, ..first::Counts::default() });
        let probe = first::Probe {
            generated: counts(10),
            delivered: counts(4),
            no_taker: counts(5),
            lost: vec![first::Loss { counts: counts(1) }],
            backlog: Some(v1::Backlog::default()),
            ..first::Probe::default()
        };
        let reporter = service("reporter_destination_delivered_total", 7);
        let tally =
            Tally::of_first(&first::Status { probe: Some(probe), reporter, ..first::Status::default() });
        assert_eq!((tally.at_output, tally.no_taker, tally.lost, tally.is_settled()), (4, 5, 1, true));
    }

    #[test]
    fn where_the_probe_keeps_the_accounts_its_word_is_taken() {
        let probe = v1::ProbeStatus {
            generated: opens(10),
            delivered: opens(4),
            no_taker: opens(5),
            lost: vec![v1::Loss { cause: "ring_full".to_owned(), counts: opens(1) }],
            backlog: Some(v1::Backlog::default()),
            ..v1::ProbeStatus::default()
        };
        let tally = Tally::of(&v1::AnalyzerStatus { probe: Some(probe), ..v1::AnalyzerStatus::default() });
        assert!(tally.is_settled());
        assert_eq!((tally.done(), tally.lost), (9, 1));
    }
}
