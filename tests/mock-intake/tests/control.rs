//! The intake over HTTP: faults, control, and as a process.

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use mock_intake::{Fault, MockIntake, Options, Plan, StartError};

    const DEADLINE: Duration = Duration::from_secs(60);
    const TWO: &str = r#"[{"message":"{\"n\":1}","ddtags":"a:b"},{"message":"{\"n\":2}"}]"#;

    fn open(address: SocketAddr, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ndd-api-key: k\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    /// The whole answer; empty when the connection was closed without one.
    async fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (method, path, body) = (method.to_owned(), path.to_owned(), body.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut answer = Vec::new();
            drop(open(address, &method, &path, &body).read_to_end(&mut answer));
            answer
        })
        .await
        .unwrap()
    }

    async fn status(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
        let answer = request(address, method, path, body).await;
        String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_fault_does_what_it_says_and_then_entries_are_recorded() {
        let intake = MockIntake::start().await.unwrap();
        let address = intake.address();
        let post = || request(address, "POST", "/api/v2/secruntime", TWO);
        intake.fail(Plan::once([
            Fault::Status { code: 429, retry_after: Some("3".to_owned()) },
            Fault::Close,
            Fault::Garbage,
        ]));
        let throttled = String::from_utf8(post().await).unwrap();
        assert!(throttled.starts_with("HTTP/1.1 429") && throttled.contains("retry-after: 3"), "{throttled}");
        assert_eq!(post().await, b"");
        let garbage = post().await;
        assert!(!garbage.is_empty() && !garbage.starts_with(b"HTTP"));
        assert_eq!(intake.received().len(), 0);
        assert!(post().await.starts_with(b"HTTP/1.1 202"));
        let received = intake.wait_for(DEADLINE, |received| received.len() == 2).await.unwrap();
        assert_eq!(received[1].json()["n"], 2);
        assert_eq!(intake.stats().requests.into_iter().collect::<Vec<_>>(), [(0, 2), (202, 1), (429, 1)]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_process_can_ask_for_faults_counts_and_messages() {
        let intake = MockIntake::start().await.unwrap();
        let address = intake.address();
        assert_eq!(
            status(address, "PUT", "/control/fail", r#"{"then":{"status":{"code":500}}}"#).await,
            "204"
        );
        assert_eq!(status(address, "POST", "/api/v2/secruntime", TWO).await, "500");
        assert_eq!(status(address, "PUT", "/control/fail", "{").await, "400");
        assert_eq!(status(address, "PUT", "/control/fail", "{}").await, "204");
        assert_eq!(status(address, "POST", "/api/v2/secruntime", TWO).await, "202");
        let stats = String::from_utf8(request(address, "GET", "/control/stats", "").await).unwrap();
        assert!(stats.contains(r#""entries":2"#), "{stats}");

        let follow = "/control/events?follow=false";
        let all = String::from_utf8(request(address, "GET", follow, "").await).unwrap();
        assert!(all.contains("{\"n\":1}\n{\"n\":2}\n"), "{all}");
        let wrapped =
            String::from_utf8(request(address, "GET", &format!("{follow}&wrapped"), "").await).unwrap();
        assert!(wrapped.contains(r#"{"ddtags":"a:b","message":{"n":1}}"#), "{wrapped}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_of_events_gets_later_ones_too() {
        let intake = MockIntake::start().await.unwrap();
        let address = intake.address();
        let reader = tokio::task::spawn_blocking(move || {
            let lines = BufReader::new(open(address, "GET", "/control/events", "")).lines();
            lines.map_while(Result::ok).filter(|line| line.starts_with("{\"n\"")).take(4).collect::<Vec<_>>()
        });
        for _ in 0..2 {
            assert_eq!(status(address, "POST", "/api/v2/secruntime", TWO).await, "202");
        }
        let lines = tokio::time::timeout(DEADLINE, reader).await.unwrap().unwrap();
        assert_eq!(lines, [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":1}"#, r#"{"n":2}"#]);
    }

    #[tokio::test]
    async fn waiting_in_vain_says_what_was_seen() {
        let intake = MockIntake::start().await.unwrap();
        let not_seen = intake.wait_for(Duration::from_millis(1), |all| all.len() == 1).await.unwrap_err();
        assert!(not_seen.to_string().contains("entries: 0"), "{not_seen}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_the_newest_entries_are_kept_and_all_are_counted() {
        let intake = MockIntake::start_with(Options { keep: 3, ..Options::default() }).await.unwrap();
        for _ in 0..3 {
            assert_eq!(status(intake.address(), "POST", "/api/v2/secruntime", TWO).await, "202");
        }
        assert_eq!((intake.received().len(), intake.stats().entries), (3, 6));
        let path = "/control/events?follow=false";
        let kept = String::from_utf8(request(intake.address(), "GET", path, "").await).unwrap();
        assert_eq!(kept.matches("{\"n\"").count(), 3, "{kept}");
    }

    #[tokio::test]
    async fn it_does_not_listen_beyond_this_machine() {
        let options = Options { listen: ([0, 0, 0, 0], 0).into(), ..Options::default() };
        assert!(matches!(MockIntake::start_with(options).await, Err(StartError::NotLoopback(_))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_process_says_its_port_and_writes_what_it_received() {
        let dir = tempfile::tempdir().unwrap();
        let (port_file, out) = (dir.path().join("port"), dir.path().join("out"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_mock-intake"))
            .arg("--print-port-to")
            .arg(&port_file)
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let started = std::time::Instant::now();
        let port: u16 = loop {
            match std::fs::read_to_string(&port_file) {
                Ok(text) => break text.trim().parse().unwrap(),
                Err(_) => assert!(started.elapsed() < DEADLINE),
            }
            tokio::task::yield_now().await;
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(status(address, "POST", "/api/v2/secruntime", TWO).await, "202");
        let text = std::fs::read_to_string(&out).unwrap();
        assert_eq!(
            text,
            "{\"ddtags\":\"a:b\",\"message\":{\"n\":1}}\n{\"ddtags\":\"\",\"message\":{\"n\":2}}\n"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
