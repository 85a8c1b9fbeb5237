//! Real recordings for the user-space measurements: what our own probe streamed of small shell workloads.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use workloads::cgroup::OwnCgroup;

use crate::probe::{Probe, Taken};

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Starts programs, reads files and fails to: what a container's entry point and its cron jobs do.
    Files,
    /// Hundreds of processes at a time that live for milliseconds: what build steps and hostile scripts do.
    Processes,
}

impl Workload {
    /// In the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Processes => "processes come and go",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Self::Files => FILES,
            Self::Processes => PROCESSES,
        }
    }
}

const FILES: &str = r#"
echo $$ > "$0" || exit 1
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40; do
  cat /etc/passwd /etc/hosts /etc/group > /dev/null
  ls -la /etc /usr/bin > /dev/null
  grep -r root /etc/default > /dev/null 2>&1
  sed -n 1p /etc/services /missing/$i > /dev/null 2>&1
  head -c 1 /etc/os-release | wc -c > /dev/null
  for file in /usr/share/doc/*/copyright; do read -r line < "$file"; done
done
true
"#;

const PROCESSES: &str = r#"
echo $$ > "$0" || exit 1
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  for j in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    /bin/true $i $j &
    (sh -c 'exec sh -c ":"') &
    (:) &
    (( : | : ) | :) &
  done
  wait
done
true
"#;

/// Runs the workload under the probe and gives what was streamed.
///
/// # Errors
/// Without root, or when the workload fails.
pub async fn record(probe: &Path, workload: Workload) -> anyhow::Result<Taken> {
    let cgroup = OwnCgroup::new(&format!("shrike-bench-{}", std::process::id()))?;
    let probe = Probe::start(probe, cgroup.path()).await?;
    let link = probe.link().await?;
    let script = workload.script();
    let procs = cgroup.dir().join("cgroup.procs");
    let running = tokio::task::spawn_blocking(move || {
        Command::new("/bin/sh").arg("-c").arg(script).arg(procs).stdin(Stdio::null()).status()
    });
    let status = running.await?.context("cannot run /bin/sh")?;
    ensure!(status.success(), "the recorded workload failed: {status}");
    // Either is well over 4000 events; everything is in the rings by now.
    let taken = link.finish(4000).await?;
    ensure!(!taken.batches.is_empty(), "nothing was recorded");
    Ok(taken)
}
