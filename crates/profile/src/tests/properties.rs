//! What holds for any sequence of events.

use activity_tree::{EventType, What};
use proptest::prelude::*;

use super::made::{H, KEY, MIN, T0, Who, asks, opens, settings};
use crate::{Kept, Loss, Profile, Settings, State, Verdict};

#[derive(Debug, Clone)]
struct Step {
    tag: u8,
    instance: u8,
    program: u8,
    what: u8,
    after_ns: u64,
    is_back: bool,
    lost: Option<u8>,
    is_young: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![Just(0), Just(MIN), Just(H), 0..3 * H];
    (
        0..3_u8,
        0..4_u8,
        0..6_u8,
        0..9_u8,
        after,
        prop::bool::weighted(0.1),
        prop::option::weighted(0.1, 0..3_u8),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(tag, instance, program, what, after_ns, is_back, lost, is_young)| Step {
            tag,
            instance,
            program,
            what,
            after_ns,
            is_back,
            lost,
            is_young,
        })
}

fn fresh(quorum: usize) -> Profile {
    let settings = Settings {
        max_image_tags: 2,
        max_reported: 5,
        unstable_ns: 5 * H,
        cool_down_ns: 2 * H,
        max_bytes: 9_000,
        quorum,
        ..settings()
    };
    Profile::new("web", settings, KEY)
}

fn run(profile: &mut Profile, steps: &[Step], mut each: impl FnMut(&Step, &Profile, &Verdict)) {
    let mut now = T0;
    for step in steps {
        now =
            if step.is_back { now.saturating_sub(step.after_ns) } else { now.saturating_add(step.after_ns) };
        let (tag, instance) = (format!("v{}", step.tag), format!("c{}", step.instance));
        let created_ns = if step.is_young { now } else { 0 };
        let who = Who { tag: &tag, instance: &instance, created_ns };
        let name = format!("n{}.com", step.what);
        let what = match step.what {
            0..4 => What::Exec,
            4..6 => asks(&name),
            _ => opens(&name),
        };
        let lost =
            step.lost.map(|n| [([EventType::Exec, EventType::Dns, EventType::Open][usize::from(n)], 3)]);
        let loss = lost.as_ref().map_or(Loss::NONE, |counts| Loss { to_ns: now, counts });
        let program = format!("/bin/p{}", step.program);
        let verdict = who.does_after(profile, &program, what, now, loss);
        each(step, profile, &verdict);
    }
}

fn all(profile: &Profile) -> Vec<(String, EventType, Option<Kept>)> {
    let types = [EventType::Exec, EventType::Dns, EventType::Open, EventType::Bind];
    let versions = profile.versions.iter();
    versions.flat_map(|(tag, version)| types.map(|known| (tag.clone(), known, version.kept(known)))).collect()
}

proptest! {
    #[test]
    fn no_sequence_of_events_makes_a_stable_version_unstable(
        steps in prop::collection::vec(step(), 1..80),
        quorum in 1..3_usize,
    ) {
        let mut profile = fresh(quorum);
        // A version that was evicted would begin again.
        profile.settings.max_image_tags = 9;
        let mut stable: Vec<(String, EventType)> = Vec::new();
        run(&mut profile, &steps, |step, profile, verdict| {
            let tag = format!("v{}", step.tag);
            for (tag, kind) in &stable {
                assert_eq!(profile.versions[tag].kept(*kind), Some(Kept::Stable));
            }
            if stable.iter().any(|(known, kind)| *known == tag && Some(*kind) == kind_of(step)) {
                assert!(!matches!(verdict.state, State::Unstable | State::AutoLearning));
            }
            stable = all(profile).into_iter().filter(|(.., kept)| *kept == Some(Kept::Stable)).map(|(tag, kind, _)| (tag, kind)).collect();
        });
    }

    #[test]
    fn a_type_that_is_muted_never_mutes_another(steps in prop::collection::vec(step(), 1..80)) {
        // The same events with dns of one version muted at the start: nothing else differs.
        let (mut plain, mut muted) = (fresh(1), fresh(1));
        for profile in [&mut plain, &mut muted] {
            profile.settings.max_image_tags = 9;
            profile.settings.cool_down_ns = u64::MAX;
            profile.tree.limit(0, activity_tree::Traced::default());
            profile.link("v0", &[], "c0", T0);
        }
        muted.versions.get_mut("v0").unwrap().clocks.get_mut(&EventType::Dns).unwrap().force(Kept::Unstable, T0);
        let not_dns: Vec<Step> = steps.iter().filter(|step| kind_of(step) != Some(EventType::Dns)).cloned().collect();
        let mut expected = Vec::new();
        run(&mut plain, &not_dns, |_, _, verdict| expected.push(verdict.clone()));
        let mut got = Vec::new();
        run(&mut muted, &not_dns, |_, _, verdict| got.push(verdict.clone()));
        prop_assert_eq!(expected, got);
    }

    #[test]
    fn the_same_events_give_the_same_profile(steps in prop::collection::vec(step(), 1..60), quorum in 1..3_usize) {
        let (mut one, mut two) = (fresh(quorum), fresh(quorum));
        let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
        run(&mut one, &steps, |_, _, verdict| of_one.push(verdict.clone()));
        run(&mut two, &steps, |_, _, verdict| of_two.push(verdict.clone()));
        prop_assert_eq!(of_one, of_two);
        prop_assert_eq!(&one.versions, &two.versions);
        prop_assert_eq!(bytes(&one), bytes(&two));
    }

    #[test]
    fn what_is_judged_stable_is_never_learned(steps in prop::collection::vec(step(), 1..60)) {
        let mut profile = fresh(1);
        let mut before = profile.tree().stats().processes;
        run(&mut profile, &steps, |_, profile, verdict| {
            let stats = profile.tree().stats();
            if matches!(verdict.state, State::Stable | State::Unstable | State::ProfileAtMaxSize) {
                assert!(!verdict.is_learned && stats.processes <= before);
            }
            assert!(!verdict.is_learned || verdict.not_learned.is_none());
            before = stats.processes;
        });
    }
}

fn kind_of(step: &Step) -> Option<EventType> {
    Some(match step.what {
        0..4 => EventType::Exec,
        4..6 => EventType::Dns,
        _ => EventType::Open,
    })
}

fn bytes(profile: &Profile) -> Vec<u8> {
    let dump = activity_tree::Dump {
        tree: profile.tree().clone(),
        ..activity_tree::Dump::new(profile.tree().options().to_owned())
    };
    dump.to_protobuf()
}
