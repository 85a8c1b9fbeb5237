//! Which workload an event is of, before anybody looks at it: from a control group to the tags of its container.
//!
//! Nothing waits here. Whoever needs tags asks, the question goes to the resolver once, and what was keyed by control group
//! is bound when the answer is there: the next batch has it.

use std::sync::Arc;

use actix::Recipient;
use event::{Cgroup, Text};
use tokio::time::Instant;

use super::tags::{Directory, Lookup, Resolve, Tags};

/// The registry. Its clones share what is known.
#[derive(Clone)]
pub struct Workloads {
    directory: Directory,
    resolver: Recipient<Resolve>,
}

impl Workloads {
    /// One that looks in `directory` and asks at `resolver`.
    #[must_use]
    pub fn new(directory: Directory, resolver: Recipient<Resolve>) -> Self {
        Self { directory, resolver }
    }

    /// What is known.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The tags of the container that this control group is, if they are known; asks for them if nobody has.
    #[must_use]
    pub fn tags(&self, cgroup: &Cgroup) -> Option<Arc<Tags>> {
        let container = cgroup.workload.container_id()?;
        match self.look_up(container, &cgroup.path, Instant::now()) {
            Lookup::Known(tags) => Some(tags),
            Lookup::Asked { .. } | Lookup::MustAsk { .. } | Lookup::Absent { .. } => None,
        }
    }

    /// The state of a container after it was asked for, if that had to be: never [`Lookup::MustAsk`].
    #[must_use]
    pub fn look_up(&self, container: &Arc<str>, cgroup: &Text, now: Instant) -> Lookup {
        match self.directory.look_up(container, now) {
            Lookup::MustAsk { until } if self.ask(container, cgroup) => Lookup::Asked { until },
            Lookup::MustAsk { .. } => Lookup::Absent { must_ask: false },
            Lookup::Absent { must_ask: true } => {
                self.ask(container, cgroup);
                Lookup::Absent { must_ask: false }
            }
            known @ (Lookup::Known(_) | Lookup::Asked { .. } | Lookup::Absent { must_ask: false }) => known,
        }
    }

    /// Asks for a container; a question that nobody takes is forgotten, so that the next one asks again.
    fn ask(&self, container: &Arc<str>, cgroup: &Text) -> bool {
        let resolve = Resolve { container: Arc::clone(container), cgroup: cgroup.clone() };
        let is_asked = self.resolver.try_send(resolve).is_ok();
        if !is_asked {
            self.directory.forget(container);
        }
        is_asked
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Mutex;
    use std::time::Duration;

    use actix::{Actor, Context, Handler};
    use event::{Runtime, Workload};

    use super::*;

    struct Asked(Arc<Mutex<Vec<Arc<str>>>>);

    impl Actor for Asked {
        type Context = Context<Self>;
    }

    impl Handler<Resolve> for Asked {
        type Result = ();

        fn handle(&mut self, resolve: Resolve, _: &mut Self::Context) {
            self.0.lock().unwrap().push(resolve.container);
        }
    }

    #[actix::test]
    async fn a_container_is_asked_for_once_and_bound_when_the_answer_is_there() {
        let directory =
            Directory::new(NonZeroUsize::MIN, Duration::from_secs(30), Duration::from_millis(500));
        let asked = Arc::default();
        let resolver = Asked(Arc::clone(&asked)).start();
        let workloads = Workloads::new(directory.clone(), resolver.clone().recipient());
        let id: Arc<str> = "abc".into();
        let workload = Workload::Container { id: Arc::clone(&id), runtime: Runtime::Docker, pod_uid: None };
        let cgroup = Cgroup { workload, ..Cgroup::default() };
        assert_eq!((workloads.tags(&cgroup), workloads.tags(&cgroup)), (None, None));
        let tags = Arc::new(Tags::new("web", None, []));
        directory.answer(&id, Some(Arc::clone(&tags)), Instant::now());
        assert_eq!(workloads.tags(&cgroup), Some(tags));
        assert_eq!(workloads.tags(&Cgroup::default()), None, "the host has no tags");
        // What was sent before this was handled before it.
        resolver.send(Resolve { container: "end".into(), cgroup: Text::default() }).await.unwrap();
        let asked: Vec<_> = asked.lock().unwrap().iter().map(|id| id.to_string()).collect();
        assert_eq!(asked, ["abc", "end"]);
    }
}
