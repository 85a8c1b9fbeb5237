//! The way of a record through the probe: drain, classify, order, batch.
//!
//! No thread and no clock of its own: `flow::drainer` calls [`Drain::step`] with the time. Invariant: each event that
//! the source gave is passed to the handover, counted as suppressed, or still held here; a step never blocks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use event::{
    Cgroup, Event, Kind, KnownProcess, LossCause, Losses, PerKind, ProbeCounters, ScopeRule, Strings, Task,
    WorkloadLoss,
};
use foldhash::fast::RandomState;

use crate::backlog::handover::{Account, Handover};
use crate::backlog::name_of;
use crate::bpf::{CgroupLoss, KERNEL_CAUSES};
use crate::context::cgroups::Workloads;
use crate::decode::Decoded;
use crate::flow::batcher::Batcher;
use crate::flow::order::{self, Order};
use crate::flow::source::{Drained, KernelCounts, Source};
use crate::metrics::Metrics;

/// Time between two steps while records come. A record that is too new for one step leaves with the next, some two
/// milliseconds older than this: with 20 ms here one event in a hundred was older at the output than with drains of their own.
pub const STEP_NS: u64 = 18_000_000;

/// Pause between two warnings about the same thing.
const WARN_PAUSE_NS: u64 = 60_000_000_000;

/// Tasks that are kept to be shared by events; more than the decoder shares.
const MAX_SHARED_TASKS: usize = 512;

/// The table of processes is compared with those that live this often, and as often as the other when ends were lost.
const RECONCILE_NS: u64 = 60_000_000_000;
const RECONCILE_PAUSE_NS: u64 = 1_000_000_000;

/// When the table was compared with the living.
#[derive(Debug, Default)]
struct Reconciled {
    lost_exits: u64,
    next_ns: u64,
    not_before_ns: u64,
}

/// The state between the rings and the handover.
pub struct Drain<S> {
    source: S,
    scope: ScopeRule,
    workloads: Workloads,
    order: Order,
    batcher: Batcher,
    handover: Arc<Handover>,
    metrics: Metrics,
    decoded: Vec<Decoded>,
    events: Vec<Event>,
    /// Tasks of the decoder by their address, with what they became. Holding the first keeps its address its own.
    tasks: HashMap<usize, (Arc<Task>, Arc<Task>), RandomState>,
    /// The address used last: neighbours are often of one task.
    last_task: Option<(usize, Arc<Task>)>,
    suppressed: PerKind<u64>,
    undecodable: PerKind<u64>,
    /// What has been passed on of the kernel's losses.
    kernel_lost: HashMap<(u64, LossCause), PerKind<u64>>,
    reconciled: Reconciled,
    next_warning_ns: u64,
}

/// What a [`Drain`] is made of.
pub struct DrainParts<S> {
    /// Where records come from.
    pub source: S,
    /// Which control groups are watched.
    pub scope: ScopeRule,
    /// What is known of control groups.
    pub workloads: Workloads,
    /// Where complete batches go.
    pub batcher: Batcher,
    /// Who keeps them.
    pub handover: Arc<Handover>,
    /// Counters.
    pub metrics: Metrics,
}

impl<S: Source> Drain<S> {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: DrainParts<S>) -> Self {
        Self {
            source: parts.source,
            scope: parts.scope,
            workloads: parts.workloads,
            order: Order::default(),
            batcher: parts.batcher,
            handover: parts.handover,
            metrics: parts.metrics,
            decoded: Vec::new(),
            events: Vec::new(),
            tasks: HashMap::default(),
            last_task: None,
            suppressed: PerKind::default(),
            undecodable: PerKind::default(),
            kernel_lost: HashMap::new(),
            reconciled: Reconciled::default(),
            next_warning_ns: 0,
        }
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The source, to attach and detach kinds.
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The counters of the probe.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes what waits, passes on what is complete. Returns the number of records taken.
    pub fn step(&mut self, now_ns: u64) -> usize {
        self.advance(now_ns, order::cut(now_ns))
    }

