//! `shrike-reporter` as a process: options, readiness, signals, what it prints.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{DEADLINE, KEY, Submission, client, intake, numbers, payloads};
use mock_intake::{Fault, Plan};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use wire::v1;

/// A started reporter; its socket exists.
struct Process {
    dir: TempDir,
    child: Child,
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shrike-reporter"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).env("SHRIKE_LOG", "trace");
    command
}

async fn start(config: &str, options: &[&str]) -> Process {
    let dir = tempfile::tempdir().unwrap();
    let child = start_in(dir.path(), command(), config, options);
    Process { dir, child }
}

/// Starts a reporter in a directory, with its socket there, and waits until it is ready.
pub(crate) fn start_in(dir: &Path, mut command: Command, config: &str, options: &[&str]) -> Child {
    std::fs::write(dir.join("key"), KEY).unwrap();
    std::fs::write(dir.join("reporter.toml"), config).unwrap();
    // There is none the first time.
    drop(std::fs::remove_file(dir.join("notify")));
    let ready = UnixDatagram::bind(dir.join("notify")).unwrap();
    command
        .args(["--config", "reporter.toml", "--socket", "reporter.sock"])
        .args(options)
        .current_dir(dir)
        .env("NOTIFY_SOCKET", dir.join("notify"));
    let child = command.spawn().unwrap();
    ready.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut message = [0; 16];
    let length = tokio::task::block_in_place(|| ready.recv(&mut message)).unwrap();
    assert_eq!(message[..length].trim_ascii_end(), b"READY=1");
    assert!(dir.join("reporter.sock").exists());
    child
}

