//! Who the analyzer and the reporter are.

use nix::unistd::{Uid, User, geteuid};

use crate::failure::Failure;

/// The user that is taken when it exists and none was named.
pub(crate) const DEFAULT_USER: &str = "shrike";
/// `nobody` on every distribution.
const NOBODY: u32 = 65534;

/// User and group of a service without rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
}

impl Identity {
    /// The user called `name`, or the default one.
    pub(crate) fn of(name: Option<&str>) -> Result<Self, Failure> {
        let failed = |errno: nix::Error| Failure::System { action: "look up the user", source: errno.into() };
        let found = User::from_name(name.unwrap_or(DEFAULT_USER)).map_err(failed)?;
        let identity = match (found, name) {
            (Some(user), _) => Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() },
            (None, None) => Self { uid: NOBODY, gid: NOBODY },
            (None, Some(name)) => return Err(Failure::UnknownUser { name: name.to_owned() }),
        };
        if identity.uid == 0 { Err(Failure::UserIsRoot) } else { Ok(identity) }
    }
}

/// Fails unless we are root.
pub(crate) fn require_root(what: &'static str) -> Result<(), Failure> {
    if geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::NeedsRoot { what, why: "the probe loads BPF programs, and only root may" })
}

/// The uids that may use the analyzer's API besides the analyzer: root, and the person behind `sudo`.
pub(crate) fn api_uids() -> Vec<u32> {
    let behind_sudo: Option<u32> = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    let mut uids = vec![0, Uid::current().as_raw()];
    uids.extend(behind_sudo);
    uids.sort_unstable();
    uids.dedup();
    uids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_without_rights_never_run_as_root() {
        assert!(matches!(Identity::of(Some("root")), Err(Failure::UserIsRoot)));
        assert_ne!(Identity::of(None).unwrap().uid, 0);
    }

    #[test]
    fn an_unknown_user_is_an_error_that_names_it() {
        let error = Identity::of(Some("no-such-user-here")).unwrap_err().to_string();
        assert!(error.contains("no-such-user-here") && error.contains("useradd"), "{error}");
    }
}
