//! Which events a subscriber wants.

use event::{Event, Kind};
use wire::v1;

use crate::context::tags::Directory;

/// A filter that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no event type {0:?}; there are {known}", known = Kind::names())]
pub struct FilterError(String);

/// Which events a subscriber wants: those that pass every part that is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    kinds: Vec<Kind>,
    containers: Vec<String>,
    comms: Vec<String>,
}

impl Filter {
    /// The filter that a request asks for.
    ///
    /// # Errors
    /// When it names a kind that does not exist.
    pub fn from_request(request: &v1::SubscribeRequest) -> Result<Self, FilterError> {
        let kind = |name: &String| Kind::from_name(name).ok_or_else(|| FilterError(name.clone()));
        Ok(Self {
            kinds: request.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            containers: request.containers.clone(),
            comms: request.comms.clone(),
        })
    }

    /// The kinds that may pass.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.is_kind(*kind))
    }

    fn is_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether an event passes. A container matches by the start of its id at any time, by its name once its tags
    /// are known.
    #[must_use]
    pub fn passes(&self, event: &Event, directory: &Directory) -> bool {
        let comm = event.task.comm.as_bytes();
        let is_comm = self.comms.is_empty() || self.comms.iter().any(|wanted| wanted.as_bytes() == comm);
        self.is_kind(event.kind()) && is_comm && self.is_container(event, directory)
    }

    fn is_container(&self, event: &Event, directory: &Directory) -> bool {
        if self.containers.is_empty() {
            return true;
        }
        let Some(id) = event.task.cgroup.workload.container_id() else { return false };
        let tags = directory.known(id);
        let name = tags.as_ref().map(|tags| tags.container_name.as_str());
        self.containers.iter().any(|wanted| {
            !wanted.is_empty() && (id.starts_with(wanted.as_str()) || name == Some(wanted.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;
    use std::time::Duration;

    use event::{Cgroup, ExitStatus, Runtime, Task, What, Workload};
    use tokio::time::Instant;

    use super::*;
    use crate::context::tags::Tags;

    fn event(container: Option<&str>) -> Event {
        let workload = container.map_or(Workload::Host, |id| Workload::Container {
            id: id.into(),
            runtime: Runtime::Docker,
            pod_uid: None,
        });
        let cgroup = Arc::new(Cgroup { workload, ..Cgroup::default() });
        let task = Arc::new(Task { comm: "sh".into(), cgroup, ..Task::default() });
        Event { boot_ns: 1, task, what: What::Exit(ExitStatus::Exited(0)) }
    }

    fn passes(kinds: &[&str], containers: &[&str], comms: &[&str], event: &Event) -> bool {
        let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let request = v1::SubscribeRequest {
            kinds: strings(kinds),
            containers: strings(containers),
            comms: strings(comms),
            with_json: false,
        };
        let directory = Directory::new(NonZeroUsize::MIN, Duration::from_secs(1), Duration::ZERO);
        let tags = Arc::new(Tags::new("web", None, []));
        directory.answer(&Arc::from("abcdef"), Some(tags), Instant::now());
        Filter::from_request(&request).unwrap().passes(event, &directory)
    }

    #[test]
    fn every_part_of_a_filter_must_pass() {
        let event = event(Some("abcdef"));
        assert!(passes(&[], &[], &[], &event));
        assert!(passes(&["exit", "open"], &["abc"], &["sh"], &event));
        assert!(passes(&[], &["web"], &[], &event));
        assert!(!passes(&["exec"], &[], &[], &event));
        assert!(!passes(&[], &["abd", "we", ""], &[], &event));
        assert!(!passes(&[], &[], &["s"], &event));
    }

    #[test]
    fn an_event_outside_containers_passes_no_container_filter() {
        assert!(!passes(&[], &["a"], &[], &event(None)));
    }

    #[test]
    fn an_unknown_kind_is_an_error_that_names_the_known_ones() {
        let request = v1::SubscribeRequest { kinds: vec!["opne".to_owned()], ..Default::default() };
        let error = Filter::from_request(&request).unwrap_err().to_string();
        assert!(error.contains("opne") && error.contains(&Kind::names()), "{error}");
    }
}