    /// When [`Self::step`] must run again even if nothing new comes; `None` when nothing is held.
    #[must_use]
    pub fn deadline_ns(&self) -> Option<u64> {
        let ordered = self.order.oldest_ns().map(|oldest| oldest.saturating_add(order::SLACK_NS));
        [ordered, self.batcher.deadline_ns()].into_iter().flatten().min()
    }

    /// Detaches the hooks: nothing new is generated.
    pub fn stop(&mut self) {
        self.source.stop();
    }

    /// After [`Self::stop`]: passes on all that is left.
    pub fn finish(&mut self, now_ns: u64) {
        while self.advance(now_ns, u64::MAX) > 0 {}
        self.batcher.flush();
        self.pass_on(now_ns);
    }

    /// What became of every event, and what waits. The kernel is asked last, so what is in flight is never negative.
    pub fn counters(&mut self) -> (ProbeCounters, Account) {
        let account = self.handover.account();
        let KernelCounts { all: kernel, by_cgroup } = self.source.counts();
        self.tell_losses(&by_cgroup);
        self.metrics.cgroups.set(self.workloads.len() as u64);
        self.metrics.cgroups_refused.set(self.workloads.refused);
        self.metrics.cgroup_scans.set(self.workloads.scans);
        self.metrics.late.set(self.order.late);
        self.metrics.kernel_lost_other.set(kernel.lost_other);
        self.metrics.kernel_missed_runs.set(kernel.missed_runs);
        self.metrics.kernel_missed_runs_unread.set(kernel.missed_runs_unread);
        self.metrics.scope_decisions_refused.set(kernel.undecided);
        let mut lost = Losses::default();
        for (cause, counts) in kernel.lost.iter() {
            lost.add(cause, counts);
        }
        lost.add(LossCause::Undecodable, &self.undecodable);
        lost.add(LossCause::BacklogFull, &account.dropped);
        for (cause, counts) in account.ledger.lost.iter() {
            lost.add(cause, counts);
        }
        let counters = ProbeCounters {
            generated: kernel.generated,
            delivered: account.ledger.delivered,
            no_taker: account.ledger.no_taker,
            suppressed: self.suppressed,
            lost,
        };
        (counters, account)
    }

    /// Passes on what the kernel lost of each control group since the last time.
    fn tell_losses(&mut self, by_cgroup: &[CgroupLoss]) {
        let mut news = Vec::new();
        for loss in by_cgroup {
            let told = self.kernel_lost.entry((loss.cgroup, loss.cause)).or_default();
            let mut counts = PerKind::default();
            for kind in Kind::ALL {
                *counts.get_mut(kind) = loss.counts.get(kind).saturating_sub(told.get(kind));
            }
            *told = loss.counts;
            if counts.total() > 0 {
                let workload =
                    self.workloads.get(loss.cgroup).map_or_else(|| "".into(), |known| name_of(known));
                news.push(WorkloadLoss { cgroup: loss.cgroup, workload, cause: loss.cause, counts });
            }
        }
        // What the kernel no longer lists starts at 0 again.
        if self.kernel_lost.len() > by_cgroup.len() {
            let listed: HashSet<_> = by_cgroup.iter().map(|loss| (loss.cgroup, loss.cause)).collect();
            self.kernel_lost.retain(|key, _| listed.contains(key));
        }
        if !news.is_empty() {
            self.handover.lose(news);
        }
    }

