//! Exact accounting: `generated = delivered + suppressed + lost`, per kind and cause.

use crate::Kind;

/// One number per event kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerKind<T>(pub [T; Kind::ALL.len()]);

impl<T: Copy> PerKind<T> {
    /// The number of this kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> T {
        // The array has one slot per kind by construction.
        let [exec, fork, exit, open] = self.0;
        match kind {
            Kind::Exec => exec,
            Kind::Fork => fork,
            Kind::Exit => exit,
            Kind::Open => open,
        }
    }

    /// The slot of this kind.
    pub fn get_mut(&mut self, kind: Kind) -> &mut T {
        let [exec, fork, exit, open] = &mut self.0;
        match kind {
            Kind::Exec => exec,
            Kind::Fork => fork,
            Kind::Exit => exit,
            Kind::Open => open,
        }
    }
}

impl PerKind<u64> {
    /// The sum over all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Why an event did not reach the analyzer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LossCause {
    /// The kernel ring was full.
    RingFull = 0,
    /// The program could not get its scratch memory, or ran inside itself on one CPU.
    KernelBusy = 1,
    /// The record could not be decoded: probe and BPF object do not match, or memory is damaged.
    Undecodable = 2,
    /// The probe's buffer was full: the analyzer is absent or too slow.
    BufferFull = 3,
}

impl LossCause {
    /// Every cause, in discriminant order.
    pub const ALL: [Self; 4] = [Self::RingFull, Self::KernelBusy, Self::Undecodable, Self::BufferFull];

    /// Name used in metrics and `shrike status`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::KernelBusy => "kernel_busy",
            Self::Undecodable => "undecodable",
            Self::BufferFull => "buffer_full",
        }
    }
}

/// What became of every event since the probe started. Counters only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeCounters {
    /// Seen by the hooks, inside the kernel's scope filter.
    pub generated: PerKind<u64>,
    /// Acknowledged by the analyzer. A batch that waits in the buffer is still in flight.
    pub delivered: PerKind<u64>,
    /// Dropped on purpose: the control group turned out to be outside the scope.
    pub suppressed: PerKind<u64>,
    /// Lost, by [`LossCause::ALL`] order.
    pub lost: [PerKind<u64>; LossCause::ALL.len()],
}

impl ProbeCounters {
    /// Events that are generated but not yet delivered, suppressed or lost: still in a ring or in the probe.
    /// 0 once everything has settled; that is the identity every end-to-end test checks.
    #[must_use]
    pub fn in_flight(&self, kind: Kind) -> i128 {
        let lost: u64 = self.lost.iter().map(|by_kind| by_kind.get(kind)).sum();
        i128::from(self.generated.get(kind))
            - i128::from(self.delivered.get(kind))
            - i128::from(self.suppressed.get(kind))
            - i128::from(lost)
    }
}
