//! Filters of system calls.

use activity_tree::{EventType, What};

use super::made::{H, KEY, MIN, S, T0, V1, settings};
use crate::{Kept, Loss, Otherwise, Profile, SeccompError, Settings};

fn name(number: u32) -> Option<&'static str> {
    [Some("read"), Some("write"), Some("accept"), None].get(usize::try_from(number).ok()?).copied().flatten()
}

#[test]
fn a_filter_allows_what_was_called_and_there_is_none_for_what_is_hardly_known() {
    let settings = Settings {
        event_types: vec![EventType::Exec, EventType::Syscalls],
        complete_after_ns: H,
        complete_instances: 1,
        ..settings()
    };
    let mut profile = Profile::new("web", settings, KEY);
    let filter = |profile: &Profile, now_ns, how| profile.seccomp("v1", now_ns, 900, how, &name);
    assert_eq!(filter(&profile, T0, Otherwise::Log), Err(SeccompError::NoVersion));
    V1.does(&mut profile, "/bin/a", What::Exec, T0);
    assert_eq!(filter(&profile, T0, Otherwise::Log), Err(SeccompError::NoSyscalls));
    V1.does(&mut profile, "/bin/a", What::Syscalls(&[1, 0]), T0 + S);
    let refused = filter(&profile, T0 + 30 * MIN, Otherwise::Log);
    assert!(
        matches!(refused, Err(SeccompError::Incomplete { total: 1..900, threshold: 900 })),
        "{refused:?}"
    );
    V1.does(&mut profile, "/bin/a", What::Syscalls(&[2]), T0 + 2 * S);
    profile.tick(T0 + 2 * H);
    let [log, refuse] =
        [Otherwise::Log, Otherwise::Refuse].map(|how| filter(&profile, T0 + 2 * H, how).unwrap());
    let allowed = r#""syscalls":[{"names":["accept","read","write"],"action":"SCMP_ACT_ALLOW"}]}"#;
    assert_eq!(log, format!(r#"{{"defaultAction":"SCMP_ACT_LOG",{allowed}"#));
    assert_eq!(refuse, format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,{allowed}"#));
    // What is new after it became stable is not allowed.
    V1.does(&mut profile, "/bin/a", What::Syscalls(&[3]), T0 + 2 * H);
    assert_eq!(filter(&profile, T0 + 2 * H, Otherwise::Log), Ok(log));
    profile.set_state("v1", Kept::AutoLearning, T0);
    V1.does(&mut profile, "/bin/a", What::Syscalls(&[3]), T0);
    assert_eq!(filter(&profile, T0 + 2 * H, Otherwise::Log), Err(SeccompError::NoName(3)));
    profile.lose("v1", Loss { to_ns: T0, counts: &[(EventType::Syscalls, 50)] });
    assert!(matches!(filter(&profile, T0 + 2 * H, Otherwise::Log), Err(SeccompError::Incomplete { .. })));
}
