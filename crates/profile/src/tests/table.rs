//! The table tests of the original (spec 10.1), and the cases that it has no row for.

use activity_tree::{EventType, What};

use super::made::{H, MIN, S, T0, Who, asks, profile, settings};
use crate::{Profile, State};

fn created(before_ns: u64) -> Who<'static> {
    Who { tag: "tag", instance: "c", created_ns: T0 - before_ns }
}

fn exec(profile: &mut Profile, who: Who<'_>, at_ns: u64, path: &str, expect: State) {
    assert_eq!(who.does(profile, path, What::Exec, T0 + at_ns).state, expect, "{path} at {at_ns}");
}

fn dns(profile: &mut Profile, who: Who<'_>, at_ns: u64, name: &str, expect: State) {
    assert_eq!(who.does(profile, "/bin/foo0", asks(name), T0 + at_ns).state, expect, "{name} at {at_ns}");
}

use State::{AutoLearning, ProfileAtMaxSize, Stable, Unstable, WorkloadWarmup};

#[test]
fn warm_up_is_of_the_container_for_each_type() {
    exec(&mut profile(), created(61 * S), 0, "/bin/foo0", AutoLearning);
    exec(&mut profile(), created(59 * S), 0, "/bin/foo0", WorkloadWarmup);
    exec(&mut profile(), created(60 * S), 0, "/bin/foo0", AutoLearning);
    let mut profile = profile();
    exec(&mut profile, created(61 * S), 0, "/bin/foo0", AutoLearning);
    dns(&mut profile, created(61 * S), 0, "foo.bar", AutoLearning);
    dns(&mut profile, created(59 * S), 0, "foo.baz", WorkloadWarmup);
}

#[test]
fn no_process_comes_in_by_a_name_once_exec_is_stable() {
    let mut profile = profile();
    exec(&mut profile, created(5 * MIN), S, "/bin/foo0", AutoLearning);
    dns(&mut profile, created(5 * MIN), 2 * S, "old.bar", AutoLearning);
    dns(&mut profile, created(5 * MIN), H, "foo.bar", AutoLearning);
    exec(&mut profile, created(5 * MIN), H + 2 * S, "/bin/foo1", Stable);
    let before = profile.tree().stats().processes;
    let verdict = created(61 * S).does(&mut profile, "/bin/bar", asks("foo.baz"), T0);
    // As in the original it is judged as learning; here nothing comes in.
    assert_eq!((verdict.state, verdict.is_learned), (AutoLearning, false));
    assert_eq!(verdict.not_learned, Some(crate::NotLearned::UnknownProcess));
    assert_eq!(profile.tree().stats().processes, before);
    // Of a process that is known, names are learned.
    let verdict = created(5 * MIN).does(&mut profile, "/bin/foo0", asks("foo.bay"), T0 + H + 3 * S);
    assert_eq!((verdict.state, verdict.is_learned), (AutoLearning, true));
}

#[test]
fn exec_becomes_stable_and_stays_it_while_dns_still_learns() {
    let (mut profile, who) = (profile(), created(5 * MIN));
    exec(&mut profile, who, S, "/bin/foo0", AutoLearning);
    exec(&mut profile, who, 2 * S, "/bin/foo1", AutoLearning);
    exec(&mut profile, who, 2 * S + H, "/bin/foo2", Stable);
    exec(&mut profile, who, 3 * S + H, "/bin/foo3", Stable);
    exec(&mut profile, who, 48 * H + MIN, "/bin/foo4", Stable);
    dns(&mut profile, who, S, "foo0.bar", AutoLearning);
}

#[test]
fn dns_becomes_stable_and_stays_it_while_exec_still_learns() {
    let (mut profile, who) = (profile(), created(5 * MIN));
    exec(&mut profile, who, 0, "/bin/foo0", AutoLearning);
    dns(&mut profile, who, S, "foo0.bar", AutoLearning);
    dns(&mut profile, who, 2 * S, "foo1.bar", AutoLearning);
    dns(&mut profile, who, 2 * S + H, "foo2.bar", Stable);
    dns(&mut profile, who, 3 * S + H, "foo3.bar", Stable);
    dns(&mut profile, who, 48 * H + MIN, "foo4.bar", Stable);
    exec(&mut profile, who, S, "/bin/foo9", AutoLearning);
}

#[test]
fn exec_becomes_unstable_while_dns_still_learns() {
    let (mut profile, who) = (profile(), created(61 * S));
    exec(&mut profile, who, 0, "/bin/foo0", AutoLearning);
    for at_ns in (0..48 * H).step_by(usize::try_from(H - S).unwrap()) {
        exec(&mut profile, who, at_ns, &format!("/bin/{at_ns}"), AutoLearning);
    }
    exec(&mut profile, who, 48 * H + S, "/bin/foo1", Unstable);
    dns(&mut profile, who, S, "foo.bar", AutoLearning);
    assert_eq!((profile.state("tag"), profile.type_state("tag", EventType::Dns)), (Unstable, AutoLearning));
}

