//! The ledger: what became of the events that the analyzer had.
//!
//! Invariant: each batch is accounted for exactly once and completely, whatever the analyzer says: what its ledger leaves
//! out could not be decoded there, and what it claims beyond the batch is not believed.

use event::{Kind, Ledger, LossCause, PerKind};

/// The sum of all ledgers.
#[derive(Debug, Default)]
pub struct Settled {
    /// What they say.
    pub ledger: Ledger,
    /// Events that ledgers claimed and that their batches did not hold.
    pub overclaimed: u64,
}

impl Settled {
    /// Batches that held these events are settled.
    pub(super) fn add(&mut self, held: &PerKind<u64>, ledger: &Ledger) {
        let mut left = *held;
        let mut take = |claimed: &PerKind<u64>| {
            let mut taken = PerKind::default();
            for kind in Kind::ALL {
                let count = claimed.get(kind).min(left.get(kind));
                *taken.get_mut(kind) = count;
                *left.get_mut(kind) -= count;
                self.overclaimed = self.overclaimed.saturating_add(claimed.get(kind) - count);
            }
            taken
        };
        let mut believed = Ledger {
            delivered: take(&ledger.delivered),
            no_taker: take(&ledger.no_taker),
            ..Ledger::default()
        };
        for (cause, counts) in ledger.lost.iter() {
            believed.lost.add(cause, &take(counts));
        }
        believed.lost.add(LossCause::Undecodable, &left);
        self.ledger.add(&believed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(delivered: u64, no_taker: u64, refused: u64) -> Ledger {
        let mut ledger = Ledger {
            delivered: PerKind::from([(Kind::Exec, delivered)]),
            no_taker: PerKind::from([(Kind::Exec, no_taker)]),
            ..Ledger::default()
        };
        ledger.lost.add(LossCause::Refused, &PerKind::from([(Kind::Exec, refused)]));
        ledger
    }

    fn of(settled: &Settled) -> [u64; 4] {
        let ledger = &settled.ledger;
        let lost = |cause| ledger.lost.of(cause).get(Kind::Exec);
        [
            ledger.delivered.get(Kind::Exec),
            ledger.no_taker.get(Kind::Exec),
            lost(LossCause::Refused),
            lost(LossCause::Undecodable),
        ]
    }

    #[test]
    fn what_a_ledger_leaves_out_could_not_be_decoded() {
        let mut settled = Settled::default();
        settled.add(&PerKind::from([(Kind::Exec, 10)]), &ledger(3, 2, 1));
        assert_eq!(of(&settled), [3, 2, 1, 4]);
        settled.add(&PerKind::from([(Kind::Exec, 5)]), &Ledger::default());
        assert_eq!((of(&settled), settled.overclaimed), ([3, 2, 1, 9], 0));
    }

    #[test]
    fn a_ledger_that_claims_more_than_there_was_is_not_believed_and_counted() {
        let mut settled = Settled::default();
        settled.add(&PerKind::from([(Kind::Exec, 10)]), &ledger(8, 5, 4));
        assert_eq!((of(&settled), settled.overclaimed), ([8, 2, 0, 0], 7));
        settled.add(&PerKind::default(), &ledger(u64::MAX, u64::MAX, 1));
        assert_eq!((of(&settled), settled.overclaimed), ([8, 2, 0, 0], u64::MAX));
    }
}
