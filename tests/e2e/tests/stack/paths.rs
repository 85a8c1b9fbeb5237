//! The truth about paths.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use e2e::StackOptions;
use serde_json::Value;

const TRIES: usize = 10_000;

pub(crate) fn flipped_path() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, mut stack) = crate::scoped(StackOptions::default()).await?;
        let (a, b) = (stack.scratch().join("file-a"), stack.scratch().join("file-b"));
        std::fs::write(&a, "a")?;
        std::fs::write(&b, "b")?;
        let output = Command::new(e2e::binary("flip-path")?)
            .args(["--cgroup".as_ref(), cgroup.dir().as_os_str(), a.as_os_str(), b.as_os_str()])
            .args(["--tries", &TRIES.to_string()])
            .stdin(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let truth: Vec<&str> = std::str::from_utf8(&output.stdout)?.lines().collect();
        ensure!(truth.len() == TRIES, "{} tries were made", truth.len());
        let (of_a, of_b) = (count(&truth, &a.to_string_lossy()), count(&truth, &b.to_string_lossy()));
        ensure!(of_a > 0 && of_b > 0, "the path was never flipped: {of_a} and {of_b}");
        let is_flipped = |json: &Value| {
            let path = json.pointer("/file/path").and_then(Value::as_str).unwrap_or_default();
            crate::accounting::name(json) == "open" && (a.as_os_str() == path || b.as_os_str() == path)
        };
        stack
            .intake
            .wait_for(e2e::stack::DEADLINE, |received| {
                received.iter().filter(|entry| is_flipped(&entry.json())).count() >= TRIES
            })
            .await?;
        let (accounting, received) = stack.settled(TRIES as u64).await?;
        ensure!(accounting.lost().total() == 0, "{accounting:?}");
        // A load like this gets a lane of its own on the way, so the order is that of the times: the n-th open is the n-th try.
        let mut by_time: Vec<(jiff::Timestamp, String)> = received
            .iter()
            .map(|entry| entry.json())
            .filter(is_flipped)
            .filter_map(|json| {
                let text = |pointer| json.pointer(pointer)?.as_str();
                Some((text("/date")?.parse().ok()?, text("/file/path")?.to_owned()))
            })
            .collect();
        by_time.sort_by_key(|(time, _)| *time);
        let reported: Vec<String> = by_time.into_iter().map(|(_, path)| path).collect();
        ensure!(reported.len() == TRIES, "{} opens were reported", reported.len());
        let wrong = reported.iter().zip(&truth).position(|(reported, truth)| reported != truth);
        ensure!(wrong.is_none(), "try {wrong:?} is reported as another file");
        Ok(())
    })
    .context("flipped path")
}

/// A shell of ours that was started outside, and goes on inside without starting a program of its own.
pub(crate) fn entering() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, mut stack) = crate::scoped(StackOptions::default()).await?;
        let file = stack.scratch().join("entered");
        std::fs::write(&file, "x")?;
        let script = format!(
            "echo $$ >{}/cgroup.procs; : <{file}; (: <{file})",
            cgroup.dir().display(),
            file = file.display()
        );
        let status = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).status()?;
        ensure!(status.success(), "{status}");
        let is_it = |json: &Value| {
            crate::accounting::name(json) == "open"
                && json.pointer("/file/path").and_then(Value::as_str) == file.to_str()
        };
        stack
            .intake
            .wait_for(e2e::stack::DEADLINE, |received| {
                received.iter().filter(|entry| is_it(&entry.json())).count() == 2
            })
            .await?;
        let (accounting, received) = stack.settled(2).await?;
        ensure!(accounting.lost().total() == 0, "{accounting:?}");
        let shell = std::fs::canonicalize("/bin/sh")?;
        for json in received.iter().map(|entry| entry.json()).filter(is_it) {
            let program = json.pointer("/process/executable/path").and_then(Value::as_str);
            ensure!(program == shell.to_str(), "{json:#}");
            ensure!(json.pointer("/process/args_truncated") == Some(&Value::Bool(true)), "{json:#}");
        }
        Ok(())
    })
    .context("entering")
}

fn count(lines: &[&str], line: &str) -> usize {
    lines.iter().filter(|known| **known == line).count()
}
