//! The living processes in scope, for analyzers that connect later.
//!
//! Pure state, changed by the events themselves. Invariant: never more than `max_processes` entries, and the
//! entries with arguments never weigh more than `max_bytes`. At the first limit a new process is not kept (the
//! analyzer will say `MissingParent`), because older ones are the ancestors of more; at the second it is kept without
//! arguments and environment. Both are counted.

use std::collections::HashMap;
use std::sync::Arc;

use event::{Event, Exec, KnownProcess, ProcessKey, Strings, What};

use crate::flow::batcher::exec_bytes;

/// The table.
#[derive(Debug)]
pub struct Table {
    processes: HashMap<ProcessKey, KnownProcess>,
    bytes: usize,
    max_processes: usize,
    max_bytes: usize,
    /// Processes that were not kept because the table was full.
    pub refused: u64,
    /// Images that were kept without arguments and environment because the table was too heavy.
    pub stripped: u64,
}

impl Table {
    /// An empty table with its limits.
    #[must_use]
    pub fn new(max_processes: usize, max_bytes: usize) -> Self {
        Self { processes: HashMap::new(), bytes: 0, max_processes, max_bytes, refused: 0, stripped: 0 }
    }

    /// Number of processes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// What the images in the table weigh, estimated; an image shared by several processes counts for each.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a process that was found running.
    pub fn insert(&mut self, process: KnownProcess) {
        let key = process.task.process;
        self.remove(key);
        if self.processes.len() >= self.max_processes {
            self.refused += 1;
            return;
        }
        let process = KnownProcess { exec: process.exec.map(|exec| self.charge(exec)), ..process };
        self.processes.insert(key, process);
    }

    /// Adds a process that came into scope, unless it was in scope before: then more is known of it here.
    pub fn enter(&mut self, process: KnownProcess) {
        if !self.processes.contains_key(&process.task.process) {
            self.insert(process);
        }
    }

    /// Follows one event. Those that are not about processes change nothing.
    pub fn apply(&mut self, event: &Event) {
        let key = event.task.process;
        if let What::Fork(parent) = &event.what {
            // Hooks run before the snapshot is taken, so the snapshot may know more than this event.
            if self.processes.contains_key(&key) {
                return;
            }
            // The child runs the image that its parent has at this moment, whatever the parent does later.
            let exec = self.processes.get(parent).and_then(|parent| parent.exec.clone());
            let task = Arc::clone(&event.task);
            self.insert(KnownProcess { task, parent: Some(*parent), exec_ns: 0, exec });
        } else if let What::Exec(exec) = &event.what {
            let parent = self.processes.get(&key).and_then(|process| process.parent);
            let (task, exec) = (Arc::clone(&event.task), Some(Arc::clone(exec)));
            self.insert(KnownProcess { task, parent, exec_ns: event.boot_ns, exec });
        } else if let What::Exit(_) = &event.what {
            self.remove(key);
        }
    }

    /// Removes the processes that are not to be kept; gives how many there were.
    pub fn retain(&mut self, keep: impl Fn(&ProcessKey) -> bool) -> usize {
        let gone: Vec<ProcessKey> = self.processes.keys().filter(|key| !keep(key)).copied().collect();
        gone.iter().for_each(|key| self.remove(*key));
        gone.len()
    }

    /// Every process, oldest first, so that a parent comes before its children.
    #[must_use]
    pub fn snapshot(&self) -> Vec<KnownProcess> {
        let mut all: Vec<KnownProcess> = self.processes.values().cloned().collect();
        all.sort_unstable_by_key(|process| process.task.process);
        all
    }

    fn remove(&mut self, key: ProcessKey) {
        let gone = self.processes.remove(&key);
        if let Some(exec) = gone.and_then(|process| process.exec) {
            self.bytes = self.bytes.saturating_sub(exec_bytes(&exec));
        }
    }