    /// Removes processes from the table whose end was lost: soon after the end of some process was, and now and then.
    pub fn reconcile(&mut self, now_ns: u64, lost: &Losses) {
        if self.reconciled.next_ns == 0 {
            // The table was filled before ends of processes were seen: some may have ended since.
            self.reconciled.next_ns = now_ns.saturating_add(RECONCILE_PAUSE_NS);
        }
        let lost_exits: u64 = KERNEL_CAUSES.iter().map(|cause| lost.of(*cause).get(Kind::Exit)).sum();
        let lost_exits = lost_exits + self.undecodable.get(Kind::Exit);
        let is_due = lost_exits > self.reconciled.lost_exits || now_ns >= self.reconciled.next_ns;
        if !is_due || now_ns < self.reconciled.not_before_ns || self.metrics.table_processes.get() == 0 {
            return;
        }
        self.reconciled.not_before_ns = now_ns.saturating_add(RECONCILE_PAUSE_NS);
        let Some(living) = self.source.living() else { return };
        // Busy with a connection that begins: asked again.
        let Some(gone) = self.handover.reconcile(&living.into_iter().collect(), now_ns) else { return };
        self.metrics.table_reconciled.add(gone as u64);
        self.reconciled.lost_exits = lost_exits;
        self.reconciled.next_ns = now_ns.saturating_add(RECONCILE_NS);
    }

    /// Asks the source for a wake-up at the next record; false when it cannot promise one.
    pub fn sleep(&mut self) -> bool {
        self.source.sleep()
    }

    /// Decides about every control group that exists. Called once, after the hooks are active.
    pub fn decide_existing(&mut self) {
        for cgroup in self.workloads.scan(|| self.source.oldest()) {
            self.decide(&cgroup);
        }
    }

    /// The processes in scope among those that were running, with what `complete` adds to each.
    pub fn known_in_scope(
        &mut self,
        snapshot: Vec<Decoded>,
        now_ns: u64,
        complete: &mut dyn FnMut(&mut KnownProcess),
    ) -> Vec<KnownProcess> {
        let mut known = Vec::new();
        for decoded in snapshot {
            let Decoded::Known(mut process) = decoded else { continue };
            let cgroup = self.resolve(process.task.cgroup.id, now_ns);
            if self.scope.includes(&cgroup) {
                Arc::make_mut(&mut process.task).cgroup = cgroup;
                complete(&mut process);
                known.push(process);
            }
        }
        let keys: HashSet<_> = known.iter().map(|process| process.task.process).collect();
        for process in &mut known {
            process.parent = process.parent.filter(|parent| keys.contains(parent));
        }
        known
    }

    fn advance(&mut self, now_ns: u64, cut_ns: u64) -> usize {
        let mut decoded = std::mem::take(&mut self.decoded);
        let drained = self.source.drain(&mut decoded);
        self.metrics.drains.inc();
        self.metrics.records.add(drained.records as u64);
        self.count_undecodable(&drained, now_ns);
        for record in decoded.drain(..) {
            match record {
                Decoded::Event(event) => self.events.push(event),
                Decoded::CgroupMade { id, hierarchy, path, boot_ns, .. } => {
                    if let Some(cgroup) = self.workloads.made(id, hierarchy, &path, boot_ns) {
                        self.decide(&cgroup);
                    }
                }
                Decoded::CgroupGone { id, hierarchy } => self.workloads.gone(id, hierarchy, now_ns),
                Decoded::Known(process) => self.enter(process, now_ns),
            }
        }
        self.decoded = decoded;
        self.batcher.step(now_ns);
        let mut ready = Vec::new();
        self.order.sort(&mut self.events, cut_ns, &mut |event| ready.push(event));
        for event in ready {
            self.pass(event, now_ns);
        }
        // What would be too old at the next step leaves with this one: no step is made for it alone.
        self.batcher.due(now_ns.saturating_add(STEP_NS));
        self.pass_on(cut_ns.min(now_ns));
        for id in self.workloads.forget(now_ns) {
            self.source.forget(id);
        }
        drained.records
    }

    /// A process came into scope. Its arguments and environment are in its memory, which nobody reads for it now: they
    /// are marked as missing.
    fn enter(&mut self, mut process: KnownProcess, now_ns: u64) {
        let cgroup = self.resolve(process.task.cgroup.id, now_ns);
        if !self.scope.includes(&cgroup) {
            return;
        }
        process.task = self.with_cgroup(&process.task, cgroup);
        if let Some(exec) = &mut process.exec {
            let missing = Strings { items: Vec::new(), truncated: true };
            let exec = Arc::make_mut(exec);
            (exec.args, exec.envs) = (missing.clone(), missing);
        }
        self.metrics.entered.inc();
        self.batcher.know(process);
    }

