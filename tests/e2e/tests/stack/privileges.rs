//! What each service may do once it runs, and what others can do to it.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use e2e::stack::ANALYZER_UID;
use e2e::{Stack, StackOptions};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

const REPORTER: &str = "shrike-reporter";
const SERVICES: [&str; 3] = ["shrike-analyzer", REPORTER, "shrike-probe"];
const NOBODY: u32 = 65_534;

pub(crate) fn least_privilege() -> anyhow::Result<()> {
    crate::run(async {
        let (_cgroup, stack) = crate::scoped(StackOptions::default()).await?;
        for service in SERVICES {
            let pid = one(&stack, service)?;
            // Capabilities belong to threads.
            for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
                let status = status_of(&std::fs::read_to_string(thread?.path().join("status"))?);
                let field = |name: &str| status.get(name).cloned().unwrap_or_default();
                let uids: BTreeSet<String> = field("Uid").split_whitespace().map(str::to_owned).collect();
                ensure!(uids.len() == 1, "{service} has the uids {uids:?}");
                for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
                    let held = field(set);
                    ensure!(held.bytes().all(|digit| digit == b'0'), "{service}: {set} is {held}");
                }
                ensure!(field("NoNewPrivs") == "1", "{service} could gain privileges through exec");
                ensure!(field("Seccomp") == "2", "a thread of {service} may call everything");
            }
            let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net"));
            let is_ours = network(&pid.to_string())? == network("self")?;
            ensure!(is_ours == (service == REPORTER), "{service} is in our network: {is_ours}");
        }
        Ok(())
    })
}

pub(crate) fn users_of_their_own() -> anyhow::Result<()> {
    crate::run(async {
        // Something that whoever starts Shrike has open, and forgot to close.
        let forgotten = tempfile::NamedTempFile::new()?;
        fcntl(forgotten.as_file(), FcntlArg::F_SETFD(FdFlag::empty()))?;
        let (_cgroup, stack) = crate::scoped(StackOptions::default()).await?;
        let [analyzer, reporter, probe] = SERVICES.map(|service| stack.uid_of(service));
        let uids = BTreeSet::from([analyzer?, reporter?, probe?, NOBODY]);
        ensure!(
            uids.len() == 4 && !uids.contains(&0) && uids.contains(&ANALYZER_UID),
            "the uids are {uids:?}"
        );
        for service in SERVICES {
            let pid = one(&stack, service)?;
            let variables = std::fs::read_to_string(format!("/proc/{pid}/environ"))?;
            let names: Vec<&str> =
                variables.split('\0').filter_map(|variable| Some(variable.split_once('=')?.0)).collect();
            // Where the certificates of this machine are, if that is said, concerns the reporter alone.
            let is_meant =
                |name: &&str| *name == "SHRIKE_LOG" || (service == REPORTER && name.starts_with("SSL_CERT_"));
            ensure!(names.iter().all(is_meant), "{service} has the variables {names:?}");
            for descriptor in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
                let what = std::fs::read_link(descriptor?.path())?;
                ensure!(what != forgotten.path(), "{service} has {} open", what.display());
            }
            // Of what may not be dumped all but the directory itself belongs to root, and its own user may not look into it.
            let environment = std::fs::metadata(format!("/proc/{pid}/environ"))?;
            ensure!(environment.uid() == 0, "{service} may be dumped");
            let uid = stack.uid_of(service)?;
            if uid != 0 {
                let spy = Command::new("cat")
                    .arg(format!("/proc/{pid}/environ"))
                    .uid(uid)
                    .gid(uid)
                    .stdin(Stdio::null())
                    .output()?;
                ensure!(!spy.status.success(), "uid {uid} reads the environment of the {service}");
            }
        }
        Ok(())
    })
}

/// Also the probe, which becomes another user on the way and must not forget that.
pub(crate) fn end_with_the_supervisor() -> anyhow::Result<()> {
    crate::run(async {
        let (_cgroup, stack) = crate::scoped(StackOptions::default()).await?;
        let pids = SERVICES.map(|service| one(&stack, service));
        stack.kill()?;
        for (service, pid) in SERVICES.into_iter().zip(pids) {
            let process = format!("/proc/{}", pid?);
            let gone = async {
                while std::path::Path::new(&process).exists() {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            };
            let waited = tokio::time::timeout(std::time::Duration::from_secs(30), gone).await;
            waited.with_context(|| format!("{service} lives on without its supervisor"))?;
        }
        Ok(())
    })
}

/// Each service confines itself as when it runs, and tries. As root: what is refused then is not refused for want of rights.
pub(crate) fn confinement() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let file = |name: &str| scratch.path().join(name).display().to_string();
    std::fs::write(file("analyzer.toml"), format!("[sockets]\napi = '{}'\n", file("analyzer.sock")))?;
    std::fs::write(
        file("reporter.toml"),
        format!(
            "socket = '{}'\n[intake]\nurl = 'http://127.0.0.1:9'\napi_key_file = '{}'\n[file]\npath = '{}'\n",
            file("reporter.sock"),
            file("key"),
            file("events.json"),
        ),
    )?;
    let tried = [
        ("shrike-analyzer", vec!["--config".to_owned(), file("analyzer.toml"), "confinement".to_owned()], 14),
        (REPORTER, vec!["--config".to_owned(), file("reporter.toml"), "--confinement".to_owned()], 12),
        ("shrike-probe", vec!["confinement".to_owned(), "--socket".to_owned(), file("probe.sock")], 21),
    ];
    for (program, arguments, acts) in tried {
        let output = Command::new(e2e::binary(program)?).args(arguments).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        ensure!(
            output.status.success() && last.starts_with(&format!("{acts} of {acts} refused")),
            "{program}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn one(stack: &Stack, service: &str) -> anyhow::Result<i32> {
    let [pid] = stack.pids_of(service)?.try_into().ok().with_context(|| format!("one {service} runs"))?;
    Ok(pid)
}

fn status_of(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}
