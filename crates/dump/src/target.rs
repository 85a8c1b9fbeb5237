//! Whose events are recorded.

use std::fmt;
use std::sync::Arc;

use event::{Cgroup, Workload};

/// A workload: a container with all control groups below its own, or one control group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// The container with this id.
    Container(Arc<str>),
    /// The control group with this number.
    Cgroup(u64),
}

impl Target {
    /// The workload that a control group is part of.
    #[must_use]
    pub fn of(cgroup: &Cgroup) -> Self {
        match &cgroup.workload {
            Workload::Container { id, .. } => Self::Container(Arc::clone(id)),
            Workload::Host | Workload::Service { .. } => Self::Cgroup(cgroup.id),
        }
    }

    /// Whether a control group is part of it.
    #[must_use]
    pub fn has(&self, cgroup: &Cgroup) -> bool {
        match self {
            Self::Container(id) => cgroup.workload.container_id().is_some_and(|other| other == id),
            Self::Cgroup(id) => cgroup.workload.container_id().is_none() && *id == cgroup.id,
        }
    }

    /// The id of the container, if it is one.
    #[must_use]
    pub fn container_id(&self) -> Option<&str> {
        match self {
            Self::Container(id) => Some(id),
            Self::Cgroup(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(id) => write!(f, "container_id:{id}"),
            Self::Cgroup(id) => write!(f, "cgroup_id:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use event::Runtime;

    use super::*;

    #[test]
    fn a_container_is_all_its_control_groups_and_nothing_else() {
        let cgroup = |id, container: Option<&str>| Cgroup {
            id,
            workload: container.map_or(Workload::Host, |id| Workload::Container {
                id: id.into(),
                runtime: Runtime::Podman,
                pod_uid: None,
            }),
            ..Cgroup::default()
        };
        let web = Target::of(&cgroup(1, Some("web")));
        assert!(web.has(&cgroup(2, Some("web"))) && !web.has(&cgroup(1, Some("db"))));
        let host = Target::of(&cgroup(1, None));
        assert!(
            host.has(&cgroup(1, None)) && !host.has(&cgroup(1, Some("web"))) && !host.has(&cgroup(2, None))
        );
        assert_eq!((web.container_id(), host.container_id()), (Some("web"), None));
        assert_eq!(format!("{web} {host}"), "container_id:web cgroup_id:1");
    }
}
