//! What a service takes from itself once it knows what it needs: files elsewhere, programs, networks, system calls.
//!
//! Landlock decides about files by their place, seccomp about system calls by number and arguments. Neither can be
//! undone, and threads that start later have both. A call that is refused fails with `EPERM` or `EACCES` instead of
//! ending the service: a new version of the C library must not be able to take the watcher away.
//!
//! What is left beside that: bytes that were read before, descriptors that are open, connections to unix sockets by
//! their path (Landlock knows none of them up to ABI 7), and what the user of the service may do to its own files.

mod acts;
mod calls;
mod files;
pub mod profile;

use std::path::PathBuf;

pub use acts::{Act, AttemptError, show_attempts};
pub use calls::Calls;
pub use files::Landlocked;

/// What a service still needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Files, and directories with all that is below, that it opens for reading. What does not exist is left out.
    pub read: Vec<PathBuf>,
    /// Directories in which it makes, writes, renames and removes files.
    pub write: Vec<PathBuf>,
    /// Directories in which it makes and removes sockets.
    pub sockets: Vec<PathBuf>,
    /// System calls beside those that every service needs.
    pub calls: Vec<Calls>,
}

/// What holds from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confined {
    /// How much of what was asked for the kernel knows.
    pub files: Landlocked,
}

/// Why a service is not confined. It must not go on then.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel has Landlock and refused.
    #[error("cannot restrict which files can be opened: {0}")]
    Files(#[from] landlock::RulesetError),
    /// The list of calls cannot be made into a program: a defect.
    #[error("cannot make the filter of system calls: {0}")]
    Filter(#[from] seccompiler::BackendError),
    /// The kernel refused the program.
    #[error("cannot restrict system calls: {0}")]
    Calls(#[from] seccompiler::Error),
}

/// Confines the calling thread, and every thread that it starts from now on; system calls are restricted for all threads.
///
/// The caller has one thread. `no_new_privs` is set by this.
///
/// # Errors
/// When the kernel refuses. A kernel without Landlock (before 5.13, or switched off) is no error: then files are open as
/// before, which [`Confined`] says.
pub fn enter(needs: &Needs) -> Result<Confined, ConfineError> {
    let files = files::restrict(needs)?;
    calls::restrict(&needs.calls)?;
    Ok(Confined { files })
}

/// [`enter`], with a line in the log of what holds.
///
/// # Errors
/// Those of [`enter`].
pub fn enter_and_tell(needs: &Needs) -> Result<(), ConfineError> {
    match enter(needs)?.files {
        Landlocked::Fully => tracing::info!("confined: files by landlock, system calls by seccomp"),
        Landlocked::Partly => {
            tracing::info!(
                "confined: files by landlock as far as this kernel knows it, system calls by seccomp"
            );
        }
        Landlocked::Not => tracing::warn!(
            "confined by seccomp alone: this kernel has no landlock, or not among the security modules that it starts (lsm=)"
        ),
    }
    Ok(())
}

/// The directory of a file that is made or replaced.
#[must_use]
pub fn directory_of(path: &std::path::Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    /// The filter of systemd ends a service that makes a call outside of it.
    #[test]
    fn the_filter_of_every_unit_has_the_calls_by_which_a_service_confines_itself() {
        let units = [
            include_str!("../../../../deploy/systemd/shrike-analyzer.service"),
            include_str!("../../../../deploy/systemd/shrike-probe.service"),
            include_str!("../../../../deploy/systemd/shrike-reporter.service"),
        ];
        for unit in units {
            let mut filters = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter="));
            let allowed: Vec<&str> = filters.next().unwrap().split(' ').collect();
            for call in ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"]
            {
                assert!(allowed.contains(&call), "{call} is not in {allowed:?}");
            }
        }
    }
}
