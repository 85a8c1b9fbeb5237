//! The metrics of all services at one port: what Prometheus gets, with an analyzer, without one, and with an evil one.

use std::net::SocketAddr;
use std::process::Stdio;

use bootstrap::metrics::Described;

use crate::harness::{DEADLINE, Harness, intake, payloads};
use crate::process::{command, start_in};
use reporter::config::{Config, MetricsConfig};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use wire::v1;

fn with_metrics(config: &mut Config) {
    config.metrics = Some(MetricsConfig { listen: ([127, 0, 0, 1], 0).into(), public: false });
}

/// One request; the head and the body of the answer.
async fn request(address: SocketAddr, head: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The other side ends the connection.
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn page(address: SocketAddr) -> String {
    let (head, body) = request(address, "GET /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
    body
}

/// The value of a series, written as it is on the page.
fn value(page: &str, series: &str) -> Option<u64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn metric(name: &str, labels: &[(&str, &str)], value: u64) -> v1::Metric {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    v1::Metric { name: name.to_owned(), labels, value }
}

/// An analyzer that answers each question with these; ended by aborting it.
async fn analyzer(reporter: &mut Harness, metrics: Vec<v1::Metric>) -> JoinHandle<()> {
    let (answers, sent) = mpsc::channel(1);
    let opened = reporter.client.hand_over(ReceiverStream::new(sent)).await.unwrap();
    let mut questions = opened.into_inner();
    tokio::spawn(async move {
        while let Ok(Some(question)) = questions.message().await {
            let answer = v1::HandedOver { number: question.number, metrics: metrics.clone() };
            answers.send(answer).await.unwrap();
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_page_has_the_metrics_of_all_services_as_they_are_when_it_is_read() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), with_metrics).await;
    let address = reporter.metrics.unwrap();
    let alone = page(address).await;
    assert_eq!(value(&alone, "shrike_reporter_analyzer_up"), Some(0), "{alone}");
    assert!(!alone.contains("shrike_probe_"), "{alone}");

    let lost = metric("probe_events_lost_total", &[("kind", "open"), ("cause", "ring_full")], 3);
    let analyzer = analyzer(&mut reporter, vec![lost, metric("analyzer_link_up", &[], 1)]).await;
    reporter.submit(payloads(0..4)).await;
    let all = page(address).await;
    assert_eq!(value(&all, "shrike_reporter_analyzer_up"), Some(1), "{all}");
    assert_eq!(value(&all, "shrike_reporter_submit_payloads_total"), Some(4), "{all}");
    assert_eq!(value(&all, "shrike_reporter_destination_payloads_total{destination=\"intake\"}"), Some(4));
    assert_eq!(value(&all, "shrike_analyzer_link_up"), Some(1));
    let series = "shrike_probe_events_lost_total{cause=\"ring_full\",kind=\"open\"}";
    assert_eq!(value(&all, series), Some(3));
    assert_eq!(value(&all, "shrike_reporter_metrics_refused_samples_total"), Some(0));

    // Who reads at once gets as much as who reads alone.
    let many = futures(8, address).await;
    assert!(many.iter().all(|page| value(page, series) == Some(3)), "{many:?}");

    analyzer.abort();
    drop(analyzer.await);
    let gone = page(address).await;
    assert_eq!(value(&gone, "shrike_reporter_analyzer_up"), Some(0), "{gone}");
    assert_eq!(value(&gone, series), None, "what it last said is not the present");
}

async fn futures(n: usize, address: SocketAddr) -> Vec<String> {
    let reading: Vec<_> = (0..n).map(|_| tokio::spawn(page(address))).collect();
    let mut pages = Vec::new();
    for page in reading {
        pages.push(page.await.unwrap());
    }
    pages
}

/// Whether the tool of Prometheus itself reads this page and has nothing to say about it.
async fn judged_by_promtool(page: &str) {
    let mut promtool = tokio::process::Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = promtool.spawn() else {
        let line = "test-skipped: promtool_finds_nothing_wrong_with_a_page: promtool is not installed\n";
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}\n{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_a_page() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), with_metrics).await;
    // One series of every metric that is not the reporter's.
    let rows = bootstrap::metrics::all().filter(|row| row.service() != "reporter");
    let hostile = |row: &'static Described| {
        let labels: Vec<_> = row.labels.iter().map(|label| (*label, "a\"\\\n{} é\u{1}")).collect();
        metric(row.name, &labels, u64::MAX)
    };
    let _analyzer = analyzer(&mut reporter, rows.map(hostile).collect()).await;
    reporter.submit(payloads(0..3)).await;
    let page = page(reporter.metrics.unwrap()).await;
    assert_eq!(value(&page, "shrike_reporter_metrics_refused_samples_total"), Some(0), "{page}");
    judged_by_promtool(&page).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_analyzer_makes_up_is_not_shown_and_counted() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), with_metrics).await;
    let address = reporter.metrics.unwrap();
    let metrics = vec![
        metric("reporter_submit_payloads_total", &[], 99),
        metric("probe_no_such_total", &[], 1),
        metric("probe_uptime_seconds", &[("container", "0123")], 1),
        metric("analyzer_link_up", &[], 1),
        metric("analyzer_link_up", &[], 0),
        metric("probe_events_generated_total", &[("kind", "a\"} 1\nx")], 1),
    ];
    let _analyzer = analyzer(&mut reporter, metrics).await;
    // Counted while the page is made, before the own counters are written.
    let page = page(address).await;
    assert_eq!(value(&page, "shrike_reporter_metrics_refused_samples_total"), Some(4), "{page}");
    assert_eq!(value(&page, "shrike_reporter_submit_payloads_total"), Some(0));
    assert!(page.contains("shrike_probe_events_generated_total{kind=\"a\\\"} 1\\nx\"} 1\n"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_page_can_be_asked_for_and_an_analyzer_that_is_silent_does_not_hold_up_the_end() {
    let intake = intake().await;
    let mut reporter = Harness::start(&intake.url(), with_metrics).await;
    let address = reporter.metrics.unwrap();
    for (asked, status) in [("GET /", "404"), ("POST /metrics", "405"), ("HEAD /metrics", "200")] {
        let (head, body) = request(address, asked).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{asked}: {head}");
        assert!(!body.contains("shrike_"), "{body}");
    }
    let (_answers, sent) = mpsc::channel(1);
    let mut questions = reporter.client.hand_over(ReceiverStream::new(sent)).await.unwrap().into_inner();
    assert_eq!(value(&page(address).await, "shrike_reporter_analyzer_up"), Some(0));
    assert!(questions.message().await.unwrap().is_some());
    reporter.stop().await;
    assert!(!matches!(questions.message().await, Ok(Some(_))), "its stream has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confined_reporter_without_any_network_serves_its_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[stdout]\n[metrics]\nlisten = '127.0.0.1:0'\n";
    let mut child = start_in(dir.path(), command(), config, &[]);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut address = None;
    while address.is_none() {
        let line = tokio::time::timeout(DEADLINE, log.next_line()).await.unwrap().unwrap().unwrap();
        address = line
            .split_once("metrics are at http://")
            .and_then(|(_, rest)| rest.split_once("/metrics").map(|(address, _)| address.parse().unwrap()));
    }
    let page = page(address.unwrap()).await;
    assert_eq!(value(&page, "shrike_reporter_metrics_scrapes_total"), Some(1), "{page}");
    child.kill().await.unwrap();
}
