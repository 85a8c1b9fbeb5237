//! Scope: which control groups are watched, and how people write it.

use std::fmt;
use std::str::FromStr;

use crate::{Cgroup, Workload};

/// Which control groups are watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ScopeRule {
    /// Containers.
    #[default]
    Containers,
    /// Containers and systemd services.
    Services,
    /// One control group and all below it: an absolute path without `..` and without a slash at its end.
    Cgroup(String),
    /// Everything.
    Host,
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nobody knows that scope.
    #[error("unknown scope {0:?}: use containers, services, cgroup=/path (as in /proc/<pid>/cgroup) or host")]
    Unknown(String),
    /// A control group path starts at the root of its hierarchy.
    #[error(
        "the scope {0:?} needs an absolute control group path, like cgroup=/system.slice/nginx.service; the other \
         scopes are containers, services and host"
    )]
    RelativePath(String),
}

impl ScopeRule {
    /// Whether the processes of this control group are watched. One whose path is not known is: the kernel's filter
    /// let it through, and an event is never dropped on a guess.
    #[must_use]
    pub fn includes(&self, cgroup: &Cgroup) -> bool {
        if cgroup.path.is_empty() {
            return true;
        }
        match self {
            Self::Containers => matches!(cgroup.workload, Workload::Container { .. }),
            Self::Services => !matches!(cgroup.workload, Workload::Host),
            Self::Cgroup(root) => is_below(&cgroup.path.to_lossy(), root),
            Self::Host => true,
        }
    }

    /// Whether the kernel's filter must be told about control groups as they appear, and whether also about those
    /// that are not watched.
    #[must_use]
    pub fn decision(&self, cgroup: &Cgroup) -> Option<bool> {
        let watched = self.includes(cgroup);
        match self {
            Self::Containers | Self::Services => Some(watched),
            Self::Cgroup(_) => watched.then_some(true),
            Self::Host => None,
        }
    }
}

fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || root == "/")
}

impl FromStr for ScopeRule {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        match text {
            "containers" => Ok(Self::Containers),
            "services" => Ok(Self::Services),
            "host" => Ok(Self::Host),
            _ => {
                let path =
                    text.strip_prefix("cgroup=").ok_or_else(|| ScopeError::Unknown(text.to_owned()))?;
                if !path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
                    return Err(ScopeError::RelativePath(text.to_owned()));
                }
                let trimmed = path.trim_end_matches('/');
                Ok(Self::Cgroup(if trimmed.is_empty() { "/" } else { trimmed }.to_owned()))
            }
        }
    }
}

impl fmt::Display for ScopeRule {
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
    fn a_scope_is_read_as_it_is_written() {
        for text in ["containers", "services", "cgroup=/a/b", "cgroup=/", "host"] {
            assert_eq!(text.parse::<ScopeRule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_relative_or_unknown_scope_is_refused_with_those_that_exist() {
        for text in ["cgroup=a", "cgroup=/a/../b", "cgroup", "all", ""] {
            assert!(text.parse::<ScopeRule>().unwrap_err().to_string().contains("containers"));
        }
    }
}
