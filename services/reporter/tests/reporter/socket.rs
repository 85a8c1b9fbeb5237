//! The socket, and what bad clients can do to it; files as outputs.

use std::num::NonZeroU32;

use crate::harness::{
    DEADLINE, Harness, Payload, Submission, client, config, count, group, intake, numbers, payload, payloads,
};
use mock_intake::{Fault, Plan};
use reporter::Reporter;
use reporter::config::{Config, FileConfig, LineFormat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tonic::Code;
use wire::v1;

#[tokio::test(flavor = "multi_thread")]
async fn a_uid_that_is_not_allowed_is_refused_with_its_number_and_counted() {
    let intake = intake().await;
    let (_dir, mut config) = config(&intake.url());
    config.allowed_uids = vec![3_000_000, 3_000_001];
    let socket = config.socket.clone();
    let reporter = Reporter::start(config).unwrap();
    let counters = reporter.counters();
    tokio::spawn(reporter.serve(std::future::pending()));
    for _ in 0..2 {
        let refusal = bootstrap::socket::connect(&socket).await.unwrap_err().to_string();
        assert!(refusal.contains("may not use this socket"), "{refusal}");
    }
    assert_eq!(count(&counters, "reporter_socket_refused_total", "uid"), 2);
    assert_eq!(count(&counters, "reporter_submit_payloads_total", ""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_end_their_own_connection_only() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        config.intake.as_mut().unwrap().batch_max_size = 1;
    })
    .await;
    let socket = reporter.dir.path().join("reporter.sock");
    for length in [0, 1, 24, 1000, 100_000] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let bytes: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        // The other side may close while we still write.
        drop(stream.write_all(&bytes).await);
        drop(stream.shutdown().await);
        let mut answer = Vec::new();
        drop(tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap());
    }
    reporter.submit(payloads(0..1)).await;
    let received = intake.wait_for(DEADLINE, |received| received.len() == 1).await.unwrap();
    assert_eq!(numbers(&received), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_stops_reading_and_loses_nothing() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(503)));
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        config.intake.as_mut().unwrap().queue_bytes = 4 << 20;
    })
    .await;
    let mut submission = Submission::open(&mut reporter.client).await;
    let large = |n: u64| Payload {
        content: format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(500_000)),
        ..payload(n)
    };
    // More than the queue and everything on the way hold: the sender must come to wait.
    let sending = tokio::spawn(async move {
        for n in 0..100 {
            submission.send(vec![large(n)]).await;
        }
        submission.wait_for(100).await
    });
    reporter.wait_for_count("reporter_intake_retries_total", "", 3).await;
    reporter.wait_for_count("reporter_submit_payloads_total", "", 8).await;
    let metrics =
        reporter.client.get_status(v1::ReporterStatusRequest::default()).await.unwrap().into_inner().metrics;
    let held = metrics.iter().find(|metric| metric.name == "reporter_queue_bytes").unwrap().value;
    assert!(held > 3_900_000 && held <= 4 << 20, "{held}");
    assert_eq!(reporter.count("reporter_submit_payloads_total", ""), 8);

    intake.fail(Plan::default());
    let lost = tokio::time::timeout(DEADLINE, sending).await.unwrap().unwrap();
    assert_eq!(lost, []);
    assert_eq!(numbers(&intake.received()), (0..100).collect::<Vec<_>>());
    assert_eq!(reporter.count("reporter_destination_delivered_total", "open"), 100);
    assert_eq!(reporter.count("reporter_destination_dropped_total", ""), 0);
}

