//! The host and the counters of a probe, between the wire and the domain.

use event::{Host, Ledger, LossCause, Losses, PerKind, ProbeCounters};

use crate::v1;

impl From<&Host> for v1::Host {
    fn from(host: &Host) -> Self {
        Self {
            boot_id: host.boot_id.clone(),
            hostname: host.hostname.clone(),
            kernel: host.kernel.clone(),
            wall_offset_ns: host.wall_offset_ns,
        }
    }
}

impl From<v1::Host> for Host {
    fn from(host: v1::Host) -> Self {
        Self {
            boot_id: host.boot_id,
            hostname: host.hostname,
            kernel: host.kernel,
            wall_offset_ns: host.wall_offset_ns,
        }
    }
}

/// The hello that opens a stream or a capture: this wire version, `version` of the program, and the host.
#[must_use]
pub fn hello(host: &Host, version: &str) -> v1::ProbeHello {
    v1::ProbeHello {
        wire_version: crate::WIRE_VERSION,
        version: version.to_owned(),
        host: Some(host.into()),
        ..Default::default()
    }
}

impl From<PerKind<u64>> for v1::KindCounts {
    fn from(counts: PerKind<u64>) -> Self {
        let counts = counts.iter().filter(|(_, count)| **count > 0);
        Self { counts: counts.map(|(kind, count)| (kind.name().to_owned(), *count)).collect() }
    }
}

/// Kinds that this version does not know are left out: the accounting holds for each kind alone.
impl From<&v1::KindCounts> for PerKind<u64> {
    fn from(counts: &v1::KindCounts) -> Self {
        Self::from_fn(|kind| counts.counts.get(kind.name()).copied().unwrap_or(0))
    }
}

/// What a probe says of itself, apart from its counters.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// What serves which kind.
    pub hooks: Vec<v1::Hook>,
    /// Counters that are not part of the accounting.
    pub metrics: Vec<v1::Metric>,
    /// The scope, as in the configuration.
    pub scope: String,
    /// The workloads that lost most.
    pub workloads: Vec<v1::LostByWorkload>,
    /// What waits.
    pub backlog: v1::Backlog,
    /// Since the probe started.
    pub uptime_seconds: u64,
    /// Of the probe, since the machine was booted.
    pub restarts: u64,
    /// Of the analyzer, as the probe saw them.
    pub analyzer_restarts: u64,
    /// The last times that were not observed.
    pub not_observed: Vec<v1::Gap>,
}

/// The status message of a probe.
#[must_use]
pub fn encode(counters: &ProbeCounters, parts: Parts) -> v1::ProbeStatus {
    v1::ProbeStatus {
        hooks: parts.hooks,
        generated: Some(counters.generated.into()),
        delivered: Some(counters.delivered.into()),
        suppressed: Some(counters.suppressed.into()),
        // All that there are here, so that a reader sees them.
        lost: LossCause::ALL
            .into_iter()
            .map(|cause| (cause, counters.lost.of(cause)))
            .filter(|(cause, counts)| *cause != LossCause::Unknown || counts.total() > 0)
            .map(|(cause, counts)| loss(cause, counts))
            .collect(),
        metrics: parts.metrics,
        scope: parts.scope,
        no_taker: Some(counters.no_taker.into()),
        workloads: parts.workloads,
        backlog: Some(parts.backlog),
        uptime_seconds: parts.uptime_seconds,
        restarts: parts.restarts,
        analyzer_restarts: parts.analyzer_restarts,
        not_observed: parts.not_observed,
    }
}

/// The counters in a status message. Parts that are not there count as 0.
#[must_use]
pub fn counters(status: &v1::ProbeStatus) -> ProbeCounters {
    ProbeCounters {
        generated: per_kind(status.generated.as_ref()),
        delivered: per_kind(status.delivered.as_ref()),
        no_taker: per_kind(status.no_taker.as_ref()),
        suppressed: per_kind(status.suppressed.as_ref()),
        lost: losses(&status.lost),
    }
}

/// One cause and its counts.
#[must_use]
pub fn loss(cause: LossCause, counts: &PerKind<u64>) -> v1::Loss {
    v1::Loss { cause: cause.name().to_owned(), counts: Some((*counts).into()) }
}

/// The causes for which something was lost.
#[must_use]
pub fn encode_losses(losses: &Losses) -> Vec<v1::Loss> {
    losses.iter().map(|(cause, counts)| loss(cause, counts)).collect()
}

