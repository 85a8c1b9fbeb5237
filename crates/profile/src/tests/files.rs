//! Profiles as files and back.

use activity_tree::{EventType, EventTypeState, Options, Profile as Message, Selector, What};
use proptest::prelude::*;

use super::made::{H, KEY, MIN, T0, V1, V2, busy, dump, opens, settings};
use crate::{FileError, Kept, Profile, State};

fn again(message: &Message, now_ns: u64) -> Profile {
    Profile::from_message(message, settings(), KEY, now_ns).unwrap()
}

#[test]
fn what_the_message_holds_comes_back_to_the_byte() {
    let profile = busy();
    let bytes = profile.to_message().to_protobuf();
    let read = Message::from_protobuf(&bytes, Options::default()).unwrap();
    assert_eq!(read.contexts["v1"].event_types[&16].state, 3);
    assert_eq!(read.contexts["v2"].event_types[&34], EventTypeState { last_anomaly: T0 + 3 * MIN, state: 4 });
    assert_eq!(read.selector, Selector { image_name: "web".into(), image_tag: "*".into() });
    let back = again(&read, T0 + 4 * MIN);
    assert_eq!(back.to_message().to_protobuf(), bytes);
    assert_eq!((back.state("v1"), back.state("v2")), (State::Stable, State::AutoLearning));
    for tag in ["v1", "v2"] {
        let ledger = |profile: &Profile| {
            let it = &profile.versions[tag].ledger;
            (it.seen, it.lost.clone(), it.unobserved_ns, it.instances())
        };
        assert_eq!(ledger(&back), ledger(&profile));
    }
}

#[test]
fn what_was_learned_before_a_restart_is_known_after_it_and_the_time_between_does_not_count() {
    let mut back = again(&busy().to_message(), T0 + 100 * H);
    assert!(V1.does(&mut back, "/bin/new", What::Exec, T0 + 100 * H).is_report());
    assert_eq!(V1.does(&mut back, "/bin/a", What::Exec, T0 + 100 * H).anomaly, None);
    let verdict = V2.does(&mut back, "/bin/b", opens("/etc/passwd"), T0 + 101 * H - 1);
    assert_eq!(verdict.state, State::AutoLearning);
    V2.does(&mut back, "/bin/b", opens("/etc/passwd"), T0 + 102 * H - 2);
    assert_eq!(back.type_state("v2", EventType::Open), State::AutoLearning);
    V2.does(&mut back, "/bin/b", opens("/etc/passwd"), T0 + 102 * H - 1);
    assert_eq!(back.type_state("v2", EventType::Open), State::Stable);
}

#[test]
fn what_cannot_be_is_brought_within_bounds_and_what_is_not_known_is_kept() {
    let mut message = busy().to_message();
    let mut context = message.contexts["v2"].clone();
    (context.first_seen, context.last_seen) = (u64::MAX, 0);
    context.event_types.insert(16, EventTypeState { last_anomaly: u64::MAX, state: 77 });
    context.event_types.insert(999, EventTypeState { last_anomaly: 5, state: 3 });
    context.tags =
        ["profile_ledger:seen:x", "profile_ledger:", "profile_ledger:instances:99999999999", "a:b"]
            .map(str::to_owned)
            .into();
    for n in 0..40_u64 {
        let first_seen = T0 - n;
        message.contexts.insert(
            format!("w{n}"),
            activity_tree::Context { first_seen, last_seen: first_seen, ..context.clone() },
        );
    }
    message.contexts.insert("v2".into(), context);
    let mut back = again(&message, T0 + H);
    assert_eq!(back.versions.len(), 20);
    assert_eq!(back.n_evicted(), 22);
    let v2 = &back.versions["v2"];
    assert_eq!(
        (v2.first_seen_ns, v2.last_seen_ns, v2.kept(EventType::Exec)),
        (T0 + H, T0 + H, Some(Kept::AutoLearning))
    );
    assert_eq!((v2.ledger.instances(), v2.tags.as_slice()), (64, ["a:b".to_owned()].as_slice()));
    assert_eq!(
        back.to_message().contexts["v2"].event_types[&999],
        EventTypeState { last_anomaly: 5, state: 3 }
    );
    back.tick(T0 + 50 * H);
    assert_eq!(back.state("v2"), State::AutoLearning);
    message.selector.image_name.clear();
    let error = Profile::from_message(&message, settings(), KEY, T0).unwrap_err();
    assert_eq!(error, FileError::NoImage);
}

#[test]
fn a_profile_that_was_given_up_stays_so_and_one_of_all_versions_has_a_name() {
    let message = Message { disabled: true, ..busy().to_message() };
    assert!(again(&message, T0).to_message().disabled);
    let mut dump = dump("v1");
    dump.tree = activity_tree::Tree::new(Options::default());
    let message = dump.into_profile(Selector { image_name: "web".into(), image_tag: "*".into() });
    assert_eq!(again(&message, T0).image_tags().collect::<Vec<_>>(), ["latest"]);
}

#[test]
fn numbers_of_types_are_those_of_the_field_and_each_is_of_one() {
    let numbers: Vec<Option<u32>> = EventType::ALL.map(crate::number_of).into();
    let expected = [16, 17, 1, 34, 41, 45, 44, 50, 59].map(Some);
    assert_eq!(numbers.split_last().unwrap(), (&None, expected.as_slice()));
}

proptest! {
    #[test]
    fn no_message_panics_and_none_makes_more_stable_than_it_says(
        states in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u64>()), 0..8),
        times in any::<(u64, u64)>(),
        now_ns in any::<u64>(),
        tag in ".{0,12}",
    ) {
        let mut message = busy().to_message();
        let context = message.contexts.get_mut("v2").unwrap();
        (context.first_seen, context.last_seen) = times;
        context.tags = vec![format!("profile_ledger:{tag}"), tag];
        for (kind, state, last_anomaly) in states {
            context.event_types.insert(kind % 64, EventTypeState { last_anomaly, state: state % 8 });
        }
        let says = context.event_types.clone();
        let mut back = again(&message, now_ns);
        for kind in [EventType::Exec, EventType::Open, EventType::Dns, EventType::Bind] {
            let says = says.get(&crate::number_of(kind).unwrap()).map(|state| state.state);
            prop_assert_eq!(back.type_state("v2", kind) == State::Stable, says == Some(3));
        }
        back.tick(now_ns);
        V2.does(&mut back, "/bin/x", What::Exec, now_ns);
        back.explain("v2", now_ns).unwrap();
        let written = back.to_message();
        prop_assert_eq!(again(&written, now_ns).to_message().to_protobuf(), written.to_protobuf());
    }
}
