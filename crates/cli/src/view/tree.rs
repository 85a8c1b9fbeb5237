//! Whose child a process is, as far as the events that were shown tell it.

use std::collections::HashMap;

use wire::v1::EventMessage;

/// Processes remembered; when there are more, all are forgotten and later ones begin at the left again.
const MAX_KNOWN: usize = 65_536;
/// Deeper is not indented further: the line has to hold more than that.
const MAX_DEPTH: usize = 8;

/// The processes seen so far, with their parents.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    parents: HashMap<u32, u32>,
}

impl Forest {
    /// How many of the ancestors of the process of an event were seen before.
    pub(crate) fn depth(&mut self, event: &EventMessage) -> usize {
        if self.parents.len() >= MAX_KNOWN && !self.parents.contains_key(&event.pid) {
            self.parents.clear();
        }
        self.parents.insert(event.pid, event.ppid);
        let mut depth = 0;
        let mut parent = event.ppid;
        // Pids are used again, so that there may be a circle.
        while depth < MAX_DEPTH && parent != event.pid {
            let Some(above) = self.parents.get(&parent) else { break };
            (depth, parent) = (depth + 1, *above);
        }
        if event.kind == event::Kind::Exit.name() {
            self.parents.remove(&event.pid);
        }
        depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pid: u32, ppid: u32, kind: &str) -> EventMessage {
        EventMessage { pid, ppid, kind: kind.into(), ..EventMessage::default() }
    }

    #[test]
    fn a_child_is_below_its_parent_once_that_was_seen() {
        let mut forest = Forest::default();
        let events = [
            (of(10, 1, "exec"), 0),
            (of(11, 10, "fork"), 1),
            (of(11, 10, "exec"), 1),
            (of(12, 11, "fork"), 2),
            (of(12, 11, "exit"), 2),
            (of(13, 12, "exec"), 0),
            (of(10, 1, "open"), 0),
        ];
        for (event, depth) in events {
            assert_eq!(forest.depth(&event), depth, "{event:?}");
        }
    }

    #[test]
    fn a_circle_ends_and_what_is_remembered_is_bounded() {
        let mut forest = Forest::default();
        forest.depth(&of(1, 2, "open"));
        forest.depth(&of(2, 3, "open"));
        assert!(forest.depth(&of(3, 1, "open")) <= MAX_DEPTH);
        for pid in 0..200_000 {
            assert!(forest.depth(&of(pid, pid.saturating_sub(1), "open")) <= MAX_DEPTH);
            assert!(forest.parents.len() <= MAX_KNOWN);
        }
    }
}