/// Losses by cause; a cause that is there twice is added up, and so are all that this version does not know.
#[must_use]
pub fn losses(list: &[v1::Loss]) -> Losses {
    let mut losses = Losses::default();
    for loss in list {
        losses.add(LossCause::from_name(&loss.cause), &per_kind(loss.counts.as_ref()));
    }
    losses
}

impl From<&Ledger> for v1::Ledger {
    fn from(ledger: &Ledger) -> Self {
        Self {
            delivered: Some(ledger.delivered.into()),
            no_taker: Some(ledger.no_taker.into()),
            lost: encode_losses(&ledger.lost),
        }
    }
}

/// A ledger from an acknowledgement.
#[must_use]
pub fn ledger(message: &v1::Ledger) -> Ledger {
    Ledger {
        delivered: per_kind(message.delivered.as_ref()),
        no_taker: per_kind(message.no_taker.as_ref()),
        lost: losses(&message.lost),
    }
}

/// Counts by kind; what is not there is 0.
#[must_use]
pub fn per_kind(counts: Option<&v1::KindCounts>) -> PerKind<u64> {
    counts.map(PerKind::from).unwrap_or_default()
}

/// One counter with its labels, as the services report it.
#[must_use]
pub fn metric<K, V>(name: &str, labels: impl IntoIterator<Item = (K, V)>, value: u64) -> v1::Metric
where
    K: Into<String>,
    V: Into<String>,
{
    let labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    v1::Metric { name: name.to_owned(), labels, value }
}

#[cfg(test)]
mod tests {
    use event::Kind;

    use super::*;

    fn filled(base: u64) -> PerKind<u64> {
        PerKind::from_fn(|kind| if kind.index() == 3 { u64::MAX - base } else { base + kind.index() as u64 })
    }

    #[test]
    fn counters_survive_the_wire_exactly() {
        let counters = ProbeCounters {
            generated: filled(1),
            delivered: filled(10),
            no_taker: filled(70),
            suppressed: filled(20),
            lost: losses_of(30),
        };
        let status = encode(&counters, Parts::default());
        assert_eq!(super::counters(&status), counters);
    }

    fn losses_of(base: u64) -> Losses {
        Losses(std::array::from_fn(|slot| filled(base + 10 * slot as u64)))
    }

    #[test]
    fn a_ledger_survives_the_wire_exactly() {
        let sent = Ledger { delivered: filled(1), no_taker: filled(2), lost: losses_of(3) };
        assert_eq!(ledger(&v1::Ledger::from(&sent)), sent);
        assert_eq!(ledger(&v1::Ledger::default()), Ledger::default());
    }

    #[test]
    fn an_empty_status_counts_nothing() {
        assert_eq!(counters(&v1::ProbeStatus::default()), ProbeCounters::default());
    }

    #[test]
    fn what_was_lost_for_causes_that_only_the_sender_knows_is_lost_for_an_unknown_cause() {
        let lost = ["gremlins", "ring_full", "goblins"].map(|cause| {
            let counts = Some(PerKind::from([(Kind::Open, 2)]).into());
            v1::Loss { cause: cause.to_owned(), counts }
        });
        let read = losses(&lost);
        let of = |cause| read.of(cause).get(Kind::Open);
        assert_eq!((of(LossCause::RingFull), of(LossCause::Unknown)), (2, 4));
        let ledger = ledger(&v1::Ledger { lost: lost.into(), ..v1::Ledger::default() });
        assert_eq!(ledger.by_kind().get(Kind::Open), 6);
    }

    #[test]
    fn an_unknown_cause_is_not_named_before_there_is_something_to_say() {
        let names = |counters: &ProbeCounters| {
            encode(counters, Parts::default()).lost.iter().any(|loss| loss.cause == "unknown")
        };
        let mut counters = ProbeCounters::default();
        assert!(!names(&counters));
        counters.lost.add(LossCause::Unknown, &PerKind::from([(Kind::Open, 1)]));
        assert!(names(&counters));
    }

    #[test]
    fn the_host_survives_the_wire() {
        let host = Host {
            boot_id: "b".to_owned(),
            hostname: "h".to_owned(),
            kernel: "6.1".to_owned(),
            wall_offset_ns: -5,
        };
        assert_eq!(Host::from(v1::Host::from(&host)), host);
    }

    #[test]
    fn a_metric_keeps_its_labels() {
        let metric = metric("probe_ring_dropped_total", [("what", "event")], 7);
        assert_eq!(metric.labels.get("what").map(String::as_str), Some("event"));
        assert_eq!((metric.name.as_str(), metric.value), ("probe_ring_dropped_total", 7));
    }
}
