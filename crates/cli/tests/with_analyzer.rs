//! The commands against an analyzer that says what a test wants.

#[cfg(test)]
mod skipped;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::pin::Pin;
    use std::process::Stdio;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bootstrap::counters::Registry;
    use bootstrap::socket::{Door, Limits, PeerUids, bind, server};
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::process::Command;
    use tokio_stream::wrappers::UnixListenerStream;
    use tokio_stream::{Stream, StreamExt};
    use tonic::{Request, Response, Status};
    use wire::v1;
    use wire::v1::analyzer_server::{Analyzer, AnalyzerServer};

    use super::skipped::skipped;

    type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

    /// Answers with what it was given; streams end after that, or stay open.
    #[derive(Clone, Default)]
    struct Fake {
        events: Vec<v1::EventMessage>,
        recording: Vec<v1::from_probe::Message>,
        stays_open: bool,
        /// Without one: of an analyzer that has no probe.
        status: Option<v1::AnalyzerStatus>,
        asked: Arc<Mutex<Vec<v1::SubscribeRequest>>>,
        /// Dumps that end.
        dumps: Vec<v1::ActivityDumpStreamMessage>,
        /// Not empty: what it says instead of doing what it is asked for.
        refuses: String,
    }

    fn stream<T: Send + 'static>(items: Vec<T>, stays_open: bool) -> Response<BoxStream<T>> {
        let items = tokio_stream::iter(items.into_iter().map(Ok));
        Response::new(if stays_open {
            Box::pin(items.chain(tokio_stream::pending()))
        } else {
            Box::pin(items)
        })
    }

    #[tonic::async_trait]
    impl Analyzer for Fake {
        type SubscribeStream = BoxStream<v1::EventMessage>;
        type RecordStream = BoxStream<v1::FromProbe>;
        type GetActivityDumpStreamStream = BoxStream<v1::ActivityDumpStreamMessage>;

        async fn subscribe(
            &self,
            request: Request<v1::SubscribeRequest>,
        ) -> Result<Response<Self::SubscribeStream>, Status> {
            self.asked.lock().unwrap().push(request.into_inner());
            Ok(stream(self.events.clone(), self.stays_open))
        }

        async fn record(
            &self,
            _: Request<v1::RecordRequest>,
        ) -> Result<Response<Self::RecordStream>, Status> {
            let messages =
                self.recording.iter().map(|message| v1::FromProbe { message: Some(message.clone()) });
            Ok(stream(messages.collect(), self.stays_open))
        }

        async fn dump_activity(
            &self,
            request: Request<v1::ActivityDumpParams>,
        ) -> Result<Response<v1::ActivityDumpMessage>, Status> {
            let error = self.refuses.clone();
            let container_id = request.into_inner().container_id;
            let metadata = v1::MetadataMessage { name: "d".into(), container_id, ..Default::default() };
            Ok(Response::new(v1::ActivityDumpMessage {
                error,
                metadata: Some(metadata),
                ..Default::default()
            }))
        }

        async fn list_activity_dumps(
            &self,
            _: Request<v1::ActivityDumpListParams>,
        ) -> Result<Response<v1::ActivityDumpListMessage>, Status> {
            Ok(Response::new(v1::ActivityDumpListMessage::default()))
        }

        async fn stop_activity_dump(
            &self,
            _: Request<v1::ActivityDumpStopParams>,
        ) -> Result<Response<v1::ActivityDumpStopMessage>, Status> {
            Ok(Response::new(v1::ActivityDumpStopMessage { error: self.refuses.clone() }))
        }

        async fn transcoding_request(
            &self,
            _: Request<v1::TranscodingRequestParams>,
        ) -> Result<Response<v1::TranscodingRequestMessage>, Status> {
            Err(Status::unimplemented("not asked for"))
        }

        async fn get_activity_dump_stream(
            &self,
            _: Request<v1::ActivityDumpStreamParams>,
        ) -> Result<Response<Self::GetActivityDumpStreamStream>, Status> {
            Ok(stream(self.dumps.clone(), self.stays_open))
        }

        async fn get_status(
            &self,
            _: Request<v1::StatusRequest>,
        ) -> Result<Response<v1::AnalyzerStatus>, Status> {
            let without_probe =
                || v1::AnalyzerStatus { probe_error: "no probe".into(), ..Default::default() };
            Ok(Response::new(self.status.clone().unwrap_or_else(without_probe)))
        }
    }

    struct Server {
        dir: tempfile::TempDir,
    }

    impl Server {
        fn start(fake: Fake) -> Self {
            let dir = tempfile::tempdir().unwrap();
            serve(&dir.path().join("s"), fake);
            Self { dir }
        }

        fn socket(&self) -> PathBuf {
            self.dir.path().join("s")
        }
    }

    fn serve(socket: &Path, fake: Fake) {
        let listener = bind(socket, &PeerUids::new([nix::unistd::geteuid().as_raw()])).unwrap();
        tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(AnalyzerServer::new(fake));
            server.serve_with_incoming(UnixListenerStream::new(listener)).await.unwrap();
        });
    }

    fn shrike(socket: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shrike"));
        command.args(args).arg("--socket").arg(socket).env("TZ", "UTC").env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn output(command: &mut Command) -> (i32, String, String) {
        let output = tokio::time::timeout(Duration::from_secs(20), command.output()).await.unwrap().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn event(path: &str, dropped_before: u64) -> v1::EventMessage {
        v1::EventMessage {
            kind: "open".into(),
            container_name: "web".into(),
            comm: "cat".into(),
            pid: 7,
            path: path.into(),
            retval: -2,
            dropped_before,
            json: format!("{{\"path\":\"{path}\"}}").into_bytes(),
            ..v1::EventMessage::default()
        }
    }

    fn remark(text: &str) -> v1::EventMessage {
        v1::EventMessage { remark: text.to_owned(), ..v1::EventMessage::default() }
    }

    #[tokio::test]
    async fn without_an_analyzer_every_command_says_how_to_start_one_and_ends_with_3() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.cap");
        for args in [vec!["events"], vec!["status"], vec!["record", file.to_str().unwrap()]] {
            let (code, out, err) = output(&mut shrike(&dir.path().join("none"), &args)).await;
            assert_eq!(code, 3, "{err}");
            assert!(err.contains("shrike run") && err.contains("none"), "{err}");
            assert_eq!(out, "", "nothing was accepted, so there is nothing to print");
        }
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn an_intake_without_a_key_is_wrong_usage_and_the_option_is_named() {
        let args = ["run", "--output", "intake=https://intake.example"];
        let (code, _, err) = output(&mut shrike(Path::new("/none"), &args)).await;
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("--api-key-file"), "{err}");
    }

    #[tokio::test]
    async fn a_config_dir_that_is_not_there_is_wrong_usage_and_the_path_is_named() {
        if !nix::unistd::geteuid().is_root() {
            return skipped("not root");
        }
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        let mut command = shrike(Path::new("/none"), &["run", "--config-dir", absent.to_str().unwrap()]);
        let (code, _, err) = output(command.arg("--run-dir").arg(dir.path().join("run"))).await;
        assert!(code == 2 && err.contains("absent/probe.toml"), "{code}: {err}");
    }

    #[tokio::test]
    async fn events_prints_aligned_lines_and_tells_of_missing_events_beside_them() {
        let fake = Fake {
            events: vec![remark("not observed: bind"), event("/a\u{1b}[2J", 0), event("/b", 12)],
            stays_open: true,
            ..Fake::default()
        };
        let server = Server::start(fake.clone());
        let args = ["events", "--count", "2", "--type", "open,exec", "--container", "web", "--comm", "cat"];
        let (code, out, err) = output(&mut shrike(&server.socket(), &args)).await;
        assert_eq!(code, 0, "{err}");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 3, "{out}");
        assert!(lines[1].contains("/a\\x1b[2J") && lines[1].ends_with("ENOENT"), "{out}");
        assert_eq!(lines[0].find("result"), lines[2].find("ENOENT"), "{out}");
        assert!(err.contains("12 events are missing") && err.contains("-- not observed: bind"), "{err}");
        assert!(err.ends_with("-- 2 events, 12 lost\n"), "{err}");
        let asked = fake.asked.lock().unwrap();
        assert_eq!(asked[0].kinds, ["open", "exec"]);
        assert_eq!((asked[0].containers[0].as_str(), asked[0].comms[0].as_str()), ("web", "cat"));
        assert!(!asked[0].with_json);
    }

    #[tokio::test]
    async fn events_as_json_are_the_bytes_of_the_analyzer_and_nothing_else() {
        let events = vec![remark("not observed: bind"), event("/a", 0), event("/b", 1)];
        let fake = Fake { events, stays_open: true, ..Fake::default() };
        let server = Server::start(fake);
        let args = ["events", "--json", "--count", "2", "--color", "always"];
        let (code, out, _) = output(&mut shrike(&server.socket(), &args)).await;
        assert_eq!((code, out.as_str()), (0, "{\"path\":\"/a\"}\n{\"path\":\"/b\"}\n"));
    }

    #[tokio::test]
    async fn events_goes_on_when_the_analyzer_comes_back() {
        let fake = Fake { events: vec![event("/first", 0)], stays_open: true, ..Fake::default() };
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        // A runtime of its own: when it ends, so do the connections, as with a real analyzer.
        let first = tokio::runtime::Runtime::new().unwrap();
        {
            let _inside = first.enter();
            serve(&socket, fake);
        }
        let mut child = shrike(&socket, &["events"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
        let wait = Duration::from_secs(20);
        let mut next = async |what: &str| loop {
            let line = tokio::select! {
                line = out.next_line() => line,
                line = err.next_line() => line,
            };
            if line.unwrap().unwrap().contains(what) {
                return;
            }
        };
        tokio::time::timeout(wait, next("/first")).await.unwrap();
        // Waits until its listener is closed; until then the socket counts as served.
        tokio::task::spawn_blocking(move || first.shutdown_timeout(wait)).await.unwrap();
        tokio::time::timeout(wait, next("went away")).await.unwrap();
        let again = Fake { events: vec![event("/second", 0)], stays_open: true, ..Fake::default() };
        serve(&socket, again);
        tokio::time::timeout(wait, next("/second")).await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_pipe_ends_events_quietly() {
        let fake = Fake { events: vec![event("/a", 0); 50_000], ..Fake::default() };
        let server = Server::start(fake);
        let mut child = shrike(&server.socket(), &["events"]).spawn().unwrap();
        drop(child.stdout.take());
        let ended =
            tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), [].as_slice()));
    }

    #[tokio::test]
    async fn status_of_an_analyzer_without_a_probe_says_so_in_both_forms() {
        let server = Server::start(Fake::default());
        let (code, out, _) = output(&mut shrike(&server.socket(), &["status", "--color", "never"])).await;
        assert_eq!(code, 1, "a part is down, and scripts must notice");
        assert!(out.contains("probe     down  no probe"), "{out}");
        let (_, out, _) = output(&mut shrike(&server.socket(), &["status", "--json"])).await;
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["probe"]["connected"], false);
    }

    #[tokio::test]
    async fn status_is_0_only_when_every_part_is_up() {
        for (probe_connected, reporter_connected, expected) in
            [(true, true, 0), (false, true, 1), (true, false, 1)]
        {
            let status = v1::AnalyzerStatus {
                probe_connected,
                reporter_connected,
                probe: Some(v1::ProbeStatus::default()),
                ..v1::AnalyzerStatus::default()
            };
            let server = Server::start(Fake { status: Some(status), ..Fake::default() });
            for form in [&["status"][..], &["status", "--json"]] {
                let (code, out, err) = output(&mut shrike(&server.socket(), form)).await;
                assert_eq!(code, expected, "{form:?}: {out}{err}");
            }
        }
    }

    #[tokio::test]
    async fn no_command_waits_for_ever_for_a_socket_that_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("silent");
        let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let file = dir.path().join("x.cap");
        for args in [vec!["events"], vec!["status"], vec!["record", file.to_str().unwrap()]] {
            let (code, _, err) = output(&mut shrike(&socket, &args)).await;
            assert_eq!(code, 3, "{args:?}: {err}");
            assert!(err.contains("does not answer") && err.contains("silent"), "{args:?}: {err}");
        }
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn a_socket_that_is_closed_to_us_ends_with_4_and_one_that_is_not_there_with_3() {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let closed = dir.path().join("closed");
        let _listens = std::os::unix::net::UnixListener::bind(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (code, _, err) = output(&mut shrike(&dir.path().join("absent"), &["status"])).await;
        assert!(code == 3 && err.contains("shrike run"), "{code}: {err}");
        if nix::unistd::geteuid().is_root() {
            // A copy that another user can reach, wherever this one was built.
            let program = dir.path().join("shrike");
            std::fs::copy(env!("CARGO_BIN_EXE_shrike"), &program).unwrap();
            let mut command = std::process::Command::new(&program);
            command.args(["status", "--socket"]).arg(&closed).uid(12_345).gid(12_345).stdin(Stdio::null());
            let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
            let err = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(4), "{err}");
            assert!(err.contains("uid 12345 may not use") && err.contains("api_uids"), "{err}");
        }
    }

    #[tokio::test]
    async fn who_is_refused_at_the_door_ends_with_4_and_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let own = PeerUids::new([nix::unistd::geteuid().as_raw()]);
        let listener = bind(&socket, &own).unwrap();
        let limits = Limits { connections_per_uid: 1, streams_per_connection: 1 };
        let others = PeerUids::new([12_345]);
        let door = Door::new(listener, others, limits, &Registry::default(), "x_refused_total");
        tokio::spawn(async move {
            let server = server(limits).add_service(AnalyzerServer::new(Fake::default()));
            server.serve_with_incoming(door).await.unwrap();
        });
        let (code, _, err) = output(&mut shrike(&socket, &["status"])).await;
        assert_eq!(code, 4, "{err}");
        assert!(err.contains("may not use this socket") && err.contains("api_uids"), "{err}");
    }

    #[tokio::test]
    async fn a_recording_is_a_capture_and_never_replaces_a_file() {
        let host = event::Host { hostname: "box".into(), ..event::Host::default() };
        let hello = wire::status::hello(&host, "1");
        let one = event::Event {
            boot_ns: 5,
            task: Arc::default(),
            what: event::What::Exit(event::ExitStatus::Exited(0)),
        };
        let batch = wire::batch::encode(1, &[], &[one.clone(), one]);
        let recording = vec![v1::from_probe::Message::Hello(hello), wire::batch::message(&batch)];
        let server = Server::start(Fake { recording, stays_open: true, ..Fake::default() });
        let file = server.dir.path().join("x.cap");
        let path = file.to_str().unwrap();
        let record = ["record", path, "--count", "2"];
        let (code, _, err) = output(&mut shrike(&server.socket(), &record)).await;
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("2 events in 1 batches"), "{err}");
        let (code, out, err) = output(&mut shrike(&server.socket(), &["capture", "info", path])).await;
        assert!(code == 0 && out.contains("exit       2"), "{out}{err}");
        let before = std::fs::read(&file).unwrap();
        let (code, _, err) = output(&mut shrike(&server.socket(), &record)).await;
        assert!(code == 1 && err.contains("--force"), "{err}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
        let lines = server.dir.path().join("x.jsonl");
        let convert = ["capture", "convert", path, lines.to_str().unwrap()];
        let (code, _, err) = output(&mut shrike(&server.socket(), &convert)).await;
        assert_eq!(code, 0, "{err}");
        assert!(std::fs::read_to_string(&lines).unwrap().contains("\"exit\""));
    }

    #[tokio::test]
    async fn a_recording_without_a_probe_leaves_no_file() {
        let server = Server::start(Fake::default());
        let file = server.dir.path().join("x.cap");
        let (code, _, err) = output(&mut shrike(&server.socket(), &["record", file.to_str().unwrap()])).await;
        assert!(code == 3 && err.contains("shrike status"), "{err}");
        assert_eq!(std::fs::read_dir(server.dir.path()).unwrap().count(), 1, "only the socket");
    }

    /// A directory with `shrike` and services that are shell scripts.
    fn installation(services: &[(&str, &str)]) -> tempfile::TempDir {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        // The services run without rights and must reach their programs.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        // Written by another process: a child that a test beside this one forks right now would hold a file that is
        // open for writing here, and the kernel does not start such a file.
        let install = |from: &Path, name: &str| {
            let mut command = std::process::Command::new("install");
            assert!(
                command.args(["-m", "755"]).arg(from).arg(dir.path().join(name)).status().unwrap().success()
            );
        };
        install(Path::new(env!("CARGO_BIN_EXE_shrike")), "shrike");
        for (name, script) in services {
            let source = dir.path().join("source");
            std::fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
            install(&source, name);
        }
        dir
    }

    async fn run_in(dir: &Path) -> (i32, String) {
        let mut command = Command::new(dir.join("shrike"));
        command.args(["run", "--scope", "cgroup=/does-not-exist", "--run-dir"]).arg(dir.join("run"));
        command
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (code, _, err) = output(command.kill_on_drop(true)).await;
        (code, err)
    }

    #[tokio::test]
    async fn a_service_that_ends_before_it_is_ready_ends_run_with_5_its_log_and_no_traces() {
        let dir = installation(&[
            (
                "shrike-reporter",
                "exec >&2; echo \"uid $(id -u), groups $(id -G)\"; grep NoNewPrivs /proc/self/status; exit 7",
            ),
            ("shrike-probe", "exit 1"),
            ("shrike-analyzer", "exit 1"),
        ]);
        let (code, err) = run_in(dir.path()).await;
        if !nix::unistd::geteuid().is_root() {
            assert!(code == 4 && err.contains("needs root"), "{err}");
            return skipped("not root");
        }
        assert_eq!(code, 5, "{err}");
        assert!(err.contains("reporter could not start: it ended with exit status: 7"), "{err}");
        assert!(err.contains("reporter │ uid "), "{err}");
        assert!(!err.contains("uid 0") && err.contains("NoNewPrivs:\\t1"), "{err}");
        assert!(!dir.path().join("run").exists());
    }

    #[tokio::test]
    async fn a_missing_program_is_named_with_what_to_do() {
        let dir = installation(&[("shrike-reporter", "exit 1")]);
        let (code, err) = run_in(dir.path()).await;
        if nix::unistd::geteuid().is_root() {
            assert!(code == 5 && err.contains("shrike-probe") && err.contains("cargo build"), "{err}");
        } else {
            assert!(code == 4 && err.contains("needs root"), "{err}");
        }
    }
}
