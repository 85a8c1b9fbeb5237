//! The thread that writes the record.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use bootstrap::counters::Counter;

use super::{Record, StateFile};

/// Writes records, the newest that it can get.
#[derive(Debug)]
pub struct Keeper {
    record: Record,
    sender: SyncSender<Record>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread, with the first record already written.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(file: StateFile, record: Record, failed: Counter) -> std::io::Result<Self> {
        // One waits while one is written; a newer one is then skipped, and comes again at the next tick.
        let (sender, records) = sync_channel::<Record>(1);
        let write = move |record: &Record| {
            if let Err(error) = file.write(record) {
                if failed.get() == 0 {
                    tracing::warn!(%error, "a probe that starts after this one will not know what was not observed");
                }
                failed.inc();
            }
        };
        write(&record);
        let run = move || records.iter().for_each(|record| write(&record));
        let thread = thread::Builder::new().name("state".to_owned()).spawn(run)?;
        Ok(Self { record, sender, thread })
    }

    /// From here on not everything is settled. Never waits.
    pub fn keep(&mut self, unsettled_since_ns: u64) {
        if self.record.unsettled_since_ns == unsettled_since_ns {
            return;
        }
        let record = Record { unsettled_since_ns, ..self.record.clone() };
        match self.sender.try_send(record) {
            Ok(()) => self.record.unsettled_since_ns = unsettled_since_ns,
            // The thread ended, which it says itself; or the disk is slow, and the old time is still right.
            Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => {}
        }
    }

    /// The probe ends in order: writes that, and waits until it is written.
    pub fn stop(self, unsettled_since_ns: u64) {
        let record = Record { unsettled_since_ns, is_stopped: true, ..self.record };
        self.sender.send(record).unwrap_or_default();
        drop(self.sender);
        if self.thread.join().is_err() {
            tracing::error!("the thread that keeps the state ended with a panic");
        }
    }
}
