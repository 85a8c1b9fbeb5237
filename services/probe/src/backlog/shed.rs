//! What is dropped when the backlog is full: never something that was sent; floods before the bulk events of the main lane,
//! those before lifecycle; in each step the workload with the most bytes first, its oldest first.
//!
//! Bulk and lifecycle events are dropped by rewriting a batch without them, so workloads that weigh about as much as the
//! heaviest lose theirs in the same rewriting: with many alike it would otherwise be one for each.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use event::{Cgroup, Event, LossCause, PerKind, WorkloadLoss};
use prost::Message as _;

use super::Backlog;
use super::losses::name_of;
use super::waiting::{Waiting, Weight};
use crate::flow::batcher::is_lifecycle;

/// What was dropped because the backlog was full.
#[derive(Debug, Default)]
pub struct Dropped {
    /// All of it.
    pub counts: PerKind<u64>,
    /// Batches that were rewritten without some of their events.
    pub rewritten: u64,
    /// By workload, since [`Self::take_recent`].
    recent: BTreeMap<Arc<str>, PerKind<u64>>,
}

impl Dropped {
    /// What was dropped since the last time, by workload, most first.
    pub fn take_recent(&mut self) -> Vec<(Arc<str>, PerKind<u64>)> {
        let mut recent: Vec<_> = std::mem::take(&mut self.recent).into_iter().collect();
        recent.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.total()));
        recent
    }
}

/// What a rewriting leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Bulk,
    Lifecycle,
}

impl Class {
    fn of(self, weight: &Weight) -> usize {
        match self {
            Self::Bulk => weight.bulk,
            Self::Lifecycle => weight.lifecycle,
        }
    }

    fn has(self, event: &Event) -> bool {
        is_lifecycle(event.kind()) == (self == Self::Lifecycle)
    }
}

impl Backlog {
    pub(super) fn shed(&mut self) {
        while self.bytes > self.max_bytes {
            let has_shed =
                self.shed_flood() || self.shed_of_main(Class::Bulk) || self.shed_of_main(Class::Lifecycle);
            // The rest is on its way.
            if !has_shed {
                break;
            }
        }
    }

    /// Keeps what the unsent part of the main lane weighs up to date.
    pub(super) fn weigh(&mut self, batch: &Waiting, is_added: bool) {
        for share in &batch.shares {
            let weight = self.weights.entry(share.cgroup.id).or_default();
            if is_added {
                weight.bulk += share.bulk_bytes;
                weight.lifecycle += share.lifecycle_bytes;
            } else {
                weight.bulk = weight.bulk.saturating_sub(share.bulk_bytes);
                weight.lifecycle = weight.lifecycle.saturating_sub(share.lifecycle_bytes);
            }
            if *weight == Weight::default() {
                self.weights.remove(&share.cgroup.id);
            }
        }
    }

    fn shed_flood(&mut self) -> bool {
        let heaviest = self.floods.iter().max_by_key(|(_, flood)| flood.bytes).map(|(cgroup, _)| *cgroup);
        let Some(cgroup) = heaviest else { return false };
        let Some(flood) = self.floods.get_mut(&cgroup) else { return false };
        let dropped = flood.batches.pop_front();
        flood.bytes -= dropped.as_ref().map_or(0, Waiting::bytes);
        if flood.batches.is_empty() {
            self.floods.remove(&cgroup);
            self.turns.retain(|turn| *turn != cgroup);
        }
        if let Some(dropped) = dropped {
            self.bytes -= dropped.bytes();
            for share in &dropped.shares {
                self.lose_here(&share.cgroup, &share.counts);
            }
        }
        true
    }

