//! Which workload lost what: told with the next batch, and summed up for the status.
//!
//! Invariant: bounded; beyond the limit a loss is that of nobody known, and is told and counted all the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use event::{Cgroup, LossCause, Losses, PerKind, Workload, WorkloadLoss};

/// Workloads with a sum of their own.
const MAX_WORKLOADS: usize = 1024;

type Name = Arc<str>;

/// What every workload lost.
#[derive(Debug, Default)]
pub struct Losers {
    news: BTreeMap<(u64, LossCause), (Name, PerKind<u64>)>,
    sums: HashMap<u64, (Name, Losses)>,
}

impl Losers {
    pub(super) fn add(&mut self, loss: WorkloadLoss) {
        let is_known = self.sums.contains_key(&loss.cgroup) || self.sums.len() < MAX_WORKLOADS;
        let (cgroup, name) = if is_known { (loss.cgroup, loss.workload) } else { (0, Name::from("")) };
        let (_, sum) = self.sums.entry(cgroup).or_insert_with(|| (Arc::clone(&name), Losses::default()));
        sum.add(loss.cause, &loss.counts);
        let (_, news) = self.news.entry((cgroup, loss.cause)).or_insert_with(|| (name, PerKind::default()));
        *news += &loss.counts;
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    pub(super) fn take_news(&mut self, limit: usize) -> Vec<WorkloadLoss> {
        let mut news = Vec::new();
        while news.len() < limit
            && let Some(((cgroup, cause), (workload, counts))) = self.news.pop_first()
        {
            news.push(WorkloadLoss { cgroup, workload, cause, counts });
        }
        news
    }

    /// The workloads that lost most, with their control group and name.
    #[must_use]
    pub fn top(&self, limit: usize) -> Vec<(u64, Name, Losses)> {
        let mut all: Vec<_> =
            self.sums.iter().map(|(cgroup, (name, sum))| (*cgroup, Arc::clone(name), *sum)).collect();
        all.sort_by_key(|(cgroup, _, sum)| (std::cmp::Reverse(sum.by_kind().total()), *cgroup));
        all.truncate(limit);
        all
    }
}

/// What people call the workload in a control group: its container id, its unit, or else the path.
#[must_use]
pub fn name_of(cgroup: &Cgroup) -> Name {
    match &cgroup.workload {
        Workload::Container { id, .. } => Arc::clone(id),
        Workload::Service { unit } => Arc::clone(unit),
        Workload::Host => cgroup.path.to_lossy().into(),
    }
}

#[cfg(test)]
mod tests {
    use event::Kind;

    use super::*;

    fn loss(cgroup: u64, cause: LossCause, opens: u64) -> WorkloadLoss {
        WorkloadLoss {
            cgroup,
            workload: format!("w{cgroup}").into(),
            cause,
            counts: PerKind::from([(Kind::Open, opens)]),
        }
    }

    #[test]
    fn losses_of_one_workload_add_up_and_are_told_once() {
        let mut losers = Losers::default();
        losers.add(loss(7, LossCause::BacklogFull, 1));
        losers.add(loss(7, LossCause::BacklogFull, 2));
        losers.add(loss(7, LossCause::RingFull, 4));
        losers.add(loss(9, LossCause::RingFull, 8));
        let told = [losers.take_news(2), losers.take_news(2)].concat();
        let told: Vec<_> = told.iter().map(|loss| (loss.cgroup, loss.cause, loss.counts.total())).collect();
        let (full, ring) = (LossCause::BacklogFull, LossCause::RingFull);
        assert_eq!(told, [(7, ring, 4), (7, full, 3), (9, ring, 8)]);
        assert!(!losers.has_news());
        let top = losers.top(1);
        assert_eq!((top[0].0, &*top[0].1, top[0].2.by_kind().total()), (9, "w9", 8));
    }

    #[test]
    fn beyond_the_limit_a_loss_is_that_of_nobody_known() {
        let mut losers = Losers::default();
        (1..2_000).for_each(|cgroup| losers.add(loss(cgroup, LossCause::RingFull, 1)));
        assert_eq!(losers.sums.len(), MAX_WORKLOADS + 1);
        let told: u64 = losers.take_news(usize::MAX).iter().map(|loss| loss.counts.total()).sum();
        assert_eq!((told, losers.top(1)[0].0), (1_999, 0));
    }
}
