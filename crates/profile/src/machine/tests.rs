//! The table, its boundaries, and what holds for any sequence.

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
            table += "| ";
            table += cell;
            table += if cell.is_empty() { "" } else { " " };
        }
        table += "|\n";
    }
    let page = include_str!("../../../../docs/profiles.md");
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
