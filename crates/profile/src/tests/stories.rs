//! What happens to an image with its versions and instances.

use activity_tree::{EventType, What};

use super::made::{H, KEY, MIN, S, T0, V1, V2, Who, asks, opens, profile, settings};
use crate::{Anomaly, Kept, Known, NoProfile, NotLearned, Profile, Reason, Settings, State, Verdict};

fn exec(profile: &mut Profile, who: Who<'_>, path: &str, at_ns: u64) -> Verdict {
    who.does(profile, path, What::Exec, T0 + at_ns)
}

fn first(verdict: &Verdict) -> Option<Reason> {
    verdict.is_report().then(|| verdict.anomaly.as_ref().unwrap().reason)
}

#[test]
fn the_life_of_two_versions_is_that_of_the_field() {
    let mut profile = profile();
    assert_eq!(first(&exec(&mut profile, V1, "/bin/getconf", 0)), None);
    profile.set_state("v1", Kept::Stable, T0 + S);
    assert_eq!(first(&exec(&mut profile, V1, "/bin/getent", 2 * S)), Some(Reason::StableMiss));
    let learned = exec(&mut profile, V2, "/bin/iconv", 3 * S);
    assert_eq!((first(&learned), learned.is_learned), (Some(Reason::NewInVersion), true));
    assert_eq!(learned.known, Some(Known::Nothing));
    assert_eq!(exec(&mut profile, V2, "/bin/getconf", 4 * S).known, Some(Known::Yes));
    assert_eq!(exec(&mut profile, V1, "/bin/iconv", 5 * S).anomaly, None);
    profile.set_state("v1", Kept::Unstable, T0 + 6 * S);
    assert_eq!(exec(&mut profile, V1, "/bin/scanelf", 7 * S).anomaly, None);
    // The muted version mutes nothing else.
    profile.set_state("v2", Kept::Stable, T0 + 6 * S);
    assert_eq!(first(&exec(&mut profile, V2, "/bin/scanelf", 8 * S)), Some(Reason::StableMiss));
}

#[test]
fn each_behaviour_of_a_version_is_reported_once_and_repetitions_are_counted() {
    let mut profile = profile();
    exec(&mut profile, V1, "/bin/a", 0);
    exec(&mut profile, V2, "/bin/a", 0);
    ["v1", "v2"].iter().for_each(|tag| assert!(profile.set_state(tag, Kept::Stable, T0)));
    let anomaly =
        |is_repeated, suppressed| Some(Anomaly { reason: Reason::StableMiss, is_repeated, suppressed });
    assert_eq!(exec(&mut profile, V1, "/bin/b", S).anomaly, anomaly(false, 0));
    assert_eq!(exec(&mut profile, V1, "/bin/b", S).anomaly, anomaly(true, 0));
    assert_eq!(exec(&mut profile, V2, "/bin/b", S).anomaly, anomaly(false, 0));
    assert_eq!(exec(&mut profile, V1, "/bin/c", S).anomaly, anomaly(false, 1));
    assert_eq!(V1.does(&mut profile, "/bin/a", asks("a.b.c.d"), T0 + S).anomaly, anomaly(false, 0));
    // What the look-up does not tell apart is one behaviour.
    assert_eq!(V1.does(&mut profile, "/bin/a", asks("x.b.C.d"), T0 + S).anomaly, anomaly(true, 0));
    assert_eq!(V1.does(&mut profile, "/bin/a", asks("a.x.c.d"), T0 + S).anomaly, anomaly(false, 1));
    assert_eq!(profile.state("v3"), State::NoProfile);
    assert!(!profile.set_state("v3", Kept::Stable, T0));
}

#[test]
fn what_is_only_learned_is_not_reported() {
    let mut profile = profile();
    exec(&mut profile, V1, "/bin/a", 0);
    profile.set_state("v1", Kept::Stable, T0);
    let verdict = V1.does(&mut profile, "/bin/a", opens("/etc/shadow"), T0 + S);
    assert_eq!((verdict.state, verdict.known, verdict.anomaly), (State::Stable, Some(Known::Process), None));
    assert_eq!(verdict.not_learned, Some(NotLearned::NotLearning));
    assert_eq!(exec(&mut profile, V1, "/bin/a", S).anomaly, None);
}

#[test]
fn a_muted_type_says_nothing_and_learns_nothing() {
    let mut profile = profile();
    exec(&mut profile, V1, "/bin/a", 0);
    profile.set_state("v1", Kept::Unstable, T0);
    let verdict = exec(&mut profile, V1, "/bin/b", S);
    assert_eq!((verdict.state, verdict.is_learned, verdict.not_learned), (State::Unstable, false, None));
    assert_eq!(profile.tree().stats().processes, 2);
}

#[test]
fn a_version_is_what_its_types_are() {
    let mut profile =
        Profile::new("web", Settings { stable_ns_of: vec![(EventType::Dns, 9 * H)], ..settings() }, KEY);
    assert_eq!(profile.state("v1"), State::NoProfile);
    exec(&mut profile, V1, "/bin/a", 0);
    assert_eq!(profile.state("v1"), State::AutoLearning);
    profile.tick(T0 + H);
    assert_eq!(profile.state("v1"), State::AutoLearning);
    assert_eq!(profile.type_state("v1", EventType::Bind), State::Stable);
    profile.tick(T0 + 9 * H);
    assert_eq!(profile.state("v1"), State::Stable);
    assert_eq!(profile.type_state("v1", EventType::Imds), State::NoProfile);
}

