//! Streams that record what the probe sends, after scrubbing.
//!
//! A capture with a hole in it would lie, so a recorder that cannot keep up is cut off with an error instead.

use std::collections::BTreeSet;

use event::KnownProcess;
use tokio::sync::mpsc;
use tonic::Status;
use wire::v1;
use wire::v1::from_probe::Message as FromProbe;

use crate::link::wanted::{Wanted, Who};
use crate::metrics::ApiMetrics;

type Sender = mpsc::Sender<Result<v1::FromProbe, Status>>;

/// Everybody who records.
#[derive(Debug)]
pub struct Recorders {
    senders: Vec<Sender>,
    hello: Option<v1::ProbeHello>,
    capacity: usize,
    wanted: Wanted,
    metrics: ApiMetrics,
}

impl Recorders {
    /// Nobody yet; each may be `capacity` messages behind.
    #[must_use]
    pub fn new(capacity: usize, wanted: Wanted, metrics: ApiMetrics) -> Self {
        Self { senders: Vec::new(), hello: None, capacity, wanted, metrics }
    }

    /// True when nobody records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// A stream of the probe begins: recorders see that.
    pub fn begin(&mut self, hello: v1::ProbeHello) {
        self.send(&FromProbe::Hello(hello.clone()));
        self.hello = Some(hello);
    }

    /// Adds a recorder: it gets the hello, the processes known now, and everything from here on.
    #[must_use]
    pub fn start(&mut self, known: &[KnownProcess]) -> mpsc::Receiver<Result<v1::FromProbe, Status>> {
        let tables: Vec<v1::Batch> =
            wire::batch::split(known, wire::batch::TARGET_BYTES, wire::batch::process_bytes)
                .map(|part| wire::batch::encode(0, part, &[]))
                .collect();
        let (sender, receiver) = mpsc::channel(self.capacity + tables.len() + 2);
        // Without a stream yet, the hello comes when it begins.
        let start = self.hello.clone().map(FromProbe::Hello).into_iter();
        let has_room = start
            .chain(tables.iter().map(wire::batch::message))
            .all(|message| sender.try_send(Ok(v1::FromProbe { message: Some(message) })).is_ok());
        debug_assert!(has_room, "the channel has room for the start");
        self.senders.push(sender);
        self.show();
        receiver
    }

    /// Sends a message to everybody.
    pub fn send(&mut self, message: &FromProbe) {
        if self.senders.is_empty() {
            return;
        }
        let metrics = &self.metrics;
        self.senders.retain(|sender| {
            // The last place is kept for the error.
            if sender.capacity() > 1 {
                return sender.try_send(Ok(v1::FromProbe { message: Some(message.clone()) })).is_ok();
            }
            let cut =
                Status::data_loss("the recording was too slow and ends here; what was written is complete");
            if sender.try_send(Err(cut)).is_ok() {
                metrics.recorders_cut.inc();
                // Once for each recorder that somebody started.
                tracing::warn!("a recorder is too slow and is cut off");
            }
            false
        });
        self.show();
    }

    fn show(&self) {
        let wanted = if self.is_empty() { BTreeSet::new() } else { wire::control::everything() };
        self.wanted.set(Who::Recorders, wanted);
        self.metrics.recorders.set(u64::try_from(self.senders.len()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn a_slow_recorder_is_cut_off_with_an_error_and_the_others_go_on() {
        let metrics = Metrics::new().api;
        let mut recorders = Recorders::new(2, Wanted::default(), metrics.clone());
        recorders.begin(v1::ProbeHello::default());
        let mut slow = recorders.start(&[]);
        for seq in 1..=5 {
            recorders.send(&wire::batch::message(&v1::Batch { seq, ..Default::default() }));
        }
        assert!(recorders.is_empty());
        assert_eq!(metrics.recorders_cut.get(), 1);
        let mut got = Vec::new();
        while let Some(message) = slow.recv().await {
            got.push(message);
        }
        assert!(matches!(got.first(), Some(Ok(v1::FromProbe { message: Some(FromProbe::Hello(_)) }))));
        assert_eq!(got.last().unwrap().as_ref().unwrap_err().code(), tonic::Code::DataLoss);
        assert!(got.len() >= 3);
    }

    #[tokio::test]
    async fn a_recorder_that_left_is_forgotten() {
        let wanted = Wanted::default();
        let mut recorders = Recorders::new(2, wanted.clone(), Metrics::new().api);
        drop(recorders.start(&[]));
        let union = || wanted.watch().borrow().union();
        assert_eq!(union(), wire::control::everything());
        recorders.send(&FromProbe::Status(v1::ProbeStatus::default()));
        assert!(recorders.is_empty() && union().is_empty());
    }
}
