//! Acknowledgements on their way from the outbox to one connection to the probe.
//!
//! At most one waits: what comes while the connection is busy is added to it, so that a probe that does not read
//! costs nothing and misses nothing.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::tracker::Settled;

/// The way to one connection; clones lead to the same.
#[derive(Debug, Clone, Default)]
pub struct Acks(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: Mutex<Option<Settled>>,
    changed: Notify,
}

impl Acks {
    /// Acknowledges.
    pub fn put(&self, settled: Settled) {
        let mut next = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *next {
            Some(waiting) => {
                waiting.seq = settled.seq;
                waiting.ledger.add(&settled.ledger);
            }
            None => *next = Some(settled),
        }
        drop(next);
        self.0.changed.notify_one();
    }

    /// What is to be sent next; waits for it.
    pub async fn next(&self) -> Settled {
        loop {
            if let Some(settled) = self.take() {
                return settled;
            }
            self.0.changed.notified().await;
        }
    }

    /// What is to be sent now, if anything.
    #[must_use]
    pub fn take(&self) -> Option<Settled> {
        self.0.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use event::{Kind, Ledger, PerKind};

    use super::*;

    #[tokio::test]
    async fn acknowledgements_that_nobody_took_yet_become_one() {
        let acks = Acks::default();
        for seq in [3, 7] {
            let ledger = Ledger { delivered: PerKind::from([(Kind::Open, seq)]), ..Ledger::default() };
            acks.put(Settled { seq, ledger });
        }
        let settled = acks.next().await;
        assert_eq!((settled.seq, settled.ledger.delivered), (7, PerKind::from([(Kind::Open, 10)])));
        assert_eq!(acks.take(), None);
    }
}
