//! Each behaviour is reported once, in bounded memory; what is not reported is counted by workload.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::identity::Identity;
use crate::observation::{Anomaly, Reason};

/// What was reported.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    known: LruCache<Identity, ()>,
    suppressed: LruCache<String, u64>,
    forgotten: u64,
}

fn places(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}

impl Reported {
    pub(crate) fn new(max_reported: usize, max_workloads: usize) -> Self {
        // Room is taken as it is needed.
        let mut known = LruCache::unbounded();
        known.resize(places(max_reported));
        let mut suppressed = LruCache::unbounded();
        suppressed.resize(places(max_workloads));
        Self { known, suppressed, forgotten: 0 }
    }

    /// Reports what a workload did, if a part of it was not reported yet.
    pub(crate) fn report(&mut self, parts: &[Identity], workload: &str, reason: Reason) -> Anomaly {
        let mut is_repeated = true;
        for part in parts {
            if self.known.get(part).is_none() {
                is_repeated = false;
                let gone = self.known.push(*part, ());
                self.forgotten += u64::from(gone.is_some());
            }
        }
        let suppressed = if is_repeated {
            *self.suppressed.get_or_insert_mut(workload.to_owned(), || 0) += 1;
            0
        } else {
            self.suppressed.pop(workload).unwrap_or(0)
        };
        Anomaly { reason, is_repeated, suppressed }
    }

    /// Behaviours that were forgotten for want of room, and may be reported again.
    pub(crate) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(reported: &mut Reported, parts: &[Identity], workload: &str) -> (bool, u64) {
        let anomaly = reported.report(parts, workload, Reason::StableMiss);
        (anomaly.is_repeated, anomaly.suppressed)
    }

    #[test]
    fn a_repetition_is_counted_and_told_by_the_next_report_of_its_workload() {
        let mut reported = Reported::new(10, 10);
        assert_eq!(report(&mut reported, &[1], "a"), (false, 0));
        assert_eq!(report(&mut reported, &[1], "a"), (true, 0));
        assert_eq!(report(&mut reported, &[1], "a"), (true, 0));
        assert_eq!(report(&mut reported, &[2], "b"), (false, 0));
        assert_eq!(report(&mut reported, &[1, 3], "a"), (false, 2));
        assert_eq!(report(&mut reported, &[4], "a"), (false, 0));
        assert_eq!(report(&mut reported, &[1, 3, 4], "a"), (true, 0));
    }

    #[test]
    fn what_was_used_longest_ago_is_forgotten_and_that_is_counted() {
        let mut reported = Reported::new(2, 1);
        for part in [1, 2, 1, 3] {
            report(&mut reported, &[part], "a");
        }
        assert_eq!(reported.forgotten(), 1);
        assert!(report(&mut reported, &[1], "a").0);
        assert!(!report(&mut reported, &[2], "a").0);
        assert_eq!(reported.forgotten(), 2);
        // No room at all is room for one.
        assert_eq!(Reported::new(0, 0).known.cap().get(), 1);
    }
}
