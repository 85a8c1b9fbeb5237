//! Which of the kinds that can be switched are attached: those that the analyzer wants.
//!
//! Knows no kernel; [`Source`] does what is decided here. Invariants: what the configuration of the probe left out, or
//! this kernel refused at the start, is never attached, and what cannot be switched is never detached, whatever an
//! analyzer says; each moment in which a kind was not observed is told.
//!
//! What is wanted is attached at once, and what nobody wants any more stays attached for a while: a reader that comes and goes,
//! or changes its mind, makes nobody patch the kernel's code all the time.

use std::collections::{BTreeMap, BTreeSet};

use event::{Kind, Unwanted};

use crate::flow::source::Source;

/// How long a kind stays attached after nobody wants it.
const LINGER_NS: u64 = 10_000_000_000;

/// What is wanted, and what is detached.
#[derive(Debug)]
pub struct Switch {
    switchable: Vec<Kind>,
    wanted: BTreeSet<Kind>,
    /// Attached, but not wanted, and since when.
    lingering: BTreeMap<Kind, u64>,
    /// Detached, and since when.
    off: BTreeMap<Kind, u64>,
}

impl Switch {
    /// These can be switched, and all are attached.
    #[must_use]
    pub fn new(switchable: Vec<Kind>) -> Self {
        let wanted = wire::control::everything();
        Self { switchable, wanted, lingering: BTreeMap::new(), off: BTreeMap::new() }
    }

    /// From now on this is wanted and nothing else.
    pub fn want(&mut self, wanted: BTreeSet<Kind>) {
        self.wanted = wanted;
    }

    /// What is detached, and since when.
    #[must_use]
    pub fn off(&self) -> &BTreeMap<Kind, u64> {
        &self.off
    }

    /// True when what is attached is not what is wanted: something was refused, or stays for a while.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.switchable.iter().any(|kind| self.wanted.contains(kind) == self.off.contains_key(kind))
    }

    /// Attaches and detaches what differs from what is wanted. Gives what is to be told.
    pub fn apply(&mut self, source: &mut impl Source, clock: impl Fn() -> u64) -> Vec<Unwanted> {
        let from_ns = clock();
        let mut detached = BTreeSet::new();
        let mut attached: BTreeMap<u64, BTreeSet<Kind>> = BTreeMap::new();
        for kind in &self.switchable {
            let (is_wanted, is_on) = (self.wanted.contains(kind), !self.off.contains_key(kind));
            if is_wanted {
                self.lingering.remove(kind);
            }
            if is_wanted == is_on || is_on && !has_lingered(&mut self.lingering, *kind, from_ns) {
                continue;
            }
            match source.switch(*kind, is_wanted) {
                Ok(()) if is_wanted => {
                    let since = self.off.remove(kind).unwrap_or(from_ns);
                    attached.entry(since).or_default().insert(*kind);
                }
                Ok(()) => {
                    self.lingering.remove(kind);
                    self.off.insert(*kind, from_ns);
                    detached.insert(*kind);
                }
                Err(error) => tracing::debug!(%error, is_wanted, "a kind cannot be switched, trying again"),
            }
        }
        let to_ns = Some(clock());
        let again = attached.into_iter().map(|(from_ns, kinds)| Unwanted { kinds, from_ns, to_ns });
        let no_more = Some(Unwanted { kinds: detached, from_ns, to_ns: None });
        again.chain(no_more.filter(|no_more| !no_more.kinds.is_empty())).collect()
    }
}

