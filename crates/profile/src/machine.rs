//! The state machine of one type of events in one version of an image.
//!
//! One transition table, which is also that of `docs/profiles.md`. Invariants: no row leads out of [`Kept::Stable`]; warm-up and
//! size are facts of an event and are never kept; time that goes backwards is no time that passed.

use crate::state::{Kept, State};

/// How long what takes, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without anything new until a type is stable.
    pub stable_ns: u64,
    /// Since the first event of the version until a type that is not stable is unstable.
    pub unstable_ns: u64,
    /// Until a type that is unstable learns again.
    pub cool_down_ns: u64,
}

/// What is true of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// When it was.
    pub now_ns: u64,
    /// Whether its instance is young.
    pub is_warming_up: bool,
    /// Whether the profile has no room for anything new.
    pub is_full: bool,
    /// Whether the profile knows it already.
    pub is_known: bool,
}

/// A condition of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    WarmingUp,
    Settled,
    Overdue,
    CooledDown,
    Full,
    Unknown,
}

/// What happens when all conditions of a row hold.
struct Row {
    kept: Kept,
    when: &'static [When],
    then: Kept,
    /// Nothing: the table is asked again.
    judged: Option<State>,
    /// Whether the window of the stable period begins again.
    rearms: bool,
}

const fn row(kept: Kept, when: &'static [When], then: Kept, judged: State) -> Row {
    Row { kept, when, then, judged: Some(judged), rearms: false }
}

/// The first row that fits counts.
const TABLE: [Row; 12] = {
    use Kept::{AutoLearning, Stable, Unstable};
    use When::{CooledDown, Full, Overdue, Settled, Unknown, WarmingUp};
    [
        Row {
            rearms: true,
            ..row(AutoLearning, &[WarmingUp, Full, Unknown], AutoLearning, State::ProfileAtMaxSize)
        },
        row(AutoLearning, &[WarmingUp], AutoLearning, State::WorkloadWarmup),
        row(AutoLearning, &[Settled], Stable, State::Stable),
        row(AutoLearning, &[Overdue], Unstable, State::Unstable),
        Row { rearms: true, ..row(AutoLearning, &[Full, Unknown], AutoLearning, State::ProfileAtMaxSize) },
        row(AutoLearning, &[Full], AutoLearning, State::ProfileAtMaxSize),
        row(AutoLearning, &[], AutoLearning, State::AutoLearning),
        row(Stable, &[WarmingUp, Full, Unknown], Stable, State::ProfileAtMaxSize),
        row(Stable, &[WarmingUp], Stable, State::WorkloadWarmup),
        row(Stable, &[], Stable, State::Stable),
        Row { kept: Unstable, when: &[CooledDown], then: AutoLearning, judged: None, rearms: false },
        row(Unstable, &[], Unstable, State::Unstable),
    ]
};

/// How far one type of events has been learned in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    kept: Kept,
    /// From when the unstable threshold counts: the first event of the version, later by the time that does not count.
    since_ns: u64,
    /// When the last new thing was learned, or the window began again.
    last_new_ns: u64,
    /// When it became unstable.
    unstable_ns: u64,
}

impl Clock {
    /// One that begins to learn.
    #[must_use]
    pub const fn new(now_ns: u64) -> Self {
        Self { kept: Kept::AutoLearning, since_ns: now_ns, last_new_ns: now_ns, unstable_ns: 0 }
    }

    /// One that was kept somewhere; what only memory holds begins now, and what lies in the future is now.
    #[must_use]
    pub fn restored(kept: Kept, last_new_ns: u64, now_ns: u64) -> Self {
        Self { kept, since_ns: now_ns, last_new_ns: last_new_ns.min(now_ns), unstable_ns: now_ns }
    }

    /// What is kept.
    #[must_use]
    pub const fn kept(&self) -> Kept {
        self.kept
    }

    /// When the last new thing was learned, or the window of the stable period began again.
    #[must_use]
    pub const fn last_new_ns(&self) -> u64 {
        self.last_new_ns
    }

