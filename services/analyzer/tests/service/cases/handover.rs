//! What the reporter gets to show of the analyzer and the probe.

use tempfile::TempDir;
use wire::v1;

use super::{Service, host, known, opens};
use crate::fakes::{self, FakeProbe, FakeReporter};

fn value(metrics: &[v1::Metric], name: &str) -> Option<u64> {
    metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reporter_gets_the_metrics_of_analyzer_and_probe_when_it_asks() {
    let dir = TempDir::new().unwrap();
    let reporter = FakeReporter::start(dir.path());
    let probe = FakeProbe::start(dir.path(), host(), vec![known()]);
    let service = Service::start(dir.path(), "");
    probe.send(opens(0..20, false));
    reporter.wait_for(20).await;
    let mut number = 0;
    let metrics = fakes::eventually("the probe to be connected", async || {
        number += 1;
        let metrics = reporter.ask_for_metrics(number).await;
        (value(&metrics, "analyzer_link_up") == Some(1)).then_some(metrics)
    })
    .await;
    assert_eq!(
        value(&metrics, "analyzer_link_batches_total"),
        Some(2),
        "known processes and events: {metrics:?}"
    );
    let rows: Vec<&str> = bootstrap::metrics::all().map(|row| row.name).collect();
    assert!(metrics.iter().all(|metric| rows.contains(&metric.name.as_str())), "{metrics:?}");
    service.stop().await;
}