#[test]
fn the_version_that_was_seen_longest_ago_goes_with_what_only_it_did() {
    let mut profile = Profile::new("web", Settings { max_image_tags: 2, ..settings() }, KEY);
    exec(&mut profile, V1, "/bin/a", 0);
    exec(&mut profile, V1, "/bin/both", S);
    exec(&mut profile, V2, "/bin/both", 2 * S);
    exec(&mut profile, V2, "/bin/b", 3 * S);
    profile.set_state("v2", Kept::Stable, T0);
    exec(&mut profile, Who { tag: "v3", ..V2 }, "/bin/c", 4 * S);
    let evicted = profile.take_evicted();
    assert_eq!(evicted.len(), 1);
    assert_eq!((evicted[0].image_tag.as_str(), evicted[0].last_seen_ns), ("v1", T0 + S));
    assert_eq!((evicted[0].max_image_tags, profile.n_evicted()), (2, 1));
    assert!(profile.take_evicted().is_empty());
    assert_eq!(exec(&mut profile, V2, "/bin/both", 5 * S).known, Some(Known::Yes));
    assert_eq!(exec(&mut profile, V2, "/bin/a", 5 * S).known, Some(Known::Nothing));
    assert_eq!(profile.image_tags().collect::<Vec<_>>(), ["v2", "v3"]);
}

#[test]
fn what_a_stable_version_uses_stays_when_the_version_that_taught_it_goes() {
    let mut profile = Profile::new("web", Settings { max_image_tags: 2, ..settings() }, KEY);
    exec(&mut profile, V1, "/bin/a", 0);
    exec(&mut profile, V2, "/bin/b", S);
    profile.set_state("v2", Kept::Stable, T0 + S);
    assert_eq!(exec(&mut profile, V2, "/bin/a", 2 * S).known, Some(Known::Yes));
    exec(&mut profile, Who { tag: "v3", ..V2 }, "/bin/c", 3 * S);
    assert_eq!(profile.state("v1"), State::NoProfile);
    assert_eq!(exec(&mut profile, V2, "/bin/a", 4 * S).known, Some(Known::Yes));
}

#[test]
fn what_no_tree_can_hold_and_what_is_not_learned_is_no_anomaly() {
    let mut profile = profile();
    exec(&mut profile, V1, "/bin/a", 0);
    profile.set_state("v1", Kept::Stable, T0);
    let verdict = V1.does(&mut profile, "", What::Exec, T0 + S);
    assert!(matches!(verdict.no_profile, Some(NoProfile::Refused(_))) && verdict.anomaly.is_none());
    let verdict = V1.does(&mut profile, "/bin/a", What::Syscalls(&[1]), T0 + S);
    assert_eq!((verdict.no_profile, verdict.state), (Some(NoProfile::EventType), State::NoProfile));
    profile.is_disabled = true;
    assert_eq!(exec(&mut profile, V1, "/bin/b", S).no_profile, Some(NoProfile::Disabled));
}

#[test]
fn system_calls_are_reported_one_by_one() {
    let types = vec![EventType::Exec, EventType::Syscalls];
    let settings = Settings { event_types: types.clone(), anomaly_types: types, ..settings() };
    let mut profile = Profile::new("web", settings, KEY);
    exec(&mut profile, V1, "/bin/a", 0);
    let calls =
        |profile: &mut Profile, numbers: &[u32]| V1.does(profile, "/bin/a", What::Syscalls(numbers), T0 + S);
    assert!(calls(&mut profile, &[1, 2]).is_learned);
    profile.set_state("v1", Kept::Stable, T0);
    assert_eq!(calls(&mut profile, &[1]).anomaly, None);
    assert!(calls(&mut profile, &[1, 3]).is_report());
    assert!(!calls(&mut profile, &[3, 2]).is_report());
    assert!(calls(&mut profile, &[3, 4]).is_report());
    assert!(!calls(&mut profile, &[3, 4, 1]).is_report());
}

#[test]
fn one_of_twenty_instances_teaches_nothing_with_a_quorum_and_mutes_nothing() {
    let mut profile = Profile::new("web", Settings { quorum: 3, ..settings() }, KEY);
    let names: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    for (n, instance) in names.iter().enumerate() {
        let who = Who { instance, ..V1 };
        let verdict = exec(&mut profile, who, "/bin/good", 0);
        assert_eq!(verdict.is_learned, n == 2, "{n}");
    }
    let attacker = Who { instance: "c7", ..V1 };
    for minute in 0..200 {
        let verdict = exec(&mut profile, attacker, &format!("/tmp/{minute}"), minute * MIN / 2);
        if verdict.state == State::AutoLearning {
            assert_eq!(verdict.not_learned, Some(NotLearned::Quorum { seen: 1, needed: 3 }));
        }
    }
    assert_eq!(profile.type_state("v1", EventType::Exec), State::Stable);
    assert!(exec(&mut profile, attacker, "/tmp/7", 2 * H).is_report());
    assert_eq!(profile.tree().stats().processes, 2);
    assert_eq!(exec(&mut profile, attacker, "/bin/good", 2 * H).known, Some(Known::Yes));
}