    fn charge(&mut self, exec: Arc<Exec>) -> Arc<Exec> {
        let exec = if self.bytes + exec_bytes(&exec) > self.max_bytes {
            self.stripped += 1;
            let missing = Strings { items: Vec::new(), truncated: true };
            Arc::new(Exec { args: missing.clone(), envs: missing, ..Exec::clone(&exec) })
        } else {
            exec
        };
        self.bytes += exec_bytes(&exec);
        exec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{exec, exit, fork, image, key, known, open, task_in};

    fn path_of(table: &Table, tgid: u32) -> Option<String> {
        let all = table.snapshot();
        let process = all.iter().find(|process| process.task.process == key(tgid))?;
        Some(process.exec.as_ref()?.executable.path.to_string())
    }

    #[test]
    fn a_child_keeps_the_image_its_parent_had_at_the_fork() {
        let mut table = Table::new(10, 1 << 20);
        table.insert(known(1, None, "/bin/sh"));
        table.apply(&fork(2, 1, 5));
        table.apply(&exec(1, 6, "/bin/other"));
        assert_eq!(path_of(&table, 2).unwrap(), "/bin/sh");
        assert_eq!(path_of(&table, 1).unwrap(), "/bin/other");
        let child = table.snapshot().pop().unwrap();
        assert_eq!((child.parent, child.exec_ns), (Some(key(1)), 0));
    }

    #[test]
    fn an_exec_keeps_the_parent_and_an_exit_removes_all_of_it() {
        let mut table = Table::new(10, 1 << 20);
        table.apply(&fork(2, 1, 5));
        table.apply(&exec(2, 6, "/bin/a"));
        table.apply(&open(2, 7));
        assert_eq!(table.snapshot().first().unwrap().parent, Some(key(1)));
        table.apply(&exit(2, 8));
        assert_eq!((table.len(), table.bytes()), (0, 0));
    }

    #[test]
    fn a_fork_older_than_the_snapshot_does_not_undo_it() {
        let mut table = Table::new(10, 1 << 20);
        table.insert(known(2, Some(1), "/bin/now"));
        table.apply(&fork(2, 1, 5));
        assert_eq!(path_of(&table, 2).unwrap(), "/bin/now");
    }

    #[test]
    fn a_full_table_refuses_new_processes_and_counts_them() {
        let mut table = Table::new(1, 1 << 20);
        table.apply(&fork(2, 1, 5));
        table.apply(&fork(3, 1, 5));
        assert_eq!((table.len(), table.refused), (1, 1));
        table.apply(&exec(2, 6, "/bin/a"));
        assert_eq!((table.len(), table.refused), (1, 1), "a known process may change");
    }

    #[test]
    fn a_heavy_table_keeps_processes_without_their_arguments() {
        let big = "x".repeat(4096);
        let heavy = KnownProcess {
            task: task_in(2, 1),
            parent: None,
            exec_ns: 1,
            exec: Some(image("/bin/a", &[&big])),
        };
        let mut table = Table::new(10, 2048);
        table.insert(heavy);
        let process = table.snapshot().pop().unwrap();
        let exec = process.exec.unwrap();
        assert!(exec.args.items.is_empty() && exec.args.truncated);
        assert_eq!((table.stripped, exec.executable.path.to_string().as_str()), (1, "/bin/a"));
    }

    #[test]
    fn the_weight_is_exact_after_any_history() {
        let mut table = Table::new(50, 20_000);
        let mut state = 3_u64;
        for time in 0..5_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (tgid, parent) =
                (u32::try_from(state >> 58).unwrap(), u32::try_from((state >> 52) & 63).unwrap());
            table.apply(&match (state >> 50) & 3 {
                0 => exit(tgid, time),
                1 => exec(tgid, time, "/bin/a/rather/long/path"),
                _ => fork(tgid, parent, time),
            });
            let weight: usize =
                table.snapshot().iter().filter_map(|process| process.exec.as_deref()).map(exec_bytes).sum();
            assert_eq!(weight, table.bytes());
            assert!(table.len() <= 50);
        }
    }
}
