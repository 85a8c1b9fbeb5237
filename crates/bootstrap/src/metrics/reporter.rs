//! What the reporter counts.

use super::{Described, metric};

pub(super) const METRICS: &[Described] = &[
    metric("reporter_uptime_seconds", &[], "Since the reporter started."),
    metric(
        "reporter_analyzer_up",
        &[],
        "1 when the analyzer said how it and the probe are; at 0 nothing of theirs is shown.",
    ),
    metric("reporter_metrics_scrapes_total", &[], "Times that the metrics were read."),
    metric(
        "reporter_metrics_refused_samples_total",
        &[],
        "Samples of the analyzer that were not shown: in no table, twice, or too many.",
    ),
    metric("reporter_socket_refused_total", &["why"], "Connections refused."),
    metric("reporter_submit_payloads_total", &[], "Payloads taken from the analyzer."),
    metric("reporter_submit_dropped_total", &["what"], "Payloads that no output can use."),
    metric("reporter_submit_refused_total", &[], "Streams ended because a group made no sense."),
    metric("reporter_queue_bytes", &[], "Bytes in all queues; a payload counts in each."),
    metric(
        "reporter_destination_payloads_total",
        &["destination"],
        "Payloads given to an output. Payloads = delivered + dropped + pending.",
    ),
    metric("reporter_destination_delivered_total", &["destination", "label"], "Payloads that an output has."),
    metric(
        "reporter_destination_dropped_total",
        &["cause", "destination", "label"],
        "Payloads that an output does not get.",
    ),
    metric(
        "reporter_destination_late_total",
        &["destination"],
        "Payloads that reached an output after they were counted as dropped.",
    ),
    metric(
        "reporter_destination_down_seconds",
        &["destination"],
        "How long an output has been down; 0 while it works.",
    ),
    metric(
        "reporter_destination_left_mark_up",
        &["destination"],
        "1 while an output is down for so long that nothing waits for it.",
    ),
    metric("reporter_destination_queue_bytes", &["destination"], "Bytes in the queue of an output."),
    metric("reporter_intake_backoff_errors", &["destination"], "Errors that the back-off remembers."),
    metric(
        "reporter_intake_raw_bytes_total",
        &["destination"],
        "Bytes of delivered bodies before compression.",
    ),
    metric("reporter_intake_requests_total", &["destination"], "Requests sent, repeated ones too."),
    metric("reporter_intake_retries_total", &["cause", "destination"], "Requests that are repeated."),
    metric("reporter_intake_sent_bytes_total", &["destination"], "Bytes of delivered bodies as sent."),
    metric(
        "reporter_intake_splits_total",
        &["destination"],
        "Batches cut in two because they were too large.",
    ),
    metric("reporter_intake_trimmed_total", &["destination"], "Payloads that were shortened."),
    metric(
        "reporter_lines_cut_bytes_total",
        &["destination"],
        "Bytes of half lines that were cut off when a file was opened.",
    ),
    metric("reporter_lines_retries_total", &["destination"], "Writes that failed and were repeated."),
    metric("reporter_spool_bytes", &["destination"], "Bytes of a spool on disk."),
    metric("reporter_spool_limit_bytes", &["destination"], "What a spool may take of the disk."),
    metric(
        "reporter_spool_commits_total",
        &["destination"],
        "Times that everything written before was made durable.",
    ),
    metric(
        "reporter_spool_failures_total",
        &["destination"],
        "Writes to a spool that failed and were tried again.",
    ),
    metric(
        "reporter_spool_loaded_total",
        &["destination"],
        "Payloads read back because memory did not hold them.",
    ),
    metric(
        "reporter_spool_memory_up",
        &["destination"],
        "1 while a spool cannot write and what comes is kept in memory.",
    ),
    metric("reporter_spool_payloads", &["destination"], "Payloads that are in a spool and not delivered."),
    metric("reporter_spool_resumed_total", &["destination"], "Payloads that a start found in a spool."),
    metric("reporter_spool_written_total", &["destination"], "Payloads written to a spool."),
];
