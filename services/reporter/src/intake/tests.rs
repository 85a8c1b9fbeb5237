use std::time::Duration;

use super::*;

fn payload(content: &str) -> Arc<Payload> {
    Arc::new(Payload {
        content: content.into(),
        tags: "".into(),
        service: "".into(),
        time_ms: 0,
        accepted_ms: 0,
        room: None,
    })
}

/// A running collector with paused time: its input, its output and its metrics.
fn collector() -> (mpsc::Sender<Group>, mpsc::Receiver<Batch>, DestinationMetrics) {
    let limits = Limits { max_entries: 3, max_bytes: 5_000_000, max_wait: Duration::from_secs(5) };
    let metrics = DestinationMetrics::new(&Registry::default(), "intake");
    let (groups, input) = mpsc::channel(8);
    let (output, batches) = mpsc::channel(1);
    tokio::spawn(collect(input, Batcher::new(limits, "h"), output, metrics.clone()));
    (groups, batches, metrics)
}

#[tokio::test(start_paused = true)]
async fn a_batch_leaves_when_its_first_payload_is_old_enough() {
    let (groups, mut batches, _) = collector();
    let started = Instant::now();
    groups.send(Arc::from([payload("1")])).await.unwrap();
    // Paused time: this passes at once, after the collector has taken the first.
    tokio::time::sleep(Duration::from_secs(3)).await;
    groups.send(Arc::from([payload("2")])).await.unwrap();
    assert_eq!(batches.recv().await.unwrap().len(), 2);
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_leaves_at_once_and_the_rest_at_the_end() {
    let (groups, mut batches, _) = collector();
    let started = Instant::now();
    let group: Group = (0..7).map(|_| payload("1")).collect();
    groups.send(group).await.unwrap();
    drop(groups);
    let mut sizes = Vec::new();
    while let Some(batch) = batches.recv().await {
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert!(started.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_payload_the_intake_would_cut_is_counted_and_the_others_go_on() {
    let (groups, mut batches, metrics) = collector();
    let quotes = format!("\"{}\"", "\\\"".repeat(400_000));
    metrics.payloads.add(2);
    groups.send(Arc::from([payload(&quotes), payload("1")])).await.unwrap();
    drop(groups);
    assert_eq!(batches.recv().await.unwrap().len(), 1);
    assert_eq!(metrics.pending(), 1);
}
