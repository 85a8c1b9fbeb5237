//! Every counter of the reporter.
//!
//! For each destination `payloads = delivered + dropped + pending` always holds; at the end of a stopped reporter
//! nothing is pending, because what was left is counted as dropped with the cause `shutdown`.

use bootstrap::counters::{Counter, Registry};

/// What happened to submitted payloads before they reached a destination.
#[derive(Debug, Clone)]
pub struct SubmitMetrics {
    /// Payloads that were accepted.
    pub payloads: Counter,
    /// Payloads that were refused because the queue was full; their sender still has them.
    pub refused: Counter,
    /// Payloads that were accepted and dropped at once: longer than the limit.
    pub too_large: Counter,
    /// The same: not UTF-8.
    pub not_utf8: Counter,
    /// The same: not a JSON document.
    pub not_json: Counter,
    /// Calls from a uid that may not use the socket.
    pub denied: Counter,
    /// Bytes that the queue holds.
    pub queue_bytes: Counter,
}

impl SubmitMetrics {
    /// The counters of the submitting side.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let discarded = |cause| registry.counter("reporter_submit_dropped_total", &[("what", cause)]);
        Self {
            payloads: registry.counter("reporter_submit_payloads_total", &[]),
            refused: registry.counter("reporter_submit_refused_total", &[]),
            too_large: discarded("too_large"),
            not_utf8: discarded("not_utf8"),
            not_json: discarded("not_json"),
            denied: registry.counter("reporter_submit_denied_total", &[]),
            queue_bytes: registry.counter("reporter_queue_bytes", &[]),
        }
    }
}

/// Why a destination gave up a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropCause {
    /// The intake refused it for good.
    Status400,
    /// The intake wants an API key.
    Status401,
    /// The intake does not know the API key.
    Status403,
    /// The intake finds it too large, alone.
    Status413,
    /// Its intake form is longer than the intake keeps, so it would be cut in the middle of the document.
    EntryTooLarge,
    /// It could not be encoded or compressed.
    Encoding,
    /// It could not be written.
    Write,
    /// The reporter was stopped, and the time to drain was over.
    Shutdown,
}

impl DropCause {
    const ALL: [Self; 8] = [
        Self::Status400,
        Self::Status401,
        Self::Status403,
        Self::Status413,
        Self::EntryTooLarge,
        Self::Encoding,
        Self::Write,
        Self::Shutdown,
    ];

    /// Name used in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status400 => "status_400",
            Self::Status401 => "status_401",
            Self::Status403 => "status_403",
            Self::Status413 => "status_413",
            Self::EntryTooLarge => "entry_too_large",
            Self::Encoding => "encoding",
            Self::Write => "write",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What became of the payloads of one destination.
#[derive(Debug, Clone)]
pub struct DestinationMetrics {
    /// Payloads given to it.
    pub payloads: Counter,
    /// Payloads it has.
    pub delivered: Counter,
    dropped: Vec<(DropCause, Counter)>,
}

impl DestinationMetrics {
    /// The counters of the destination with this name.
    #[must_use]
    pub fn new(registry: &Registry, destination: &str) -> Self {
        let label = [("destination", destination)];
        let dropped = |cause: DropCause| {
            let labels = [("destination", destination), ("what", cause.name())];
            (cause, registry.counter("reporter_destination_dropped_total", &labels))
        };
        Self {
            payloads: registry.counter("reporter_destination_payloads_total", &label),
            delivered: registry.counter("reporter_destination_delivered_total", &label),
            dropped: DropCause::ALL.into_iter().map(dropped).collect(),
        }
    }

    /// Counts `n` payloads that this destination gave up.
    pub fn drop_payloads(&self, cause: DropCause, n: usize) {
        if let Some((_, counter)) = self.dropped.iter().find(|(known, _)| *known == cause) {
            counter.add(n as u64);
        }
    }

    /// Payloads that are neither delivered nor dropped.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let dropped: u64 = self.dropped.iter().map(|(_, counter)| counter.get()).sum();
        self.payloads.get().saturating_sub(self.delivered.get()).saturating_sub(dropped)
    }
}

/// Why a request to the intake is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// No connection, a broken one, or an answer that is not HTTP.
    Transport,
    /// No answer in time.
    Timeout,
    /// 429.
    Throttled,
    /// 5xx.
    ServerError,
    /// Any other status that is neither success nor a final refusal.
    OtherStatus,
}

impl RetryCause {
    const ALL: [Self; 5] =
        [Self::Transport, Self::Timeout, Self::Throttled, Self::ServerError, Self::OtherStatus];

    /// Name used in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Timeout => "timeout",
            Self::Throttled => "status_429",
            Self::ServerError => "status_5xx",
            Self::OtherStatus => "status_other",
        }
    }
}

/// How the conversation with an intake goes.
#[derive(Debug, Clone)]
pub struct IntakeMetrics {
    /// Requests sent, repeated ones too.
    pub requests: Counter,
    /// Batches that were cut in two because the intake found them too large.
    pub splits: Counter,
    /// Bytes of delivered bodies before compression.
    pub raw_bytes: Counter,
    /// Bytes of delivered bodies as sent.
    pub sent_bytes: Counter,
    /// Errors that the back-off remembers now.
    pub backoff_errors: Counter,
    retries: Vec<(RetryCause, Counter)>,
}

impl IntakeMetrics {
    /// The counters of the intake.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let retries = |cause: RetryCause| {
            (cause, registry.counter("reporter_intake_retries_total", &[("cause", cause.name())]))
        };
        Self {
            requests: registry.counter("reporter_intake_requests_total", &[]),
            splits: registry.counter("reporter_intake_splits_total", &[]),
            raw_bytes: registry.counter("reporter_intake_raw_bytes_total", &[]),
            sent_bytes: registry.counter("reporter_intake_sent_bytes_total", &[]),
            backoff_errors: registry.counter("reporter_intake_backoff_errors", &[]),
            retries: RetryCause::ALL.into_iter().map(retries).collect(),
        }
    }

    /// Counts a request that will be repeated.
    pub fn retry(&self, cause: RetryCause) {
        if let Some((_, counter)) = self.retries.iter().find(|(known, _)| *known == cause) {
            counter.inc();
        }
    }
}
