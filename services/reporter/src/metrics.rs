//! Every counter of the reporter.
//!
//! For each destination `payloads = delivered + dropped + pending` always holds; at the end of a stopped reporter
//! nothing is pending, because what was left is counted as dropped with the cause `shutdown`. A destination counts by
//! the label that the sender gave; the number of labels is bounded in `labels.rs`. What counts a drop also says it in
//! the log, so none can be forgotten there.

pub(crate) mod spool;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bootstrap::counters::{Counter, Registry};

use crate::intake::labels::{LabelId, Labels};
use bootstrap::log_limit::LogLimit;

/// What happened to submitted payloads before they reached a destination.
#[derive(Debug, Clone)]
pub struct SubmitMetrics {
    /// Payloads that were taken.
    pub payloads: Counter,
    /// Streams that were ended because a group made no sense.
    pub refused: Counter,
    /// Payloads that were taken and that no output can use: longer than the limit.
    pub too_large: Counter,
    /// The same: not UTF-8.
    pub not_utf8: Counter,
    /// Bytes that the queues hold; a payload counts in each.
    pub queue_bytes: Counter,
    discards: Arc<LogLimit>,
}

/// Counts refused connections, by why.
pub const REFUSED: &str = "reporter_socket_refused_total";

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
            queue_bytes: registry.counter("reporter_queue_bytes", &[]),
            discards: Arc::default(),
        }
    }

    /// Counts payloads that no output can use.
    pub(crate) fn discard(&self, unfit: &[(u32, DropCause)]) {
        for (_, cause) in unfit {
            if *cause == DropCause::NotUtf8 { self.not_utf8.inc() } else { self.too_large.inc() }
        }
        if let Some((_, cause)) = unfit.first()
            && let Some(suppressed) = self.discards.permit()
        {
            let (cause, dropped) = (cause.name(), unfit.len());
            tracing::warn!(cause, dropped, suppressed, "dropped a payload that no output can use");
        }
    }
}

/// Why a payload was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// It could not be compressed.
    Encoding,
    /// It is longer than any output takes.
    TooLarge,
    /// It is not UTF-8.
    NotUtf8,
    /// The output was down for too long, and its queue was full or nobody else had the payload.
    OutputDown,
    /// The queue of an output that is not reliable was full.
    QueueFull,
    /// The reporter was stopped, and the time to drain was over.
    Shutdown,
    /// The output was down for too long, and its spool was full.
    SpoolFull,
    /// The spool was full, and something of a higher class came.
    SpoolEvicted,
    /// It was in the spool for too long.
    SpoolExpired,
    /// It was in the spool and cannot be read any more.
    SpoolDamaged,
}

impl DropCause {
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
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::OutputDown => "output_down",
            Self::QueueFull => "queue_full",
            Self::Shutdown => "shutdown",
            Self::SpoolFull => "spool_full",
            Self::SpoolEvicted => "spool_evicted",
            Self::SpoolExpired => "spool_expired",
            Self::SpoolDamaged => "spool_damaged",
        }
    }

    /// What people can do about it.
    fn hint(self) -> &'static str {
        match self {
            Self::Status401 | Self::Status403 => "check the API key and its site",
            Self::OutputDown | Self::QueueFull => "see why the output is down or slow",
            Self::SpoolFull | Self::SpoolEvicted => {
                "see why the output is down, or give spool.max_bytes more"
            }
            Self::SpoolExpired => "see why the output is down, or give spool.max_age more",
            Self::SpoolDamaged => "check the disk of spool.path; what is left of the file is beside it",
            Self::Status400
            | Self::Status413
            | Self::EntryTooLarge
            | Self::Encoding
            | Self::TooLarge
            | Self::NotUtf8
            | Self::Shutdown => "nothing to do on this machine",
        }
    }

    /// Name used in the contract with the sender, for a payload that no reliable output has.
    #[must_use]
    pub fn loss(self) -> &'static str {
        match self {
            Self::Status400 | Self::Status401 | Self::Status403 => "refused",
            Self::Status413 | Self::EntryTooLarge | Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::Encoding => "write_failed",
            Self::OutputDown
            | Self::QueueFull
            | Self::Shutdown
            | Self::SpoolFull
            | Self::SpoolEvicted
            | Self::SpoolExpired
            | Self::SpoolDamaged => "output_down",
        }
    }
}

/// What became of the payloads of one destination.
#[derive(Debug, Clone)]
pub struct DestinationMetrics {
    /// Payloads given to it.
    pub payloads: Counter,
    /// Payloads that reached it after they were counted as dropped.
    pub late: Counter,
    down_seconds: Counter,
    left_up: Counter,
    queue_bytes: Counter,
    /// Delivered or dropped.
    finished: Counter,
    by_label: Arc<ByLabel>,
    drops: Arc<LogLimit>,
}

#[derive(Debug)]
struct ByLabel {
    registry: Registry,
    labels: Arc<Labels>,
    destination: String,
    delivered: Mutex<Vec<Option<Counter>>>,
    dropped: Mutex<BTreeMap<(DropCause, usize), Counter>>,
}

