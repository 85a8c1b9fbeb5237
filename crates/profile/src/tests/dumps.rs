//! Learning from dumps.

use activity_tree::What;

use super::made::{H, MIN, T0, V1, Who, busy, dump, opens, profile};
use crate::{Consent, LearnError, State};

#[test]
fn a_dump_is_merged_and_its_version_goes_on_learning_from_its_end() {
    let mut profile = busy();
    assert_eq!(profile.learn_dump(&dump("v3"), T0 + H, Consent::Automatic), Ok(true));
    assert_eq!(profile.learn_dump(&dump("v3"), T0 + H, Consent::Automatic), Ok(false));
    let v3 = &profile.versions["v3"];
    assert_eq!((v3.first_seen_ns, v3.last_seen_ns), (T0, T0 + MIN));
    let who = Who { tag: "v3", ..V1 };
    let verdict = who.does(&mut profile, "/bin/dumped", opens("/dumped"), T0 + 2 * H);
    assert_eq!((verdict.state, verdict.known), (State::AutoLearning, Some(crate::Known::Yes)));
    assert_eq!(V1.does(&mut profile, "/bin/a", What::Exec, T0 + 2 * H).known, Some(crate::Known::Yes));
}

#[test]
fn a_dump_teaches_no_stable_version_unless_a_person_wants_it() {
    let mut profile = busy();
    let before = profile.to_message().to_protobuf();
    let refused = profile.learn_dump(&dump("v1"), T0 + H, Consent::Automatic);
    assert_eq!(refused, Err(LearnError::Stable { image_tag: "v1".into() }));
    let mut other = dump("v1");
    other.tags = vec!["image_name:db".into()];
    let refused = profile.learn_dump(&other, T0 + H, Consent::Person);
    assert_eq!(refused, Err(LearnError::Image { found: "db".into(), expected: "web".into() }));
    let mut small = profile.clone();
    small.settings.max_bytes = 10;
    assert!(matches!(
        small.learn_dump(&dump("v9"), T0, Consent::Person),
        Err(LearnError::Full { max_bytes: 10, .. })
    ));
    small.is_disabled = true;
    assert_eq!(small.learn_dump(&dump("v9"), T0, Consent::Person), Err(LearnError::Disabled));
    assert_eq!(profile.to_message().to_protobuf(), before);
    assert_eq!(profile.learn_dump(&dump("v1"), T0 + H, Consent::Person), Ok(true));
    assert_eq!(profile.state("v1"), State::Stable);
    assert_eq!(V1.does(&mut profile, "/bin/dumped", What::Exec, T0 + H).anomaly, None);
}

#[test]
fn what_a_dump_missed_is_missing_in_the_profile() {
    let mut profile = profile();
    let mut lossy = dump("v1");
    lossy.tags.push("dump_lost:dns:ring_full:7".into());
    lossy.tags.push("dump_lost_anywhere:mount:ring_full:2".into());
    lossy.tags.push("dump_partial:killed".into());
    profile.learn_dump(&lossy, T0 + H, Consent::Automatic).unwrap();
    let version = &profile.versions["v1"];
    assert_eq!((version.ledger.lost(), version.ledger.unobserved_ns), (9, MIN));
    assert!(!version.tags.iter().any(|tag| tag.starts_with("dump_")));
    assert_eq!(profile.completeness("v1", T0 + H).unwrap().total(), 0);
}
