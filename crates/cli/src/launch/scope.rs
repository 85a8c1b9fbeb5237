//! Which control groups are watched, as the command line writes it.

use std::fmt;
use std::str::FromStr;

/// The scope of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Containers.
    Containers,
    /// Containers and systemd services.
    Services,
    /// One control group and all below it.
    Cgroup(String),
    /// Every process of the machine.
    Host,
}

/// Why a scope is refused.
#[derive(Debug, thiserror::Error)]
#[error("a scope is containers, services, cgroup=/path (as in /proc/<pid>/cgroup) or host")]
pub(crate) struct ScopeError;

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        match text {
            "containers" => Ok(Self::Containers),
            "services" => Ok(Self::Services),
            "host" => Ok(Self::Host),
            other => match other.strip_prefix("cgroup=") {
                Some(path) if path.starts_with('/') => Ok(Self::Cgroup(path.to_owned())),
                _ => Err(ScopeError),
            },
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Containers => f.write_str("containers"),
            Self::Services => f.write_str("services"),
            Self::Cgroup(path) => write!(f, "cgroup={path}"),
            Self::Host => f.write_str("host"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_survives_being_written_and_read() {
        for text in ["containers", "services", "cgroup=/a/b", "host"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_relative_or_unknown_scope_is_refused_with_those_that_exist() {
        for text in ["cgroup=a", "cgroup", "all", ""] {
            assert!(text.parse::<Scope>().unwrap_err().to_string().contains("containers"));
        }
    }
}
