//! Since when containers exist: one time for each, for as long as one of its control groups is known.

use std::collections::HashMap;
use std::sync::Arc;

use event::Cgroup;

/// The times of the containers that have a known control group.
#[derive(Debug, Default)]
pub(super) struct Ages {
    known: HashMap<Arc<str>, Age>,
}

#[derive(Debug)]
struct Age {
    created_ns: i64,
    /// Control groups that are known.
    groups: usize,
}

impl Ages {
    /// The time of a container, 0 if nothing tells it. `None` when none of its control groups is known.
    pub(super) fn get(&self, container: &str) -> Option<i64> {
        self.known.get(container).map(|age| age.created_ns)
    }

    /// Gives a control group the time of its container. The first one brings it.
    pub(super) fn hold(&mut self, cgroup: &mut Cgroup) {
        let Some(container) = cgroup.workload.container_id() else { return };
        let first = || Age { created_ns: cgroup.created_ns, groups: 0 };
        let age = self.known.entry(Arc::clone(container)).or_insert_with(first);
        age.groups += 1;
        cgroup.created_ns = age.created_ns;
    }

    /// A control group that was held is known no more.
    pub(super) fn release(&mut self, cgroup: &Cgroup) {
        let Some(container) = cgroup.workload.container_id() else { return };
        if let Some(age) = self.known.get_mut(container) {
            age.groups -= 1;
            if age.groups == 0 {
                self.known.remove(container);
            }
        }
    }
}
