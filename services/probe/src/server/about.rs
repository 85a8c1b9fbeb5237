//! What the probe says of itself in its status, and leaves to the probe after it.

use event::{Kind, NotObserved, ProbeCounters};
use wire::v1;

use crate::backlog::handover::{Account, Handover};
use crate::backlog::state::Keeper;
use crate::flow::drain::Drain;
use crate::flow::source::Source;
use crate::flow::switch::Switch;

/// Workloads in the status.
const MAX_LOSERS: usize = 16;

const SECOND_NS: u64 = 1_000_000_000;

/// What does not change, and what is measured.
#[derive(Debug, Default)]
pub struct About {
    /// The scope, as in the configuration.
    pub scope: String,
    /// When the probe started.
    pub started_ns: u64,
    /// Probes that started before this one since the machine was booted.
    pub restarts: u64,
    /// What nobody observed before this one.
    pub gap: Option<NotObserved>,
    /// From `CLOCK_BOOTTIME` to the time since the epoch.
    pub wall_offset_ns: i64,
    /// Where the state is kept.
    pub keeper: Option<Keeper>,
    /// What is measured.
    pub measured: Measured,
}

/// What is measured between two status messages.
#[derive(Debug, Default)]
pub struct Measured {
    /// Encoded bytes and the time at the last status.
    last: (u64, u64),
    /// Encoded bytes in a second, smoothed.
    bytes_per_second: u64,
    /// Batches at the last look.
    batches: u64,
}

impl About {
    /// The status message.
    pub fn status<S: Source>(
        &mut self,
        drain: &Drain<S>,
        switch: &Switch,
        handover: &Handover,
        counters: &ProbeCounters,
        account: &Account,
        now_ns: u64,
    ) -> v1::ProbeStatus {
        let off_since = |name: &str| {
            let since = Kind::from_name(name).and_then(|kind| switch.off().get(&kind));
            since.map_or(0, |since_ns| self.wall_ns(*since_ns))
        };
        let hooks = drain.source().hooks().into_iter().map(|hook| v1::Hook {
            unwanted_since_ns: off_since(&hook.kind),
            kind: hook.kind,
            program: hook.program,
            attach: hook.attach,
            active: hook.active,
            error: hook.error.unwrap_or_default(),
            refused: hook.refused,
        });
        let losers = handover.losers(|losers| losers.top(MAX_LOSERS));
        let workloads = losers.into_iter().map(|(cgroup, workload, lost)| v1::LostByWorkload {
            cgroup,
            workload: workload.to_string(),
            lost: wire::status::encode_losses(&lost),
        });
        let hooks = hooks.collect();
        let parts = wire::status::Parts {
            hooks,
            metrics: drain.metrics().samples(),
            scope: self.scope.clone(),
            workloads: workloads.collect(),
            backlog: self.backlog(account, drain.metrics().batch_bytes.get(), now_ns),
            uptime_seconds: now_ns.saturating_sub(self.started_ns) / SECOND_NS,
            restarts: self.restarts,
            analyzer_restarts: account.analyzer_restarts,
            not_observed: self.gap.iter().map(|gap| self.wall(gap)).collect(),
        };
        wire::status::encode(counters, parts)
    }

    /// Keeps for the next probe from when on not everything is settled.
    pub fn keep(&mut self, unsettled_since_ns: u64) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(unsettled_since_ns);
        }
    }

    /// The probe ends in order.
    pub fn stop(self, unsettled_since_ns: u64) {
        if let Some(keeper) = self.keeper {
            keeper.stop(unsettled_since_ns);
        }
    }

    /// Whether no batch was made since the last time this was asked.
    pub fn is_without_batches<S: Source>(&mut self, drain: &Drain<S>) -> bool {
        let batches = drain.metrics().batches.get();
        std::mem::replace(&mut self.measured.batches, batches) == batches
    }

    fn backlog(&mut self, account: &Account, encoded: u64, now_ns: u64) -> v1::Backlog {
        let (before, before_ns) = std::mem::replace(&mut self.measured.last, (encoded, now_ns));
        let elapsed_ms = now_ns.saturating_sub(before_ns) / 1_000_000;
        let now = encoded.saturating_sub(before).saturating_mul(1_000).checked_div(elapsed_ms).unwrap_or(0);
        // Half of the weight is that of the last few seconds; a rate that is no more is forgotten.
        self.measured.bytes_per_second = if now == 0 {
            self.measured.bytes_per_second / 2
        } else {
            (self.measured.bytes_per_second + now) / 2
        };
        let room = account.max_bytes.saturating_sub(account.bytes);
        v1::Backlog {
            bytes: account.bytes,
            max_bytes: account.max_bytes,
            events: account.waiting.total(),
            oldest_ms: account.oldest_ns.map_or(0, |oldest| now_ns.saturating_sub(oldest) / 1_000_000),
            holds_seconds: room.checked_div(self.measured.bytes_per_second).unwrap_or(0),
        }
    }

    fn wall(&self, gap: &NotObserved) -> v1::Gap {
        let (from_ns, to_ns) = (self.wall_ns(gap.from_ns), self.wall_ns(gap.to_ns));
        v1::Gap { from_ns, to_ns, reason: gap.reason.to_string() }
    }

    fn wall_ns(&self, boot_ns: u64) -> i64 {
        i64::try_from(boot_ns).unwrap_or(i64::MAX).saturating_add(self.wall_offset_ns)
    }
}