/// Whether nobody has wanted this kind for long enough.
fn has_lingered(lingering: &mut BTreeMap<Kind, u64>, kind: Kind, now_ns: u64) -> bool {
    let since_ns = *lingering.entry(kind).or_insert(now_ns);
    now_ns.saturating_sub(since_ns) >= LINGER_NS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::FakeSource;

    fn kinds(kinds: &[Kind]) -> BTreeSet<Kind> {
        kinds.iter().copied().collect()
    }

    /// A switch for two kinds, and a clock that moves on with each look.
    struct Bench {
        switch: Switch,
        source: FakeSource,
        now_ns: std::cell::Cell<u64>,
    }

    impl Bench {
        fn new() -> Self {
            let switch = Switch::new(vec![Kind::Open, Kind::Rename]);
            Self { switch, source: FakeSource::default(), now_ns: 0.into() }
        }

        fn want(&mut self, wanted: &[Kind]) -> Vec<Unwanted> {
            self.switch.want(kinds(wanted));
            let clock = || {
                self.now_ns.set(self.now_ns.get() + 10);
                self.now_ns.get()
            };
            self.switch.apply(&mut self.source, clock)
        }

        /// The same, until it has its effect.
        fn want_for_long(&mut self, wanted: &[Kind]) -> Vec<Unwanted> {
            assert_eq!(self.want(wanted), []);
            self.now_ns.set(self.now_ns.get() + LINGER_NS);
            self.want(wanted)
        }
    }

    #[test]
    fn what_nobody_wants_is_detached_and_attached_again_and_the_time_between_is_told_at_both_ends() {
        let mut bench = Bench::new();
        assert_eq!(bench.want(&Kind::ALL), []);
        let off =
            Unwanted { kinds: kinds(&[Kind::Open, Kind::Rename]), from_ns: LINGER_NS + 50, to_ns: None };
        assert_eq!(bench.want_for_long(&[]), [off]);
        assert_eq!(bench.want(&[]), [], "the same state again changes nothing");
        let (from_ns, to_ns) = (LINGER_NS + 50, Some(LINGER_NS + 100));
        let on = Unwanted { kinds: kinds(&[Kind::Open]), from_ns, to_ns };
        assert_eq!(bench.want(&[Kind::Open]), [on]);
        assert_eq!(bench.switch.off(), &BTreeMap::from([(Kind::Rename, from_ns)]));
        let switched = [(Kind::Open, false), (Kind::Rename, false), (Kind::Open, true)];
        assert_eq!(bench.source.switched(), switched);
    }

    #[test]
    fn no_analyzer_switches_what_the_probe_does_not_let_it() {
        let mut bench = Bench::new();
        // Connect is not configured, and the lifecycle is left out of what is wanted.
        bench.want_for_long(&[Kind::Open, Kind::Rename, Kind::Connect]);
        assert_eq!(bench.source.switched(), []);
        bench.want_for_long(&[]);
        assert_eq!(bench.source.switched(), [(Kind::Open, false), (Kind::Rename, false)]);
    }

    #[test]
    fn what_is_refused_is_tried_again_and_stays_not_observed_until_then() {
        let mut bench = Bench::new();
        bench.want_for_long(&[]);
        bench.source.refuse_to_switch(true);
        assert_eq!(bench.want(&[Kind::Open]), []);
        assert!(bench.switch.is_behind() && bench.switch.off().contains_key(&Kind::Open));
        bench.source.refuse_to_switch(false);
        let on =
            Unwanted { kinds: kinds(&[Kind::Open]), from_ns: LINGER_NS + 30, to_ns: Some(LINGER_NS + 80) };
        assert_eq!(bench.want(&[Kind::Open]), [on]);
        assert!(!bench.switch.is_behind());
    }

    #[test]
    fn who_changes_its_mind_all_the_time_switches_nothing() {
        let mut bench = Bench::new();
        for _ in 0..1000 {
            bench.want(&[]);
            bench.now_ns.set(bench.now_ns.get() + LINGER_NS / 2);
            assert_eq!(bench.want(&[]), []);
            assert!(bench.switch.is_behind(), "it is asked again whether the time has come");
            assert_eq!(bench.want(&[Kind::Open, Kind::Rename]), []);
        }
        assert_eq!(bench.source.switched(), []);
        assert!(!bench.switch.is_behind());
    }
}
