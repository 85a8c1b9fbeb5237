//! Every answer of an intake, over real HTTP on loopback.

use std::time::Duration;

use crate::harness::{DEADLINE, Harness, KEY, count, intake, now_ms, numbers, payload, payloads};
use mock_intake::{Fault, MockIntake, Options, Plan};
use reporter::config::{CompressionKind, Config};

fn batches_of(n: usize) -> impl FnOnce(&mut Config) {
    move |config| config.intake.as_mut().unwrap().batch_max_size = n
}

const DELIVERED: &str = "reporter_destination_delivered_total";
const DROPPED: &str = "reporter_destination_dropped_total";
const RETRIES: &str = "reporter_intake_retries_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_every_documented_header_and_field() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), batches_of(2)).await;
    let time_ms = payload(0).time_ms;
    reporter.submit(payloads(0..2)).await;
    let received = intake.wait_for(DEADLINE, |received| received.len() == 2).await.unwrap();
    let entry = &received[0];
    assert_eq!(&*entry.message, r#"{"n":0}"#);
    assert_eq!(&*entry.tags, "image_name:shop,image_tag:1.0");
    assert_eq!([&*entry.hostname, &*entry.service, &*entry.status], ["node-1", "shop", "info"]);
    assert_eq!(&*entry.source, "runtime-security-agent");
    assert!((time_ms..time_ms + 5000).contains(&entry.timestamp_ms));

    let request = &intake.requests()[0];
    let header = |name: &str| request.headers[name].to_str().unwrap();
    assert_eq!(request.path, "/api/v2/secruntime");
    assert_eq!(header("dd-api-key"), KEY);
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("content-encoding"), "gzip");
    assert_eq!(header("dd-evp-origin"), "cloud-workload-security");
    assert_eq!(header("dd-evp-origin-version"), bootstrap::VERSION);
    assert_eq!(header("user-agent"), format!("shrike/{}", bootstrap::VERSION));
    assert!(!request.headers.contains_key("dd-protocol"));
    let message_ms: i64 = header("dd-message-timestamp").parse().unwrap();
    let current_ms: i64 = header("dd-current-timestamp").parse().unwrap();
    assert!(time_ms <= message_ms && message_ms <= current_ms && current_ms <= now_ms());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_at_a_batch_has_its_id_and_every_batch_another_one() {
    let intake = intake().await;
    // The first batch arrives twice, because its answer was lost; the second one is cut.
    intake.fail(Plan::once([Fault::TakeAndClose, Fault::status(500), Fault::None, Fault::status(413)]));
    let mut reporter = Harness::start(&intake.url(), batches_of(2)).await;
    reporter.submit(payloads(0..4)).await;
    let received = intake.wait_for(DEADLINE, |received| received.len() == 6).await.unwrap();
    assert_eq!(numbers(&received), [0, 1, 0, 1, 2, 3]);
    let ids: Vec<_> = intake
        .requests()
        .iter()
        .map(|request| request.headers["shrike-batch-id"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!((&ids[0], &ids[0]), (&ids[1], &ids[2]));
    let mut distinct = ids[2..].to_vec();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_encoding_arrives() {
    for (kind, name) in [
        (CompressionKind::Gzip, "gzip"),
        (CompressionKind::Zstd, "zstd"),
        (CompressionKind::None, "identity"),
    ] {
        let intake = intake().await;
        let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
            let intake = config.intake.as_mut().unwrap();
            (intake.compression_kind, intake.batch_max_size) = (kind, 3);
        })
        .await;
        reporter.submit(payloads(0..3)).await;
        let received = intake.wait_for(DEADLINE, |received| received.len() == 3).await.unwrap();
        assert_eq!(numbers(&received), [0, 1, 2]);
        assert_eq!(intake.requests()[0].headers["content-encoding"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_refusal_drops_its_batch_only_and_counts_it_by_status() {
    for status in [400, 401, 403] {
        let intake = intake().await;
        intake.fail(Plan::once([Fault::status(status)]));
        let mut reporter = Harness::start(&intake.url(), batches_of(2)).await;
        reporter.submit(payloads(0..4)).await;
        let received = intake.wait_for(DEADLINE, |received| received.len() == 2).await.unwrap();
        assert_eq!(numbers(&received), [2, 3]);
        let (counters, left) = reporter.stop().await;
        assert_eq!(count(&counters, DROPPED, &format!("status_{status}")), 2);
        assert_eq!(count(&counters, DROPPED, ""), 2);
        assert_eq!(count(&counters, DELIVERED, ""), 2);
        assert_eq!(left[0].payloads, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_by_the_intake_and_counted() {
    let options = Options { api_key: Some("another".to_owned()), ..Options::default() };
    let intake = MockIntake::start_with(options).await.unwrap();
    let mut reporter = Harness::start(&intake.url(), batches_of(2)).await;
    reporter.submit(payloads(0..2)).await;
    reporter.wait_for_count(DROPPED, "status_403", 2).await;
    assert_eq!(intake.stats().entries, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_is_halved_until_it_fits_and_keeps_its_order() {
    let intake = intake().await;
    let too_large = Fault::status(413);
    intake.fail(Plan::once([too_large.clone(), too_large.clone(), Fault::None, too_large]));
    let mut reporter = Harness::start(&intake.url(), batches_of(7)).await;
    reporter.submit(payloads(0..7)).await;
    // 7 is refused, its 3 too, of that 1 passes, 2 is refused, then 1 + 1 and the 4 of the second half pass.
    let received = intake.wait_for(DEADLINE, |received| received.len() == 7).await.unwrap();
    assert_eq!(numbers(&received), [0, 1, 2, 3, 4, 5, 6]);
    let statuses: Vec<u16> = intake.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [413, 413, 202, 413, 202, 202, 202]);
    reporter.wait_for_count(DELIVERED, "", 7).await;
    assert_eq!(reporter.count("reporter_intake_splits_total", ""), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_alone_is_dropped_and_counted() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(413)));
    let mut reporter = Harness::start(&intake.url(), batches_of(5)).await;
    reporter.submit(payloads(0..5)).await;
    reporter.wait_for_count(DROPPED, "status_413", 5).await;
    assert_eq!(reporter.count("reporter_intake_splits_total", ""), 4);
    assert_eq!(intake.requests().len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_is_repeated_until_the_intake_has_it_exactly_once() {
    let intake = intake().await;
    intake.fail(Plan::once([
        Fault::Status { code: 429, retry_after: Some("1".to_owned()) },
        Fault::status(500),
        Fault::status(503),
        Fault::status(408),
        Fault::status(302),
        Fault::status(404),
        Fault::Close,
        Fault::Garbage,
        Fault::Hang,
        Fault::SlowMs(1),
    ]));
    let mut reporter = Harness::start(&intake.url(), batches_of(3)).await;
    reporter.submit(payloads(0..3)).await;
    let received = intake.wait_for(DEADLINE, |received| !received.is_empty()).await.unwrap();
    assert_eq!(numbers(&received), [0, 1, 2]);
    reporter.wait_for_count(DELIVERED, "", 3).await;
    let by_cause = ["status_429", "status_5xx", "status_other", "transport", "timeout"]
        .map(|cause| reporter.count(RETRIES, cause));
    assert_eq!(by_cause, [1, 2, 3, 2, 1]);
    assert_eq!(reporter.count(DROPPED, ""), 0);
    assert_eq!(intake.stats().entries, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_that_comes_back_gets_everything_in_order() {
    let address = MockIntake::start().await.unwrap().address();
    let mut reporter = Harness::start(&format!("http://{address}"), batches_of(2)).await;
    reporter.submit(payloads(0..6)).await;
    reporter.wait_for_count(RETRIES, "transport", 3).await;
    let options = Options { listen: address, ..Options::default() };
    let intake = MockIntake::start_with(options).await.unwrap();
    let received = intake.wait_for(DEADLINE, |received| received.len() == 6).await.unwrap();
    assert_eq!(numbers(&received), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_requests_in_flight_lose_and_double_nothing() {
    let intake = intake().await;
    intake.fail(Plan::once(
        (0..40).map(|n| if n % 3 == 0 { Fault::status(500) } else { Fault::SlowMs(n % 5) }),
    ));
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        let intake = config.intake.as_mut().unwrap();
        (intake.batch_max_size, intake.batch_max_concurrent_send) = (10, 4);
    })
    .await;
    for start in 0..50 {
        reporter.submit(payloads(start * 10..start * 10 + 10)).await;
    }
    let received = intake.wait_for(DEADLINE, |received| received.len() >= 500).await.unwrap();
    let mut numbers = numbers(&received);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_payloads_stay_under_the_limits_of_the_intake() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |_: &mut Config| {}).await;
    for n in 0..12 {
        let mut large = payload(n);
        large.content = format!("{{\"n\":{n},\"x\":\"{}\"}}", "y\\\"".repeat(150_000));
        reporter.submit(vec![large]).await;
    }
    let (counters, _) = reporter.stop().await;
    assert_eq!(count(&counters, DELIVERED, "intake"), 12);
    assert_eq!(numbers(&intake.received()), (0..12).collect::<Vec<_>>());
    assert_eq!(intake.stats().requests.keys().copied().collect::<Vec<_>>(), [202]);
    assert_eq!(intake.stats().truncated, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_delivers_what_is_left_without_waiting_for_the_back_off() {
    let intake = intake().await;
    intake.fail(Plan::once([Fault::status(500)]));
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        let intake = config.intake.as_mut().unwrap();
        intake.batch_max_size = 2;
        intake.sender_backoff_base = Duration::from_secs(600);
        intake.sender_backoff_max = Duration::from_secs(600);
    })
    .await;
    reporter.submit(payloads(0..5)).await;
    reporter.wait_for_count(RETRIES, "status_5xx", 1).await;
    let (counters, left) = reporter.stop().await;
    assert_eq!(numbers(&intake.received()), [0, 1, 2, 3, 4]);
    assert_eq!(count(&counters, DELIVERED, ""), 5);
    assert_eq!(left[0].payloads, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_in_time_is_counted_at_the_end() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::Hang));
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        config.drain_timeout = Duration::from_millis(50);
        let intake = config.intake.as_mut().unwrap();
        (intake.batch_max_size, intake.timeout) = (2, DEADLINE);
    })
    .await;
    reporter.submit(payloads(0..7)).await;
    intake.wait_for_requests(DEADLINE, |requests| requests.len() == 1).await.unwrap();
    let (counters, left) = reporter.stop().await;
    assert_eq!(left[0].payloads, 7);
    assert_eq!(count(&counters, DROPPED, "shutdown"), 7);
    assert_eq!(count(&counters, DELIVERED, ""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn https_needs_no_setting_and_a_peer_without_tls_gets_nothing() {
    let intake = intake().await;
    let url = intake.url().replace("http://", "https://");
    let (dir, mut config) = crate::harness::config(&url);
    config.intake.as_mut().unwrap().batch_max_size = 1;
    config.drain_timeout = Duration::from_millis(50);
    // On a machine without root certificates the error has to say so.
    if let Err(error) = reporter::Reporter::start(config.clone()) {
        assert!(error.to_string().contains("ca-certificates"), "{error}");
        return;
    }
    let mut reporter = Harness::start(&url, |harness: &mut Config| *harness = config).await;
    reporter.submit(payloads(0..1)).await;
    reporter.wait_for_count(RETRIES, "transport", 1).await;
    assert_eq!(reporter.count(DELIVERED, ""), 0);
    assert_eq!(intake.requests().len(), 0);
    drop(dir);
}
