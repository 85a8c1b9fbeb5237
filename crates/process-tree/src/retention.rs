//! What the tree forgets, and in which order.
//!
//! An ended process stays for events that arrive late: until the probe has said that everything before its end was
//! sent (if it says so at all), and it is older than `keep_ended` (in the time of the events) or more than `max_ended`
//! ended after it. At a limit the ended ones go first, oldest end first; then
//! living ones by second chance: in the order they came, passing over each once that had an event meanwhile.
//! Descendants keep the runs of a forgotten process, and its memory counts until they are gone too.

use std::collections::VecDeque;

use event::ProcessKey;

use super::{Process, Tree};

#[derive(Debug)]
pub(super) struct Queues {
    /// Ended processes with the time of their end, in the order the ends were seen.
    pub ended: VecDeque<(ProcessKey, u64)>,
    /// All processes in the order they came; entries with an old ticket are void.
    pub quiet: VecDeque<(ProcessKey, u64)>,
    pub next_ticket: u64,
}

impl Queues {
    pub(super) fn enter(&mut self, key: ProcessKey) -> u64 {
        self.next_ticket += 1;
        self.quiet.push_back((key, self.next_ticket));
        self.next_ticket
    }
}

/// What a process costs besides its runs: its entries in the maps and queues, at their usual load.
const PROCESS_BYTES: usize = 2 * size_of::<(ProcessKey, Process)>()
    + 2 * size_of::<(u32, ProcessKey)>()
    + 2 * size_of::<(ProcessKey, u64)>();

impl Tree {
    pub(super) fn bytes(&self) -> usize {
        self.nodes.bytes() + self.processes.len() * PROCESS_BYTES
    }

    pub(super) fn end(&mut self, key: ProcessKey, boot_ns: u64) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        if process.ended_ns.is_some() {
            return;
        }
        process.ended_ns = Some(boot_ns);
        self.retention.ended.push_back((key, boot_ns));
        self.free_pid(key);
    }

    pub(super) fn stay_within_limits(&mut self) {
        let keep_ns = u64::try_from(self.limits.keep_ended.as_nanos()).unwrap_or(u64::MAX);
        while let Some((key, ended_ns)) = self.retention.ended.front().copied() {
            if self.is_awaited(ended_ns) {
                break;
            }
            let is_old = self.now_ns.saturating_sub(ended_ns) > keep_ns;
            if !is_old && self.retention.ended.len() <= self.limits.max_ended.get() {
                break;
            }
            self.retention.ended.pop_front();
            self.forget(key);
            if !is_old {
                self.note_gap();
            }
        }
        while self.is_over_a_limit() && self.evict() {}
        if self.retention.quiet.len() > 2 * self.processes.len() + 1024 {
            let processes = &self.processes;
            self.retention
                .quiet
                .retain(|(key, ticket)| processes.get(key).is_some_and(|process| process.ticket == *ticket));
        }
    }

    /// Whether events of a process that ended then may still come.
    fn is_awaited(&self, ended_ns: u64) -> bool {
        self.complete_ns != 0 && ended_ns >= self.complete_ns
    }

    fn is_over_a_limit(&self) -> bool {
        self.processes.len() > self.limits.max_processes.get() || self.bytes() > self.limits.max_bytes.get()
    }

    /// Forgets one process; false when there is none.
    fn evict(&mut self) -> bool {
        if let Some((key, ended_ns)) = self.retention.ended.pop_front() {
            self.stats.ended_early += u64::from(self.is_awaited(ended_ns));
            self.forget(key);
            self.note_gap();
            return true;
        }
        while let Some((key, ticket)) = self.retention.quiet.pop_front() {
            let Some(process) = self.processes.get_mut(&key) else { continue };
            if process.ticket != ticket {
                continue;
            }
            if std::mem::take(&mut process.is_active) {
                self.retention.quiet.push_back((key, ticket));
                continue;
            }
            self.forget(key);
            self.note_gap();
            self.stats.evicted += 1;
            return true;
        }
        false
    }

    fn forget(&mut self, key: ProcessKey) {
        let Some(process) = self.processes.remove(&key) else { return };
        self.nodes.release(process.node);
        self.free_pid(key);
        if let Some(parent) = process.wanted_parent
            && let Some(children) = self.awaiting.get_mut(&parent)
        {
            children.retain(|child| *child != key);
            if children.is_empty() {
                self.awaiting.remove(&parent);
            }
        }
    }

    fn free_pid(&mut self, key: ProcessKey) {
        if self.pids.get(&key.tgid) == Some(&key) {
            self.pids.remove(&key.tgid);
        }
    }

    /// The number of processes that wait for a parent, for tests of the bound.
    #[cfg(test)]
    pub(super) fn awaiting(&self) -> u64 {
        self.awaiting.values().map(Vec::len).sum::<usize>() as u64
    }
}
