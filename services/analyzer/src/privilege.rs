//! The analyzer parses what a privileged peer and users send, so it refuses to be worth attacking: no root, no
//! capability, and no way to gain one.

use bootstrap::confine::{self, Needs};

use crate::config::Config;

/// Why the analyzer does not start.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Started as root.
    #[error(
        "the analyzer runs as uid 0 and needs no privilege: start it as its own user (systemd: User=shrike-analyzer, \
         Kubernetes: runAsUser), or pass --allow-root to accept the risk"
    )]
    Root,
    /// Started with capabilities.
    #[error(
        "the analyzer has capabilities {0:#x} and needs none: drop them (systemd: CapabilityBoundingSet=, Kubernetes: \
         capabilities.drop: [ALL]), or pass --allow-root to accept the risk"
    )]
    Capabilities(u64),
    /// The kernel does not say what we have.
    #[error("cannot read the capabilities from /proc/self/status: {0}")]
    Unknown(std::io::Error),
    /// The kernel refused to keep our memory private.
    #[error("cannot forbid dumps and debuggers: {0}")]
    Dumpable(std::io::Error),
    /// The kernel refused to lock privileges.
    #[error("cannot set no_new_privs: {0}")]
    NoNewPrivileges(nix::Error),
}

/// Gives up the way to gain privileges, and checks that there are none.
///
/// # Errors
/// See [`PrivilegeError`]; with `allow_root` root and capabilities are accepted with a warning.
pub fn drop_all(allow_root: bool) -> Result<(), PrivilegeError> {
    bootstrap::privacy::forbid_dumps().map_err(PrivilegeError::Dumpable)?;
    nix::sys::prctl::set_no_new_privs().map_err(PrivilegeError::NoNewPrivileges)?;
    let status = std::fs::read_to_string("/proc/self/status").map_err(PrivilegeError::Unknown)?;
    match check(nix::unistd::geteuid().as_raw(), capabilities(&status)) {
        Err(error) if allow_root => tracing::warn!(%error, "started with more privilege than needed"),
        checked => checked?,
    }
    Ok(())
}

/// What a running analyzer needs of files and system calls.
#[must_use]
pub fn confines(config: &Config) -> Needs {
    let mut read = vec![config.names.passwd.clone(), config.names.group.clone()];
    // The file is replaced by another when it changes.
    read.extend(config.tags.static_file.as_deref().map(confine::directory_of));
    // What dumps say of the host.
    read.extend(["/etc/os-release", "/usr/lib/os-release"].map(Into::into));
    let write = vec![config.activity_dump.local_storage.output_directory.clone()];
    Needs { read, write, sockets: vec![confine::directory_of(&config.sockets.api)], ..Needs::default() }
}

fn check(uid: u32, capabilities: u64) -> Result<(), PrivilegeError> {
    match (uid, capabilities) {
        (0, _) => Err(PrivilegeError::Root),
        (_, 0) => Ok(()),
        (_, some) => Err(PrivilegeError::Capabilities(some)),
    }
}

/// Effective and permitted capabilities in the text of `/proc/<pid>/status`.
fn capabilities(status: &str) -> u64 {
    status
        .lines()
        .filter_map(|line| line.strip_prefix("CapEff:").or_else(|| line.strip_prefix("CapPrm:")))
        .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .fold(0, |all, mask| all | mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_capabilities_are_refused_and_a_plain_user_is_not() {
        assert!(matches!(check(0, 0), Err(PrivilegeError::Root)));
        assert!(matches!(check(7, 0x20), Err(PrivilegeError::Capabilities(0x20))));
        assert!(check(7, 0).is_ok());
    }

    #[test]
    fn permitted_capabilities_count_even_when_not_effective() {
        let status = "Name:\tx\nCapInh:\tff\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000000\n";
        assert_eq!(capabilities(status), 0x20);
    }
}