    fn shed_of_main(&mut self, class: Class) -> bool {
        let heaviest = self.weights.iter().max_by_key(|(cgroup, weight)| (class.of(weight), **cgroup));
        let Some((top, weight)) = heaviest.filter(|(_, weight)| class.of(weight) > 0) else { return false };
        let (top, least) = (*top, class.of(weight).div_ceil(2));
        let is_of_top = |batch: &Waiting| {
            batch.shares.iter().any(|share| {
                let weight = Weight { bulk: share.bulk_bytes, lifecycle: share.lifecycle_bytes };
                share.cgroup.id == top && class.of(&weight) > 0
            })
        };
        let Some(position) = self.main.iter().position(is_of_top) else { return false };
        let Some(mut batch) = self.main.remove(position) else { return false };
        self.bytes -= batch.bytes();
        self.weigh(&batch, false);
        let heavy = |cgroup: u64| {
            cgroup == top || self.weights.get(&cgroup).is_some_and(|weight| class.of(weight) >= least)
        };
        let payers: HashSet<u64> =
            batch.shares.iter().map(|share| share.cgroup.id).filter(|cgroup| heavy(*cgroup)).collect();
        let Removed { lost, mut changes } = rewrite(&mut batch, class, &payers);
        self.dropped.rewritten += 1;
        for (cgroup, counts) in lost {
            self.lose_here(&cgroup, &counts);
        }
        if batch.counts.total() > 0 {
            self.bytes += batch.bytes();
            self.weigh(&batch, true);
            self.main.insert(position, batch);
        } else {
            changes.append(&mut batch.changes);
        }
        self.carry(changes);
        true
    }

    fn lose_here(&mut self, cgroup: &Cgroup, counts: &PerKind<u64>) {
        if counts.total() == 0 {
            return;
        }
        let workload = name_of(cgroup);
        self.dropped.counts += counts;
        *self.dropped.recent.entry(Arc::clone(&workload)).or_default() += counts;
        let cause = LossCause::BacklogFull;
        self.losers.add(WorkloadLoss { cgroup: cgroup.id, workload, cause, counts: *counts });
    }

    /// The process table must follow dropped events as well, and must not run ahead of what is on its way: the changes go
    /// with the last batch that was sent. Of the unsent ones, none before the dropped one changes the same workload.
    fn carry(&mut self, changes: Vec<Event>) {
        let Some(last) = self.sent.back_mut() else {
            self.ahead.extend(changes);
            return;
        };
        let more = last.carry(changes);
        self.bytes += more;
        self.sent_bytes += more;
        self.carried += more;
        if self.carried > self.max_bytes / 10 {
            self.let_the_table_run_ahead();
        }
    }

    /// The analyzer has not acknowledged anything for so long that the changes of dropped batches have become too
    /// heavy. If it reconnects now, the images of a few processes are newer than the first events sent again.
    fn let_the_table_run_ahead(&mut self) {
        self.carried = 0;
        for sent in &mut self.sent {
            let (changes, weight) = sent.take_changes();
            self.bytes -= weight;
            self.sent_bytes -= weight;
            self.ahead.extend(changes);
        }
    }
}

/// What was removed from a batch.
struct Removed {
    lost: Vec<(Arc<Cgroup>, PerKind<u64>)>,
    /// What it does to the process table.
    changes: Vec<Event>,
}

/// Leaves out what these control groups have of this class.
fn rewrite(batch: &mut Waiting, class: Class, payers: &HashSet<u64>) -> Removed {
    let pays = |event: &Event| class.has(event) && payers.contains(&event.task.cgroup.id);
    let encoded = std::mem::take(&mut batch.encoded);
    let decoded = wire::batch::parse(encoded.into()).and_then(|batch| wire::batch::decode(&batch));
    let (changes, kept) = std::mem::take(&mut batch.changes).into_iter().partition(pays);
    batch.set_changes(kept);
    let mut lost = Vec::new();
    let Ok(mut decoded) = decoded else {
        // What was encoded here decodes; if it does not, nobody else could have read it either.
        batch.counts = PerKind::default();
        lost.extend(std::mem::take(&mut batch.shares).into_iter().map(|share| (share.cgroup, share.counts)));
        return Removed { lost, changes };
    };
    decoded.events.retain(|event| !pays(event));
    batch.encoded = wire::batch::encode(0, &decoded.processes, &decoded.events).encode_to_vec();
    batch.counts = PerKind::default();
    for share in &mut batch.shares {
        if payers.contains(&share.cgroup.id) {
            lost.push((Arc::clone(&share.cgroup), share.take(class == Class::Lifecycle)));
        }
        batch.counts += &share.counts;
    }
    batch.shares.retain(|share| share.counts.total() > 0);
    batch.oldest_ns = decoded.events.iter().map(|event| event.boot_ns).min().unwrap_or(u64::MAX);
    Removed { lost, changes }
}
