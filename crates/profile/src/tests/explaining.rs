//! Explanations.

use activity_tree::{EventType, What};

use super::made::{H, KEY, MIN, S, T0, V1, settings};
use crate::{Because, Kept, Loss, Missing, Profile, Settings, State};

#[test]
fn an_explanation_says_why_and_what_is_missing() {
    let mut profile = Profile::new("web", Settings { quorum: 2, ..settings() }, KEY);
    V1.does(&mut profile, "/bin/a", What::Exec, T0);
    profile.lose("v1", Loss { to_ns: T0 + MIN, counts: &[(EventType::Dns, 2)] });
    assert_eq!(profile.explain("v2", T0), None);
    let types = |profile: &Profile, now_ns| {
        let explanation = profile.explain("v1", now_ns).unwrap();
        explanation
            .types
            .into_iter()
            .map(|it| (it.event_type, it))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let dns = &types(&profile, T0 + 2 * MIN)[&EventType::Dns];
    assert_eq!(
        dns.because,
        [Because::Learning { for_ns: MIN }, Because::Quiet { for_ns: MIN }, Because::Lost { events: 2 },]
    );
    let quorum = Missing::Quorum { waiting: 1, needed: 2 };
    assert_eq!(dns.missing, [Missing::Quiet { for_ns: 59 * MIN }, quorum]);
    profile.unlink("c1", T0 + 3 * MIN);
    profile.tree.limit(1, activity_tree::Traced::default());
    let exec = &types(&profile, T0 + 3 * MIN)[&EventType::Exec];
    assert!(exec.because.contains(&Because::NotRunning) && exec.missing.contains(&Missing::Instance));
    assert!(exec.missing.contains(&Missing::Room));
    profile.set_state("v1", Kept::Unstable, T0);
    let exec = &types(&profile, T0 + H)[&EventType::Exec];
    assert_eq!(
        (exec.state, exec.missing.as_slice()),
        (State::Unstable, [Missing::CoolDown { for_ns: 47 * H }].as_slice())
    );
    profile.set_state("v1", Kept::Stable, T0);
    let exec = &types(&profile, T0 + H)[&EventType::Exec];
    assert_eq!((exec.because.as_slice(), exec.missing.len()), ([Because::WasQuiet].as_slice(), 0));
    let words = [
        Missing::Quiet { for_ns: 61 * S }.to_string(),
        quorum.to_string(),
        Because::Lost { events: 2 }.to_string(),
    ];
    assert_eq!(
        words,
        [
            "61s without anything new or lost",
            "1 behaviours wait for 2 instances that do them",
            "2 events lost"
        ]
    );
}
