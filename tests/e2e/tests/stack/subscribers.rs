//! The programs of docs/subscribers.md, as they stand there, against a real Shrike.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use e2e::StackOptions;
use e2e::stack::DEADLINE;

use crate::accounting::count_events;

/// Why the program in Python cannot be run here, if it cannot.
pub(crate) fn missing_python() -> Option<String> {
    let has_environment = environment().join("bin/python").exists() && environment().join("shrike").exists();
    (!has_environment).then(|| "needs the environment that build/subscriber-venv.sh makes".to_owned())
}

pub(crate) fn in_python() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, mut stack) = crate::scoped(StackOptions::default()).await?;
        let program = stack.scratch().join("subscriber.py");
        std::fs::write(&program, code_block("python")?)?;
        let subscriber = tokio::process::Command::new(environment().join("bin/python"))
            .arg(&program)
            .arg(stack.api())
            .arg("10")
            .env("PYTHONPATH", environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let subscribers = |status: &wire::v1::AnalyzerStatus| {
            e2e::counts::metric(&status.analyzer, |metric| metric.name == "analyzer_api_subscribers")
        };
        let subscribed = tokio::time::timeout(
            DEADLINE / 4,
            stack.until("the program subscribes", |status| subscribers(status) == 1),
        )
        .await;
        let ended = async { tokio::time::timeout(DEADLINE, subscriber.wait_with_output()).await };
        if subscribed.is_err() {
            anyhow::bail!("it did not subscribe: {:?}", ended.await);
        }
        count_events(&cgroup, 50)?;
        let output = ended.await.context("it did not end")??;
        let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        ensure!(output.status.success(), "it failed: {out}{err}");
        ensure!(out.lines().count() == 10 && out.lines().all(|line| line.contains(" exec ")), "{out}{err}");
        Ok(())
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn environment() -> PathBuf {
    root().join(".cache/subscriber")
}

/// The first block of code in that language.
fn code_block(language: &str) -> anyhow::Result<String> {
    let page = std::fs::read_to_string(root().join("docs/subscribers.md"))?;
    let (_, after) = page.split_once(&format!("```{language}\n")).context("no such block")?;
    let (code, _) = after.split_once("```").context("the block does not end")?;
    Ok(code.to_owned())
}
