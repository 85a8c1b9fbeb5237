//! What is lost and what nobody observed.

use activity_tree::{EventType, What};

use super::made::{H, KEY, MIN, S, T0, V1, V2, asks, profile, settings};
use crate::{Kept, Loss, Profile, Settings, State};

fn learned() -> Profile {
    let mut profile = profile();
    V1.does(&mut profile, "/bin/a", What::Exec, T0);
    profile
}

fn states(profile: &Profile, tag: &str) -> [State; 2] {
    [EventType::Exec, EventType::Dns].map(|known| profile.type_state(tag, known))
}

#[test]
fn nothing_becomes_stable_over_a_window_with_loss_in_its_type() {
    let mut profile = learned();
    let loss = Loss { to_ns: T0 + 30 * MIN, counts: &[(EventType::Dns, 1), (EventType::Open, 0)] };
    V1.does_after(&mut profile, "/bin/a", What::Exec, T0 + 30 * MIN, loss);
    profile.tick(T0 + H);
    assert_eq!(states(&profile, "v1"), [State::Stable, State::AutoLearning]);
    assert_eq!(profile.type_state("v1", EventType::Open), State::Stable);
    profile.tick(T0 + H + 30 * MIN - 1);
    assert_eq!(profile.type_state("v1", EventType::Dns), State::AutoLearning);
    profile.tick(T0 + H + 30 * MIN);
    assert_eq!(profile.state("v1"), State::Stable);
}

#[test]
fn a_lost_exec_begins_all_windows_again() {
    let mut profile = learned();
    profile.lose("v1", Loss { to_ns: T0 + 30 * MIN, counts: &[(EventType::Exec, 1)] });
    profile.tick(T0 + H + 30 * MIN - 1);
    assert_eq!(profile.state("v1"), State::AutoLearning);
    profile.tick(T0 + H + 30 * MIN);
    assert_eq!(profile.state("v1"), State::Stable);
}

#[test]
fn a_flood_of_losses_makes_nothing_stable_unstable_or_silent() {
    let mut profile = learned();
    V2.does(&mut profile, "/bin/a", What::Exec, T0);
    profile.set_state("v1", Kept::Stable, T0);
    let lost = [(EventType::Exec, 1000), (EventType::Dns, 1000)];
    for minute in 0..60 * 100 {
        let to_ns = T0 + minute * MIN;
        profile.lose("v1", Loss { to_ns, counts: &lost });
        profile.lose("v2", Loss { to_ns, counts: &lost });
        profile.tick(to_ns);
    }
    assert_eq!(profile.state("v1"), State::Stable);
    // Time that does not count is no reason to be unstable either.
    assert_eq!(profile.state("v2"), State::AutoLearning);
    assert!(V1.does(&mut profile, "/bin/b", What::Exec, T0 + 100 * H).is_report());
    let completeness = profile.completeness("v1", T0 + 100 * H).unwrap();
    assert!(completeness.loss < 2 && completeness.novelty == 1000, "{completeness:?}");
}

#[test]
fn losses_of_one_version_are_not_those_of_another() {
    let mut profile = learned();
    V2.does(&mut profile, "/bin/a", What::Exec, T0);
    profile.lose("v1", Loss { to_ns: T0 + H - 1, counts: &[(EventType::Exec, 1)] });
    profile.lose("v9", Loss { to_ns: T0 + H - 1, counts: &[(EventType::Exec, 1)] });
    profile.tick(T0 + H);
    assert_eq!((profile.state("v1"), profile.state("v2")), (State::AutoLearning, State::Stable));
}

#[test]
fn nothing_becomes_stable_over_a_time_that_nobody_observed() {
    let mut profile = learned();
    profile.not_observed(&[EventType::Dns], T0 + 10 * MIN, T0 + 20 * MIN);
    V1.does(&mut profile, "/bin/a", What::Exec, T0 + H);
    V1.does(&mut profile, "/bin/a", asks("a.b"), T0 + H);
    assert_eq!(states(&profile, "v1"), [State::Stable, State::AutoLearning]);
    assert_eq!(profile.completeness("v1", T0 + H).unwrap().loss, 50 * 1000 / 60);
    // What is told twice is one time, and what is before the version is none of it.
    profile.not_observed(&[EventType::Dns], T0 + 10 * MIN, T0 + 20 * MIN);
    profile.not_observed(&EventType::ALL, 0, T0);
    profile.not_observed(&[EventType::Imds], T0 + 30 * MIN, T0 + 40 * MIN);
    assert_eq!(profile.completeness("v1", T0 + H).unwrap().loss, 50 * 1000 / 60);
}

#[test]
fn time_in_which_no_instance_runs_does_not_count() {
    let mut profile = learned();
    profile.link("v1", &[], "c8", T0 + S);
    profile.unlink("c1", T0 + 10 * MIN);
    profile.unlink("c8", T0 + 20 * MIN);
    profile.unlink("c9", T0 + 30 * MIN);
    profile.tick(T0 + 9 * H);
    assert_eq!(profile.state("v1"), State::AutoLearning);
    profile.link("v1", &[], "c2", T0 + 10 * H);
    profile.tick(T0 + 11 * H - 1);
    assert_eq!(profile.state("v1"), State::AutoLearning);
    profile.tick(T0 + 11 * H);
    assert_eq!(profile.state("v1"), State::Stable);
}

#[test]
fn completeness_is_whole_only_when_each_of_its_parts_is() {
    let settings = Settings { complete_after_ns: 10 * H, complete_instances: 2, ..settings() };
    let mut profile = Profile::new("web", settings, KEY);
    assert_eq!(profile.completeness("v1", T0), None);
    V1.does(&mut profile, "/bin/a", What::Exec, T0);
    let parts = |profile: &Profile, now_ns| {
        let it = profile.completeness("v1", now_ns).unwrap();
        ([it.time, it.instances, it.novelty, it.loss], it.total())
    };
    assert_eq!(parts(&profile, T0), ([0, 500, 0, 1000], 0));
    profile.tick(T0 + 5 * H);
    assert_eq!(parts(&profile, T0 + 5 * H), ([500, 500, 1000, 1000], 250));
    let other = super::made::Who { instance: "c3", ..V1 };
    other.does(&mut profile, "/bin/a", What::Exec, T0 + 10 * H);
    assert_eq!(parts(&profile, T0 + 10 * H), ([1000; 4], 1000));
    profile.lose("v1", Loss { to_ns: T0 + 10 * H, counts: &[(EventType::Dns, 1)] });
    assert_eq!(parts(&profile, T0 + 20 * H), ([1000, 1000, 1000, 666], 666));
    profile.set_state("v1", Kept::Unstable, T0);
    assert_eq!(parts(&profile, T0 + 20 * H).0[2], 0);
}
