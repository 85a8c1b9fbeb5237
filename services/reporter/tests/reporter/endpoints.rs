//! Where payloads go: several intakes, keys that change, proxies, and TLS with a CA of one's own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{DEADLINE, Harness, KEY, count, intake, numbers, payloads};
use mock_intake::{Fault, MockIntake, Options, Plan};
use reporter::config::{Config, EndpointConfig, IntakeConfig, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

async fn intake_with(key: &str) -> MockIntake {
    let options = Options { api_key: Some(key.to_owned()), ..Options::default() };
    MockIntake::start_with(options).await.unwrap()
}

fn small_batches(config: &mut Config) -> &mut IntakeConfig {
    let intake = config.intake.as_mut().unwrap();
    intake.batch_max_size = 2;
    intake
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_gets_everything_with_its_key_and_a_dead_one_that_nobody_waits_for_holds_up_nothing() {
    let (first, second, dead) = (intake().await, intake_with(OTHER_KEY).await, intake().await);
    dead.fail(Plan::always(Fault::status(500)));
    let mut reporter = Harness::start(&first.url(), |config: &mut Config| {
        let key = config.socket.with_file_name("other-key");
        std::fs::write(&key, OTHER_KEY).unwrap();
        let endpoint = |url: String, is_reliable| EndpointConfig {
            url: Some(url),
            api_key_file: Some(key.clone()),
            is_reliable,
            ..EndpointConfig::default()
        };
        let endpoints = vec![endpoint(second.url(), None), endpoint(dead.url(), Some(false))];
        small_batches(config).additional_endpoints = endpoints;
    })
    .await;
    reporter.submit(payloads(0..2)).await;
    reporter.submit(payloads(2..4)).await;
    for intake in [&first, &second] {
        let received = intake.wait_for(DEADLINE, |received| received.len() == 4).await.unwrap();
        assert_eq!(numbers(&received), [0, 1, 2, 3]);
    }
    assert_eq!(reporter.take_submission().wait_for(2).await, []);
    assert_eq!(second.requests()[0].headers["dd-api-key"], OTHER_KEY);
    assert_eq!(count(&reporter.counters, "reporter_destination_delivered_total", "intake_1"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_is_used_when_the_old_one_is_refused_and_nothing_is_lost() {
    let intake = intake_with(OTHER_KEY).await;
    let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
        small_batches(config);
    })
    .await;
    // As a secret is replaced: the name is another file from one moment to the next.
    let (new, key) = (reporter.dir.path().join("new"), reporter.dir.path().join("key"));
    std::fs::write(&new, OTHER_KEY).unwrap();
    std::fs::rename(new, key).unwrap();
    reporter.submit(payloads(0..2)).await;
    let received = intake.wait_for(DEADLINE, |received| received.len() == 2).await.unwrap();
    assert_eq!(numbers(&received), [0, 1]);
    let statuses: Vec<_> = intake.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [403, 202]);
    assert_ne!(KEY, OTHER_KEY);
    assert_eq!(reporter.count("reporter_destination_dropped_total", ""), 0);
}

/// Ends TLS in front of an intake, with the certificate that the CA of the tests signed.
async fn tls(intake: SocketAddr) -> SocketAddr {
    let at = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reporter/tls").join(name);
    let certificate = CertificateDer::from_pem_file(at("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(at("server.key")).unwrap();
    let provider = Arc::new(default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(intake).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut stream, &mut behind).await);
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_with_a_certificate_of_ones_own_ca_is_trusted_once_that_is_named() {
    let intake = intake().await;
    let url = format!("https://{}", tls(intake.address()).await);
    let mut reporter = Harness::start(&url, |config: &mut Config| {
        let ca = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reporter/tls/ca.pem");
        small_batches(config).ca_file = Some(ca);
    })
    .await;
    reporter.submit(payloads(0..2)).await;
    let received = intake.wait_for(DEADLINE, |received| received.len() == 2).await.unwrap();
    assert_eq!(numbers(&received), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_certificate_stops_the_start_with_its_key_and_file() {
    let (dir, mut config) = crate::harness::config("https://127.0.0.1:9");
    for (text, expected) in
        [("", "no certificate"), ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "PEM")]
    {
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, text).unwrap();
        config.intake.as_mut().unwrap().ca_file = Some(path);
        let error = reporter::Reporter::start(config.clone()).unwrap_err().to_string();
        assert!(error.starts_with("intake.ca_file: cannot use") && error.contains(expected), "{error}");
    }
}

/// A SOCKS5 proxy that counts connections.
async fn socks() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut greeting = [0; 2];
                stream.read_exact(&mut greeting).await.unwrap();
                let mut methods = vec![0; usize::from(greeting[1])];
                stream.read_exact(&mut methods).await.unwrap();
                stream.write_all(&[5, 0]).await.unwrap();
                // CONNECT to an IPv4 address.
                let mut request = [0; 10];
                stream.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 1]);
                let ip: [u8; 4] = request[4..8].try_into().unwrap();
                let port = u16::from_be_bytes([request[8], request[9]]);
                let mut behind = TcpStream::connect(SocketAddr::from((ip, port))).await.unwrap();
                stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut stream, &mut behind).await);
            });
        }
    });
    (address, connections)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_is_used_except_for_the_hosts_that_are_named() {
    for (exceptions, expected) in [(None, 1), (Some("127.0.0.0/8"), 0)] {
        let intake = intake().await;
        let (proxy, connections) = socks().await;
        let mut reporter = Harness::start(&intake.url(), |config: &mut Config| {
            let intake = small_batches(config);
            intake.proxy = Some(Secret::new(format!("socks5://{proxy}")));
            intake.no_proxy = exceptions.map(str::to_owned);
        })
        .await;
        reporter.submit(payloads(0..2)).await;
        intake.wait_for(DEADLINE, |received| received.len() == 2).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), expected);
    }
}
