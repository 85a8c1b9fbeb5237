//! Small numbers for containers, so that a key can name one without holding its text.
//!
//! Every batch brings control groups of its own, so an address says nothing about the next batch. Invariant: two
//! containers that are written differently never have the same number; one may have several in its life.

use std::collections::HashMap;
use std::sync::Arc;

use event::Cgroup;

/// Containers known at once; when there are more, all are forgotten and get new numbers.
const MAX_KNOWN: usize = 1024;

/// The numbers given so far.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    /// Neighbours are mostly of one control group.
    last: Option<(Arc<Cgroup>, u64)>,
    /// By what is written of a container.
    known: HashMap<(Arc<str>, i64), u64>,
    given: u64,
}

impl Containers {
    /// The number of the container of a control group; 0 for none.
    pub(crate) fn number(&mut self, cgroup: &Arc<Cgroup>) -> u64 {
        if let Some((last, number)) = &self.last
            && Arc::ptr_eq(last, cgroup)
        {
            return *number;
        }
        let number = match cgroup.workload.container_id() {
            Some(id) => self.find((Arc::clone(id), cgroup.created_ns)),
            None => 0,
        };
        self.last = Some((Arc::clone(cgroup), number));
        number
    }

    fn find(&mut self, container: (Arc<str>, i64)) -> u64 {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&container) {
            self.known.clear();
        }
        *self.known.entry(container).or_insert_with(|| {
            self.given += 1;
            self.given
        })
    }
}

#[cfg(test)]
mod tests {
    use event::{Runtime, Workload};

    use super::*;

    fn container(id: &str, created_ns: i64) -> Arc<Cgroup> {
        let workload = Workload::Container { id: id.into(), runtime: Runtime::Docker, pod_uid: None };
        Arc::new(Cgroup { workload, created_ns, ..Cgroup::default() })
    }

    #[test]
    fn what_is_written_alike_has_one_number_and_everything_else_another() {
        let mut containers = Containers::default();
        let cgroups = [container("a", 1), container("a", 2), container("b", 1), container("a", 1)];
        let numbers = cgroups.each_ref().map(|cgroup| containers.number(cgroup));
        assert_eq!(numbers, [1, 2, 3, 1]);
        assert_eq!(containers.number(&cgroups[3]), 1);
        assert_eq!(containers.number(&Arc::default()), 0);
    }

    #[test]
    fn a_number_is_never_given_twice_and_no_more_than_so_many_are_kept() {
        let mut containers = Containers::default();
        let mut seen = std::collections::HashSet::new();
        for n in 0..3 * MAX_KNOWN {
            assert!(seen.insert(containers.number(&container(&n.to_string(), 0))));
            assert!(containers.known.len() <= MAX_KNOWN);
        }
        assert!(seen.insert(containers.number(&container("0", 0))), "forgotten, and so a new one");
    }
}
