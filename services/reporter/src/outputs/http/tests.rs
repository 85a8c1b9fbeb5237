use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::intake::group::tests::{group_for, message, output};
use crate::outputs::output::Shared;

/// A running collector with paused time: its output and its batches.
fn collector() -> (Arc<Output>, mpsc::Receiver<Batch>) {
    let limits = Limits { max_entries: 3, max_bytes: 5_000_000, max_wait: Duration::from_secs(5) };
    let shared = Arc::new(Shared::new(Duration::from_secs(60)));
    let output = output(0, "intake", &Registry::default(), &shared);
    let (batches, filled) = mpsc::channel(1);
    let (own, metrics) = (output.clone(), IntakeMetrics::new(&Registry::default(), "intake"));
    tokio::spawn(async move { collect(&own, Batcher::new(limits), "h", &metrics, batches).await });
    (output, filled)
}

fn push(output: &Arc<Output>, documents: &[&str]) {
    let (group, _) = group_for(std::slice::from_ref(output), message(1, documents));
    output.metrics().payloads.add(documents.len() as u64);
    output.offer(&group, true);
}

#[tokio::test(start_paused = true)]
async fn a_batch_leaves_when_its_first_payload_is_old_enough() {
    let (output, mut batches) = collector();
    let started = Instant::now();
    push(&output, &["1"]);
    // Paused time: this passes at once, after the collector has taken the first.
    tokio::time::sleep(Duration::from_secs(3)).await;
    push(&output, &["2"]);
    assert_eq!(batches.recv().await.unwrap().len(), 2);
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_leaves_at_once_and_the_rest_at_the_end() {
    let (output, mut batches) = collector();
    let started = Instant::now();
    push(&output, &["1"; 7]);
    output.queue().close();
    let mut sizes = Vec::new();
    while let Some(batch) = batches.recv().await {
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert!(started.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_cannot_be_made_to_fit_is_counted_and_the_others_go_on() {
    let (output, mut batches) = collector();
    let names: String = (0..65_000).map(|n| format!("\"{n}\\\"\\\"\":0,")).collect();
    let quotes = format!("{{{names}\"a\":1}}");
    push(&output, &[&quotes, "1"]);
    output.queue().close();
    assert_eq!(batches.recv().await.unwrap().len(), 1);
    assert_eq!(output.metrics().pending(), 1);
}