    /// Since when the window of the stable period has been quiet.
    #[must_use]
    pub const fn quiet_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.last_new_ns)
    }

    /// How long it has been learning, without time that does not count.
    #[must_use]
    pub const fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.since_ns)
    }

    /// What is left of the cool-down.
    #[must_use]
    pub const fn cools_for_ns(&self, now_ns: u64, limits: Limits) -> u64 {
        limits.cool_down_ns.saturating_sub(now_ns.saturating_sub(self.unstable_ns))
    }

    /// What one event is judged as; what is kept may change by it.
    pub fn judge(&mut self, facts: Facts, limits: Limits) -> State {
        // The only row that is asked again leads to the rows of learning, each of which judges.
        for _ in 0..2 {
            let fits = |row: &&Row| {
                row.kept == self.kept && row.when.iter().all(|when| self.holds(*when, facts, limits))
            };
            let Some(row) = TABLE.iter().find(fits) else { break };
            if row.then != self.kept {
                self.enter(row.then, facts.now_ns);
            }
            if row.rearms {
                self.learned(facts.now_ns);
            }
            if let Some(judged) = row.judged {
                return judged;
            }
        }
        self.kept.state()
    }

    fn holds(&self, when: When, facts: Facts, limits: Limits) -> bool {
        match when {
            When::WarmingUp => facts.is_warming_up,
            When::Full => facts.is_full,
            When::Unknown => !facts.is_known,
            When::Settled => self.quiet_ns(facts.now_ns) >= limits.stable_ns,
            When::Overdue => self.age_ns(facts.now_ns) >= limits.unstable_ns,
            When::CooledDown => self.cools_for_ns(facts.now_ns, limits) == 0,
        }
    }

    fn enter(&mut self, kept: Kept, now_ns: u64) {
        match kept {
            Kept::AutoLearning => *self = Self::new(now_ns),
            Kept::Stable => self.kept = kept,
            Kept::Unstable => (self.kept, self.unstable_ns) = (kept, now_ns),
        }
    }

    /// Something new was learned: the window of the stable period begins again. In a stable type there is no window.
    pub fn learned(&mut self, now_ns: u64) {
        if self.kept == Kept::AutoLearning {
            self.last_new_ns = self.last_new_ns.max(now_ns);
        }
    }

    /// A time with loss, or that nobody observed, ended. The window that it broke begins again and does not count, neither
    /// towards stable nor towards unstable.
    pub fn broken(&mut self, to_ns: u64) {
        if self.kept == Kept::AutoLearning {
            self.since_ns = self.since_ns.saturating_add(self.quiet_ns(to_ns));
            self.last_new_ns = self.last_new_ns.max(to_ns);
        }
    }

    /// Puts it into a state, by somebody who may.
    pub fn force(&mut self, kept: Kept, now_ns: u64) {
        self.enter(kept, now_ns);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { stable_ns: 100, unstable_ns: 1000, cool_down_ns: 500 };

    fn facts(now_ns: u64) -> Facts {
        Facts { now_ns, is_warming_up: false, is_full: false, is_known: true }
    }

    fn of(kept: Kept) -> Clock {
        let mut clock = Clock::new(0);
        clock.force(kept, 0);
        clock
    }

    #[test]
    fn the_table_of_the_page_is_the_table_of_the_code() {
        let words = |when: &When| match when {
            When::WarmingUp => "warming up",
            When::Settled => "settled",
            When::Overdue => "overdue",
            When::CooledDown => "cooled down",
            When::Full => "full",
            When::Unknown => "unknown",
        };
        let mut table =
            "| kept | when | kept then | judged | clock |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for Row { kept, when, then, judged, rearms } in &TABLE {
            let when: Vec<&str> = when.iter().map(words).collect();
            let clock = if *rearms { "begins again" } else { "" };
            let cells = [
                kept.state().name(),
                &when.join(", "),
                then.state().name(),
                judged.map_or("", State::name),
                clock,
            ];
            for cell in cells {
                table += if cell.is_empty() { "| " } else { "| " };
                table += cell;
                table += if cell.is_empty() { "" } else { " " };
            }
            table += "|\n";
        }
        let page = include_str!("../../../docs/profiles.md");
        assert!(page.contains(&table), "docs/profiles.md should have:\n{table}");
    }

    #[test]
    fn every_state_has_a_row_that_always_fits_and_no_row_leads_out_of_stable() {
        for kept in Kept::ALL {
            assert!(TABLE.iter().any(|row| row.kept == kept && row.when.is_empty()));
        }
        assert!(TABLE.iter().all(|row| row.kept != Kept::Stable || row.then == Kept::Stable && !row.rearms));
    }

    #[test]
    fn boundaries_are_exact() {
        let check = |kept, now_ns, expect: State| {
            assert_eq!(of(kept).judge(facts(now_ns), LIMITS), expect, "{kept:?} {now_ns}");
        };
        check(Kept::AutoLearning, 99, State::AutoLearning);
        check(Kept::AutoLearning, 100, State::Stable);
        check(Kept::Unstable, 499, State::Unstable);
        check(Kept::Unstable, 500, State::AutoLearning);
        let young = |now_ns| {
            let mut clock = of(Kept::AutoLearning);
            clock.learned(950);
            clock.judge(facts(now_ns), LIMITS)
        };
        assert_eq!((young(999), young(1000)), (State::AutoLearning, State::Unstable));
    }

    #[test]
    fn what_is_both_settled_and_overdue_is_stable() {
        assert_eq!(of(Kept::AutoLearning).judge(facts(5000), LIMITS), State::Stable);
    }

    #[test]
    fn warm_up_and_size_are_never_kept() {
        for kept in [Kept::AutoLearning, Kept::Stable] {
            let mut clock = of(kept);
            let young = Facts { is_warming_up: true, ..facts(5000) };
            assert_eq!(clock.judge(young, LIMITS), State::WorkloadWarmup);
            let full = Facts { is_full: true, is_known: false, ..young };
            assert_eq!(clock.judge(full, LIMITS), State::ProfileAtMaxSize);
            assert_eq!(clock.kept(), kept);
        }
        let mut unstable = of(Kept::Unstable);
        let young = Facts { is_warming_up: true, ..facts(499) };
        assert_eq!(unstable.judge(young, LIMITS), State::Unstable);
    }

    #[test]
    fn a_stable_type_goes_on_when_the_profile_is_full() {
        let full = Facts { is_full: true, is_known: false, ..facts(5) };
        assert_eq!(of(Kept::Stable).judge(full, LIMITS), State::Stable);
    }

    #[test]
    fn a_full_profile_tells_what_it_knows_from_what_it_cannot_learn() {
        let full = Facts { is_full: true, ..facts(50) };
        let mut clock = of(Kept::AutoLearning);
        assert_eq!(clock.judge(full, LIMITS), State::ProfileAtMaxSize);
        assert_eq!(clock.last_new_ns(), 0);
        let unknown = Facts { is_known: false, ..full };
        assert_eq!(clock.judge(unknown, LIMITS), State::ProfileAtMaxSize);
        assert_eq!(clock.last_new_ns(), 50);
        assert_eq!(clock.judge(Facts { is_warming_up: true, ..full }, LIMITS), State::WorkloadWarmup);
        assert_eq!(
            clock.judge(Facts { is_warming_up: true, now_ns: 60, ..unknown }, LIMITS),
            State::ProfileAtMaxSize
        );
        assert_eq!(clock.last_new_ns(), 60);
    }

    #[test]
    fn after_the_cool_down_both_clocks_begin_anew() {
        let mut clock = of(Kept::Unstable);
        assert_eq!(clock.cools_for_ns(200, LIMITS), 300);
        assert_eq!(clock.judge(facts(700), LIMITS), State::AutoLearning);
        assert_eq!((clock.quiet_ns(700), clock.age_ns(700)), (0, 0));
        assert_eq!(clock.judge(facts(800), LIMITS), State::Stable);
        let mut young = of(Kept::Unstable);
        assert_eq!(young.judge(Facts { is_warming_up: true, ..facts(500) }, LIMITS), State::WorkloadWarmup);
    }

    #[test]
    fn a_window_that_was_broken_counts_neither_way() {
        let mut clock = Clock::new(0);
        clock.learned(30);
        clock.broken(80);
        assert_eq!((clock.quiet_ns(80), clock.age_ns(80)), (0, 30));
        assert_eq!(clock.judge(facts(179), LIMITS), State::AutoLearning);
        assert_eq!(clock.judge(facts(180), LIMITS), State::Stable);
        // A break that is told late is no step back.
        let mut clock = Clock::new(100);
        clock.broken(50);
        assert_eq!((clock.last_new_ns(), clock.age_ns(100)), (100, 0));
        let mut stable = of(Kept::Stable);
        stable.broken(50);
        stable.learned(50);
        assert_eq!(stable, of(Kept::Stable));
    }

    #[test]
    fn what_was_kept_elsewhere_begins_its_clocks_now_and_never_in_the_future() {
        let mut clock = Clock::restored(Kept::AutoLearning, 900, 500);
        assert_eq!((clock.last_new_ns(), clock.age_ns(500)), (500, 0));
        assert_eq!(clock.judge(facts(599), LIMITS), State::AutoLearning);
        let mut unstable = Clock::restored(Kept::Unstable, 0, 500);
        assert_eq!(unstable.judge(facts(999), LIMITS), State::Unstable);
        assert_eq!(unstable.judge(facts(1000), LIMITS), State::AutoLearning);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Judge(Facts),
        Learned(u64),
        Broken(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let now = || prop_oneof![0..3000_u64, Just(u64::MAX), Just(0)];
        let facts = (now(), any::<[bool; 3]>()).prop_map(|(now_ns, [is_warming_up, is_full, is_known])| {
            Step::Judge(Facts { now_ns, is_warming_up, is_full, is_known })
        });
        prop_oneof![4 => facts, 1 => now().prop_map(Step::Learned), 1 => now().prop_map(Step::Broken)]
    }

    fn run(clock: &mut Clock, step: &Step) -> Option<State> {
        match step {
            Step::Judge(facts) => return Some(clock.judge(*facts, LIMITS)),
            Step::Learned(at_ns) => clock.learned(*at_ns),
            Step::Broken(to_ns) => clock.broken(*to_ns),
        }
        None
    }

    proptest! {
        #[test]
        fn no_sequence_of_events_makes_stable_unstable(steps in prop::collection::vec(step(), 0..60)) {
            let mut clock = Clock::new(0);
            let mut was_stable = false;
            for step in &steps {
                let judged = run(&mut clock, step);
                was_stable |= clock.kept() == Kept::Stable;
                if was_stable {
                    prop_assert_eq!(clock.kept(), Kept::Stable);
                    prop_assert_ne!(judged, Some(State::Unstable));
                    prop_assert_ne!(judged, Some(State::AutoLearning));
                }
            }
        }

        #[test]
        fn nothing_is_stable_before_a_whole_quiet_window(steps in prop::collection::vec(step(), 0..60)) {
            let mut clock = Clock::new(0);
            let mut newest = 0;
            for step in &steps {
                let before = clock;
                run(&mut clock, step);
                match step {
                    Step::Learned(at) | Step::Broken(at) if before.kept() == Kept::AutoLearning => newest = newest.max(*at),
                    Step::Judge(facts) if clock.kept() == Kept::Stable && before.kept() != Kept::Stable => {
                        prop_assert!(facts.now_ns >= newest + LIMITS.stable_ns);
                    }
                    Step::Judge(facts) if before.kept() == Kept::Unstable && clock.kept() == Kept::AutoLearning => {
                        newest = facts.now_ns;
                    }
                    Step::Judge(_) | Step::Learned(_) | Step::Broken(_) => {}
                }
            }
        }

        #[test]
        fn time_that_goes_backwards_changes_nothing_that_is_kept(
            steps in prop::collection::vec(step(), 0..30),
            earlier in 0..100_u64,
        ) {
            let mut clock = Clock::new(100);
            steps.iter().for_each(|step| { run(&mut clock, step); });
            let kept = clock.kept();
            clock.judge(facts(earlier), LIMITS);
            prop_assert_eq!(clock.kept(), kept);
        }
    }
}
