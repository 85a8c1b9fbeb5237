//! What a batch says beside its events, between the wire and the domain.

use event::{LossCause, NotObserved, Unwanted, WorkloadLoss};

use super::{Lane, News};
use crate::{control, status, v1};

/// A batch with nothing but these.
pub(super) fn encode(news: &News) -> v1::Batch {
    let lost = news.lost.iter().map(|loss| v1::WorkloadLoss {
        cgroup: loss.cgroup,
        workload: loss.workload.to_string(),
        loss: Some(status::loss(loss.cause, &loss.counts)),
    });
    let not_observed = news.not_observed.iter().map(|gap| v1::NotObserved {
        from_ns: gap.from_ns,
        to_ns: gap.to_ns,
        reason: gap.reason.to_string(),
    });
    let unwanted = news.unwanted.iter().map(|unwanted| v1::Unwanted {
        kinds: control::names(unwanted.kinds.iter().copied()),
        from_ns: unwanted.from_ns,
        to_ns: unwanted.to_ns.unwrap_or(0),
    });
    let lane = match news.lane {
        Lane::Main => v1::Lane::Main,
        Lane::Flood => v1::Lane::Flood,
    };
    v1::Batch {
        complete_until_ns: news.complete_until_ns,
        lost: lost.collect(),
        not_observed: not_observed.collect(),
        unwanted: unwanted.collect(),
        backlog_percent: news.backlog_percent,
        lane: lane.into(),
        ..v1::Batch::default()
    }
}

pub(super) fn decode(batch: &v1::Batch) -> News {
    let lost = batch.lost.iter().map(|lost| {
        let loss = lost.loss.clone().unwrap_or_default();
        WorkloadLoss {
            cgroup: lost.cgroup,
            workload: lost.workload.as_str().into(),
            cause: LossCause::from_name(&loss.cause),
            counts: status::per_kind(loss.counts.as_ref()),
        }
    });
    let not_observed = batch.not_observed.iter().map(|gap| NotObserved {
        from_ns: gap.from_ns,
        to_ns: gap.to_ns,
        reason: gap.reason.as_str().into(),
    });
    // Of a kind that this version does not know there is nothing that could be missing here.
    let unwanted = batch.unwanted.iter().map(|unwanted| Unwanted {
        kinds: control::kinds(&unwanted.kinds).collect(),
        from_ns: unwanted.from_ns,
        to_ns: Some(unwanted.to_ns).filter(|to_ns| *to_ns != 0),
    });
    News {
        complete_until_ns: batch.complete_until_ns,
        lost: lost.collect(),
        not_observed: not_observed.collect(),
        unwanted: unwanted.filter(|unwanted| !unwanted.kinds.is_empty()).collect(),
        backlog_percent: batch.backlog_percent,
        // A lane that this version does not know is less urgent than the main one.
        lane: if batch.lane == i32::from(v1::Lane::Main) { Lane::Main } else { Lane::Flood },
    }
}
