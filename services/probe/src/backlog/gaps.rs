//! What was not observed, on its way to the analyzer: the time before this probe, and the times in which a kind was not
//! wanted.
//!
//! Invariant: bounded. Of a kind that was switched often before anything could be told, one time is told, from the first
//! moment to the last: more than was missing, never less.

use std::collections::BTreeMap;

use event::{Kind, NotObserved, Unwanted};
use wire::batch::News;

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    before: Before,
    /// From when to when; the end is missing while it goes on.
    unwanted: BTreeMap<Kind, (u64, Option<u64>)>,
}

/// The time before this probe.
#[derive(Debug, Default)]
enum Before {
    #[default]
    None,
    ToTell(NotObserved),
    Told(NotObserved, u64),
}

impl Gaps {
    pub(super) fn new(before: Option<NotObserved>) -> Self {
        Self { before: before.map_or(Before::None, Before::ToTell), unwanted: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, unwanted: &Unwanted) {
        for kind in &unwanted.kinds {
            let (from_ns, to_ns) = self.unwanted.entry(*kind).or_insert((unwanted.from_ns, unwanted.to_ns));
            *from_ns = unwanted.from_ns.min(*from_ns);
            *to_ns = unwanted.to_ns;
        }
    }

    pub(super) fn has_news(&self) -> bool {
        matches!(self.before, Before::ToTell(_)) || !self.unwanted.is_empty()
    }

    /// Adds what the batch with this number tells.
    pub(super) fn tell(&mut self, seq: u64, news: &mut News) {
        if let Before::ToTell(gap) = &self.before {
            news.not_observed.push(gap.clone());
            self.before = Before::Told(gap.clone(), seq);
        }
        let mut by_time: BTreeMap<_, Unwanted> = BTreeMap::new();
        for (kind, (from_ns, to_ns)) in std::mem::take(&mut self.unwanted) {
            let new = || Unwanted { kinds: [].into(), from_ns, to_ns };
            by_time.entry((from_ns, to_ns)).or_insert_with(new).kinds.insert(kind);
        }
        news.unwanted.extend(by_time.into_values());
    }

    /// Every batch up to this one is settled.
    pub(super) fn acknowledged(&mut self, seq: u64) {
        if matches!(&self.before, Before::Told(_, told) if *told <= seq) {
            self.before = Before::None;
        }
    }

    /// The beginning of the time before this probe, until the analyzer knows of it.
    pub(super) fn before_ns(&self) -> Option<u64> {
        match &self.before {
            Before::None => None,
            Before::ToTell(gap) | Before::Told(gap, _) => Some(gap.from_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(gaps: &mut Gaps) -> Vec<Unwanted> {
        let mut news = News::default();
        gaps.tell(1, &mut news);
        news.unwanted
    }

    #[test]
    fn kinds_of_one_time_are_told_together_and_once() {
        let mut gaps = Gaps::default();
        let both = Unwanted { kinds: [Kind::Open, Kind::Bind].into(), from_ns: 5, to_ns: None };
        gaps.add(&both);
        let other = Unwanted { kinds: [Kind::Rename].into(), from_ns: 2, to_ns: Some(9) };
        gaps.add(&other);
        assert!(gaps.has_news());
        assert_eq!(told(&mut gaps), [other, both]);
        assert!(!gaps.has_news());
    }

    #[test]
    fn a_kind_that_is_switched_a_thousand_times_before_it_is_told_takes_one_place_and_hides_nothing() {
        let mut gaps = Gaps::default();
        for from_ns in 5..1_005 {
            for to_ns in [None, Some(from_ns + 1)] {
                gaps.add(&Unwanted { kinds: [Kind::Open].into(), from_ns, to_ns });
            }
        }
        let all = Unwanted { kinds: [Kind::Open].into(), from_ns: 5, to_ns: Some(1_005) };
        assert_eq!(told(&mut gaps), [all]);
    }
}
