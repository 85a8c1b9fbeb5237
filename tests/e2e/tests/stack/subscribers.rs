//! The programs of docs/subscribers.md, as they stand there, against a real Shrike.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use e2e::stack::DEADLINE;
use e2e::{Stack, StackOptions};
use tokio::process::Command;
use workloads::cgroup::OwnCgroup;

use crate::accounting::count_events;

/// Why the program in Python cannot be run here, if it cannot.
pub(crate) fn missing_python() -> Option<String> {
    let has_environment = environment().join("bin/python").exists() && environment().join("shrike").exists();
    (!has_environment).then(|| "needs the environment that build/subscriber-venv.sh makes".to_owned())
}

pub(crate) fn in_python() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, stack) = crate::scoped(StackOptions::default()).await?;
        let path = stack.scratch().join("subscriber.py");
        std::fs::write(&path, code_block("python")?)?;
        let mut program = Command::new(environment().join("bin/python"));
        program.arg(&path).env("PYTHONPATH", environment());
        subscribe(stack, &cgroup, program).await
    })
}

/// Why the program in Go cannot be built here, if it cannot.
pub(crate) fn missing_go() -> Option<String> {
    let packages = [
        ("golang-go", "/usr/bin/go"),
        ("golang-google-grpc-dev", "/usr/share/gocode/src/google.golang.org/grpc"),
        ("protobuf-compiler", "/usr/bin/protoc"),
        ("protoc-gen-go-1-3", "/usr/share/doc/protoc-gen-go-1-3"),
    ];
    let missing = packages.into_iter().find(|(_, file)| !Path::new(file).exists());
    missing.map(|(package, _)| format!("needs the package {package}"))
}

pub(crate) fn in_go() -> anyhow::Result<()> {
    crate::run(async {
        let (cgroup, stack) = crate::scoped(StackOptions::default()).await?;
        std::fs::write(stack.scratch().join("main.go"), code_block("go")?)?;
        let script = root().join("build/subscriber-go.sh");
        let built = Command::new(script).arg(stack.scratch()).output().await?;
        ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let program = Command::new(stack.scratch().join("subscriber"));
        subscribe(stack, &cgroup, program).await
    })
}

/// Runs a program that prints ten program starts, and starts more than that.
async fn subscribe(mut stack: Stack, cgroup: &OwnCgroup, mut program: Command) -> anyhow::Result<()> {
    let subscriber = program
        .arg(stack.api())
        .arg("10")
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
    count_events(cgroup, 50)?;
    let output = ended.await.context("it did not end")??;
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(output.status.success(), "it failed: {out}{err}");
    ensure!(out.lines().count() == 10 && out.lines().all(|line| line.contains(" exec ")), "{out}{err}");
    Ok(())
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