impl Process {
    async fn submit(&self, n: u64) {
        let mut client = client(&self.dir.path().join("reporter.sock")).await;
        let mut submission = Submission::open(&mut client).await;
        submission.send(payloads(0..n)).await;
        let taken = async {
            loop {
                let status =
                    client.get_status(v1::ReporterStatusRequest::default()).await.unwrap().into_inner();
                let taken = status.metrics.iter().find(|one| one.name == "reporter_submit_payloads_total");
                if taken.is_some_and(|metric| metric.value >= n) {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, taken).await.unwrap();
    }

    /// SIGTERM, and everything it printed.
    async fn terminate(self) -> (bool, String, String) {
        let (is_success, stdout, stderr, _dir) = self.terminate_and_keep().await;
        (is_success, stdout, stderr)
    }

    /// The same, and its directory.
    async fn terminate_and_keep(self) -> (bool, String, String, TempDir) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await.unwrap();
        assert!(status.success());
        let output = tokio::time::timeout(DEADLINE, self.child.wait_with_output()).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr), self.dir)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_delivers_what_was_accepted() {
    let intake = intake().await;
    let process = start("[stdout]\n", &["--intake-url", &intake.url(), "--api-key-file", "key"]).await;
    process.submit(5).await;
    let (is_success, stdout, stderr) = process.terminate().await;
    assert!(is_success, "{stderr}");
    assert_eq!(numbers(&intake.received()), [0, 1, 2, 3, 4]);
    assert_eq!(stdout, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n");
    assert!(!stderr.contains(KEY), "the API key is in the log:\n{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_is_bounded_and_what_is_left_is_said() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(500)));
    let options = ["--intake-url", &intake.url(), "--api-key-file", "key"];
    let process = start("drain_timeout = '100ms'\n[intake]\nsender_backoff_base = '10ms'\n", &options).await;
    process.submit(3).await;
    let (is_success, _, stderr) = process.terminate().await;
    assert!(is_success, "{stderr}");
    assert!(stderr.contains("dropped undelivered payloads") && stderr.contains("payloads=3"), "{stderr}");
    assert!(stderr.contains("status_5xx") && !stderr.contains(KEY), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_reporter_has_in_its_spool_is_sent_by_the_next_one() {
    let intake = intake().await;
    intake.fail(Plan::always(Fault::status(500)));
    let url = intake.url();
    let options = ["--intake-url", &url, "--api-key-file", "key"];
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let config = format!("drain_timeout = '100ms'\n[spool]\npath = {spool:?}\n");
    let process = Process { child: start_in(dir.path(), command(), &config, &options), dir };
    let mut client = client(&process.dir.path().join("reporter.sock")).await;
    let mut submission = Submission::open(&mut client).await;
    submission.send(payloads(0..3)).await;
    assert_eq!(submission.wait_for(1).await, [], "settled, though the intake has nothing");
    let (is_success, _, stderr, dir) = process.terminate_and_keep().await;
    assert!(is_success && stderr.contains("is sent after the next start"), "{stderr}");
    assert!(!stderr.contains("dropped undelivered payloads"), "{stderr}");
    intake.fail(Plan::default());
    let process = Process { child: start_in(dir.path(), command(), &config, &options), dir };
    let received = intake.wait_for(DEADLINE, |received| received.len() == 3).await.unwrap();
    assert_eq!(numbers(&received), [0, 1, 2]);
    let (is_success, _, stderr) = process.terminate().await;
    assert!(is_success, "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_behind_a_link_is_made_where_the_link_leads_by_a_confined_reporter() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere/events.json", dir.path().join("link")).unwrap();
    let config = format!("[file]\npath = {:?}\n", dir.path().join("link"));
    let process = Process { child: start_in(dir.path(), command(), &config, &[]), dir };
    process.submit(2).await;
    let (is_success, _, stderr, dir) = process.terminate_and_keep().await;
    assert!(is_success, "{stderr}");
    let lines = std::fs::read_to_string(dir.path().join("elsewhere/events.json")).unwrap();
    assert_eq!(lines, "{\"n\":0}\n{\"n\":1}\n");
    assert!(dir.path().join("link").is_symlink());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_each_intake_answers() {
    let intake = intake().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), KEY).unwrap();
    let (url, key) = (intake.url(), dir.path().join("key"));
    let main = format!("[intake]\nurl = '{url}'\napi_key_file = {key:?}\n");
    let wrong = "[[intake.additional_endpoints]]\nurl = 'http://127.0.0.1:1'\napi_key_env = 'PATH'\n";
    for (config, is_well, expected) in [(main.clone(), true, "it answers"), (main + wrong, false, "refused")]
    {
        std::fs::write(dir.path().join("reporter.toml"), config).unwrap();
        let mut command = command();
        command.args(["--config", "reporter.toml", "--check"]).current_dir(dir.path());
        let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.success(), is_well, "{stdout}{stderr}");
        assert!(
            stdout.contains("Reliable: Sending compressed logs in HTTP to 127.0.0.1 on port"),
            "{stdout}"
        );
        assert!(stdout.contains(expected) && !stderr.contains(KEY), "{stdout}");
    }
    assert_eq!(intake.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_configuration_is_an_exit_code_and_a_message() {
    let dir = tempfile::tempdir().unwrap();
    for (config, expected) in [
        ("[intake]\nsocket = 'x'\n", "unknown field `socket`"),
        ("drain_timeout = 'many'\n", "drain_timeout"),
        ("queue_max_bytes = 5\n[stdout]\n", "set queue_bytes in [intake]"),
        ("", "no output is configured"),
        ("[stdout]\n[metrics]\nlisten = '9464'\n", "invalid socket address"),
        ("[stdout]\n[metrics]\nlisten = '0.0.0.0:9464'\n", "or set metrics.public = true"),
        ("[stdout]\n[metrics]\nlisten = '192.0.2.1:1'\npublic = true\n", "cannot listen on 192.0.2.1:1"),
        ("[intake]\nurl = 'http://127.0.0.1:9'\n", "api_key_file"),
        ("[intake]\nurl = 'http://127.0.0.1:9'\napi_key = 'hunter2'\n", "put the key in a file"),
        ("[intake]\nurl = 'nonsense'\napi_key_env = 'PATH'\n", "intake.url: "),
        ("[intake]\nsite = 'x'\ncompression_kind = 'lz4'\n", "`gzip`, `zstd`, `none`"),
        (
            "[intake]\nsite = 'x'\napi_key_env = 'PATH'\nforce_use_tcp = true\nforce_use_http = true\n",
            "intake.force_use_http and intake.force_use_tcp",
        ),
        (
            "[intake]\nurl = 'http://127.0.0.1:9'\napi_key_file = '/absent'\n",
            "cannot read the API key from /absent",
        ),
        ("[intake]\nurl = 'http://127.0.0.1:9'\napi_key_env = 'SHRIKE_NO_SUCH_KEY'\n", "SHRIKE_NO_SUCH_KEY"),
    ] {
        std::fs::write(dir.path().join("reporter.toml"), config).unwrap();
        let mut command = command();
        command.args(["--config", "reporter.toml"]).current_dir(dir.path());
        let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("hunter2"), "{expected}: {stderr}");
    }
}