    fn pass(&mut self, mut event: Event, now_ns: u64) {
        let cgroup = self.resolve(event.task.cgroup.id, now_ns);
        if !self.scope.includes(&cgroup) {
            *self.suppressed.get_mut(event.kind()) += 1;
            return;
        }
        event.task = self.with_cgroup(&event.task, cgroup);
        self.batcher.push(event);
    }

    /// Hands over what is complete. Everything up to `cut_ns` has been drained, so what is not in an open batch either
    /// has been handed over.
    fn pass_on(&mut self, cut_ns: u64) {
        while let Some(complete) = self.batcher.complete() {
            self.handover.push(complete);
        }
        let drained = cut_ns.saturating_add(1);
        self.handover.pushed_until(self.batcher.oldest_ns().map_or(drained, |oldest| oldest.min(drained)));
    }

    /// The task with its control group. The decoder shares one task between the events of a process, and this keeps
    /// them sharing one.
    fn with_cgroup(&mut self, task: &Arc<Task>, cgroup: Arc<Cgroup>) -> Arc<Task> {
        let address = Arc::as_ptr(task).addr();
        if let Some((last, after)) = &self.last_task
            && *last == address
            && Arc::ptr_eq(&after.cgroup, &cgroup)
        {
            return Arc::clone(after);
        }
        let after = self.shared_task(address, task, cgroup);
        self.last_task = Some((address, Arc::clone(&after)));
        after
    }

    fn shared_task(&mut self, address: usize, task: &Arc<Task>, cgroup: Arc<Cgroup>) -> Arc<Task> {
        if let Some((_, after)) = self.tasks.get(&address)
            && Arc::ptr_eq(&after.cgroup, &cgroup)
        {
            return Arc::clone(after);
        }
        if self.tasks.len() >= MAX_SHARED_TASKS {
            self.tasks.clear();
            self.last_task = None;
        }
        let after = Arc::new(Task { cgroup, ..Task::clone(task) });
        self.tasks.insert(address, (Arc::clone(task), Arc::clone(&after)));
        after
    }

    /// The control group with this id. One that no record told of is looked for on disk, at most once a second;
    /// one that cannot be found has an empty path.
    fn resolve(&mut self, id: u64, now_ns: u64) -> Arc<Cgroup> {
        if let Some(known) = self.workloads.get(id) {
            return Arc::clone(known);
        }
        if self.workloads.may_scan(now_ns) {
            for cgroup in self.workloads.scan(|| self.source.oldest()) {
                self.decide(&cgroup);
            }
            if let Some(found) = self.workloads.get(id) {
                return Arc::clone(found);
            }
        }
        self.metrics.cgroups_unresolved.inc();
        Arc::new(Cgroup { id, ..Cgroup::default() })
    }

    fn decide(&mut self, cgroup: &Cgroup) {
        if let Some(watch) = self.scope.decision(cgroup) {
            self.source.decide(cgroup.id, watch);
        }
    }

    fn count_undecodable(&mut self, drained: &Drained, now_ns: u64) {
        if drained.damaged == 0 {
            return;
        }
        self.metrics.undecodable.add(drained.damaged as u64);
        for kind in Kind::ALL {
            *self.undecodable.get_mut(kind) += drained.undecodable.get(kind);
        }
        if now_ns >= self.next_warning_ns {
            self.next_warning_ns = now_ns.saturating_add(WARN_PAUSE_NS);
            let records = drained.damaged;
            tracing::warn!(
                records,
                "records could not be decoded: probe and BPF object come from different builds?"
            );
        }
    }
}

#[cfg(test)]
mod tests;