impl DestinationMetrics {
    /// The counters of the destination with this name.
    #[must_use]
    pub(crate) fn new(registry: &Registry, labels: Arc<Labels>, destination: &str) -> Self {
        let label = [("destination", destination)];
        Self {
            payloads: registry.counter("reporter_destination_payloads_total", &label),
            late: registry.counter("reporter_destination_late_total", &label),
            down_seconds: registry.counter("reporter_destination_down_seconds", &label),
            left_up: registry.counter("reporter_destination_left_mark_up", &label),
            queue_bytes: registry.counter("reporter_destination_queue_bytes", &label),
            finished: Counter::default(),
            by_label: Arc::new(ByLabel {
                registry: registry.clone(),
                labels,
                destination: destination.to_owned(),
                delivered: Mutex::default(),
                dropped: Mutex::default(),
            }),
            drops: Arc::default(),
        }
    }

    /// Counts `n` payloads with this label that the destination has.
    pub(crate) fn deliver(&self, label: LabelId, n: u64) {
        self.by_label.delivered(label).add(n);
        self.finished.add(n);
    }

    /// Counts payloads that this destination gave up, so many of each label, and says so.
    pub(crate) fn drop_payloads(&self, cause: DropCause, counts: &[(LabelId, u64)]) {
        for (label, n) in counts {
            self.by_label.dropped(cause, *label).add(*n);
            self.finished.add(*n);
        }
        let dropped: u64 = counts.iter().map(|(_, n)| n).sum();
        if dropped > 0
            && let Some(suppressed) = self.drops.permit()
        {
            let (destination, hint) = (&*self.by_label.destination, cause.hint());
            let cause = cause.name();
            tracing::warn!(destination, cause, dropped, hint, suppressed, "payloads are lost at an output");
        }
    }

    /// Payloads that are neither delivered nor dropped.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.payloads.get().saturating_sub(self.finished.get())
    }

    /// Brings the gauges up to date.
    pub(crate) fn show(&self, down_for: Duration, has_left: bool, queue_bytes: usize) {
        self.down_seconds.set(down_for.as_secs());
        self.left_up.set(u64::from(has_left));
        self.queue_bytes.set(queue_bytes as u64);
    }
}

impl ByLabel {
    fn delivered(&self, label: LabelId) -> Counter {
        let mut known = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() <= label.0 {
            known.resize(label.0 + 1, None);
        }
        let Some(slot) = known.get_mut(label.0) else { return Counter::default() };
        let make = || {
            let name = self.labels.name(label);
            let labels = [("destination", self.destination.as_str()), ("label", &*name)];
            self.registry.counter("reporter_destination_delivered_total", &labels)
        };
        slot.get_or_insert_with(make).clone()
    }

    fn dropped(&self, cause: DropCause, label: LabelId) -> Counter {
        let mut known = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let name = self.labels.name(label);
            let labels =
                [("destination", self.destination.as_str()), ("cause", cause.name()), ("label", &*name)];
            self.registry.counter("reporter_destination_dropped_total", &labels)
        };
        known.entry((cause, label.0)).or_insert_with(make).clone()
    }
}

/// What writing a file found and did.
#[derive(Debug, Clone)]
pub struct FileMetrics {
    /// Bytes of half lines that were cut off when a file was opened.
    pub cut_bytes: Counter,
    /// Writes that failed and were repeated.
    pub retries: Counter,
}

impl FileMetrics {
    /// The counters of lines written to this destination.
    #[must_use]
    pub fn new(registry: &Registry, destination: &str) -> Self {
        let label = [("destination", destination)];
        Self {
            cut_bytes: registry.counter("reporter_lines_cut_bytes_total", &label),
            retries: registry.counter("reporter_lines_retries_total", &label),
        }
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
    /// Payloads that were shortened because the intake keeps no more of one.
    pub trimmed: Counter,
    trims: Arc<LogLimit>,
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
    /// The counters of the intake behind this destination.
    #[must_use]
    pub fn new(registry: &Registry, destination: &str) -> Self {
        let label = [("destination", destination)];
        let retries = |cause: RetryCause| {
            let labels = [("destination", destination), ("cause", cause.name())];
            (cause, registry.counter("reporter_intake_retries_total", &labels))
        };
        Self {
            requests: registry.counter("reporter_intake_requests_total", &label),
            trimmed: registry.counter("reporter_intake_trimmed_total", &label),
            trims: Arc::default(),
            splits: registry.counter("reporter_intake_splits_total", &label),
            raw_bytes: registry.counter("reporter_intake_raw_bytes_total", &label),
            sent_bytes: registry.counter("reporter_intake_sent_bytes_total", &label),
            backoff_errors: registry.counter("reporter_intake_backoff_errors", &label),
            retries: RetryCause::ALL.into_iter().map(retries).collect(),
        }
    }

    /// Counts payloads that were shortened, and says so.
    pub(crate) fn note_trimmed(&self, destination: &str, n: u64) {
        self.trimmed.add(n);
        if n > 0
            && let Some(suppressed) = self.trims.permit()
        {
            tracing::warn!(
                destination,
                suppressed,
                "a payload was larger than the intake keeps: its longest texts and lists were cut, and it is tagged"
            );
        }
    }

    /// Counts a request that will be repeated.
    pub fn retry(&self, cause: RetryCause) {
        if let Some((_, counter)) = self.retries.iter().find(|(known, _)| *known == cause) {
            counter.inc();
        }
    }
}
