//! A version's system calls as a filter for container runtimes (the `linux.seccomp` object of the OCI runtime specification).

use std::fmt::Write as _;

use activity_tree::SyscallName;

use crate::profile::Profile;

/// What becomes of a system call that the profile does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// It is written to the log and made. To begin with.
    Log,
    /// It fails.
    Refuse,
}

/// Why there is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeccompError {
    /// There is no such version.
    #[error("the profile has no such version")]
    NoVersion,
    /// No system call was ever seen, so all would be refused.
    #[error("the profile has no system calls: let it learn `syscalls`")]
    NoSyscalls,
    /// What was not seen would be refused, and too much may not have been.
    #[error("completeness is {total} of 1000, {threshold} are needed: see what is missing with `explain`")]
    Incomplete {
        /// What it is.
        total: u64,
        /// What it must be.
        threshold: u64,
    },
    /// It cannot be written into a filter.
    #[error("system call {0} has no name here")]
    NoName(u32),
}

impl Profile {
    /// A filter that allows what a version was seen to call, as JSON; the same bytes for the same calls.
    ///
    /// # Errors
    /// See [`SeccompError`]; below `threshold` thousandths of completeness there is none.
    pub fn seccomp(
        &self,
        image_tag: &str,
        now_ns: u64,
        threshold: u64,
        otherwise: Otherwise,
        name: SyscallName<'_>,
    ) -> Result<String, SeccompError> {
        let version = self.versions.get(image_tag).ok_or(SeccompError::NoVersion)?;
        if version.syscalls.is_empty() {
            return Err(SeccompError::NoSyscalls);
        }
        let completeness = self.completeness(image_tag, now_ns).ok_or(SeccompError::NoVersion)?;
        let total = completeness.total();
        if total < threshold {
            return Err(SeccompError::Incomplete { total, threshold });
        }
        let names = version.syscalls.iter().map(|number| name(*number).ok_or(SeccompError::NoName(*number)));
        let mut names: Vec<&str> = names.collect::<Result<_, _>>()?;
        names.sort_unstable();
        let action = match otherwise {
            Otherwise::Log => r#""SCMP_ACT_LOG""#,
            Otherwise::Refuse => r#""SCMP_ACT_ERRNO","defaultErrnoRet":1"#,
        };
        let mut json = format!(r#"{{"defaultAction":{action},"syscalls":[{{"names":["#);
        for (n, name) in names.iter().enumerate() {
            // Names of system calls have nothing to escape; a text takes everything.
            write!(json, "{}\"{name}\"", if n == 0 { "" } else { "," }).unwrap_or_default();
        }
        json.push_str(r#"],"action":"SCMP_ACT_ALLOW"}]}"#);
        Ok(json)
    }
}