/// 2 MiB that would be 100 GB.
fn blown_up() -> v1::PayloadGroup {
    let n = 100_000;
    v1::PayloadGroup {
        content: vec![b'{'; n].into(),
        length: vec![1; n],
        time_ms: vec![0; n],
        label: vec![0; n].into(),
        tails: vec![format!("{}\n", "}".repeat(1 << 20)).into()],
        tail: vec![1; n],
        ..group(1, payloads(0..1))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_makes_no_sense_ends_its_stream_with_the_reason_and_the_service_goes_on() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |_: &mut Config| {}).await;
    let mut refusals = Vec::new();
    for change in [
        (|group| group.number = 7) as fn(&mut v1::PayloadGroup),
        |group| group.length = vec![1],
        |group| group.label = vec![9].into(),
        |group| group.tail = vec![1],
        |group| group.tails = vec![b"}\n"[..].into()],
        |group| *group = blown_up(),
        |group| group.content = vec![b' '; reporter::MAX_GROUP_BYTES].into(),
    ] {
        let mut submission = Submission::open(&mut reporter.client).await;
        let mut bad = group(1, payloads(0..1));
        change(&mut bad);
        submission.send_group(bad).await;
        refusals.push(submission.mark().await);
    }
    // A message over the limit of the transport is a broken stream: nothing was taken.
    assert!(!matches!(refusals.pop(), Some(Ok(Some(_)))));
    for refusal in refusals {
        let status = refusal.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("group"), "{status}");
    }
    assert_eq!(reporter.count("reporter_submit_refused_total", ""), 6);
    reporter.submit(payloads(7..8)).await;
    let (_, left) = reporter.stop().await;
    assert_eq!((numbers(&intake.received()), left[0].payloads), (vec![7], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_output_can_use_is_settled_and_told_as_lost() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |_: &mut Config| {}).await;
    let long = Payload { content: "1".repeat(reporter::MAX_CONTENT_BYTES + 1), ..payload(0) };
    reporter.submit(vec![long, payload(7)]).await;
    let mark = reporter.mark().await.unwrap();
    let count = v1::LabelCount { label: "open".to_owned(), payloads: 1 };
    let loss = v1::GroupLoss { number: 1, cause: "too_large".to_owned(), counts: vec![count] };
    assert_eq!(mark, v1::Settled { number: 1, lost: vec![loss] });
    assert_eq!(numbers(&intake.received()), [7]);
    assert_eq!(reporter.count("reporter_submit_dropped_total", "too_large"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_with_shared_tails_arrive_whole_and_those_of_a_tail_that_is_no_text_are_lost() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |_: &mut Config| {}).await;
    let mut submission = Submission::open(&mut reporter.client).await;
    submission
        .send_group(v1::PayloadGroup {
            content: b"{\"n\":{\"n\":8}\n{\"n\":{\"n\":"[..].into(),
            length: vec![5, 8, 5, 5],
            tails: vec![b"7}\n"[..].into(), b"\xff}\n"[..].into()],
            tail: vec![1, 0, 2, 1],
            ..group(1, payloads(0..4))
        })
        .await;
    let mark = submission.mark().await.unwrap().unwrap();
    let count = v1::LabelCount { label: "open".to_owned(), payloads: 1 };
    let loss = v1::GroupLoss { number: 1, cause: "not_utf8".to_owned(), counts: vec![count] };
    assert_eq!(mark, v1::Settled { number: 1, lost: vec![loss] });
    assert_eq!(numbers(&intake.received()), [7, 8, 7]);
    assert_eq!(reporter.count("reporter_submit_dropped_total", "not_utf8"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_the_service_its_version_and_every_counter() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |_: &mut Config| {}).await;
    reporter.submit(payloads(0..3)).await;
    let status = reporter.client.get_status(v1::ReporterStatusRequest::default()).await.unwrap().into_inner();
    assert_eq!((status.service.as_str(), status.version.as_str()), ("reporter", bootstrap::VERSION));
    let value = |name: &str| status.metrics.iter().find(|metric| metric.name == name).unwrap().value;
    assert_eq!(value("reporter_submit_payloads_total"), 3);
    assert_eq!(value("reporter_destination_payloads_total"), 3);
    assert_eq!(status.metrics.len(), reporter.counters.samples().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_gone_after_the_end() {
    let intake = intake().await;
    let (dir, config) = config(&intake.url());
    let socket = config.socket.clone();
    assert!(!socket.exists());
    let reporter = Reporter::start(config).unwrap();
    assert!(socket.exists());
    reporter.serve(async {}).await.unwrap();
    assert!(!socket.exists());
    drop(dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_every_payload_beside_the_intake_and_is_rotated() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        let path = config.socket.with_file_name("events.json");
        let (max_bytes, max_files) = (80, NonZeroU32::new(100).unwrap());
        config.file = Some(FileConfig { max_bytes, max_files, ..FileConfig::at(path) });
    })
    .await;
    let dir = reporter.dir.path().to_owned();
    reporter.submit(payloads(0..30)).await;
    reporter.submit(payloads(30..50)).await;
    let keep = std::mem::replace(&mut reporter.dir, tempfile::tempdir().unwrap());
    let (counters, left) = reporter.stop().await;
    assert_eq!(
        left.iter().map(|left| (left.destination, left.payloads)).collect::<Vec<_>>(),
        [("intake", 0), ("file", 0)]
    );
    assert_eq!(count(&counters, "reporter_destination_delivered_total", "file"), 50);
    assert_eq!(numbers(&intake.received()).len(), 50);
    let mut rotated: Vec<_> =
        (1..).map(|n| dir.join(format!("events.json.{n}"))).take_while(|p| p.exists()).collect();
    assert!(rotated.len() > 3);
    rotated.reverse();
    rotated.push(dir.join("events.json"));
    let text: String = rotated.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let expected: String = (0..50).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    assert_eq!(text, expected);
    drop(keep);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_intake_format_holds_the_tags() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        config.intake = None;
        let path = config.socket.with_file_name("events.json");
        config.file = Some(FileConfig { format: LineFormat::Intake, ..FileConfig::at(path) });
    })
    .await;
    reporter.submit(payloads(0..1)).await;
    reporter.wait_for_count("reporter_destination_delivered_total", "file", 1).await;
    let text = std::fs::read_to_string(reporter.dir.path().join("events.json")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(entry["message"], r#"{"n":0}"#);
    assert_eq!(entry["ddtags"], "image_name:shop,image_tag:1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_when_an_output_cannot_be_used() {
    let (dir, mut base) = config("http://127.0.0.1:9");
    base.file = Some(FileConfig::at("/proc/nowhere/events.json".into()));
    let error = Reporter::start(base.clone()).unwrap_err().to_string();
    assert!(error.contains("/proc/nowhere/events.json"), "{error}");
    base.file = None;
    base.intake.as_mut().unwrap().api_key_file = Some("/proc/nowhere/key".into());
    let error = Reporter::start(base.clone()).unwrap_err().to_string();
    assert!(error.contains("/proc/nowhere/key"), "{error}");
    base.socket = "/proc/nowhere/reporter.sock".into();
    base.intake = None;
    base.stdout = Some(reporter::config::StdoutConfig::default());
    let error = Reporter::start(base).unwrap_err().to_string();
    assert!(error.contains("/proc/nowhere/reporter.sock"), "{error}");
    drop(dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_submit_side_by_side() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), |_: &mut Config| {}).await;
    let mut other = client(&reporter.dir.path().join("reporter.sock")).await;
    let mut other = Submission::open(&mut other).await;
    other.send(payloads(0..100)).await;
    reporter.send(payloads(100..200)).await;
    reporter.wait_for_count("reporter_submit_payloads_total", "", 200).await;
    drop(other);
    reporter.stop().await;
    let mut numbers = numbers(&intake.received());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
}
