//! From a decoded batch to dispatched events: scrub, process tree, stages.
//!
//! Pure: its only clock is the one recorded in the events, so the same batches give the same bytes whenever they
//! are run. Invariant: no argument or environment variable passes that the scrubber did not see.

use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Exec, Host, KnownProcess, What};
use wire::batch::Decoded;

use crate::config::TreeConfig;
use crate::dispatch::{Dispatched, Marks, Stages};
use crate::scrub::Scrubber;
use crate::tree::{Stats, Tree};

/// The pure middle of the analyzer, for one host at a time.
pub struct Pipeline {
    tree_limits: TreeConfig,
    scrubber: Scrubber,
    stages: Stages,
    host: Arc<Host>,
    tree: Tree,
    session: u64,
    last_seq: Option<u64>,
    is_table_open: bool,
    dispatched: u64,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Processed {
    /// Number of the batch in its stream.
    pub seq: u64,
    /// True when it was sent again: then nothing else is filled.
    pub is_repeated: bool,
    /// Batches missing before it.
    pub missing: u64,
    /// Processes of the probe's table, scrubbed.
    pub processes: Vec<KnownProcess>,
    /// The events, in order.
    pub events: Vec<Dispatched>,
}

impl Pipeline {
    /// A pipeline that has seen nothing. It dispatches to `stages`.
    #[must_use]
    pub fn new(tree: TreeConfig, scrubber: Scrubber, stages: Stages) -> Self {
        Self {
            tree_limits: tree,
            scrubber,
            stages,
            host: Arc::default(),
            tree: Tree::new(tree),
            session: 0,
            last_seq: None,
            is_table_open: true,
            dispatched: 0,
        }
    }

    /// A stream begins. The tree outlives streams of the same boot; batch numbers only those of one `session`.
    pub fn begin(&mut self, host: Host, session: u64) {
        let is_same_probe = session != 0 && session == self.session;
        if host.boot_id != self.host.boot_id {
            self.tree = Tree::new(self.tree_limits);
        } else if !is_same_probe {
            // Another probe watches: what happened in between was not seen.
            self.tree.note_gap();
        }
        if !is_same_probe {
            self.last_seq = None;
        }
        // The table of a probe that goes on is older than the batches it sent us and we did not acknowledge; only
        // that of a new one can say that a process is gone.
        self.is_table_open = session != 0 && !is_same_probe;
        self.tree.begin_table();
        self.session = session;
        self.host = Arc::new(host);
    }

    /// The host of the stream.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Runs one batch through everything.
    pub fn process(&mut self, batch: Decoded) -> Processed {
        let seq = batch.seq;
        // The table that opens a stream is not part of the numbering.
        let is_table = batch.events.is_empty() && !batch.processes.is_empty();
        // Number 0 is no number: batches that somebody made by hand.
        let is_repeated = !is_table && seq != 0 && self.last_seq.is_some_and(|last| seq <= last);
        if is_repeated {
            return Processed { seq, is_repeated, ..Processed::default() };
        }
        let missing = if is_table { 0 } else { self.advance(seq) };
        if missing > 0 {
            self.tree.note_gap();
        }
        let processes: Vec<KnownProcess> =
            batch.processes.into_iter().map(|process| self.take_known(process)).collect();
        if !is_table && std::mem::take(&mut self.is_table_open) {
            self.tree.end_table();
        }
        let events = batch.events.into_iter().map(|event| self.dispatch(event)).collect();
        Processed { seq, is_repeated, missing, processes, events }
    }

    /// Events were lost before they reached a batch.
    pub fn note_loss(&mut self) {
        self.tree.note_gap();
    }

    /// The processes of the tree, as a probe would send them.
    #[must_use]
    pub fn known(&self) -> Vec<KnownProcess> {
        self.tree.known()
    }

    /// Size and counters of the tree.
    #[must_use]
    pub fn tree_stats(&self) -> Stats {
        self.tree.stats()
    }

    /// Moves on to this batch number; gives how many were skipped.
    fn advance(&mut self, seq: u64) -> u64 {
        let last = self.last_seq.replace(seq);
        last.map_or(0, |last| seq.saturating_sub(last.saturating_add(1)))
    }

    fn take_known(&mut self, mut process: KnownProcess) -> KnownProcess {
        if let Some(exec) = &mut process.exec {
            self.scrub(exec);
        }
        self.tree.know(&process);
        process
    }

    fn dispatch(&mut self, mut event: Event) -> Dispatched {
        if let What::Exec(exec) = &mut event.what {
            self.scrub(exec);
        }
        let image = self.tree.apply(&event);
        self.dispatched += 1;
        let mut dispatched =
            Dispatched { number: self.dispatched, event, image, marks: Marks::default(), json: Bytes::new() };
        self.stages.run(&mut dispatched);
        dispatched
    }

    fn scrub(&self, exec: &mut Arc<Exec>) {
        if let Some(scrubbed) = self.scrubber.exec(exec) {
            *exec = Arc::new(scrubbed);
        }
    }
}

/// Writes the JSON of dispatched events, once for everybody who needs it.
pub struct Renderer {
    writer: event_json::Writer,
}

impl Renderer {
    /// A renderer for the events of one host, whose users and groups have these names.
    #[must_use]
    pub fn new(host: &Host, names: event_json::Names) -> Self {
        Self { writer: event_json::Writer::new(host).with_names(names) }
    }

    /// Fills in the JSON of these events.
    pub fn render(&mut self, events: &mut [Dispatched]) {
        let mut buffer = Vec::with_capacity(events.len() * 2048);
        let mut ends = Vec::with_capacity(events.len());
        for event in events.iter() {
            self.writer.write(&mut buffer, &event.event, &event.image);
            ends.push(buffer.len());
        }
        let all = Bytes::from(buffer);
        let mut start = 0;
        for (event, end) in events.iter_mut().zip(ends) {
            event.json = all.slice(start..end);
            start = end;
        }
    }
}

#[cfg(test)]
mod tests;
