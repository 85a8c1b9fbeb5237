//! Bad input on every side: an error or a counted drop, and nothing else is lost.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::ensure;
use e2e::{Stack, StackOptions};
use mock_intake::{Fault, Plan};

use crate::accounting::{count_events, total};

pub(crate) fn failing_intake() -> anyhow::Result<()> {
    crate::run(async {
        let options = StackOptions {
            intake_toml: "timeout = \"1s\"\nsender_backoff_base = \"50ms\"\nsender_backoff_max = \"200ms\""
                .to_owned(),
            ..StackOptions::default()
        };
        let (cgroup, mut stack) = crate::scoped(options).await?;
        // Transient failures lose nothing; a 400 is final, and what it held is counted.
        let transient = [Fault::status(500), Fault::status(429), Fault::Hang, Fault::Close, Fault::Garbage];
        stack.intake.fail(Plan::once(transient));
        let first = total(&count_events(&cgroup, 50)?);
        let (accounting, received) = stack.settled(first).await?;
        ensure!(received.len() as u64 == first, "{} of {first} arrived: {accounting:?}", received.len());
        ensure!(accounting.lost().total() == 0, "{accounting:?}");
        stack.intake.fail(Plan::once([Fault::status(413), Fault::status(413)]));
        let second = first + total(&count_events(&cgroup, 50)?);
        let (accounting, received) = stack.settled(second).await?;
        ensure!(
            received.len() as u64 == second,
            "a batch that was too large is sent in parts: {accounting:?}"
        );
        stack.intake.fail(Plan::once([Fault::status(400)]));
        let all = second + total(&count_events(&cgroup, 50)?);
        let (accounting, received) = stack.settled(all).await?;
        let refused = accounting.losses().of(event::LossCause::Refused).total();
        ensure!(
            refused > 0 && received.len() as u64 + refused == all,
            "what the intake refused is counted: {accounting:?}"
        );
        ensure!(accounting.lost().total() == refused, "{accounting:?}");
        Ok(())
    })
}

pub(crate) fn random_bytes() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, mut stack) = crate::scoped(StackOptions::default()).await?;
        let run = stack.run_dir();
        let before = pids_of_all(&stack)?;
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for socket in ["probe.sock", "analyzer/api.sock", "reporter/intake.sock"] {
            for round in 0..32 {
                let mut stream = UnixStream::connect(run.join(socket))?;
                // Half of them begin as HTTP/2 does, so that the garbage gets past the preface.
                if round % 2 == 0 && stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").is_err() {
                    continue;
                }
                let garbage: Vec<u8> = std::iter::repeat_with(|| xorshift(&mut state)).take(4096).collect();
                // The service may close first; that is its right.
                if stream.write_all(&garbage).is_err() {
                    continue;
                }
            }
        }
        let did = total(&count_events(&cgroup, 50)?);
        let (accounting, received) = stack.settled(did).await?;
        ensure!(received.len() as u64 == did && accounting.lost().total() == 0, "{accounting:?}");
        let after = pids_of_all(&stack)?;
        ensure!(before == after, "a service was restarted: {before:?} became {after:?}");
        Ok(())
    })
}

fn pids_of_all(stack: &Stack) -> anyhow::Result<Vec<Vec<i32>>> {
    ["shrike-probe", "shrike-analyzer", "shrike-reporter"]
        .into_iter()
        .map(|name| stack.pids_of(name))
        .collect()
}

fn xorshift(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let [low, ..] = state.to_le_bytes();
    low
}

pub(crate) fn wrong_uid() -> anyhow::Result<()> {
    crate::run(async {
        let (_cgroup, stack) = crate::scoped(StackOptions::default()).await?;
        let socket = stack.run_dir().join("probe.sock");
        // Root may open the socket whatever its mode is, and is refused by its credentials.
        let refused = bootstrap::socket::connect(&socket).await.err();
        let refused = refused.map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("uid 0 may not use this socket"), "not refused clearly: {refused:?}");
        // Any other uid does not even get that far: the socket belongs to the analyzer.
        let connect = Command::new("python3")
            .args(["-c", "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"])
            .arg(&socket)
            .uid(12345)
            .gid(12345)
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&connect.stderr);
        ensure!(text.contains("Permission denied"), "uid 12345 could connect: {text}");
        Ok(())
    })
}

pub(crate) fn unknown_key() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for service in ["probe", "analyzer", "reporter"] {
        let config = dir.path().join(format!("{service}.toml"));
        std::fs::write(&config, "no_such_key = 1\n")?;
        let output = Command::new(e2e::binary(&format!("shrike-{service}"))?)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success(), "{service} started with an unknown key");
        ensure!(text.contains("no_such_key") && !text.contains("panicked"), "{service} says: {text}");
    }
    Ok(())
}

pub(crate) fn unwritable_output() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(e2e::binary("shrike")?)
        .args(["run", "--run-dir"])
        .arg(dir.path().join("run"))
        .args(["--scope", "cgroup=/", "--output", "file=/proc/no/such/dir/events.json"])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && text.contains("/proc/no/such/dir"), "it says: {text}");
    ensure!(!text.contains("panicked"), "{text}");
    Ok(())
}
