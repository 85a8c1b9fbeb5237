//! Reports events that are not as they should be: a path that is not whole, a process that nobody knows, a lineage with a
//! hole.
//!
//! Pure: what one event shows, and nothing is kept. It is also the example of a stage, see ARCHITECTURE.md.

use event::{Event, Lineage, PathState, Shared, Source};

use crate::stages::dispatch::{Dispatched, Stage};
use crate::stages::out::Out;
use crate::stages::rules::Rule;

/// The error of paths whose beginning is missing; it decides the type of the custom event.
pub const TRUNCATED_PARENTS: &str = "the leading directories of the path did not fit";

/// The stage.
#[derive(Debug, Default)]
pub struct AbnormalMonitor;

impl Stage for AbnormalMonitor {
    fn event(&mut self, dispatched: &mut Dispatched, out: &mut Out) {
        let Dispatched { event, run, .. } = dispatched;
        let (cgroup, boot_ns) = (event.task.cgroup.id, event.boot_ns);
        if let Some(error) = paths(event) {
            out.report(Rule::AbnormalPath, cgroup, boot_ns, error);
        }
        if event.task.process.tgid == 0 || run.source == Source::Unknown {
            out.report(Rule::NoProcessContext, cgroup, boot_ns, "the process was not seen before this event");
        }
        if run.lineage == Lineage::MissingParent {
            out.report(
                Rule::BrokenProcessLineage,
                cgroup,
                boot_ns,
                "an ancestor of the process was not seen",
            );
        }
    }
}

/// What is wrong with the paths of an event. A path that the caller made unreadable is not abnormal: then no file was
/// opened.
fn paths(event: &Event) -> Option<&'static str> {
    let mut error = None;
    event.what.each_shared(|shared| {
        let file = match shared {
            Shared::File(file) => file,
            Shared::Program(exec) => &exec.executable,
            Shared::Text(_) => return,
        };
        error = error.or(match file.path_state {
            PathState::TruncatedParents => Some(TRUNCATED_PARENTS),
            PathState::Unreadable if file.inode != 0 => Some("the path could not be read"),
            PathState::Detached => {
                Some("the file was reached through a tree of mounts that is in no namespace")
            }
            PathState::Unreadable | PathState::Resolved | PathState::Argument | PathState::NoPlace => None,
        });
    });
    error
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::{ExitStatus, File, Open, ProcessKey, Run, Task, What};
    use process_tree::{Limits, Tree};

    use super::*;
    use crate::stages::dispatch::Marks;

    fn open(path_state: PathState, inode: u64) -> What {
        let file = Arc::new(File { path: "/a".into(), path_state, inode, ..File::default() });
        What::Open(Open { file, flags: 0, mode: 0, retval: 3 })
    }

    /// What is said of an event of a process that is known.
    fn said(what: What, change: impl FnOnce(&mut Run)) -> Vec<Rule> {
        let task = Task { process: ProcessKey { start_ns: 1, tgid: 7 }, ..Task::default() };
        let event = Event { boot_ns: 5, task: Arc::new(task), what };
        let mut run = (*Tree::new(Limits::default()).apply(&event)).clone();
        (run.source, run.lineage) = (Source::Event, Lineage::Complete);
        change(&mut run);
        let mut dispatched =
            Dispatched { number: 1, event, run: Arc::new(run), tags: None, marks: Marks::default() };
        let mut out = Out::default();
        AbnormalMonitor.event(&mut dispatched, &mut out);
        out.custom.iter().map(|custom| custom.rule).collect()
    }

    #[test]
    fn an_event_that_is_as_it_should_be_is_not_reported() {
        assert_eq!(said(open(PathState::Resolved, 4), |_| ()), []);
        assert_eq!(said(open(PathState::Argument, 0), |_| ()), []);
        assert_eq!(said(open(PathState::Unreadable, 0), |_| ()), [], "that is what the caller made of it");
        assert_eq!(said(What::Exit(ExitStatus::Exited(0)), |_| ()), []);
    }

    #[test]
    fn each_thing_that_is_wrong_is_reported_for_itself() {
        assert_eq!(said(open(PathState::TruncatedParents, 4), |_| ()), [Rule::AbnormalPath]);
        assert_eq!(said(open(PathState::Unreadable, 4), |_| ()), [Rule::AbnormalPath]);
        assert_eq!(said(open(PathState::Detached, 4), |_| ()), [Rule::AbnormalPath]);
        assert_eq!(
            said(open(PathState::Resolved, 4), |run| run.source = Source::Unknown),
            [Rule::NoProcessContext]
        );
        let all = said(open(PathState::TruncatedParents, 4), |run| {
            (run.source, run.lineage) = (Source::Unknown, Lineage::MissingParent);
        });
        assert_eq!(all, [Rule::AbnormalPath, Rule::NoProcessContext, Rule::BrokenProcessLineage]);
    }

    #[test]
    fn a_lineage_that_was_cut_on_purpose_is_not_broken() {
        assert_eq!(said(open(PathState::Resolved, 4), |run| run.lineage = Lineage::Truncated), []);
    }
}