#[test]
fn dns_becomes_unstable_while_exec_still_learns() {
    let (mut profile, who) = (profile(), created(61 * S));
    exec(&mut profile, who, 0, "/bin/foo0", AutoLearning);
    for at_ns in (0..48 * H).step_by(usize::try_from(H - S).unwrap()) {
        dns(&mut profile, who, at_ns, &format!("{at_ns}.bar"), AutoLearning);
    }
    dns(&mut profile, who, 48 * H + S, "foo1.bar", Unstable);
    dns(&mut profile, who, 49 * H + 2 * S, "foo2.bar", Unstable);
    exec(&mut profile, who, S, "/bin/foo9", AutoLearning);
    // Not for good: after the cool-down it learns again.
    dns(&mut profile, who, 96 * H, "foo3.bar", Unstable);
    dns(&mut profile, who, 96 * H + S, "foo4.bar", AutoLearning);
    dns(&mut profile, who, 97 * H + S, "foo5.bar", Stable);
}

#[test]
fn a_full_profile_says_so_and_knows_what_it_knows() {
    let who = created(0);
    let mut profile = profile();
    exec(&mut profile, who, S, "/bin/foo0", WorkloadWarmup);
    let bytes = profile.tree().bytes();
    profile.tree.limit(bytes, activity_tree::Traced::default());
    exec(&mut profile, who, S, "/bin/foo0", WorkloadWarmup);
    exec(&mut profile, who, S, "/bin/foo1", ProfileAtMaxSize);
    exec(&mut profile, created(5 * MIN), S, "/bin/foo0", ProfileAtMaxSize);
    exec(&mut profile, created(5 * MIN), S, "/bin/foo1", ProfileAtMaxSize);
    profile.tree.limit(bytes + 1, activity_tree::Traced::default());
    exec(&mut profile, who, S, "/bin/foo2", WorkloadWarmup);
    profile.tree.limit(2 * bytes, activity_tree::Traced::default());
    exec(&mut profile, created(5 * MIN), S, "/bin/foo3", AutoLearning);
}

#[test]
fn a_young_container_of_a_stable_version_changes_nothing_that_is_kept() {
    let (mut profile, who) = (profile(), created(5 * MIN));
    exec(&mut profile, who, 0, "/bin/foo0", AutoLearning);
    exec(&mut profile, who, H, "/bin/foo0", Stable);
    let young = Who { instance: "d", created_ns: T0 + 100 * H, ..who };
    let verdict = young.does(&mut profile, "/bin/foo1", What::Exec, T0 + 100 * H);
    assert_eq!((verdict.state, verdict.is_learned, verdict.anomaly), (WorkloadWarmup, true, None));
    exec(&mut profile, who, 100 * H + S, "/bin/foo2", Stable);
    exec(&mut profile, who, 100 * H + S, "/bin/foo1", Stable);
    assert_eq!(profile.type_state("tag", EventType::Exec), Stable);
}

#[test]
fn a_version_that_comes_late_has_all_its_time() {
    let (mut profile, who) = (profile(), created(5 * MIN));
    exec(&mut profile, who, 0, "/bin/foo0", AutoLearning);
    let late = Who { tag: "late", instance: "d", ..who };
    exec(&mut profile, late, 500 * H, "/bin/foo1", AutoLearning);
    exec(&mut profile, late, 501 * H - 1, "/bin/foo2", AutoLearning);
    exec(&mut profile, late, 502 * H - 1, "/bin/foo3", Stable);
}

#[test]
fn an_event_of_another_clock_makes_nothing_stable_and_nothing_unstable() {
    let (mut profile, who) = (profile(), created(5 * MIN));
    exec(&mut profile, who, 10 * S, "/bin/foo0", AutoLearning);
    assert_eq!(who.does(&mut profile, "/bin/foo1", What::Exec, 5).state, WorkloadWarmup);
    assert_eq!(who.does(&mut profile, "/bin/foo1", What::Exec, 0).state, WorkloadWarmup);
    exec(&mut profile, who, 11 * S, "/bin/foo1", AutoLearning);
    exec(&mut profile, who, H + 10 * S - 1, "/bin/foo1", AutoLearning);
    exec(&mut profile, who, H + 10 * S, "/bin/foo1", Stable);
}

#[test]
fn the_defaults_are_those_of_the_page() {
    let settings = crate::Settings { ..settings() };
    let defaults = crate::Settings::default();
    assert_eq!(settings.limits(EventType::Exec).stable_ns, H);
    let limits = defaults.limits(EventType::Dns);
    assert_eq!((limits.stable_ns, limits.unstable_ns, limits.cool_down_ns), (15 * MIN, H, H));
    assert_eq!((defaults.warmup_ns, defaults.max_bytes, defaults.max_image_tags), (3 * MIN, 5_000_000, 20));
    assert_eq!((defaults.dns_match_max_depth, defaults.quorum), (3, 1));
    let own = crate::Settings { stable_ns_of: vec![(EventType::Dns, 7)], ..defaults };
    assert_eq!((own.limits(EventType::Dns).stable_ns, own.limits(EventType::Exec).stable_ns), (7, 15 * MIN));
    assert!(own.learns(EventType::Open) && !own.reports(EventType::Open) && !own.learns(EventType::Syscalls));
    assert_eq!(own.options().dns_match_max_depth, 3);
}
