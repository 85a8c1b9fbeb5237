//! Exact accounting: `generated = delivered + no taker + suppressed + lost`, per kind and cause.
//!
//! One ledger, kept by the probe: hooks count what is generated, acknowledgements say what became of it, so the sum
//! survives restarts of every other service.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{Kind, PerKind};

/// Why an event did not reach an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LossCause {
    /// The kernel ring was full.
    RingFull = 0,
    /// The program could not get its scratch memory, or ran inside itself on one CPU.
    KernelBusy = 1,
    /// The record, its batch or its kind could not be decoded: parts of different builds, or damaged memory.
    Undecodable = 2,
    /// The probe's backlog was full: the analyzer is absent, or slower than the events.
    BacklogFull = 3,
    /// The workload had used up its share of the kernel ring.
    RingShare = 4,
    /// Every output refused the payload for good.
    Refused = 5,
    /// The payload was larger than the outputs take.
    TooLarge = 6,
    /// The payload was not UTF-8.
    NotUtf8 = 7,
    /// No output was up for so long that it no longer held up the others.
    OutputDown = 8,
    /// Writing failed for good.
    WriteFailed = 9,
    /// Another part lost it, and says why in a word that this version does not know.
    Unknown = 10,
}

impl LossCause {
    /// Every cause, in discriminant order.
    pub const ALL: [Self; 11] = [
        Self::RingFull,
        Self::KernelBusy,
        Self::Undecodable,
        Self::BacklogFull,
        Self::RingShare,
        Self::Refused,
        Self::TooLarge,
        Self::NotUtf8,
        Self::OutputDown,
        Self::WriteFailed,
        Self::Unknown,
    ];

    /// Name used on the wire, in metrics and `shrike status`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::KernelBusy => "kernel_busy",
            Self::Undecodable => "undecodable",
            Self::BacklogFull => "backlog_full",
            Self::RingShare => "ring_share",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::OutputDown => "output_down",
            Self::WriteFailed => "write_failed",
            Self::Unknown => "unknown",
        }
    }

    /// The cause with this name. Whatever a newer part calls it, it is lost: only its cause is not known here.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|cause| cause.name() == name).unwrap_or(Self::Unknown)
    }
}

/// One number per kind for each cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses(pub [PerKind<u64>; LossCause::ALL.len()]);

impl Losses {
    /// What was lost for this cause.
    #[must_use]
    pub fn of(&self, cause: LossCause) -> &PerKind<u64> {
        let [first, ..] = &self.0;
        // The array has one slot per cause by construction.
        self.0.get(cause as usize).unwrap_or(first)
    }

    /// Adds to a cause.
    pub fn add(&mut self, cause: LossCause, counts: &PerKind<u64>) {
        if let Some(slot) = self.0.get_mut(cause as usize) {
            *slot += counts;
        }
    }

    /// The sum over all causes, by kind.
    #[must_use]
    pub fn by_kind(&self) -> PerKind<u64> {
        let mut sum = PerKind::default();
        self.0.iter().for_each(|counts| sum += counts);
        sum
    }

    /// Causes for which something was lost.
    pub fn iter(&self) -> impl Iterator<Item = (LossCause, &PerKind<u64>)> {
        LossCause::ALL.into_iter().zip(&self.0).filter(|(_, counts)| counts.total() > 0)
    }
}

/// What one workload lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadLoss {
    /// Its control group; 0 = not known whose events these were.
    pub cgroup: u64,
    /// Container id, unit name or path of the control group; empty = not known.
    pub workload: Arc<str>,
    /// Why.
    pub cause: LossCause,
    /// How many.
    pub counts: PerKind<u64>,
}

/// A time that nobody observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotObserved {
    /// From this moment, `CLOCK_BOOTTIME`.
    pub from_ns: u64,
    /// To this moment.
    pub to_ns: u64,
    /// Why, for people.
    pub reason: Arc<str>,
}

/// Kinds of which nothing was observed, because nobody wanted them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwanted {
    /// Which.
    pub kinds: BTreeSet<Kind>,
    /// From this moment, `CLOCK_BOOTTIME`.
    pub from_ns: u64,
    /// To this moment; `None` = it goes on.
    pub to_ns: Option<u64>,
}

/// What became of events that reached the analyzer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// At an output.
    pub delivered: PerKind<u64>,
    /// Judged, and nobody takes them.
    pub no_taker: PerKind<u64>,
    /// Lost after the analyzer had them.
    pub lost: Losses,
}

impl Ledger {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.delivered += &other.delivered;
        self.no_taker += &other.no_taker;
        for (cause, counts) in other.lost.iter() {
            self.lost.add(cause, counts);
        }
    }

    /// Everything it accounts for, by kind.
    #[must_use]
    pub fn by_kind(&self) -> PerKind<u64> {
        let mut sum = self.delivered;
        sum += &self.no_taker;
        sum += &self.lost.by_kind();
        sum
    }
}

/// What became of every event since the probe started. Counters only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeCounters {
    /// Seen by the hooks, inside the kernel's scope filter.
    pub generated: PerKind<u64>,
    /// At an output.
    pub delivered: PerKind<u64>,
    /// Judged by the analyzer, and nobody takes them.
    pub no_taker: PerKind<u64>,
    /// Dropped on purpose: the control group turned out to be outside the scope.
    pub suppressed: PerKind<u64>,
    /// Lost, anywhere between the hook and the output.
    pub lost: Losses,
}

impl ProbeCounters {
    /// Events that are generated, and neither delivered, without a taker, suppressed nor lost: still on their way.
    /// 0 once everything has settled; that is the identity every end-to-end test checks.
    #[must_use]
    pub fn in_flight(&self, kind: Kind) -> i128 {
        let settled = [&self.delivered, &self.no_taker, &self.suppressed, &self.lost.by_kind()];
        i128::from(self.generated.get(kind))
            - settled.into_iter().map(|counts| i128::from(counts.get(kind))).sum::<i128>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_found_by_its_name_and_has_a_slot_of_its_own() {
        let mut losses = Losses::default();
        for (position, cause) in LossCause::ALL.into_iter().enumerate() {
            assert_eq!((LossCause::from_name(cause.name()), cause as usize), (cause, position));
            losses.add(cause, &PerKind::from([(Kind::Exec, 1)]));
            assert_eq!(losses.of(cause).total(), 1);
        }
        assert_eq!(losses.by_kind().get(Kind::Exec), 11);
        assert_eq!(losses.iter().count(), 11);
    }

    #[test]
    fn what_is_neither_settled_nor_lost_is_in_flight() {
        let mut counters = ProbeCounters {
            generated: PerKind::from([(Kind::Exec, 10), (Kind::Fork, 1)]),
            ..ProbeCounters::default()
        };
        counters.delivered = PerKind::from([(Kind::Exec, 3)]);
        counters.no_taker = PerKind::from([(Kind::Exec, 2)]);
        counters.suppressed = PerKind::from([(Kind::Exec, 1)]);
        counters.lost.add(LossCause::OutputDown, &PerKind::from([(Kind::Exec, 3)]));
        assert_eq!((counters.in_flight(Kind::Exec), counters.in_flight(Kind::Fork)), (1, 1));
    }
}
