//! The host and the counters of a probe, between the wire and the domain.

use event::{Host, Kind, LossCause, PerKind, ProbeCounters};

use crate::{WireError, v1};

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
        Self {
            exec: counts.get(Kind::Exec),
            fork: counts.get(Kind::Fork),
            exit: counts.get(Kind::Exit),
            open: counts.get(Kind::Open),
        }
    }
}

impl From<v1::KindCounts> for PerKind<u64> {
    fn from(counts: v1::KindCounts) -> Self {
        let mut per_kind = Self::default();
        *per_kind.get_mut(Kind::Exec) = counts.exec;
        *per_kind.get_mut(Kind::Fork) = counts.fork;
        *per_kind.get_mut(Kind::Exit) = counts.exit;
        *per_kind.get_mut(Kind::Open) = counts.open;
        per_kind
    }
}

/// The status message of a probe.
#[must_use]
pub fn encode(
    counters: &ProbeCounters,
    hooks: Vec<v1::Hook>,
    metrics: Vec<v1::Metric>,
    scope: String,
) -> v1::ProbeStatus {
    let lost = LossCause::ALL.into_iter().zip(counters.lost);
    v1::ProbeStatus {
        hooks,
        generated: Some(counters.generated.into()),
        delivered: Some(counters.delivered.into()),
        suppressed: Some(counters.suppressed.into()),
        lost: lost
            .map(|(cause, counts)| v1::Loss { cause: cause.name().to_owned(), counts: Some(counts.into()) })
            .collect(),
        metrics,
        scope,
    }
}

/// The counters in a status message. Parts that are not there count as 0.
///
/// # Errors
/// [`WireError::UnknownLossCause`] for a cause that this version does not know: leaving it out would break the
/// accounting silently.
pub fn counters(status: &v1::ProbeStatus) -> Result<ProbeCounters, WireError> {
    let per_kind = |counts: Option<v1::KindCounts>| counts.map(PerKind::from).unwrap_or_default();
    let mut lost = [PerKind::default(); LossCause::ALL.len()];
    for loss in &status.lost {
        let slot = LossCause::ALL.into_iter().zip(&mut lost).find(|(cause, _)| cause.name() == loss.cause);
        let Some((_, slot)) = slot else {
            return Err(WireError::UnknownLossCause(loss.cause.clone()));
        };
        *slot = per_kind(loss.counts);
    }
    Ok(ProbeCounters {
        generated: per_kind(status.generated),
        delivered: per_kind(status.delivered),
        suppressed: per_kind(status.suppressed),
        lost,
    })
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
    use super::*;

    fn filled(base: u64) -> PerKind<u64> {
        PerKind([base, base + 1, base + 2, u64::MAX - base])
    }

    #[test]
    fn counters_survive_the_wire_exactly() {
        let counters = ProbeCounters {
            generated: filled(1),
            delivered: filled(10),
            suppressed: filled(20),
            lost: [filled(30), filled(40), filled(50), filled(60)],
        };
        let status = encode(&counters, vec![], vec![], "containers".to_owned());
        assert_eq!(super::counters(&status), Ok(counters));
    }

    #[test]
    fn an_empty_status_counts_nothing() {
        assert_eq!(counters(&v1::ProbeStatus::default()), Ok(ProbeCounters::default()));
    }

    #[test]
    fn an_unknown_loss_cause_is_an_error_and_not_a_silent_zero() {
        let loss = v1::Loss { cause: "gremlins".to_owned(), counts: None };
        let status = v1::ProbeStatus { lost: vec![loss], ..Default::default() };
        assert_eq!(counters(&status), Err(WireError::UnknownLossCause("gremlins".to_owned())));
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
