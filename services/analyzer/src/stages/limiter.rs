//! Keeps custom events few: a token bucket for each rule and workload.
//!
//! Pure: its clock is that of the events, so that a replay holds back what was held back live. Invariant: what is held back
//! is told by the next one that passes.

use std::num::NonZeroUsize;

use lru::LruCache;

use super::rules::{Limit, Rule};

/// Buckets at one time; the one that was used longest ago is forgotten, and begins full when it comes again.
const MAX_BUCKETS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// The buckets.
#[derive(Debug)]
pub struct Limiter {
    buckets: LruCache<(Rule, u64), Bucket>,
}

/// A bucket as the moment at which it is full again.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    full_ns: u64,
    suppressed: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { buckets: LruCache::new(MAX_BUCKETS) }
    }
}

impl Limiter {
    /// Whether the rule may speak of this workload now; gives how many were held back since it last did.
    pub fn permit(&mut self, rule: Rule, cgroup: u64, now_ns: u64) -> Option<u64> {
        let Some(Limit { interval_ns, burst }) = rule.limit() else { return Some(0) };
        let bucket = self.buckets.get_or_insert_mut((rule, cgroup), Bucket::default);
        let full_ns = bucket.full_ns.max(now_ns).saturating_add(interval_ns);
        if full_ns - now_ns > interval_ns.saturating_mul(burst.into()) {
            bucket.suppressed += 1;
            return None;
        }
        bucket.full_ns = full_ns;
        Some(std::mem::take(&mut bucket.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn a_rule_speaks_once_in_its_interval_and_then_says_how_often_it_was_silent() {
        let mut limiter = Limiter::default();
        let mut at = |seconds| limiter.permit(Rule::AbnormalPath, 7, 1_000 + seconds * SECOND_NS);
        assert_eq!([at(0), at(1), at(29)], [Some(0), None, None]);
        assert_eq!([at(30), at(31), at(60)], [Some(2), None, Some(1)]);
    }

    #[test]
    fn a_workload_that_is_noisy_silences_no_other_and_no_other_rule() {
        let mut limiter = Limiter::default();
        for _ in 0..100 {
            limiter.permit(Rule::AbnormalPath, 7, 5);
        }
        assert_eq!(limiter.permit(Rule::AbnormalPath, 8, 5), Some(0));
        assert_eq!(limiter.permit(Rule::NoProcessContext, 7, 5), Some(0));
    }

    #[test]
    fn a_burst_passes_and_one_more_for_each_interval() {
        let mut limiter = Limiter::default();
        let passed = |limiter: &mut Limiter, now_ns| {
            (0..1000).filter(|_| limiter.permit(Rule::LostEvents, 7, now_ns).is_some()).count()
        };
        assert_eq!(passed(&mut limiter, SECOND_NS), 40);
        assert_eq!(passed(&mut limiter, 2 * SECOND_NS), 10);
    }

    #[test]
    fn a_clock_that_goes_back_opens_nothing() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.permit(Rule::AbnormalPath, 7, 90 * SECOND_NS), Some(0));
        assert_eq!(limiter.permit(Rule::AbnormalPath, 7, 10 * SECOND_NS), None);
    }

    #[test]
    fn only_what_cannot_be_provoked_has_no_limit() {
        let without: Vec<_> = Rule::ALL.into_iter().filter(|rule| rule.limit().is_none()).collect();
        assert_eq!(without, [Rule::NotObserved]);
    }
}
