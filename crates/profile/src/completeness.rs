//! How much a version can be trusted.

use crate::settings::Settings;
use crate::state::Kept;
use crate::version::{MAX_COUNTED, Version};

/// What is whole.
const WHOLE: u64 = 1000;

/// How much a version can be trusted, in thousandths. What is not whole never looks whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completeness {
    /// How long it was observed.
    pub time: u64,
    /// How many instances did something.
    pub instances: u64,
    /// How long it has done nothing new.
    pub novelty: u64,
    /// How much of it was not lost, and was observed.
    pub loss: u64,
}

/// `part` of `all`, rounded down; of nothing, all.
fn share(part: u64, all: u64) -> u64 {
    if all == 0 {
        return WHOLE;
    }
    let share = u128::from(part.min(all)) * u128::from(WHOLE) / u128::from(all);
    u64::try_from(share).unwrap_or(WHOLE)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl Completeness {
    pub(crate) fn of(version: &Version, settings: &Settings, now_ns: u64) -> Self {
        let ledger = &version.ledger;
        let observed = version.observed_ns(now_ns);
        let novelty = version.clocks.iter().map(|(known, clock)| match clock.kept() {
            Kept::Stable => WHOLE,
            Kept::Unstable => 0,
            Kept::AutoLearning => share(clock.quiet_ns(now_ns), settings.limits(*known).stable_ns),
        });
        let arrived = share(ledger.seen, ledger.seen.saturating_add(ledger.lost()));
        let watched = share(observed, observed.saturating_add(ledger.unobserved_ns));
        Self {
            time: share(observed, settings.complete_after_ns),
            instances: share(count(ledger.instances()), count(settings.complete_instances.min(MAX_COUNTED))),
            novelty: novelty.sum::<u64>() / count(version.clocks.len()).max(1),
            loss: arrived * watched / WHOLE,
        }
    }

    /// The product of its parts.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.time * self.instances / WHOLE * self.novelty / WHOLE * self.loss / WHOLE
    }
}
