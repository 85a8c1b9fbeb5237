//! What a sender is told of its groups, over a real socket.

use std::time::Duration;

use crate::harness::{DEADLINE, Harness, Submission, count, intake, numbers, payload, payloads};
use mock_intake::{Fault, Plan};
use reporter::config::{Config, FileConfig, SpoolConfig};

fn batches_of(n: usize) -> impl FnOnce(&mut Config) {
    move |config| config.intake.as_mut().unwrap().batch_max_size = n
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_comes_when_the_intake_has_answered_and_not_before() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(500)));
    let mut reporter = Harness::start(&intake.url(), batches_of(3)).await;
    reporter.submit(payloads(0..3)).await;
    reporter.submit(payloads(3..6)).await;
    reporter.wait_for_count("reporter_intake_retries_total", "", 3).await;
    let mut submission = reporter.take_submission();
    assert!(tokio::time::timeout(Duration::ZERO, submission.mark()).await.is_err());
    intake.fail(Plan::default());
    assert_eq!(submission.wait_for(2).await, []);
    assert_eq!(numbers(&intake.received()), (0..6).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_group_is_settled_and_told_as_lost_unless_the_file_has_it() {
    for has_file in [false, true] {
        let intake = intake().await;
        intake.fail(Plan::always(Fault::status(403)));
        let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
            config.intake.as_mut().unwrap().batch_max_size = 2;
            let path = config.socket.with_file_name("events.json");
            config.file = has_file.then(|| FileConfig::at(path));
        })
        .await;
        reporter.submit(payloads(0..2)).await;
        let lost = reporter.mark().await.unwrap().lost;
        let told: Vec<_> = lost.iter().map(|lost| (lost.cause.as_str(), lost.counts[0].payloads)).collect();
        assert_eq!(told, if has_file { vec![] } else { vec![("refused", 2)] });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_says_that_it_stands_gets_its_mark_from_the_output_that_works() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(500)));
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        config.intake.as_mut().unwrap().batch_max_size = 2;
        config.file = Some(FileConfig::at(config.socket.with_file_name("events.json")));
        config.leave_after = 10 * DEADLINE;
    })
    .await;
    reporter.submit(payloads(0..2)).await;
    reporter.wait_for_count("reporter_intake_retries_total", "", 1).await;
    reporter.wait_for_count("reporter_destination_delivered_total", "file", 2).await;
    let mut submission = reporter.take_submission();
    assert!(tokio::time::timeout(Duration::ZERO, submission.mark()).await.is_err());
    let request = wire::v1::ReporterStatusRequest { stands: true };
    reporter.client.get_status(request).await.unwrap();
    assert_eq!(submission.wait_for(1).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_output_with_a_spool_holds_up_nothing_and_gets_everything_when_it_is_back() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(500)));
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        let in_dir = |name| config.socket.with_file_name(name);
        config.file = Some(FileConfig::at(in_dir("events.json")));
        config.spool = Some(SpoolConfig::at(in_dir("spool")));
        config.leave_after = 10 * DEADLINE;
        let intake = config.intake.as_mut().unwrap();
        intake.queue_bytes = 4 << 20;
    })
    .await;
    let mut submission = Submission::open(&mut reporter.client).await;
    let groups = 40;
    for n in 0..groups {
        let mut large = payload(n);
        large.content = format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(500_000));
        submission.send(vec![large]).await;
    }
    assert_eq!(submission.wait_for(groups).await, []);
    assert_eq!(reporter.count("reporter_destination_delivered_total", "intake"), 0);
    reporter.wait_for_count("reporter_destination_delivered_total", "file", groups).await;
    assert!(reporter.count("reporter_destination_queue_bytes", "intake") < 8 << 20);
    intake.fail(Plan::default());
    let received = intake.wait_for(DEADLINE, |received| received.len() >= 40).await.unwrap();
    assert_eq!(numbers(&received), (0..groups).collect::<Vec<_>>());
    let (counters, left) = reporter.stop().await;
    assert_eq!((left[0].payloads, left[0].spooled), (0, 0));
    assert_eq!(count(&counters, "reporter_destination_dropped_total", ""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_done_gets_its_last_mark_and_then_the_end() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), batches_of(4)).await;
    let mut submission = Submission::open(&mut reporter.client).await;
    submission.send(payloads(0..2)).await;
    submission.send(payloads(2..4)).await;
    let mut marks = submission.finish();
    let mut last = 0;
    while let Some(mark) = tokio::time::timeout(DEADLINE, marks.message()).await.unwrap().unwrap() {
        last = mark.number;
    }
    assert_eq!(last, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sender_submitted_before_it_died_is_delivered_all_the_same() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(500)));
    let mut reporter = Harness::start(&intake.url(), batches_of(2)).await;
    reporter.submit(payloads(0..4)).await;
    reporter.hang_up();
    intake.fail(Plan::default());
    let received = intake.wait_for(DEADLINE, |received| received.len() == 4).await.unwrap();
    assert_eq!(numbers(&received), [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_reporter_sends_the_last_marks_and_then_ends_the_stream() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), batches_of(1000)).await;
    reporter.submit(payloads(0..3)).await;
    reporter.submit(payloads(3..5)).await;
    let mut submission = reporter.take_submission();
    let (_, left) = reporter.stop().await;
    assert_eq!(left[0].payloads, 0);
    assert_eq!(submission.wait_for(2).await, []);
    assert!(!matches!(submission.mark().await, Ok(Some(_))));
    assert_eq!(numbers(&intake.received()), [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopping_reporter_could_not_deliver_is_not_settled() {
    let intake = intake().await;
    intake.fail(Plan::once([Fault::None, Fault::Hang, Fault::Hang, Fault::Hang]));
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        config.drain_timeout = Duration::from_millis(50);
        let intake = config.intake.as_mut().unwrap();
        (intake.batch_max_size, intake.timeout) = (2, DEADLINE);
    })
    .await;
    for n in 0..3 {
        reporter.submit(payloads(n * 2..n * 2 + 2)).await;
    }
    let mut submission = reporter.take_submission();
    assert_eq!(submission.wait_for(1).await, []);
    let (_, left) = reporter.stop().await;
    assert_eq!(left[0].payloads, 4);
    assert!(!matches!(submission.mark().await, Ok(Some(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_stream_starts_at_one_again() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), batches_of(1)).await;
    for _ in 0..3 {
        let mut submission = Submission::open(&mut reporter.client).await;
        submission.send(payloads(0..1)).await;
        assert_eq!(submission.wait_for(1).await, []);
    }
}
